"""A gateway does what it is ordered, once, and says of every lamp how that ended; it writes before it acts."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devices.reading import Reading
from devices.report import Report
from rules.rule import Rule
from rules.rule_book import Book
from shell.order_keys import sign_order
from tests.fixtures.agent import ROOT
from tests.fixtures.gateway import ENDINGS, KEY, Running, now_ms, running, signed, write_gateway
from tests.fixtures.lamps import a_command, a_schedule_order
from wire.command import Approval, Command, ScheduleOrder
from wire.device import Device, Presence, Stranger
from wire.event import Event
from wire.observation import Observation

CRASH_POINTS = ("gateway.before-send:7", "gateway.after-send:7", "outbox.before-commit:9", "outbox.after-commit:9")
DARK = """
programs: {day: [{at: sunset, level: 100}, {at: sunrise, level: 0}]}
calendars: {streets: {default: day}}
assign: [{all: true, calendar: streets}]
"""


def order(lamps: list[str], action: str = "on", **changes: Any) -> Command:
    return a_command(lamps, action, now_ms=now_ms(), **changes)  # type: ignore[arg-type]


def second() -> Approval:
    return Approval(name="lin", time_ms=now_ms())


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))  # type: ignore[arg-type]


def names(count: int) -> list[str]:
    return [f"lamp-{number}" for number in range(1, count + 1)]


def test_an_order_goes_through_every_stage_to_its_proof(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            given = order(["lamp-1", "lamp-2"], "dim", level=50, approval=second())
            await it.order(given)
            assert (await it.acks(given.id))[0].stage == "accepted"
            await it.until(lambda: _has_ended(it, given, 2))
            for lamp in ("lamp-1", "lamp-2"):
                assert await it.stages(given.id, lamp) == ["accepted", "sent", "reported", "proven"]
            assert it.lane.controllers["1"].level == 50
            state = await it.until(lambda: _state(it, "lamp-1", proven=50))
            assert (state.why, state.actor, state.version, state.reason) == ("override", "wang", 1, "test")

    in_loop(scenario)


async def _has_ended(it: Running, given: Command, count: int) -> bool:
    return len(await it.endings(given.id)) == count


async def _state(it: Running, lamp: str, **wanted: object) -> Any:
    state = (await it.states()).get(lamp)
    return state if state and all(getattr(state, name) == value for name, value in wanted.items()) else None


def test_without_a_schedule_all_lamps_are_switched_on_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            await it.until(lambda: all(each.level == 100 for each in it.lane.controllers.values()))
            assert await it.until(lambda: _state(it, "lamp-3", proven=100, why="fail-safe"))

    in_loop(scenario)


def test_some_lamps_that_are_dead_end_as_unreachable_and_the_others_as_proven(tmp_path: Path) -> None:
    """L5."""

    async def scenario() -> None:
        async with running(write_gateway(tmp_path, 200)) as it:
            it.lane.patience_s = 0.5
            for number in range(1, 61):
                it.lane.controllers[str(number)].fault = "dead"
            given = order(names(200))
            await it.order(given)
            await it.until(lambda: _has_ended(it, given, 200))
            endings = await it.endings(given.id)
            assert {lamp for lamp, ending in endings.items() if ending == "unreachable"} == set(names(60))
            assert sum(ending == "proven" for ending in endings.values()) == 140
            (ack,) = {each.reason for each in await it.acks(given.id) if "lamp-7" in each.lamps and each.reason}
            assert ack == "unit 7 of bus: no answer"

    in_loop(scenario)


DARK_LAMP = """
name: lamp-dark
kind: lamp_dark
watches: lamp
hold_s: 0
clear_s: 0
when: is_dark
"""


def test_a_lamp_that_acks_and_draws_no_current_becomes_an_event_that_ends_when_it_burns(tmp_path: Path) -> None:
    async def scenario() -> None:
        book = Book((Rule(DARK_LAMP.encode(), "dark.yaml"),))
        async with running(write_gateway(tmp_path), book=book) as it:
            await it.until(lambda: _state(it, "lamp-1", proven=100))
            it.lane.controllers["1"].fault = "dark"
            for _ in range(3):
                await it.lane.hear("1")
            state = await it.until(lambda: _state(it, "lamp-1", fault="dark"))
            assert (state.reported, state.proven, state.proof) == (100, 0, "not-proven")
            it.lane.controllers["1"].fault = ""
            for _ in range(3):
                await it.lane.hear("1")
            events = [each for each in await it.messages() if isinstance(each, Event)]
            assert [(each.kind, each.device, each.phase) for each in events] == [
                ("lamp_dark", "lamp-1", "start"),
                ("lamp_dark", "lamp-1", "end"),
            ]
            found = [each for each in await it.messages() if isinstance(each, Observation)]
            assert ("lamp-1", "current") in {(each.source, each.property) for each in found}

    in_loop(scenario)


def test_what_is_no_order_of_this_gateway_is_refused_and_told_under_an_id_of_its_own(tmp_path: Path) -> None:
    """A8, A9."""
    off = order(["lamp-1"], "off")
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    cases = [
        (b"\xc1", "is no signed order"),
        (b"x" * 600_000, "at most 524288 bytes"),
        (signed(off, other), "may give no orders"),
        (_altered(off, body=lambda body: body.replace(b"lamp-1", b"lamp-2")), "does not fit"),
        (_altered(off, kind=lambda _: "schedule"), "does not fit"),
        (_altered(off, signature=lambda _: b""), "does not fit"),
        (_altered(off, signature=lambda old: bytes([old[0] ^ 1]) + old[1:]), "does not fit"),
        (signed(order(["lamp-1"], "off", agent="box-2")), "is for box-2"),
        (msgspec.msgpack.encode({"kind": "x\0" * 900, "body": b"", "key": "", "signature": b""}), "is no signed order"),
    ]

    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            await it.until(lambda: _state(it, "lamp-1", proven=100))
            for payload, said in cases:
                await it.order(payload)
                ack = (await it.acks())[-1]
                assert (ack.stage, ack.lamps, said in ack.reason) == ("rejected", (), True), ack
                assert hashlib.sha256(payload).hexdigest() in ack.reason
                assert ack.command_id != off.id
            assert it.lane.controllers["1"].level == 100
            assert it.gateway.orders_refused == len(await it.acks()) == len(cases)

    in_loop(scenario)


def _altered(given: Command, **changes: Callable[[Any], Any]) -> bytes:
    whole = sign_order(KEY, given)
    altered = {name: change(getattr(whole, name)) for name, change in changes.items()}
    return msgspec.msgpack.encode(msgspec.structs.replace(whole, **altered))


def test_a_flood_of_what_is_no_order_does_not_fill_the_outbox(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            for number in range(100):
                await it.order(b"junk %d" % number)
            assert len(await it.acks()) == 20
            assert it.gateway.orders_refused == 100

    in_loop(scenario)


def test_an_off_that_is_captured_and_played_again_switches_nothing(tmp_path: Path) -> None:
    """A7, also after a restart."""
    captured = order(["lamp-1"], "off", name="captured")
    path = write_gateway(tmp_path)

    async def first() -> None:
        async with running(path) as it:
            await it.order(captured)
            await it.until(lambda: _has_ended(it, captured, 1))
            later = order(["lamp-1"], "on", name="later", version=2)
            await it.order(later)
            await it.until(lambda: _has_ended(it, later, 1))
            told = list(it.lane.controllers["1"].told)
            await it.order(captured)
            assert it.lane.controllers["1"].told == told
            assert await it.stages(captured.id, "lamp-1") == ["accepted", "sent", "reported", "proven"]

    async def second() -> None:
        async with running(path) as it:
            said = await it.acks(captured.id)
            await it.order(captured)
            await it.order(captured, is_retained=True)
            assert it.lane.controllers["1"].told == []
            assert await it.acks(captured.id) == said  # of what has ended nothing new is said

    in_loop(first)
    in_loop(second)


def test_a_retry_of_the_same_order_is_answered_with_its_last_word(tmp_path: Path) -> None:
    """L2."""

    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            given = order(["lamp-1"], "off")
            await it.order(given)
            await it.until(lambda: _has_ended(it, given, 1))
            await it.order(given)
            assert await it.stages(given.id, "lamp-1") == ["accepted", "sent", "reported", "proven", "proven"]
            assert it.lane.controllers["1"].told.count(0) == 1

    in_loop(scenario)


@pytest.mark.parametrize(
    ("changes", "is_retained", "ending", "said"),
    [
        ({"issued_ms": 1_000, "not_after_ms": 11_000}, False, "expired", "after its deadline"),
        ({}, True, "rejected", "kept by the broker"),
        ({"not_after_ms": 2**50}, False, "rejected", "at most 30 s"),
    ],
)
def test_an_order_that_is_late_or_was_kept_is_refused(
    tmp_path: Path,
    changes: dict[str, int],
    is_retained: bool,  # noqa: FBT001  # a case
    ending: str,
    said: str,
) -> None:
    """L1: what reaches a gateway after its deadline is not carried out."""

    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            now = now_ms()
            changes_now = {name: value if value > 10**12 else now - 60_000 + value for name, value in changes.items()}
            given = order(["lamp-1"], "off", **changes_now)
            await it.order(given, is_retained=is_retained)
            (ack,) = await it.acks(given.id)
            assert (ack.stage, ack.lamps, said in ack.reason) == (ending, (), True), ack
            assert 0 not in it.lane.controllers["1"].told

    in_loop(scenario)


def test_a_clock_that_is_not_synced_goes_by_the_centres_time_or_takes_no_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path), clock="unsynced") as it:
            first = order(["lamp-1"], "off", name="first")
            await it.order(first)
            assert [each.reason for each in await it.acks(first.id)] == [
                "the gateway's clock is not synced, and the centre was not heard"
            ]
            it.centre.heard(now_ms() + 7_200_000)  # this box is two hours slow
            ahead = now_ms() + 7_200_000
            second = order(
                ["lamp-1"], "off", name="second", issued_ms=ahead, not_after_ms=ahead + 10_000, until_ms=ahead + 60_000
            )
            await it.order(second)
            await it.until(lambda: _has_ended(it, second, 1))
            state = await it.until(lambda: _state(it, "lamp-1", proven=0))
            assert abs(state.until_ms - now_ms() - 60_000) < 5_000

    in_loop(scenario)


def test_two_operators_orders_that_are_reordered_on_the_way_end_by_their_versions(tmp_path: Path) -> None:
    """L3: both are answered."""

    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            older, newer = order(["lamp-1"], "on", name="older"), order(["lamp-1"], "off", name="newer", version=2)
            await it.order(newer)
            await it.order(older)
            await it.until(lambda: _has_ended(it, newer, 1))
            assert await it.stages(older.id, "lamp-1") == ["superseded"]
            assert it.lane.controllers["1"].level == 0

    in_loop(scenario)


def test_a_link_that_hangs_does_not_keep_a_later_order_waiting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            await it.until(lambda: _state(it, "lamp-1", proven=100))
            it.lane.patience_s = 60
            it.lane.controllers["1"].fault = "dead"
            hanging, later = (
                order(["lamp-1"], "off", name="hanging"),
                order(["lamp-1"], "dim", name="later", version=2, level=70),
            )
            await it.order(hanging)
            await asyncio.sleep(0.05)
            it.lane.controllers["1"].fault = ""
            await it.order(later)
            await it.until(lambda: _has_ended(it, later, 1))
            assert await it.stages(hanging.id, "lamp-1") == ["accepted", "superseded"]
            assert it.lane.controllers["1"].level == 70

    in_loop(scenario)


def test_orders_that_would_make_a_street_dark_stop_at_the_limit(tmp_path: Path) -> None:
    """A10."""

    async def scenario() -> None:
        async with running(write_gateway(tmp_path, 40)) as it:
            await it.until(lambda: all(each.level == 100 for each in it.lane.controllers.values()))
            orders = [order([name], "off", name=name, version=at) for at, name in enumerate(names(40), 1)]
            await asyncio.gather(*(it.order(each) for each in orders))
            await it.until(lambda: _all_answered(it, orders))
            assert sum(each.level == 0 for each in it.lane.controllers.values()) == 4
            whole = order(names(40), "off", name="whole", version=99)
            await it.order(whole)
            (ack,) = await it.acks(whole.id)
            assert (ack.stage, "a second one must approve" in ack.reason) == ("rejected", True)
            allowed = order(names(40), "off", name="allowed", version=100, approval=second())
            await it.order(allowed)
            await it.until(lambda: _has_ended(it, allowed, 40))
            assert all(each.level == 0 for each in it.lane.controllers.values())

    in_loop(scenario)


async def _all_answered(it: Running, orders: list[Command]) -> bool:
    ended = {each.command_id for each in await it.acks() if each.stage in ("proven", "rejected")}
    return {each.id for each in orders} <= ended


def schedule_order(text: str, **changes: Any) -> ScheduleOrder:
    return a_schedule_order(text, now_ms=now_ms(), **changes)


def test_ordered_schedules_hold_at_once_and_after_a_restart(tmp_path: Path) -> None:
    path = write_gateway(tmp_path)
    # Lit whenever it is dark, and never otherwise: no night is darker than it was.
    text = DARK.replace("sunset,", "sunset-00:30,").replace("sunrise,", "sunrise+00:30,")

    async def first() -> None:
        async with running(path) as it:
            given = schedule_order(text)
            await it.order(given)
            assert [(each.stage, each.reason) for each in await it.acks(given.id)] == [
                ("accepted", "holds from now on")
            ]
            await it.until(lambda: _state(it, "lamp-1", why="schedule"))

    async def second() -> None:
        async with running(path) as it:
            it.lane.speaks = False
            state = await it.until(lambda: _of(it))
            assert state == "schedule"
            older = schedule_order(text, name="older")
            await it.order(older)
            assert [each.reason for each in await it.acks(older.id)] == ["a later schedule holds"]

    async def _of(it: Running) -> str:
        return it.gateway._lighting.shadows["lamp-1"].wish_why if it.gateway._lighting.schedule else ""

    in_loop(first)
    in_loop(second)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("programs: {}", "programs: expected `object` of length >= 1"),
        ("&a [*a]", "anchors"),
        (DARK.replace("calendar: streets", "calendar: strets"), "no calendar 'strets'"),
        (DARK.replace("all: true", "area: nowhere"), "no lamp of this gateway has area 'nowhere'"),
        (DARK.replace("level: 100", "level: 10"), "at night 3 lamps of circuit 'c-1'"),
    ],
)
def test_a_schedule_that_is_wrong_or_too_dark_is_refused_whole_and_the_last_one_stays(
    tmp_path: Path, text: str, said: str
) -> None:
    async def scenario() -> None:
        path = write_gateway(tmp_path, more="schedules: schedules.yaml\n", schedules=DARK)
        async with running(path) as it:
            before = it.gateway._lighting.schedule
            given = schedule_order(text)
            await it.order(given)
            (ack,) = await it.acks(given.id)
            assert (ack.stage, said in ack.reason) == ("rejected", True), ack
            assert it.gateway._lighting.schedule is before

    in_loop(scenario)


def test_a_second_person_lets_a_darker_schedule_through(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_gateway(tmp_path, more="schedules: schedules.yaml\n", schedules=DARK)
        async with running(path) as it:
            given = schedule_order(DARK.replace("level: 100", "level: 10"), approval=second())
            await it.order(given)
            assert [each.stage for each in await it.acks(given.id)] == ["accepted"]

    in_loop(scenario)


CIRCUIT = """
devices:
  - {id: meter-1, role: circuit, profile: wayside/circuit-meter, link: meters, address: "1", circuit: c-1}
"""


def test_lamps_without_a_meter_are_proven_together_by_their_circuits(tmp_path: Path) -> None:
    path = write_gateway(tmp_path, 40, meters=CIRCUIT)
    text = path.read_text().replace("[lamps.yaml]", "[lamps.yaml, meters.yaml]")
    path.write_text(text.replace("links: [", "links: [{type: modbus-tcp, id: meters, host: 127.0.0.1}, "))
    profile = tmp_path / "profiles/acme/quick-lamp.yaml"
    profile.write_text("".join(line for line in profile.read_text().splitlines(keepends=True) if "current" not in line))

    async def scenario() -> None:
        async with running(path) as it:
            found = [each for each in await it.messages() if isinstance(each, Observation)]
            limits = [(each.source, each.result) for each in found if each.property == "lamps.unseen"]
            assert limits == [("meter-1", 1.0)]
            for each in it.lane.controllers.values():
                each.has_meter = False
            await it.until(lambda: all(each.level == 100 for each in it.lane.controllers.values()))
            await it.until(lambda: _all_heard(it))
            await _measure(it)
            one = order(["lamp-1"], "off", name="one")
            await it.order(one)
            await it.until(lambda: _is_reported(it, one, 1))
            await _measure(it)
            assert await it.endings(one.id) == {"lamp-1": "reported-not-proven"}
            (ack,) = [each for each in await it.acks(one.id) if each.stage == "reported-not-proven"]
            assert ack.reason == "has no meter of its own; on its circuit 1 dark lamps would not show"
            every = order(names(40), "off", name="every", version=2, approval=second())
            await it.order(every)
            await it.until(lambda: _is_reported(it, every, 40))
            await _measure(it)
            assert set((await it.endings(every.id)).values()) == {"proven"}
            state = await it.until(lambda: _state(it, "lamp-9", reported=0))
            assert (state.proof, state.proven) == ("unmeasured", None)

    in_loop(scenario)


async def _all_heard(it: Running) -> bool:
    return all(each.reported == 100 for each in it.gateway._lighting.shadows.values())


async def _is_reported(it: Running, given: Command, count: int) -> bool:
    return sum(len(each.lamps) for each in await it.acks(given.id) if each.stage == "reported") == count


async def _measure(it: Running) -> None:
    await asyncio.sleep(0.002)
    current_a = sum(each.current_a for each in it.lane.controllers.values())
    reading = Reading("current", current_a, "A")
    time_ms = now_ms()
    await it.gateway.take(Report(link="meters", address="1", received_ms=time_ms, time_ms=time_ms, readings=(reading,)))


def test_the_centre_is_told_of_devices_that_are_new_changed_or_gone_and_of_no_others(tmp_path: Path) -> None:
    path = write_gateway(tmp_path)

    async def cards() -> list[tuple[str, str, bool]]:
        async with running(path) as it:
            found = [each for each in await it.messages() if isinstance(each, Device)]
            return [(each.id, each.area, each.is_removed) for each in found]

    told: list[list[tuple[str, str, bool]]] = []

    async def scenario() -> None:
        told.append(await cards())

    in_loop(scenario)
    in_loop(scenario)
    lamps = (tmp_path / "lamps.yaml").read_text().splitlines(keepends=True)
    (tmp_path / "lamps.yaml").write_text("".join(lamps[:-1]).replace("old-town", "new-town", 1))
    in_loop(scenario)
    every = [(name, "old-town", False) for name in names(3)]
    assert told[0] == every
    # The outbox still holds what was told first; nothing of it is said again.
    assert told[1] == every
    assert told[2][3:] == [("lamp-1", "new-town", False), ("lamp-3", "old-town", True)]


def test_who_speaks_and_is_not_known_goes_to_the_census_once_an_hour(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            reports = [
                Report(link="bus", address=f"x{number % 1_200}", received_ms=number, time_ms=number)
                for number in range(1_500)
            ]
            await asyncio.gather(*(it.gateway.take(report) for report in reports))
            found = [each for each in await it.messages() if isinstance(each, Stranger)]
            assert [each.address for each in found] == [f"x{number}" for number in range(1_000)]

    in_loop(scenario)


def test_the_health_of_links_tells_who_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(write_gateway(tmp_path)) as it:
            it.lane.controllers["3"].fault = "dead"
            await it.until(lambda: it.gateway.health()[0].live == 2)
            it.lane.trouble = "no bus"
            (health,) = it.gateway.health()
            assert (health.id, health.trouble, health.live, health.silent) == ("bus", "no bus", 2, 1)
            assert any(isinstance(each, Presence) for each in await it.messages())

    in_loop(scenario)


def test_an_output_hears_only_of_itself(tmp_path: Path) -> None:
    path = write_gateway(tmp_path, 2)
    text = (tmp_path / "lamps.yaml").read_text()
    (tmp_path / "lamps.yaml").write_text(
        text.replace("address: '1'", "address: '7/1'").replace("address: '2'", "address: '7/2'")
    )
    profile = tmp_path / "profiles/acme/quick-lamp.yaml"
    profile.write_text(
        profile.read_text().replace(
            "  - {table: holding, address: 3,",
            '  - {table: coil, address: 0, type: bit, property: gate, feature: "{n}", repeat: {count: 2, first: 1}}\n'
            "  - {table: holding, address: 3,",
        )
    )

    async def scenario() -> None:
        async with running(path) as it:
            time_ms = now_ms() + 1
            readings = (Reading("level", 30.0, "%", "1"), Reading("level", 60.0, "%", "2"), Reading("level", 90.0, "%"))
            await it.gateway.take(
                Report(link="bus", address="7", received_ms=time_ms, time_ms=time_ms, readings=readings)
            )
            shadows = it.gateway._lighting.shadows
            assert [shadows[name].reported for name in names(2)] == [30, 60]

    in_loop(scenario)


def test_every_crash_point_of_the_gateway_is_tried() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "edge").glob("gateway*.py"))
    points = {point.partition(":")[0] for point in CRASH_POINTS}
    assert all(f'crash_point("{point}")' in sources for point in points if point.startswith("gateway"))
    assert sources.count("crash_point(") == 2


def test_a_kill_in_the_middle_of_a_group_leaves_no_lamp_without_its_end(tmp_path: Path) -> None:
    """L6: the gateway is killed while it tells twenty lamps, and started again."""
    boxes = {point: tmp_path / str(number) for number, point in enumerate(CRASH_POINTS)}
    for folder in boxes.values():
        folder.mkdir()
        write_gateway(folder, 20)
    given = order(names(20), "dim", level=50, approval=second())

    def run(point: str, crash_at: str) -> subprocess.CompletedProcess[bytes]:
        # The same order, signed anew: it may be the first that this box hears of it.
        now = now_ms()
        (boxes[point] / "order").write_bytes(
            signed(msgspec.structs.replace(given, issued_ms=now, not_after_ms=now + 29_000, until_ms=now + 3_600_000))
        )
        command = [sys.executable, "-m", "tests.fixtures.gateway_process", str(boxes[point]), given.id]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CRASH_AT": crash_at}
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=90)

    with ThreadPoolExecutor() as pool:
        for point, killed in zip(boxes, pool.map(run, boxes, boxes), strict=True):
            assert killed.returncode == 137, f"{point}: {killed.stderr.decode()}"
        for point, done in zip(boxes, pool.map(run, boxes, [""] * len(boxes)), strict=True):
            assert done.returncode == 0, f"{point}: {done.stderr.decode()}"
            stages: dict[str, list[str]] = msgspec.json.decode(done.stdout)
            assert set(stages) == set(names(20))
            for lamp, found in stages.items():
                # The order is given again after the restart: then the last word is said again, and it is the same.
                # A restart that takes longer than the ten seconds an order has ends it, and that is said.
                assert {each for each in found if each in ENDINGS} in ({"proven"}, {"unreachable"}), (
                    point,
                    lamp,
                    found,
                )
