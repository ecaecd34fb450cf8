"""Lamps over HTTP: who may switch what, what waits for a second person, and the pages without any script."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from ingest.console.gate import now_ms
from tests.fixtures.console import Scene, csrf, enter, token_in
from tests.fixtures.district import a_lamp, a_state, an_ack
from tests.fixtures.messages import T0, an_event
from wire.device import Stranger
from wire.event import Event
from wire.fix import Fix

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'centre.sqlite'}"


@pytest.fixture
def scene(engine: sa.Engine, tmp_path: Path) -> Scene:
    scene = Scene(engine, tmp_path)
    scene.take(*(a_lamp(number) for number in range(100)), *(a_state(number) for number in range(99)))
    return scene


@pytest.fixture
def client(scene: Scene) -> Iterator[TestClient[Litestar]]:
    with TestClient(scene.app) as client:
        client.follow_redirects = False
        yield client


def be(client: TestClient[Litestar], scene: Scene, name: str, role: Any = "operator") -> dict[str, str]:
    client.cookies.clear()
    client.cookies.set("wayside", scene.account(role, name))
    return csrf(client)


def ask(*lamps: int, action: str = "off", **more: Any) -> dict[str, Any]:
    selection = {"lamps": [f"lamp-{number:04}" for number in lamps]}
    return {"selection": selection, "action": action, "reason": "repair"} | more


def an_open_manhole(**changes: Any) -> Event:
    event = an_event(
        "cover",
        camera=None,
        zone=None,
        bbox=None,
        size=None,
        device="manhole-1",
        kind="cover_open",
        label="manhole",
        expects=(),
        urgent=True,
        facts={"tilt_deg": 71.0},
    )
    return msgspec.structs.replace(event, **changes)


class TestApi:
    def test_lamps_come_page_by_page_faults_first(self, scene: Scene, client: TestClient[Litestar]) -> None:
        scene.take(a_state(42, time_ms=T0 + 1, fault="dark", proof="not-proven", proven=0))
        enter(client, scene, "viewer")
        found, after = [], ""
        while after is not None:
            page = client.get("/api/lamps", params={"rows": 30, "after": after, "area": "area-0"}).json()
            found += [each["id"] for each in page["lamps"]]
            after = page["next"]
        assert found[0] == "lamp-0042"
        assert len(found) == len(set(found)) == page["count"] == 100
        assert page["totals"]["faults"] == 1
        only = client.get("/api/lamps", params={"standing": "faults"}).json()
        assert [each["id"] for each in only["lamps"]] == ["lamp-0042"]
        assert client.get("/api/lamps/lamp-0042").json()["fault"] == "dark"
        assert client.get("/api/lamps/nothing").status_code == 404
        pins = client.get("/api/lamps/pins", params={"circuit": "circuit-2"}).json()
        assert len(pins) == 20
        assert pins[2]["condition"] == "fault"

    def test_an_operator_switches_and_a_viewer_or_another_site_does_not(
        self, scene: Scene, client: TestClient[Litestar], query: Any
    ) -> None:
        headers = be(client, scene, "vera", "viewer")
        assert client.post("/api/lamps/commands", json=ask(1), headers=headers).status_code == 403
        headers = be(client, scene, "amara")
        assert client.post("/api/lamps/commands", json=ask(1)).status_code == 403
        foreign = headers | {"Origin": "https://elsewhere.test"}
        assert client.post("/api/lamps/commands", json=ask(1), headers=foreign).status_code == 403
        assert query("select count(*) from command") == [(0,)]
        answer = client.post("/api/lamps/commands", json=ask(1), headers=headers)
        assert (answer.status_code, answer.json()["state"]) == (201, "issued")
        told = client.get(f"/api/lamps/commands/{answer.json()['command_id']}").json()
        assert (told["actor"], told["stages"], told["state"]) == ("amara", {"issued": 1}, "issued")

    def test_what_is_refused_for_the_role_is_in_the_audit_log(
        self, scene: Scene, client: TestClient[Litestar], query: Any
    ) -> None:
        headers = be(client, scene, "vera", "viewer")
        client.post("/api/lamps/commands", json=ask(1), headers=headers)
        assert query("select actor, subject from audit where action = 'denied'") == [
            ("vera", "POST /api/lamps/commands")
        ]

    def test_more_than_one_may_switch_off_waits_and_a_second_person_approves(
        self, scene: Scene, client: TestClient[Litestar]
    ) -> None:
        headers = be(client, scene, "amara")
        answer = client.post("/api/lamps/commands", json=ask(*range(30)), headers=headers)
        assert answer.status_code == 409
        given = answer.json()
        assert (given["state"], given["over"][0]) == ("waiting", {"circuit": "", "count": 30, "allowed": 5})
        path = f"/api/lamps/commands/{given['command_id']}/approve"
        assert client.post(path, json={"reason": "fine"}, headers=headers).status_code == 403
        headers = be(client, scene, "vera", "viewer")
        assert client.post(path, json={"reason": "fine"}, headers=headers).status_code == 403
        headers = be(client, scene, "lin")
        assert client.post(path, json={"reason": ""}, headers=headers).status_code == 422
        assert client.post(path, json={"reason": "fine"}, headers=headers).json()["state"] == "issued"
        assert client.post(path, json={"reason": "fine"}, headers=headers).status_code == 409

    def test_too_many_orders_are_asked_to_wait(self, scene: Scene, client: TestClient[Litestar]) -> None:
        headers = be(client, scene, "amara")
        answers = [client.post("/api/lamps/commands", json=ask(n, action="on"), headers=headers) for n in range(31)]
        assert [each.status_code for each in answers[29:]] == [201, 429]
        assert answers[30].headers["retry-after"] == "10"
        every = {"selection": {"all": True}, "action": "on"}
        assert client.post("/api/lamps/commands", json=every, headers=headers).status_code == 201

    def test_a_selection_that_is_misspelt_is_refused(self, scene: Scene, client: TestClient[Litestar]) -> None:
        headers = be(client, scene, "amara")
        for selection in ({"cirkuit": "circuit-1"}, {"lamps": ["../x"]}, {"lamps": ["lamp-9999"]}, {}):
            body = {"selection": selection, "action": "on"}
            assert client.post("/api/lamps/commands", json=body, headers=headers).status_code in (400, 422), selection

    def test_schedules_are_for_engineers(self, scene: Scene, client: TestClient[Litestar]) -> None:
        body = {"schedules": "programs: {}", "reason": "summer"}
        headers = be(client, scene, "amara")
        assert client.put("/api/schedules/box-1", json=body, headers=headers).status_code == 403
        headers = be(client, scene, "edo", "engineer")
        answer = client.put("/api/schedules/box-1", json=body, headers=headers)
        assert answer.status_code == 422
        assert "schedules:1" in answer.json()["detail"]
        assert client.get("/api/schedules/box-1").status_code == 404

    def test_devices_vehicles_and_strangers_are_read(self, scene: Scene, client: TestClient[Litestar]) -> None:
        at_ms = now_ms() - 60_000
        scene.take(
            Fix(device="truck-1", time_ms=at_ms, latitude=31.2, longitude=121.5, speed_km_h=31.0),
            Stranger(link="radio", address="a81758", first_ms=T0, last_ms=T0, count=2),
        )
        enter(client, scene, "viewer")
        assert client.get("/api/devices", params={"role": "vehicle"}).json()["devices"][0]["id"] == "truck-1"
        assert client.get("/api/vehicles").json()[0]["fix"]["speed_km_h"] == 31.0
        assert [each["time_ms"] for each in client.get("/api/vehicles/truck-1/track").json()] == [at_ms]
        assert client.get("/api/strangers").json()[0]["address"] == "a81758"
        assert client.get("/api/devices/lamp-0001/observations", params={"property": "current"}).json() == []

    def test_the_api_is_described(self, scene: Scene, client: TestClient[Litestar]) -> None:
        enter(client, scene, "viewer")
        described = client.get("/schema/openapi.json").json()
        assert {"/api/lamps", "/api/lamps/commands", "/api/devices", "/api/vehicles"} <= described["paths"].keys()


class TestPages:
    def test_light_for_a_few_goes_at_once_and_darkness_is_asked_about(
        self, scene: Scene, client: TestClient[Litestar]
    ) -> None:
        enter(client, scene, "operator")
        token = token_in(client.get("/lighting").text)
        form = {"csrf_token": token, "lamps": ["lamp-0001", "lamp-0002"]}
        answer = client.post("/lighting/orders", data=form | {"action": "on"})
        assert answer.status_code == 303
        page = client.get(answer.headers["location"]).text
        assert "On · 2 lamps" in page
        assert "Under way" in page
        asked = client.post("/lighting/orders", data=form | {"action": "off"}).text
        assert "Off: 2 lamps" in asked
        assert "lamp-0001, lamp-0002" in asked
        again = form | {"action": "off", "sure": "yes"}
        assert "Say why" in client.post("/lighting/orders", data=again).text
        answer = client.post("/lighting/orders", data=again | {"reason": "works", "minutes": "120"})
        assert answer.status_code == 303
        assert "works" in client.get(answer.headers["location"]).text

    def test_everything_that_fits_the_filter_is_asked_about_by_its_name(
        self, scene: Scene, client: TestClient[Litestar]
    ) -> None:
        enter(client, scene, "operator")
        page = client.get("/lighting", params={"circuit": "circuit-3"}).text
        assert "All 20 that fit" in page
        form = {"csrf_token": token_in(page), "circuit": "circuit-3", "whole": "yes", "action": "on"}
        asked = client.post("/lighting/orders", data=form).text
        assert "On: 20 lamps" in asked
        assert "circuit-3" in asked
        answer = client.post("/lighting/orders", data=form | {"sure": "yes", "minutes": "60"})
        assert "On · 20 lamps" in client.get(answer.headers["location"]).text

    def test_a_viewer_sees_no_switch(self, scene: Scene, client: TestClient[Litestar]) -> None:
        enter(client, scene, "viewer")
        page = client.get("/lighting").text
        assert 'name="action"' not in page
        assert "Your role may look" in page

    def test_who_asks_is_told_that_somebody_else_must_approve(self, scene: Scene, client: TestClient[Litestar]) -> None:
        headers = be(client, scene, "amara")
        given = client.post("/api/lamps/commands", json=ask(*range(30)), headers=headers).json()
        path = f"/lighting/orders/{given['command_id']}"
        own = client.get(path).text
        assert "Somebody else must approve" in own
        assert "Approve and send" not in own
        be(client, scene, "lin")
        assert "Waiting for a second person" in client.get("/lighting").text
        page = client.get(path).text
        assert "30 of all lamps within a minute, 5 may be" in page
        answer = client.post(f"{path}/approve", data={"csrf_token": token_in(page), "reason": "I know"})
        assert answer.headers["location"] == path
        assert "I know" in client.get(path).text

    def test_an_order_shows_each_stage_and_never_takes_sent_for_done(
        self, scene: Scene, client: TestClient[Litestar]
    ) -> None:
        headers = be(client, scene, "amara")
        given = client.post("/api/lamps/commands", json=ask(1, 25), headers=headers).json()
        path = f"/lighting/orders/{given['command_id']}"
        scene.take(an_ack(given["command_id"], "sent", 1, 25))
        page = client.get(path).text
        assert "sent to the lamp" in page
        assert "All proven" not in page
        scene.take(
            an_ack(given["command_id"], "proven", 1),
            an_ack(given["command_id"], "reported-not-proven", 25, reason="0.4 A still flow"),
        )
        page = client.get(path).text
        assert "Not all proven" in page
        assert "0.4 A still flow" in page
        assert re.search(r"Proven by current.*?<b>1<small>/2", page, re.DOTALL)

    def test_names_and_reasons_are_shown_as_text(self, scene: Scene, client: TestClient[Litestar]) -> None:
        scene.take(
            a_lamp(200, name=NASTY, area=NASTY[:41], groups=(NASTY[:41],), profile=NASTY, address=NASTY),
            a_state(200, why="override", actor=NASTY[:41], reason=NASTY, fault=NASTY[:41]),
            Stranger(link="radio", address=NASTY, first_ms=T0, last_ms=T0, count=1, sample=NASTY),
            an_open_manhole(device="lamp-0200"),
        )
        headers = be(client, scene, "amara")
        given = client.post("/api/lamps/commands", json=ask(200, reason=NASTY), headers=headers).json()
        order = f"/lighting/orders/{given['command_id']}"
        for path in ("/lighting", "/devices", "/devices/lamp-0200", order, "/cases", "/cases/1", "/map"):
            page = client.get(path).text
            assert "<img src=x" not in page, path
        assert "&lt;img src=x" in client.get("/lighting").text

    def test_a_case_of_a_device_is_told_as_such(self, scene: Scene, client: TestClient[Litestar]) -> None:
        scene.take(a_lamp(300, id="manhole-1", role="manhole", name="Cover 17"), an_open_manhole())
        enter(client, scene, "viewer")
        for path in ("/cases", "/cases/1"):
            page = client.get(path).text
            assert "Cover open" in page
            assert "Cover 17" in page
            assert "Urgent" in page
        assert "The vehicle" not in page
        assert 'id="completeness"' not in page
        assert 'id="viewer"' not in page
        assert [each["id"] for each in client.get("/api/cases", params={"device": "manhole-1"}).json()["cases"]] == [1]
        assert client.get("/api/map").json()["cases"][0]["device"] == "manhole-1"
        assert "Cover open" in client.get("/devices/manhole-1").text
        scene.take(an_open_manhole(phase="end", end_ms=T0 + 500_000))
        assert "over at" in client.get("/cases/1").text
