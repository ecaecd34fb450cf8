"""Vehicles: corridor, hours, jumps, gaps and coverage, over fixes of which some are wrong, late or missing."""

from collections.abc import Sequence
from typing import Any

import pytest

from devices.conditions.vehicle import Vehicle
from devices.ground import distance_m, from_line_m, points_along
from devices.inventory import Corridor, DeviceEntry
from devices.report import Position
from devices.seen import Seen
from tests.fixtures.devices import START_MS, Sight, entry_of
from wire.sample import VehicleSample

LINE = ((31.2, 121.5), (31.2, 121.51), (31.21, 121.51))
DEG_M = 1 / 111_195


def _truck(**more: Any) -> DeviceEntry:
    return entry_of("vehicle", period_s=30.0, corridor=Corridor(line=LINE, width_m=50.0), **more)


def _fix(north_m: float = 0.0, east_deg: float = 0.005, **more: Any) -> Position:
    return Position(latitude=31.2 + north_m * DEG_M, longitude=121.5 + east_deg, **{"speed_km_h": 30.0, **more})


def _play(seen: Sequence[Seen], condition: Vehicle | None = None) -> list[VehicleSample]:
    condition = condition or Vehicle()
    state, found = condition.first(), list[VehicleSample]()
    for each in seen:
        state, sample = condition.step(state, each)
        found.append(sample)
    return found


def test_distances_are_those_on_the_ground() -> None:
    assert distance_m((31.2, 121.5), (31.201, 121.5)) == pytest.approx(111.2, abs=0.1)
    assert distance_m((0.0, 179.999), (0.0, -179.999)) == pytest.approx(222.4, abs=0.1)
    assert from_line_m((31.205, 121.511), LINE, 0, 1) == (pytest.approx(95.1, abs=0.2), 1)
    points = points_along(LINE, 1000, 50)
    assert len(points) == 42
    assert max(from_line_m(each, LINE, 0, 1)[0] for each in points) < 0.01


def test_off_the_corridor_is_beyond_its_width_and_back_is_well_within() -> None:
    sight = Sight(_truck())
    seen = [sight.at(10 * number, {}, _fix(north)) for number, north in enumerate((0, 49, 51, 45, 39))]
    found = _play(seen)
    assert [each.is_off_corridor for each in found] == [False, False, True, True, False]
    assert found[2].off_m == pytest.approx(51, abs=0.2)


def test_without_a_corridor_nobody_is_off_it() -> None:
    sight = Sight(entry_of("vehicle"))
    assert _play([sight.at(0, {}, _fix(9_000))])[0].is_off_corridor is None


def test_a_jump_is_not_believed_until_three_fixes_agree() -> None:
    sight = Sight(_truck())
    places = (0, 20_000, 0, 20_000, 20_010, 20_020)
    found = _play([sight.at(10 * number, {}, _fix(north)) for number, north in enumerate(places)])
    assert [each.is_off_corridor for each in found] == [False, None, False, None, None, True]


def test_a_fix_that_is_none_says_nothing_but_flags_do() -> None:
    sight = Sight(_truck())
    lost = _fix(9_000, is_positioned=False, flags=("overspeed", "main_power_off"))
    found = _play([sight.at(0, {}, _fix()), sight.at(10, {}, lost)])
    assert (found[1].is_off_corridor, found[1].speed_km_h, found[1].is_moving) == (None, None, None)
    assert (found[0].is_overspeed_told, found[1].is_overspeed_told, found[1].is_power_cut) == (False, True, True)


def test_speed_is_worked_out_where_the_terminal_tells_none() -> None:
    sight = Sight(_truck())
    seen = [sight.at(0, {}, _fix(0, speed_km_h=None)), sight.at(10, {}, _fix(40, speed_km_h=None))]
    assert [each.speed_km_h for each in _play(seen)] == [None, 14.4]


def test_the_gap_grows_while_somebody_listens_and_ends_with_a_fix() -> None:
    sight = Sight(_truck())
    seen = [sight.tick(0, 0), sight.at(10, {}, _fix()), sight.tick(20, 10), sight.tick(900, 20, listened_s=0)]
    seen += [sight.at(910, {}, _fix(is_positioned=False), listened_s=10.0), sight.at(920, {}, _fix())]
    assert [each.gap_s for each in _play(seen)] == [None, 0, 10, 10, 20, 0]


def test_hours_may_go_past_midnight() -> None:
    sight = Sight(_truck())  # the first second is 8 o'clock
    seen = [sight.at(hour * 3600, {}, _fix()) for hour in (0, 13.99, 14, 20, 21)]
    found = _play(seen, Vehicle(from_h=22, to_h=5))
    assert [each.is_in_hours for each in found] == [False, False, True, True, False]


def test_a_bed_is_uncovered_only_where_the_terminal_tells() -> None:
    sight = Sight(_truck())
    found = _play([sight.at(0, {}, _fix()), sight.at(10, {"bed.covered": False}, _fix())])
    assert [each.is_bed_uncovered for each in found] == [None, True]


def test_coverage_is_the_share_of_the_line_that_was_passed_this_day() -> None:
    sight, condition = Sight(_truck()), Vehicle(sweep_due_h=18)
    east = [sight.at(10 * number, {}, _fix(0, number * 0.0005)) for number in range(21)]  # along the first half
    found = _play(
        [*east, sight.tick(9.9 * 3600, 100), sight.tick(10 * 3600, 100), sight.tick(17 * 3600, 100)], condition
    )
    assert found[0].coverage_share == pytest.approx(0, abs=0.05)
    assert found[20].coverage_share == pytest.approx(0.46, abs=0.05)
    assert [each.is_due for each in found[-3:]] == [False, True, False]
    assert found[-1].coverage_share is None


def test_what_comes_from_the_terminals_memory_counts_for_the_coverage_and_for_nothing_else() -> None:
    sight, condition = Sight(_truck()), Vehicle(sweep_due_h=18)
    state, before = condition.step(condition.first(), sight.at(600, {}, _fix()))
    memory = tuple((START_MS + 10_000 * number, _fix(0, number * 0.0005, is_late=True)) for number in range(21))
    yesterday = ((START_MS - 86_400_000, _fix(1_000, 0.01, is_late=True)),)
    state, after = condition.step(state, sight.at(610), (*memory, *yesterday))
    assert (before.coverage_share or 0) < 0.1
    assert after.coverage_share == pytest.approx(0.46, abs=0.05)
    assert (after.speed_km_h, after.is_off_corridor) == (30, False)


def test_without_a_plan_or_a_fix_there_is_no_coverage() -> None:
    sight = Sight(_truck())
    assert _play([sight.at(0, {}, _fix())])[0].coverage_share is None
    assert _play([sight.tick(0, 0)], Vehicle(sweep_due_h=18))[0].coverage_share is None
