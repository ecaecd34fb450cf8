"""What is let through is meant for this gateway, in time, for the first time; and nobody alone makes a street dark."""

import msgspec
import pytest

from devices.gate import Admitted, GateState, Refused, Repeated, Terms, admit
from devices.guard import Limits, neighbours, side_by_side
from devices.lamp import step
from devices.lamp_orders import Fleet, Shares, share_out
from devices.lamp_state import Lamp, Shadow, Tick
from tests.fixtures.lamps import AGENT, CURVE, T0, a_command, a_schedule_order, some_lamps
from wire.command import Approval, Command

TERMS = Terms(agent=AGENT)
LIMITS = Limits(share_of_all=1.0)
SECOND = Approval(name="lin", time_ms=T0 - 1_000)


def test_a_good_order_is_admitted_once_and_then_repeated() -> None:
    """L2: a retry is a no-op."""
    order = a_command(["lamp-1"])
    state, verdict = admit(GateState(), order, TERMS, now_ms=T0)
    assert isinstance(verdict, Admitted)
    again, verdict = admit(state, order, TERMS, now_ms=T0 + 5_000)
    assert isinstance(verdict, Repeated)
    assert again == state


@pytest.mark.parametrize(
    ("changes", "ending", "said"),
    [
        ({"agent": "box-2"}, "rejected", "is for box-2"),
        ({"not_after_ms": T0 + 30_001}, "rejected", "at most 30 s"),
        ({"not_after_ms": T0}, "rejected", "at most 30 s"),
        ({"issued_ms": T0 - 20_000, "not_after_ms": T0 - 1}, "expired", "0.0 s after its deadline"),
        ({"issued_ms": T0 + 11_000, "not_after_ms": T0 + 20_000}, "rejected", "ahead of the gateway's clock"),
        ({"action": "dim"}, "rejected", "dims to no level"),
        ({"until_ms": T0 + 43_201_000}, "rejected", "more than 720 minutes"),
    ],
)
def test_an_order_that_is_not_as_agreed_is_refused_with_its_reason(
    changes: dict[str, object], ending: str, said: str
) -> None:
    order = a_command(["lamp-1"], **changes)
    _, verdict = admit(GateState(), order, TERMS, now_ms=T0)
    assert isinstance(verdict, Refused)
    assert (verdict.ending, said in verdict.reason) == (ending, True), verdict


def test_what_the_broker_kept_is_refused() -> None:
    _, verdict = admit(GateState(), a_command(["lamp-1"]), TERMS, now_ms=T0, is_retained=True)
    assert verdict == Refused("rejected", "was kept by the broker; orders never are")


def test_a_captured_order_is_worth_nothing_later_nor_under_another_id() -> None:
    """A7: of one that was carried out nothing is said that the centre would take for its end."""
    order = a_command(["lamp-1"], "off")
    state, _ = admit(GateState(), order, TERMS, now_ms=T0)
    for now_ms in (T0 + 60_000, T0 - 60_000):
        assert isinstance(admit(state, order, TERMS, now_ms=now_ms)[1], Repeated)
    later = T0 + 3_600_000
    forgotten, _ = admit(state, a_command(["lamp-1"], now_ms=later, name="next", version=2), TERMS, now_ms=later)
    _, verdict = admit(forgotten, order, TERMS, now_ms=later)
    assert verdict == Refused("expired", "came 3590 s after its deadline", is_ours=False)
    twin = a_command(["lamp-1"], "off", name="twin", nonce=order.nonce, version=2)
    _, verdict = admit(state, twin, TERMS, now_ms=T0)
    assert verdict == Refused("rejected", "its nonce has been used by another order")


def test_an_order_that_was_refused_is_answered_alike_when_it_comes_again() -> None:
    order = a_command(["lamp-1"])
    state, first = admit(GateState(), order, TERMS, now_ms=T0 + 20_000)
    _, second = admit(state, order, TERMS, now_ms=T0 + 25_000)
    assert isinstance(first, Refused)
    assert isinstance(second, Repeated)
    assert (
        (second.before.ending, second.before.reason)
        == (first.ending, first.reason)
        == ("expired", "came 10.0 s after its deadline")
    )


def test_without_a_time_that_can_be_trusted_nothing_is_let_through() -> None:
    state, verdict = admit(GateState(), a_command(["lamp-1"]), TERMS, now_ms=None)
    assert verdict == Refused("rejected", "the gateway's clock is not synced, and the centre was not heard")
    assert isinstance(admit(state, a_command(["lamp-1"]), TERMS, now_ms=T0)[1], Admitted)


def test_an_older_schedule_never_replaces_a_later_one() -> None:
    state = GateState(schedule_version=7)
    _, verdict = admit(state, a_schedule_order("x", version=7), TERMS, now_ms=T0)
    assert verdict == Refused("rejected", "a later schedule holds")


def test_what_is_remembered_of_orders_is_bounded_and_forgotten() -> None:
    state = GateState()
    for number in range(5_000):
        order = a_command(["lamp-1"], name=f"o{number}", nonce=f"{number:032x}", version=number + 1)
        state, _ = admit(state, order, TERMS, now_ms=T0 + number)
        assert len(state.taken) <= 4_097 + 1_000
    _, verdict = admit(state, a_command(["lamp-1"], name="more"), TERMS, now_ms=T0 + 5_000)
    assert isinstance(verdict, Refused)
    assert "within five minutes" in verdict.reason
    later = T0 + 400_000
    state, verdict = admit(state, a_command(["lamp-1"], now_ms=later, name="later"), TERMS, now_ms=later)
    assert isinstance(verdict, Admitted)
    assert len(state.taken) == 1


class Lit:
    """Lamps that all burn, and orders for them."""

    def __init__(self, count: int = 40, **more: object) -> None:
        self.entries = some_lamps(count, **more)
        self.lamps = {entry.id: Lamp(id=entry.id, curve=CURVE, has_meter=True, rated_a=0.45) for entry in self.entries}
        self.fleet = Fleet(self.entries, self.lamps)
        self.shadows = {name: self.ticked(lamp, Shadow()) for name, lamp in self.lamps.items()}
        self.state = GateState()

    @staticmethod
    def ticked(lamp: Lamp, shadow: Shadow) -> Shadow:
        return step(lamp, shadow, Tick(time_ms=T0, level=100, why="schedule", is_day=False))[0]

    def order(self, lamps: list[str], action: str = "off", *, now_ms: int = T0, **changes: object) -> Shares:
        changes.setdefault("name", f"{action}{lamps}{now_ms}")
        order = a_command(lamps, action, now_ms=now_ms, **changes)  # type: ignore[arg-type]
        assert isinstance(order, Command)
        self.state, shares = share_out(
            self.fleet, self.shadows, self.state, order, limits=LIMITS, now_ms=now_ms, until_ms=now_ms + 3_600_000
        )
        for name, given in shares.given.items():
            self.shadows[name], _ = step(self.lamps[name], self.shadows[name], given)
        return shares

    def names(self, first: int, last: int) -> list[str]:
        return [f"lamp-{number}" for number in range(first, last + 1)]


def test_two_operators_orders_end_in_version_order_however_they_arrive() -> None:
    """L3."""
    for versions in ((1, 2), (2, 1)):
        street = Lit()
        for version in versions:
            action = "on" if version == 1 else "off"
            shares = street.order(["lamp-1"], action, version=version, name=f"v{version}")
            is_late = versions == (2, 1) and version == 1
            assert [(each.stage, each.lamps) for each in shares.acks] == (
                [("superseded", ("lamp-1",))] if is_late else []
            )
        assert street.shadows["lamp-1"].desired == 0
        assert street.shadows["lamp-1"].version == 2


def test_lamps_of_others_and_lamps_that_cannot_are_named_and_the_rest_goes_on() -> None:
    street = Lit()
    street.lamps["lamp-2"] = msgspec.structs.replace(street.lamps["lamp-2"], is_dimmable=False)
    shares = street.order(["lamp-1", "lamp-2", "lamp-99", "lamp-1"], "dim", level=50)
    assert list(shares.given) == ["lamp-1"]
    assert [(each.lamps, each.stage, each.reason) for each in shares.acks] == [
        (("lamp-2",), "rejected", "cannot be dimmed"),
        (("lamp-99",), "rejected", "is no lamp of this gateway"),
    ]


def test_more_than_a_tenth_of_a_circuit_within_a_minute_needs_a_second_person() -> None:
    street = Lit()
    assert len(street.order(street.names(1, 4)).given) == 4
    refused = street.order(["lamp-5"], now_ms=T0 + 59_000, version=2)
    assert refused.given == {}
    assert refused.acks[0].stage == "rejected"
    assert "5 lamps of circuit 'c-1'" in refused.acks[0].reason
    assert len(street.order(["lamp-5"], now_ms=T0 + 60_000, version=2, name="later").given) == 1


def test_many_small_orders_are_counted_together() -> None:
    street = Lit()
    given = [len(street.order([name], version=number).given) for number, name in enumerate(street.names(1, 40), 1)]
    assert sum(given) == 4


def test_dimming_counts_and_a_level_that_is_no_darker_does_not() -> None:
    street = Lit()
    assert street.order(street.names(1, 5), "dim", level=99).given == {}
    assert len(street.order(street.names(1, 40), "dim", level=100).given) == 40


def test_light_and_the_return_to_the_schedule_are_never_limited() -> None:
    street = Lit()
    assert len(street.order(street.names(1, 40), "on").given) == 40
    assert len(street.order(street.names(1, 40), "resume", version=2).given) == 40


def test_a_second_person_lets_a_whole_circuit_go_dark_and_takes_nothing_from_the_next() -> None:
    street = Lit()
    assert len(street.order(street.names(1, 36), approval=SECOND).given) == 36
    assert len(street.order(street.names(37, 40), version=2).given) == 4


@pytest.mark.parametrize(
    "approval",
    [
        None,
        Approval(name="wang", time_ms=T0),
        Approval(name=" WANG", time_ms=T0),
        Approval(name="", time_ms=T0),
        Approval(name="lin", time_ms=T0 - 600_001),
        Approval(name="lin", time_ms=T0 + 60_000),
    ],
)
def test_ones_own_word_an_old_one_and_one_of_tomorrow_are_no_second_person(approval: Approval | None) -> None:
    """A11."""
    assert Lit().order(Lit().names(1, 40), approval=approval).given == {}


def test_one_lamp_may_always_be_switched_even_of_a_small_circuit() -> None:
    assert len(Lit(3).order(["lamp-2"]).given) == 1


def test_two_lamps_side_by_side_at_a_crossing_never_go_dark_together() -> None:
    street = Lit(40, conflict="crossing")
    assert "side by side" in street.order(["lamp-1", "lamp-2"]).acks[0].reason
    assert len(street.order(["lamp-1", "lamp-3"], name="apart").given) == 2
    assert "lamp-2 and lamp-3" in street.order(["lamp-2"], version=2).acks[0].reason.replace(
        "lamp-1 and lamp-2", "lamp-2 and lamp-3"
    )
    assert len(street.order(["lamp-2"], version=2, name="bright", action="dim", level=50).given) == 1
    assert len(street.order(["lamp-2"], version=3, name="allowed", approval=SECOND).given) == 1


def test_neighbours_go_by_where_lamps_stand_and_else_by_their_order() -> None:
    square = {"a": (0.0, 0.0), "b": (0.0, 0.001), "c": (0.001, 0.001), "d": (0.001, 0.0)}
    pairs = neighbours(list(square.items()))
    assert {"".join(sorted(pair)) for pair in pairs} == {"ab", "bc", "cd", "ad"}
    in_order = neighbours([("a", None), ("b", (0.0, 0.0)), ("c", None)])
    assert {"".join(sorted(pair)) for pair in in_order} == {"ab", "bc"}
    assert side_by_side(in_order, dark=["a", "b"], wanted=["c"]) == ("b", "c")
    assert side_by_side(in_order, dark=["a", "b"], wanted=["x"]) == ()
