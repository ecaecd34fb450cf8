"""Lamps from an operator's thumb to the current in the wire: a real centre, broker, gateway and Modbus."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from ingest.accounts import add_account
from ingest.config import read_centre
from ingest.store.engine import open_engine
from tests.fixtures.centre import CentreProcess, wait_until
from tests.fixtures.console import PASSWORD
from tests.fixtures.mosquitto import Mosquitto
from wayside.broker import DemoBroker
from wayside.simulate.district import GATEWAY, write_district

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PHONE: Any = {"width": 360, "height": 740}
WAYSIDE = (sys.executable, "-m", "wayside")
DARK = "lamp-0003"
LAMPS = 60

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


class District:
    """A centre, a gateway and the devices that it hears, each a process of its own."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder
        self.centre = CentreProcess(folder, broker=broker, more="storage: evidence\ncommand_deadline_s: 5\n")
        self.centre.start()
        self.centre.wait_ready()
        engine = open_engine(f"sqlite:///{folder / 'centre.sqlite'}")
        add_account(engine, name="amara", password=PASSWORD, role="operator", now_ms=1, actor="test")
        engine.dispose()
        write_district(
            folder,
            read_centre(self.centre.yaml),
            DemoBroker(broker, "a test's"),
            place=(30.25, 120.16),
            lamps=LAMPS,
            manholes=2,
            trucks=2,
            period_s=1.0,
            radio_period_s=5.0,
        )
        # Sooner than a city would want it.
        devices = folder / "devices-1.yaml"
        devices.write_text(
            devices.read_text()
            .replace("role: lamp\n", "role: lamp\n  parameters: {dark_hold_s: 5}\n")
            .replace("  parameters: {}\n", "")
        )
        # By day the schedule has all lamps dark, by night lit; a test must not depend on when it runs.
        (folder / "schedules.yaml").write_text(
            'programs: {lit: [{at: "00:00", level: 100}]}\n'
            "calendars: {always: {default: lit}}\nassign: [{all: true, calendar: always}]\n"
        )
        self.devices = self._start("simulate", "devices", str(folder))
        self.gateway = self._start("edge", "run", str(folder / "gateway-agent.yaml"))

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen([*WAYSIDE, *arguments], stdout=log, stderr=log, env=os.environ.copy())

    def restart_gateway(self) -> None:
        self.gateway.kill()
        self.gateway.wait()
        self.gateway = self._start("edge", "run", str(self.folder / "gateway-agent.yaml"))

    def break_device(self, device: str, fault: str) -> str:
        command = [*WAYSIDE, "simulate", "break", device, fault, "--folder", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def end(self) -> None:
        for process in (self.gateway, self.devices):
            process.terminate()
        codes = [process.wait(timeout=60) for process in (self.gateway, self.devices)]
        assert codes == [0, 0], (self.folder / "edge.log").read_text() + (self.folder / "simulate.log").read_text()
        assert self.centre.stop() == 0


class Operator:
    """A session at the API."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)
        self.client.post("/sign-in", data={"name": "amara", "password": PASSWORD})
        self.token = {"X-CSRF-Token": self.get("/api/me")["csrf_token"]}

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def order(self, **body: Any) -> str:
        answer = self.client.post("/api/lamps/commands", json=body, headers=self.token)
        return str(answer.raise_for_status().json()["command_id"])

    def ended(self, command_id: str) -> dict[str, Any]:
        path = f"/api/lamps/commands/{command_id}"
        wait_until(lambda: self.get(path)["state"] == "ended", f"{command_id} does not end", 60)
        found: dict[str, Any] = self.get(path)
        return found

    def proven(self, count: int) -> None:
        def is_so() -> bool:
            lamps = self.get("/api/lamps?rows=200")["lamps"]
            return sum(lamp["proof"] == "proven" for lamp in lamps) >= count

        wait_until(is_so, f"fewer than {count} lamps are proven", 90)


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory, mosquitto: Mosquitto) -> Iterator[District]:
    district = District(tmp_path_factory.mktemp("district"), mosquitto.url)
    yield district
    district.end()


@pytest.fixture(scope="module")
def operator(district: District) -> Iterator[Operator]:
    operator = Operator(district.centre.url)
    operator.proven(LAMPS)
    yield operator
    operator.client.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM} on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.mark.usefixtures("district")
def test_every_device_of_the_gateway_is_known_heard_and_found(operator: Operator) -> None:
    def heard() -> bool:
        live = operator.get("/api/devices?rows=200&presence=live")["devices"]
        return len(live) == LAMPS + 2 + 2 + 2 and {each["role"] for each in live} == {
            "lamp",
            "circuit",
            "manhole",
            "vehicle",
        }

    wait_until(heard, "not every device is heard", 60)
    wait_until(lambda: all(each["fix"] for each in operator.get("/api/vehicles")), "a lorry is nowhere", 60)
    assert {each["id"] for each in operator.get("/api/vehicles")} == {"truck-0001", "truck-0002"}


def test_on_a_phone_a_group_is_dimmed_and_proven_by_its_current(
    district: District, operator: Operator, browser: Browser
) -> None:
    context = browser.new_context(base_url=district.centre.url, viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto("/sign-in")
    page.locator("[name=name]").fill("amara")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form button").click()
    page.wait_for_url("**/cases")
    group = operator.get("/api/lamps?rows=200")["lamps"][0]["groups"][0]
    count = sum(group in lamp["groups"] for lamp in operator.get("/api/lamps?rows=200")["lamps"])
    page.goto(f"/lighting?group={group}")
    expect(page.locator("#lamps li")).to_have_count(count)
    page.locator("#whole").tap()
    page.locator(".key-on").tap()
    page.locator("button.primary").tap()
    page.wait_for_url("**/lighting/orders/*")
    expect(page.locator(".steps li").last).to_contain_text(f"{count}/{count}", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    context.close()


def test_a_lamp_that_acknowledges_without_current_is_not_proven_and_opens_a_case(
    district: District, operator: Operator
) -> None:
    assert "stuck-off" in district.break_device(DARK, "stuck-off")
    result = operator.ended(operator.order(selection={"lamps": [DARK, "lamp-0004"]}, action="on", reason="test"))
    assert result["stages"] == {"proven": 1, "reported-not-proven": 1}

    def cases() -> list[dict[str, Any]]:
        return [case for case in operator.get("/api/cases")["cases"] if case["device"] == DARK]

    wait_until(cases, "no case is opened", 120)
    (case,) = cases()
    assert case["kind"] in ("lamp_dark", "lamp_not_proven")
    assert district.break_device(DARK, "ok").endswith("ok\n")


def test_killed_in_the_middle_of_a_group_the_gateway_tells_of_every_lamp(
    district: District, operator: Operator
) -> None:
    given = operator.order(selection={"agent": GATEWAY}, action="on", reason="test")
    district.restart_gateway()
    result = operator.ended(given)
    assert sum(result["stages"].values()) == LAMPS
    assert set(result["stages"]) <= {"proven", "unreachable", "expired", "superseded"}
    operator.proven(LAMPS)


def test_a_cover_that_is_lifted_is_an_urgent_case(district: District, operator: Operator) -> None:
    district.break_device("manhole-0002", "open")

    def case() -> list[dict[str, Any]]:
        return [each for each in operator.get("/api/cases")["cases"] if each["device"] == "manhole-0002"]

    wait_until(case, "no case is opened", 60)
    assert case()[0]["urgent"] is True
