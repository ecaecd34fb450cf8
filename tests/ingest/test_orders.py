"""Orders of lamps: numbered, limited, approved, signed, and each followed to an end."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from ingest.changes import Changes
from ingest.config import Centre
from ingest.lighting.dispatch import Dispatch
from ingest.lighting.key import open_command_key
from ingest.lighting.orders import Ask, By, Desk, OrderError, Outcome, Schedule, Selection
from ingest.store.command_queries import CommandDetail, read_command, read_schedule
from ingest.store.commands import forget_results
from ingest.store.engine import writing
from ingest.store.lamp_queries import LampFilter, list_lamps
from shell.order_keys import AlteredError, read_keys, read_order
from shell.refusal import Refusal
from tests.fixtures.district import a_lamp, a_state, an_ack, opened
from tests.fixtures.messages import T0, a_batch
from wire.command import SignedCommand

SCHEDULES = """
programs: {dusk: [{at: sunset, level: 100}, {at: sunrise, level: 0}]}
calendars: {every-day: {default: dusk}}
assign: [{all: true, calendar: every-day}]
"""
CENTRE = Centre(broker="mqtt://127.0.0.1:1", command_deadline_s=8)


@pytest.fixture
def desk(engine: sa.Engine, tmp_path: Path) -> Desk:
    return Desk(CENTRE, engine, open_command_key(tmp_path))


@pytest.fixture
def district(send: Any) -> None:
    """200 lamps: ten circuits of twenty."""
    send(a_batch([a_lamp(number) for number in range(200)]))


Told = Callable[[str], CommandDetail]


@pytest.fixture
def told(engine: sa.Engine) -> Told:
    def read(command_id: str) -> CommandDetail:
        found = read_command(engine, command_id)
        assert found is not None
        return found

    return read


@pytest.fixture
def sweep(engine: sa.Engine) -> Callable[[int], None]:
    return Dispatch(CENTRE, engine, Changes()).sweep


def by(actor: str = "amara", after_s: float = 0) -> By:
    return By(actor=actor, now_ms=T0 + round(after_s * 1000))


def lamps(*numbers: int) -> Selection:
    return Selection(lamps=tuple(f"lamp-{number:04}" for number in numbers))


def off(*numbers: int, **changes: Any) -> Ask:
    return msgspec.structs.replace(Ask(selection=lamps(*numbers), action="off", reason="repair"), **changes)


def fault_of(act: Callable[[], Outcome]) -> str:
    with pytest.raises(OrderError) as refused:
        act()
    return refused.value.fault


@pytest.mark.usefixtures("district")
class TestSelection:
    @pytest.mark.parametrize(
        ("selection", "count"),
        [
            (lamps(3, 5), 2),
            (Selection(circuit="circuit-2"), 20),
            (Selection(area="area-1"), 100),
            (Selection(group="odd"), 100),
            (Selection(group="odd", circuit="circuit-2"), 10),
            (Selection(all=True), 200),
            (Selection(agent="box-1"), 200),
        ],
    )
    def test_what_is_selected_is_named_lamp_by_lamp(self, desk: Desk, selection: Selection, count: int) -> None:
        (outgoing,) = desk.order(Ask(selection=selection, action="on"), by()).outgoing
        assert len(set(opened(outgoing.payload).lamps)) == count

    @pytest.mark.parametrize(
        ("ask", "fault"),
        [
            (Ask(selection=Selection(), action="on"), "nothing"),
            (Ask(selection=Selection(circuit="none"), action="on"), "nothing"),
            (Ask(selection=Selection(lamps=("lamp-0001", "elsewhere")), action="on"), "unknown"),
            (Ask(selection=lamps(1), action="off"), "reason"),
            (Ask(selection=lamps(1), action="dim", reason="night"), "level"),
            (Ask(selection=lamps(1), action="on", minutes=0), "minutes"),
            (Ask(selection=lamps(1), action="on", minutes=721), "minutes"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_and_audited(self, desk: Desk, query: Any, ask: Ask, fault: str) -> None:
        assert fault_of(lambda: desk.order(ask, by())) == fault
        assert query("select count(*) from command") == [(0,)]
        assert query("select actor, action from audit where action like 'lamp%'") == [("amara", "lamp.order")]

    def test_each_gateway_gets_its_own_lamps_under_one_id(self, desk: Desk, send: Any) -> None:
        send(a_batch([a_lamp(500)], agent="box-2"))
        outcome = desk.order(Ask(selection=lamps(1, 2, 500), action="on", minutes=5), by())
        orders = {each.agent: opened(each.payload) for each in outcome.outgoing}
        assert orders["box-1"].lamps == ("lamp-0001", "lamp-0002")
        assert orders["box-2"].lamps == ("lamp-0500",)
        assert len({each.id for each in orders.values()}) == len({each.version for each in orders.values()}) == 1
        assert len({each.nonce for each in orders.values()}) == 2
        assert orders["box-2"].until_ms == T0 + 300_000
        assert orders["box-2"].not_after_ms == T0 + 8_000


@pytest.mark.usefixtures("district")
class TestSigning:
    def test_a_gateway_can_check_who_signed(self, desk: Desk, tmp_path: Path) -> None:
        (outgoing,) = desk.order(off(1), by()).outgoing
        (tmp_path / "command.pub").write_text(open_command_key(tmp_path).public + "\n")
        keys = read_keys([tmp_path / "command.pub"])
        order = read_order(keys, outgoing.payload)
        assert (order.id, order.actor) == (outgoing.command_id, "amara")
        with pytest.raises(AlteredError):
            read_order(keys, outgoing.payload.replace(b"repair", b"riot!!"))

    def test_the_key_is_made_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as threads:
            names = set(threads.map(lambda _: open_command_key(tmp_path / "new").name, range(8)))
        assert len(names) == 1
        path = tmp_path / "new/keys/command.pem"
        assert path.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in path.parent.iterdir()] == ["command.pem"]
        path.chmod(0o644)
        with pytest.raises(Refusal, match="others can read it"):
            open_command_key(tmp_path / "new")

    def test_versions_rise_also_when_the_clock_is_set_back_and_after_the_database_is_lost(self, desk: Desk) -> None:
        versions = []
        for after_s in (0, 0, -3600, 5):
            (outgoing,) = desk.order(Ask(selection=lamps(1), action="on"), by(after_s=after_s)).outgoing
            versions.append(opened(outgoing.payload).version)
        assert versions == sorted(set(versions))
        assert versions[0] >= T0


@pytest.mark.usefixtures("district")
class TestGuard:
    def test_more_than_a_tenth_of_a_circuit_or_a_twentieth_of_all_waits_for_a_second_person(self, desk: Desk) -> None:
        assert desk.order(off(0, 1), by()).outgoing != ()
        over = desk.order(off(2), by(after_s=1)).over
        assert [(each.circuit, each.count, each.allowed) for each in over] == [("box-1/circuit-0", 3, 2)]
        for circuit in range(1, 5):
            assert desk.order(off(circuit * 20, circuit * 20 + 1), by(after_s=2)).over == ()
        (city,) = desk.order(off(180), by(after_s=3)).over
        assert (city.circuit, city.count, city.allowed) == ("", 11, 10)
        assert desk.order(off(1), by(after_s=4)).over == ()  # it is dark already
        assert desk.order(off(180), by(after_s=63)).over == ()

    def test_dimming_counts_and_light_is_never_limited(self, desk: Desk) -> None:
        dim = Ask(selection=Selection(all=True), action="dim", level=30, reason="night")
        assert desk.order(dim, by()).outgoing == ()
        for action in ("on", "resume"):
            assert desk.order(Ask(selection=Selection(all=True), action=action), by()).outgoing != ()

    def test_a_thousand_single_orders_at_once_stop_at_the_limit(
        self, desk: Desk, engine: sa.Engine, query: Any
    ) -> None:
        count = 250 if engine.dialect.name == "sqlite" else 1000  # each of them is a commit that reaches the disk
        start = threading.Barrier(8)

        def work(worker: int) -> None:
            start.wait()
            for number in range(worker, count, 8):
                with suppress(OrderError):
                    desk.order(off(number % 200), By(actor=f"op-{number % 40}", now_ms=T0 + number % 7))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        dark = "from command_lamp join command on command.id = command_id where issued_ms is not null"
        assert query(f"select count(distinct lamp) {dark}") == [(10,)]
        per_circuit = query(
            f"select circuit, count(distinct lamp) from (select lamp {dark}) as dark "
            "join device on device.id = lamp group by circuit"
        )
        assert max(count for _, count in per_circuit) <= 2
        assert query("select count(*) from audit where action = 'lamp.order'") == [(count,)]

    def test_nobody_gives_more_than_thirty_orders_a_minute_but_light_for_all(self, desk: Desk) -> None:
        for number in range(30):
            desk.order(Ask(selection=lamps(number), action="on"), by(after_s=number))
        assert fault_of(lambda: desk.order(Ask(selection=lamps(1), action="on"), by(after_s=31))) == "busy"
        assert desk.order(Ask(selection=lamps(1), action="on"), by("lin", 31)).outgoing != ()
        assert desk.order(Ask(selection=Selection(all=True), action="on"), by(after_s=31)).outgoing != ()
        assert desk.order(Ask(selection=Selection(all=True), action="resume"), by(after_s=31)).outgoing != ()


@pytest.mark.usefixtures("district")
class TestApproval:
    @pytest.fixture
    def waiting(self, desk: Desk) -> str:
        outcome = desk.order(off(*range(20)), by())
        assert outcome.over != ()
        return outcome.command_id

    def test_a_second_person_lets_it_go_once(self, desk: Desk, waiting: str, told: Told) -> None:
        outcome = desk.approve(waiting, "I see the works", by("lin", 60))
        order = opened(outcome.outgoing[0].payload)
        assert order.approval is not None
        assert (order.actor, order.approval.name, order.not_after_ms) == ("amara", "lin", T0 + 68_000)
        assert told(waiting).approval_reason == "I see the works"
        assert fault_of(lambda: desk.approve(waiting, "again", by("lin", 61))) == "used"

    @pytest.mark.parametrize(
        ("who", "reason", "fault"),
        [(by("amara", 60), "fine", "own"), (by("lin", 60), " ", "reason"), (by("lin", 601), "fine", "late")],
    )
    def test_nobody_else_and_nothing_late_does(
        self, desk: Desk, waiting: str, query: Any, *, who: By, reason: str, fault: str
    ) -> None:
        assert fault_of(lambda: desk.approve(waiting, reason, who)) == fault
        assert query("select state, version from command") == [("waiting", None)]
        assert query("select count(*) from audit where action = 'lamp.approve'") == [(1,)]

    def test_of_two_who_approve_at_once_one_does(self, desk: Desk, waiting: str) -> None:
        def approve(actor: str) -> int:
            with suppress(OrderError):
                return len(desk.approve(waiting, "fine", by(actor, 5)).outgoing)
            return 0

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(approve, ("lin", "wei", "noor", "olu"))) == 1

    def test_what_nobody_approves_expires(
        self, desk: Desk, waiting: str, told: Told, sweep: Callable[[int], None]
    ) -> None:
        sweep(T0 + 600_000)
        assert told(waiting).state == "waiting"
        sweep(T0 + 600_001)
        assert (told(waiting).state, told(waiting).stages) == ("lapsed", {"expired": 20})
        assert fault_of(lambda: desk.approve(waiting, "fine", by("lin", 602))) == "late"

    def test_no_gateway_says_a_word_of_an_order_that_waits(self, send: Any, waiting: str, told: Told) -> None:
        send(a_batch([an_ack(waiting, "proven", 0)], 300, stream="acks"))
        assert told(waiting).stages == {"waiting": 20}


@pytest.mark.usefixtures("district")
class TestStages:
    @pytest.fixture
    def command_id(self, desk: Desk) -> str:
        return desk.order(off(0, 1), by()).command_id

    def test_a_lamp_goes_from_stage_to_stage_in_whatever_order_the_words_arrive(
        self, send: Any, command_id: str, told: Told
    ) -> None:
        assert told(command_id).stages == {"issued": 2}
        send(a_batch([an_ack(command_id, "sent", 0, 1)], 1, stream="acks"))
        send(a_batch([an_ack(command_id, "accepted", 0, 1, time_ms=T0 + 5)], 2, stream="acks"))
        assert told(command_id).stages == {"sent": 2}
        send(a_batch([an_ack(command_id, "proven", 0), an_ack(command_id, "reported", 0)], 3, stream="acks"))
        assert told(command_id).stages == {"sent": 1, "proven": 1}
        assert told(command_id).state == "issued"
        send(a_batch([an_ack(command_id, "reported-not-proven", 1, reason="no current")], 5, stream="acks"))
        done = told(command_id)
        assert (done.state, done.is_well) == ("ended", False)
        assert [(each.lamp, each.stage, each.reason) for each in done.results] == [
            ("lamp-0001", "reported-not-proven", "no current"),
            ("lamp-0000", "proven", ""),
        ]
        assert done.results[0].accepted_ms == T0 + 5

    def test_all_proven_is_well(self, send: Any, command_id: str, told: Told) -> None:
        send(a_batch([an_ack(command_id, "proven", 0, 1)], 1, stream="acks"))
        assert told(command_id).is_well

    def test_an_order_refused_whole_ends_at_every_lamp(self, send: Any, command_id: str, told: Told) -> None:
        send(a_batch([an_ack(command_id, "rejected", reason="bad signature")], 1, stream="acks"))
        assert told(command_id).stages == {"rejected": 2}
        assert told(command_id).state == "ended"

    def test_no_other_gateway_and_no_other_lamp_is_believed(
        self, send: Any, command_id: str, told: Told, query: Any
    ) -> None:
        send(a_batch([an_ack(command_id, "proven", 0)], 1, stream="acks", agent="box-2"))
        send(a_batch([an_ack(command_id, "proven", 0, 7)], 1, stream="acks"))
        assert told(command_id).stages == {"issued": 2}
        assert query("select agent from dead_letter order by agent") == [("box-1",), ("box-2",)]

    def test_without_a_word_lamps_are_unreachable_soon_after_the_deadline(
        self, send: Any, command_id: str, told: Told, sweep: Callable[[int], None]
    ) -> None:
        send(a_batch([an_ack(command_id, "accepted", 1)], 1, stream="acks"))
        sweep(T0 + 9_000)
        assert told(command_id).stages == {"issued": 1, "accepted": 1}
        sweep(T0 + 9_001)
        assert told(command_id).stages == {"unreachable": 1, "accepted": 1}
        sweep(T0 + 8_000 + 20 * 60_000 + 1)
        assert (told(command_id).stages, told(command_id).state) == ({"unreachable": 2}, "ended")

    def test_a_lamp_that_reports_and_is_never_proven_ends_so(
        self, send: Any, command_id: str, told: Told, sweep: Callable[[int], None]
    ) -> None:
        send(a_batch([an_ack(command_id, "reported", 0, 1)], 1, stream="acks"))
        sweep(T0 + 8_000 + 20 * 60_000 + 1)
        assert told(command_id).stages == {"reported-not-proven": 2}

    def test_a_late_word_of_the_gateway_counts_more_than_giving_up(
        self, send: Any, command_id: str, told: Told, sweep: Callable[[int], None]
    ) -> None:
        sweep(T0 + 10_000)
        send(a_batch([an_ack(command_id, "accepted", 0, 1), an_ack(command_id, "expired", 0)], 1, stream="acks"))
        assert told(command_id).stages == {"expired": 1, "unreachable": 1}

    def test_what_lamps_did_is_forgotten_after_long_and_who_ordered_is_not(
        self, engine: sa.Engine, command_id: str, told: Told, query: Any
    ) -> None:
        with writing(engine) as connection:
            assert forget_results(connection, T0 + 1, 100) == 2
        assert told(command_id).results == ()
        assert query("select actor, reason from command") == [("amara", "repair")]


@pytest.mark.usefixtures("district")
def test_schedules_are_an_order_that_a_second_person_approves(
    desk: Desk, send: Any, engine: sa.Engine, told: Told
) -> None:
    schedule = Schedule(agent="box-1", schedules=SCHEDULES, reason="summer")
    broken = msgspec.structs.replace(schedule, schedules=SCHEDULES.replace("default: dusk", "default: dawn"))
    assert fault_of(lambda: desk.order_schedule(broken, by())) == "schedule"
    outcome = desk.order_schedule(schedule, by())
    assert outcome.over != ()
    assert read_schedule(engine, "box-1") is None
    (outgoing,) = desk.approve(outcome.command_id, "read it", by("lin", 5)).outgoing
    assert msgspec.msgpack.decode(outgoing.payload, type=SignedCommand).kind == "schedule"
    send(a_batch([an_ack(outcome.command_id, "accepted")], 1, stream="acks"))
    assert told(outcome.command_id).is_well
    found = read_schedule(engine, "box-1")
    assert found is not None
    assert (found.schedules, found.stage) == (SCHEDULES, "accepted")


@pytest.mark.usefixtures("district")
def test_the_last_order_stands_beside_each_lamp(desk: Desk, send: Any, engine: sa.Engine) -> None:
    desk.order(off(0), by())
    second = desk.order(Ask(selection=lamps(0), action="on"), by("lin", 2)).command_id
    send(
        a_batch([an_ack(second, "sent", 0), a_state(0), a_state(5, fault="dark", proof="not-proven")], 1, stream="acks")
    )
    page = list_lamps(engine, LampFilter(circuit="circuit-0"), now_ms=T0 + 5_000, rows=7)
    assert page.count == 20
    assert [each.id for each in page.lamps[:2]] == ["lamp-0005", "lamp-0000"]
    order = page.lamps[1].order
    assert order is not None
    assert (order.action, order.stage, order.actor) == ("on", "sent", "lin")
    more = list_lamps(engine, LampFilter(circuit="circuit-0"), now_ms=T0, after=page.next or "", rows=50)
    assert len({each.id for each in (*page.lamps, *more.lamps)}) == 20
