"""Whether a device is heard, and what of its readings and fixes is told."""

import math
from typing import Any

import pytest

from devices import presence, telling
from devices.inventory import DeviceEntry
from devices.presence import Hearing
from devices.reading import Reading
from devices.report import Position
from devices.telling import TellingState
from tests.fixtures.devices import START_MS, entry_of
from wire.fix import Fix
from wire.observation import Observation

LAMP = entry_of("lamp", deadband={"current": 0.05}, heartbeat_s=900.0)


def _hear(moments: list[tuple[float, bool]], entry: DeviceEntry = LAMP) -> list[tuple[float, str]]:
    state, found = Hearing(), list[tuple[float, str]]()
    for time_s, is_heard in moments:
        state, told = presence.step(state, entry, START_MS + round(time_s * 1000), is_heard=is_heard)
        if told is not None:
            found.append((time_s, told.state))
    return found


def test_a_device_is_late_after_one_and_a_half_and_offline_after_three_periods() -> None:
    ticks = [(time_s, False) for time_s in range(10, 200, 10)]
    assert _hear([(0, True), *ticks, (200, True)]) == [(0, "live"), (90, "late"), (180, "offline"), (200, "live")]


def test_a_device_that_never_spoke_is_unheard_and_then_offline() -> None:
    assert _hear([(time_s, False) for time_s in range(0, 200, 10)]) == [(0, "unheard"), (180, "offline")]


def test_silence_is_counted_only_while_somebody_listens() -> None:
    # The gateway was down for an hour; then its clock was set from 1970.
    assert _hear([(0, True), (3580, False), (3590, False)]) == [(0, "live")]
    assert _hear([(-1_700_000_000, True), (0, False), (10, False), (20, False)])[-1] == (0, "live")


def test_presence_is_told_again_every_hour() -> None:
    assert _hear([(time_s, True) for time_s in range(0, 7300, 100)]) == [(0, "live"), (3600, "live"), (7200, "live")]


def _tell(rows: list[tuple[float, Reading]], entry: DeviceEntry = LAMP, **more: Any) -> list[Observation]:
    state, found = TellingState(), list[Observation]()
    for time_s, reading in rows:
        suspects = more.get("suspects", frozenset())
        state, told = telling.step(state, entry, telling.clean((reading,)), START_MS + round(time_s * 1000), suspects)
        found += told
    return found


def _current(ampere: float, **more: Any) -> Reading:
    return Reading("current", ampere, "A", **more)


def test_a_change_is_told_from_the_deadband_on_and_small_ones_add_up() -> None:
    found = _tell([(number, _current(ampere)) for number, ampere in enumerate((1.0, 1.04, 1.049, 1.05, 1.09, 1.0))])
    assert [each.result for each in found] == [1.0, 1.05, 1.0]


def test_what_has_not_changed_is_told_after_the_heartbeat() -> None:
    found = _tell([(time_s, _current(1.0)) for time_s in range(0, 2000, 100)])
    assert [(each.time_ms - START_MS) / 1000 for each in found] == [0, 900, 1800]


def test_flags_and_words_are_told_when_they_change() -> None:
    rows = [True, True, False, "on", "on", "off"]
    found = _tell([(number, Reading("relay.closed", result)) for number, result in enumerate(rows)])
    assert [each.result for each in found] == [True, False, "on", "off"]


def test_another_quality_is_news() -> None:
    rows = [_current(1.0), _current(1.0, quality="impossible"), _current(1.0, quality="impossible"), _current(1.0)]
    found = _tell([*enumerate(rows)])
    assert [each.quality for each in found] == ["good", "impossible", "good"]


def test_what_is_stuck_is_suspect() -> None:
    assert _tell([(0, _current(1.0))], suspects=frozenset({"current"}))[0].quality == "suspect"


def test_each_output_is_told_of_its_own() -> None:
    found = _tell([(0, _current(1.0, feature="1")), (1, _current(2.0, feature="2")), (2, _current(1.0, feature="1"))])
    assert [(each.feature, each.result) for each in found] == [("1", 1.0), ("2", 2.0)]


def test_what_a_device_sends_from_its_memory_is_told_at_its_time_and_says_nothing_of_now() -> None:
    rows = [_current(1.0), _current(5.0, at_ms=START_MS - 60_000), _current(6.0, at_ms=2**60), _current(1.0)]
    found = _tell([*enumerate(rows)])
    assert [(each.result, each.time_ms - START_MS) for each in found] == [(1.0, 0), (5.0, -60_000), (6.0, 2_000)]


def test_when_a_device_is_offline_its_last_values_are_told_as_stale_once() -> None:
    state, _ = telling.step(TellingState(), LAMP, (_current(1.0),), START_MS, frozenset())
    state, _ = telling.step(state, LAMP, (_current(1.01),), START_MS + 1, frozenset())
    state, stale = telling.faded(state, LAMP, START_MS + 180_000)
    assert [(each.result, each.quality, each.unit) for each in stale] == [(1.01, "stale", "A")]
    state, again = telling.faded(state, LAMP, START_MS + 190_000)
    assert again == []
    _, back = telling.step(state, LAMP, (_current(1.01),), START_MS + 200_000, frozenset())
    assert [each.quality for each in back] == ["good"]


@pytest.mark.parametrize("result", [math.nan, math.inf, 1e301, -math.inf])
def test_what_no_message_can_carry_is_left_out(result: float) -> None:
    assert telling.clean((_current(result),)) == ()


def test_texts_and_crowds_of_readings_are_cut() -> None:
    assert telling.clean((Reading("word", "a\x00" * 5_000),))[0].result == "a" * 200
    assert len(telling.clean(_current(1.0) for _ in range(10_000))) == 512
    assert telling.clean((Reading("x" * 65, 1.0), Reading("x", 1.0, feature="\x00"))) == ()


def _fixes(rows: list[tuple[float, Position]]) -> list[Fix]:
    state, found = TellingState(), list[Fix]()
    for time_s, position in rows:
        state, fix = telling.step_fix(state, entry_of("vehicle"), position, START_MS + round(time_s * 1000))
        if fix is not None:
            found.append(fix)
    return found


def _at(speed: float = 40.0, course: float = 90.0, **more: Any) -> Position:
    return Position(latitude=31.2, longitude=121.5, speed_km_h=speed, course_deg=course, **more)


def test_of_fixes_the_turns_the_stops_and_one_a_minute_are_told() -> None:
    straight = [(float(time_s), _at()) for time_s in range(0, 70, 10)]
    rows = [*straight, (70.0, _at(course=104)), (80.0, _at(course=105)), (90.0, _at(0, 300)), (100.0, _at(0, 10))]
    assert [(each.time_ms - START_MS) / 1000 for each in _fixes(rows)] == [0, 60, 80, 90]


def test_a_turn_over_north_is_no_round_trip() -> None:
    assert len(_fixes([(0, _at(course=355)), (10, _at(course=4)), (20, _at(course=11))])) == 2


def test_a_change_of_flags_and_a_lost_fix_are_told() -> None:
    rows = [_at(), _at(flags=("overspeed",)), _at(flags=("overspeed",)), _at(is_positioned=False, flags=("overspeed",))]
    assert len(_fixes([*enumerate(rows)])) == 3


def test_late_fixes_are_all_told_and_do_not_count_as_the_last_one() -> None:
    rows = [(0.0, _at()), *((-100.0 + number, _at(is_late=True)) for number in range(5)), (10.0, _at())]
    assert len(_fixes(rows)) == 6


def test_no_fix_is_told_that_cannot_be() -> None:
    assert _fixes([(0, Position(latitude=91, longitude=0)), (1, Position(latitude=math.nan, longitude=0))]) == []
    fix = _fixes([(0, _at(-5.0, math.nan, mileage_km=1e12, flags=("x" * 99,) * 99))])[0]
    assert (fix.speed_km_h, fix.course_deg, fix.mileage_km, len(fix.flags), len(fix.flags[0])) == (
        None,
        None,
        None,
        64,
        64,
    )
