"""A real centre, a real broker and a gateway that answers: an operator switches by thumb, or from a shell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from typer.testing import CliRunner

from ingest.accounts import Role, add_account
from ingest.store.engine import open_engine
from tests.fixtures.centre import CentreProcess, wait_until
from tests.fixtures.console import PASSWORD
from tests.fixtures.district import a_lamp
from tests.fixtures.mosquitto import Mosquitto
from tests.fixtures.scripted_gateway import ScriptedGateway, now_ms
from wayside.lamp import lamp_app
from wire.command import Command

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PHONE: Any = {"width": 360, "height": 740}
DARK = "lamp-0007"
"""Its relay says that it has switched, and no current flows."""

pytestmark = pytest.mark.system


@pytest.fixture
def centre(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[CentreProcess]:
    centre = CentreProcess(tmp_path, broker=mosquitto.url, more="command_deadline_s: 3\n")
    centre.start()
    centre.wait_ready()
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    people: tuple[tuple[str, Role], ...] = (("amara", "operator"), ("lin", "operator"))
    for name, role in people:
        add_account(engine, name=name, password=PASSWORD, role=role, now_ms=now_ms(), actor="test")
    engine.dispose()
    yield centre
    assert centre.stop() == 0, centre.log.read_text()


@pytest.fixture
def gateway(centre: CentreProcess, mosquitto: Mosquitto, tmp_path: Path) -> Iterator[ScriptedGateway]:
    key_file = tmp_path / "command.pub"
    key_file.write_text(centre.run("command-key", str(centre.yaml)).stdout)
    gateway = ScriptedGateway(mosquitto.url, key_file, lambda lamp: "reported-not-proven" if lamp == DARK else "proven")
    gateway.is_online([a_lamp(number) for number in range(40)])
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM} on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def enter(page: Page, name: str = "amara") -> None:
    page.goto("/sign-in")
    page.locator("[name=name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form button").click()
    page.wait_for_url("**/cases")


def test_on_a_phone_a_group_is_switched_on_and_seen_proven_and_a_dark_lamp_seen_not_proven(
    centre: CentreProcess, gateway: ScriptedGateway, browser: Browser
) -> None:
    context = browser.new_context(base_url=centre.url, viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    enter(page)
    page.goto("/lighting?group=odd")
    expect(page.locator("#lamps li")).to_have_count(20)
    for button in page.locator(".keys button, .emergency button, .lamp-pick").all()[:12]:
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 48
    page.locator("#whole").tap()
    page.locator(".key-on").tap()
    expect(page.locator("h1")).to_have_text("On: 20 lamps")
    page.locator("button.primary").tap()
    page.wait_for_url("**/lighting/orders/*")
    expect(page.locator("#order-state")).to_contain_text("Not all proven")
    expect(page.locator(".steps li").last).to_contain_text("19/20")
    first = page.locator("#results li").first
    expect(first).to_contain_text(DARK)
    expect(first).to_contain_text("says done but not proven")
    expect(first).to_contain_text("0.01 A where 0.45 A are expected")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    (order,) = gateway.orders
    assert isinstance(order, Command)
    assert (order.actor, len(order.lamps), order.until_ms is not None) == ("amara", 20, True)
    page.goto("/lighting?group=odd")
    expect(page.locator("#lamps li").first).to_contain_text("not proven")
    expect(page.locator("#lamps li[data-key='lamp-0001']")).to_contain_text("lit")
    assert faults == []
    context.close()


def test_the_map_selects_by_tap_and_the_stages_come_without_a_reload(
    centre: CentreProcess, gateway: ScriptedGateway, browser: Browser
) -> None:
    context = browser.new_context(base_url=centre.url, viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    enter(page)
    gateway.is_deaf = True
    page.goto("/lighting?view=map&text=lamp-0003")
    expect(page.locator("[data-shown='1']")).to_be_visible()
    page.locator(".map").scroll_into_view_if_needed()
    page.locator(".map").tap()  # the only lamp is in its middle
    expect(page.locator("#picked")).to_have_text("1 selected")
    page.locator(".key-on").tap()
    page.wait_for_url("**/lighting/orders/*")
    page.evaluate("window.isSamePage = true")
    expect(page.locator("#order-state")).to_contain_text("Under way")
    expect(page.locator("#results")).to_contain_text("on its way")
    expect(page.locator("#results")).to_contain_text("unreachable", timeout=15_000)
    expect(page.locator("#order-state")).to_contain_text("Not all proven")
    expect(page.locator("#order-facts")).to_contain_text("sent 3 times")
    assert page.evaluate("window.isSamePage") is True
    context.close()


@pytest.mark.usefixtures("gateway")
def test_from_a_shell_the_exit_code_says_whether_all_is_proven(
    centre: CentreProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYSIDE_CENTRE", centre.url)
    monkeypatch.setenv("WAYSIDE_ACCOUNT", "amara")
    monkeypatch.setenv("WAYSIDE_PASSWORD", PASSWORD)

    def lamp(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(lamp_app, list(arguments))
        return result.exit_code, result.output + (f"{result.exception}" if result.exception else "")

    code, said = lamp("on", "lamp-0001", "lamp-0003")
    assert code == 0, said
    assert said.splitlines()[-1] == "2 proven"
    code, said = lamp("off", DARK, "--reason", "repair", "--minutes", "5")
    assert code == 1
    assert f"{DARK}: reported-not-proven: 0.01 A where 0.45 A are expected" in said
    assert lamp("resume", "--circuit", "circuit-1")[0] == 0
    code, said = lamp("status", "--group", "odd")
    assert code == 0, said
    assert f"{DARK}" in said.splitlines()[1]
    assert "which lamps?" in lamp("on")[1]
    assert "no schedules were ever given" in lamp("schedule", "box-1")[1]
    monkeypatch.setenv("WAYSIDE_PASSWORD", "wrong")
    assert "cannot sign in" in lamp("on", "lamp-0001")[1]


def test_an_order_is_published_once_unretained_and_ends_proven(
    centre: CentreProcess, gateway: ScriptedGateway, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with httpx.Client(base_url=centre.url) as client:
        client.post("/sign-in", data={"name": "amara", "password": PASSWORD})
        token = {"X-CSRF-Token": client.get("/api/me").json()["csrf_token"]}
        body = {"selection": {"lamps": ["lamp-0001"]}, "action": "on"}
        given = client.post("/api/lamps/commands", json=body, headers=token).json()
        path = f"/api/lamps/commands/{given['command_id']}"
        wait_until(lambda: client.get(path).json()["state"] == "ended", "the order does not end")
        assert client.get(path).json()["stages"] == {"proven": 1}
    assert len(gateway.orders) == 1
    later = ScriptedGateway(mosquitto.url, tmp_path / "command.pub", lambda _: "proven")  # as after a restart
    later.stop()
    assert later.orders == []
