"""A lamp is on when its current says so; every order ends once; nothing is asked for ever."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import lamp as core
from devices.lamp_state import Ask, Failed, Heard, Lamp, Look, OfCircuit, Sent, Shadow, Tick, resumed
from devices.reading import Reading
from devices.report import Report
from tests.fixtures.lamps import CURVE, METERED, T0, Controller, Street, an_order
from wire.command import Ack

ENDINGS = {"proven", "reported-not-proven", "rejected", "expired", "unreachable", "superseded"}
UNMETERED = Lamp(id="lamp-1", curve=CURVE, has_meter=False, rated_a=0.45, period_s=10)


def test_on_is_proven_by_a_current_that_is_measured_after_the_warm_up() -> None:
    street = Street()
    street.run(1)
    order = street.order("on")
    street.now_ms += 3_900
    street.hear()
    assert street.stages(order) == ["accepted", "sent", "reported"]
    street.now_ms += 200
    street.hear()
    assert street.stages(order) == ["accepted", "sent", "reported", "proven"]
    street.run(1)
    assert (street.states[-1].proven, street.states[-1].proof, street.states[-1].fault) == (100, "proven", "")


def test_off_is_proven_at_once_by_no_current() -> None:
    street = Street(controller=Controller(100))
    street.level = 100
    street.run(20)
    order = street.order("off")
    street.now_ms += 50
    street.hear()
    assert street.stages(order) == ["accepted", "sent", "reported", "proven"]


def test_dim_is_proven_by_the_curve_and_another_level_is_not() -> None:
    street = Street()
    street.run(1)
    order = street.order("dim", level=50)
    street.run(20)
    assert street.stages(order)[-1] == "proven"
    assert street.states[-1].current_a == pytest.approx(0.45 * 0.53)
    street.controller.fault = "stuck-on"
    street.run(20)
    assert street.states[-1].fault == "over-current"


def test_a_lamp_that_acks_and_draws_nothing_is_not_proven_after_two_polls_and_dark() -> None:
    street = Street(controller=Controller(fault="dark"))
    street.run(1)
    order = street.order("on")
    street.now_ms += 5_000
    street.hear()
    assert street.stages(order)[-1] == "reported"
    street.hear()
    assert street.stages(order)[-1] == "reported-not-proven"
    street.run(1)
    assert (street.states[-1].reported, street.states[-1].proven, street.states[-1].fault) == (100, 0, "dark")
    assert street.condition.is_dark
    assert street.condition.is_not_proven
    assert street.condition.expected_a == pytest.approx(0.45)
    street.controller.fault = ""
    street.hear()
    assert (street.condition.is_dark, street.condition.is_not_proven) == (False, False)


def test_a_stuck_relay_is_found_within_two_polls_by_day_and_by_night() -> None:
    """L7."""
    for is_day, fault in ((True, "lit-by-day"), (False, "relay-stuck")):
        street = Street(controller=Controller(100, fault="stuck-on"))
        street.is_day, street.level = is_day, 100
        street.run(20)
        order = street.order("off")
        street.now_ms += 5_000
        street.hear()
        street.hear()
        assert street.stages(order)[-1] == "reported-not-proven"
        assert street.shadow.fault == fault
        assert (street.condition.is_lit_by_day, street.condition.is_stuck) == (is_day, not is_day)


def test_a_controller_that_says_another_level_is_stuck_and_told_again_ever_less_often() -> None:
    street = Street(UNMETERED, Controller(has_meter=False))
    street.level = 100
    street.run(1)
    street.controller.told.clear()
    for _ in range(600):
        street.now_ms += 1_000
        street.tick()
        if street.now_ms % 10_000 == 0:
            street.controller.level = 0  # it takes the word, and does not do it
            street.hear()
    assert street.shadow.fault == "relay-stuck"
    assert 4 <= len(street.controller.told) <= 8
    street.run(320)
    assert (street.controller.level, street.shadow.fault) == (100, "")


def test_a_reading_of_before_the_switch_proves_nothing() -> None:
    street = Street(controller=Controller(0))
    street.run(20)
    order = street.order("off")
    old = Report(
        link="bus",
        address="1",
        received_ms=street.now_ms + 500,
        time_ms=street.now_ms - 1,
        readings=(Reading("current", 0.0, "A"),),
    )
    street.step(Heard(old))
    late = Reading("current", 0.0, "A", at_ms=street.now_ms + 1)
    street.step(Heard(msgspec.structs.replace(old, time_ms=street.now_ms + 500, readings=(late,))))
    assert street.stages(order) == ["accepted", "sent"]


@pytest.mark.parametrize("quality", ["stale", "suspect", "impossible"])
def test_a_reading_that_is_not_good_proves_nothing(quality: str) -> None:
    street = Street()
    street.run(1)
    order = street.order("on")
    street.now_ms += 5_000
    current = Reading("current", 0.45, "A", "", quality)  # type: ignore[arg-type]
    street.controller.has_meter = False
    for _ in range(5):
        street.hear(current=current)
    assert street.stages(order)[-1] == "reported"


def test_an_order_that_is_not_answered_ends_as_unreachable_and_is_not_done_later() -> None:
    street = Street(controller=Controller(fault="dead"))
    order = street.order("on")
    assert street.stages(order) == ["accepted", "unreachable"]
    assert street.shadow.override is None
    street.controller.fault = ""
    street.run(30)
    assert street.controller.level == 0
    assert street.stages(order) == ["accepted", "unreachable"]


def test_a_link_that_says_nothing_for_ten_seconds_ends_the_order_and_its_late_word_counts_no_more() -> None:
    street = Street()
    street.run(1)
    shadow, outputs = core.step(METERED, street.shadow, an_order(street.now_ms, "on"))
    (ask,) = (each for each in outputs if isinstance(each, Ask))
    assert ask.patience_ms < 10_000
    later = Tick(time_ms=street.now_ms + 10_000, level=0, why="schedule", is_day=True)
    shadow, outputs = core.step(METERED, shadow, later)
    assert [each.stage for each in outputs if isinstance(each, Ack)] == ["unreachable"]
    assert shadow.desired == 0
    late, outputs = core.step(METERED, shadow, Sent(time_ms=later.time_ms, number=ask.number))
    assert (late, outputs) == (shadow, [])


def test_a_lamp_that_took_the_order_and_fell_silent_ends_as_unreachable() -> None:
    street = Street(controller=Controller(fault="mute"))
    street.run(1)
    order = street.order("on")
    street.run(33)
    assert street.stages(order) == ["accepted", "sent"]
    street.run(5)
    assert street.stages(order) == ["accepted", "sent", "unreachable"]


def test_an_override_ends_and_the_schedule_returns() -> None:
    street = Street()
    street.run(1)
    street.order("on", minutes=2)
    street.run(30)
    assert (street.states[-1].why, street.states[-1].actor, street.states[-1].desired) == ("override", "wang", 100)
    street.run(120)
    assert (street.states[-1].why, street.states[-1].actor, street.states[-1].proven) == ("schedule", "", 0)


def test_an_override_that_ends_before_it_is_proven_has_expired() -> None:
    street = Street(METERED, Controller(fault="mute"))
    street.run(1)
    order = street.order("on", minutes=0.1)
    street.run(10)
    assert street.stages(order) == ["accepted", "sent", "expired"]


def test_resume_returns_to_the_schedule_at_once() -> None:
    street = Street()
    street.run(1)
    street.order("on")
    street.run(20)
    order = street.order("resume", name="back", version=2)
    street.run(20)
    assert street.stages(order)[-1] == "proven"
    assert (street.states[-1].why, street.states[-1].proven) == ("schedule", 0)


def test_a_later_order_supersedes_what_is_pending() -> None:
    street = Street(controller=Controller(fault="mute"))
    street.run(1)
    first, second = street.order("on"), street.order("off", name="second", version=2)
    assert street.stages(first) == ["accepted", "sent", "superseded"]
    assert street.stages(second) == ["accepted", "sent"]
    assert street.controller.level == 0


def test_a_lamp_that_cannot_be_dimmed_burns_where_the_schedule_dims_and_is_told_once() -> None:
    street = Street(msgspec.structs.replace(METERED, is_dimmable=False))
    street.level = 50
    street.run(60)
    assert street.controller.told == [100]
    assert street.shadow.proof == "proven"


def test_the_schedule_is_tried_again_after_a_dead_lamp_comes_back() -> None:
    street = Street(controller=Controller(fault="dead"))
    street.level = 100
    street.run(100)
    assert street.shadow.fault == "unreachable"
    street.controller.fault = ""
    street.run(60)
    assert (street.controller.level, street.shadow.fault, street.shadow.proof) == (100, "", "proven")


def test_a_lamp_without_any_meter_is_reported_and_never_proven() -> None:
    street = Street(UNMETERED, Controller(has_meter=False))
    street.run(1)
    order = street.order("on")
    street.now_ms += 100
    street.hear()
    assert street.stages(order) == ["accepted", "sent", "reported", "reported-not-proven"]
    street.run(1)
    assert (street.states[-1].proof, street.states[-1].proven, street.states[-1].reported) == ("unmeasured", None, 100)


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (["agrees"], "proven"),
        (["differs", "differs"], "reported-not-proven"),
        (["cannot-tell"], "reported-not-proven"),
        (["differs", "agrees"], "proven"),
    ],
)
def test_a_lamp_on_a_metered_circuit_waits_for_the_circuits_word(words: list[str], ending: str) -> None:
    street = Street(msgspec.structs.replace(UNMETERED, on_circuit_meter=True), Controller(has_meter=False))
    street.run(1)
    order = street.order("on")
    street.now_ms += 5_000
    street.hear()
    assert street.stages(order)[-1] == "reported"
    for word in words:
        street.step(OfCircuit(time_ms=street.now_ms, word=word, reason="for a reason"))  # type: ignore[arg-type]
    assert street.stages(order)[-1] == ending
    assert street.shadow.proof == "unmeasured"


def test_a_warm_lamp_that_nobody_has_measured_is_looked_at() -> None:
    street = Street()
    street.poll_s = 1_000_000
    street.run(1)
    street.order("on")
    street.run(3)
    assert not any(isinstance(each, Look) for each in street.outputs)
    street.run(2)
    assert any(isinstance(each, Look) for each in street.outputs)


def test_what_the_controller_itself_finds_broken_is_dark() -> None:
    street = Street(UNMETERED, Controller(has_meter=False))
    street.level = 100
    street.run(1)
    street.hear(failure=Reading("lamp.failure", True))
    assert street.shadow.fault == "dark"
    assert street.condition.is_dark


def test_a_restart_while_an_order_is_on_its_way_sends_it_again_within_its_time() -> None:
    """L6."""
    shadow, outputs = core.step(METERED, Shadow(), an_order(T0, "on"))
    street = Street(shadow=resumed(shadow), now_ms=T0 + 3_000)
    order = next(each.command_id for each in outputs if isinstance(each, Ack))
    street.run(15)
    assert street.controller.told == [100]
    assert street.stages(order) == ["sent", "reported", "proven"]


def test_a_restart_that_comes_too_late_reports_the_order_as_unreachable() -> None:
    shadow, outputs = core.step(METERED, Shadow(), an_order(T0, "on"))
    street = Street(shadow=resumed(shadow), now_ms=T0 + 60_000)
    order = next(each.command_id for each in outputs if isinstance(each, Ack))
    street.run(15)
    assert street.stages(order) == ["unreachable"]
    assert street.controller.level == 0


def test_a_restart_after_the_lamp_was_told_asks_nothing_again() -> None:
    street = Street()
    street.run(1)
    order = street.order("on")
    again = Street(controller=street.controller, shadow=resumed(street.shadow), now_ms=street.now_ms)
    again.run(20)
    assert again.controller.told == [0, 100]
    assert again.stages(order) == ["reported", "proven"]


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from(["on", "off", "dim", "resume"]), st.integers(1, 3)),
        st.tuples(st.just("fault"), st.sampled_from(["", "dead", "mute", "dark", "stuck-on"]), st.integers(0, 0)),
        st.tuples(st.just("run"), st.just(""), st.integers(1, 40)),
        st.tuples(st.just("restart"), st.just(""), st.integers(0, 20)),
        st.tuples(st.just("wish"), st.just(""), st.sampled_from([0, 50, 100])),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(EVENTS, st.booleans())
def test_whatever_happens_each_order_ends_once_and_the_lamp_follows_in_the_end(
    events: list[tuple[str, str, int]],
    has_meter: bool,  # noqa: FBT001  # hypothesis gives it
) -> None:
    street = Street(METERED if has_meter else UNMETERED, Controller(has_meter=has_meter))
    orders = []
    for number, (what, word, count) in enumerate(events, 1):
        if what == "order":
            orders.append(street.order(word, level=40, name=str(number), version=number, minutes=count))  # type: ignore[arg-type]
        elif what == "fault":
            street.controller.fault = word
        elif what == "wish":
            street.level = count
        elif what == "restart":
            street.shadow, street.now_ms = resumed(street.shadow), street.now_ms + count * 1_000
        else:
            street.run(count)
    street.controller.fault = ""
    street.run(700)  # longer than any override, any patience, and the longest pause before a lamp is told again
    for order in orders:
        stages = street.stages(order)
        assert [each for each in stages if each in ENDINGS] == stages[-1:], stages
        assert stages[0] == "accepted"
    assert street.shadow.pending is None
    assert street.controller.level == street.level == street.shadow.desired
    assert street.shadow.fault == ""
    assert street.shadow.proof == ("proven" if has_meter else "unmeasured")


def test_a_lamp_without_a_meter_that_was_silent_is_unmeasured_again_when_it_speaks() -> None:
    street = Street(UNMETERED, Controller(has_meter=False))
    street.run(10)
    assert street.shadow.proof == "unmeasured"
    street.now_ms += 40_000
    street.tick()
    assert street.shadow.proof == "unknown"
    street.run(30)
    assert street.shadow.proof == "unmeasured"


def test_nothing_that_a_link_says_twice_or_too_late_changes_anything() -> None:
    street = Street()
    street.run(1)
    street.order("on")
    shadow = street.shadow
    for happened in (Sent(time_ms=1, number=1), Failed(time_ms=1, number=99, reason="")):
        assert core.step(METERED, shadow, happened) == (shadow, [])
