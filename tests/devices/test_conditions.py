"""Covers, water and weather: what their values mean, and when they mean nothing."""

from collections.abc import Sequence

import pytest

from devices.conditions.device import AnyDevice
from devices.conditions.level import Level
from devices.conditions.manhole import Manhole
from devices.conditions.supply import cabinet_sample, meter_sample
from devices.conditions.weather import Weather
from devices.reading import Reading
from devices.report import Position
from devices.seen import Seen, taken
from tests.fixtures.devices import START_MS, Sight, entry_of
from wire.sample import DeviceSample, LevelSample, ManholeSample, WeatherSample

FLAT = {"tilt.x": 0.0, "tilt.y": 0.0, "tilt.z": 90.0}


def _covers(seen: Sequence[Seen], condition: Manhole | None = None) -> list[ManholeSample]:
    condition = condition or Manhole()
    state, found = condition.first(), list[ManholeSample]()
    for each in seen:
        state, sample = condition.step(state, each)
        found.append(sample)
    return found


def _levels(seen: Sequence[Seen], condition: Level | None = None) -> list[LevelSample]:
    condition = condition or Level()
    state, found = condition.first(), list[LevelSample]()
    for each in seen:
        state, sample = condition.step(state, each)
        found.append(sample)
    return found


def _skies(seen: Sequence[Seen]) -> list[WeatherSample]:
    state, found = Weather().first(), list[WeatherSample]()
    for each in seen:
        state, sample = Weather().step(state, each)
        found.append(sample)
    return found


def test_a_cover_is_tilted_against_how_it_lay_when_the_sensor_was_new() -> None:
    sight = Sight(entry_of("manhole"))
    lying = {"tilt.x": 5.0, "tilt.y": 0.0, "tilt.z": 85.0}  # the street slopes
    seen = [sight.at(60 * number, lying) for number in range(4)]
    seen.append(sight.at(240, {"tilt.x": 25.0, "tilt.y": 0.0, "tilt.z": 65.0}))
    found = _covers(seen)
    assert [(each.tilt_deg, each.is_tilted) for each in found[:2]] == [(None, None), (None, None)]
    assert found[3].tilt_deg == pytest.approx(0, abs=0.1)
    assert (found[3].is_tilted, found[4].is_tilted) == (False, True)
    assert found[4].tilt_deg == pytest.approx(20, abs=0.5)


def test_a_reference_is_not_learnt_from_a_cover_that_moves_or_is_open() -> None:
    sight = Sight(entry_of("manhole"))
    askew = {"tilt.x": 40.0, "tilt.y": 0.0, "tilt.z": 50.0}
    seen = [sight.at(0, askew), *(sight.at(60 * number, FLAT) for number in (1, 2, 3)), sight.at(240, askew)]
    assert [each.is_tilted for each in _covers(seen)] == [None, None, None, False, True]
    opened = Sight(entry_of("manhole"))
    assert _covers([opened.at(60 * number, {**askew, "cover.open": True}) for number in range(4)])[3].is_tilted is None


def test_a_reference_can_be_configured() -> None:
    sight = Sight(entry_of("manhole"))
    seen = [sight.at(0, {"tilt.x": 30.0, "tilt.y": 0.0, "tilt.z": 60.0})]
    assert _covers(seen, Manhole(reference_z_deg=90.0, reference_x_deg=0.0, reference_y_deg=0.0))[0].is_tilted is True


def test_a_cover_that_stands_on_its_edge_is_open_and_not_called_tilted_too() -> None:
    sight = Sight(entry_of("manhole"))
    upright = {"tilt.x": 85.0, "tilt.y": 0.0, "tilt.z": 5.0}
    found = _covers([*(sight.at(60 * number, FLAT) for number in range(3)), sight.at(240, upright)])
    assert (found[2].is_open, found[2].is_tilted) == (False, False)
    assert (found[3].is_open, found[3].is_tilted) == (True, False)


def test_two_angles_are_enough() -> None:
    sight = Sight(entry_of("manhole"))
    seen = [sight.at(60 * number, {"tilt.x": 0.0, "tilt.y": 0.0}) for number in range(3)]
    seen.append(sight.at(180, {"tilt.x": 0.0, "tilt.y": 45.0}))
    assert _covers(seen)[-1].tilt_deg == pytest.approx(45, abs=0.1)


def test_a_cover_is_lost_when_it_falls_silent_after_it_was_moved() -> None:
    sight = Sight(entry_of("manhole"))
    seen = [sight.at(0, {"cover.open": True}), sight.tick(3599, 3599), sight.tick(3600, 3600)]
    assert [each.is_lost for each in _covers(seen)] == [False, False, True]
    quiet = Sight(entry_of("manhole"))
    assert _covers([quiet.at(0, {"cover.open": False}), quiet.tick(90_000, 90_000)])[-1].is_lost is False


def test_a_cover_that_speaks_seldom_is_given_its_period() -> None:
    sight = Sight(entry_of("manhole", period_s=7200.0))
    seen = [sight.at(0, {"cover.open": True}), sight.tick(10_799, 10_799), sight.tick(10_800, 10_800)]
    assert [each.is_lost for each in _covers(seen)] == [False, False, True]


def test_a_cover_is_lost_when_its_sensor_says_that_it_is_elsewhere() -> None:
    sight = Sight(entry_of("manhole"))
    seen = [
        sight.at(0, {}, Position(latitude=31.2005, longitude=121.5)),
        sight.at(60, {}, Position(latitude=31.3, longitude=121.5, is_positioned=False)),
        sight.at(120, {}, Position(latitude=31.202, longitude=121.5)),
    ]
    assert [(each.moved_m, each.is_lost) for each in _covers(seen)] == [(55.6, False), (55.6, False), (222.4, True)]


def test_what_was_said_too_long_ago_is_not_known_any_more() -> None:
    sight = Sight(entry_of("manhole"))
    seen = [sight.at(0, {"cover.open": True}), sight.at(180, {"battery.level": 50}), sight.at(181, {})]
    assert [each.is_open for each in _covers(seen)] == [True, True, None]


def _depths(*depths: float, every_s: float = 60.0) -> list[Seen]:
    sight = Sight(entry_of("level", period_s=every_s))
    return [sight.at(number * every_s, {"water.depth": depth}) for number, depth in enumerate(depths)]


def test_a_level_is_what_two_of_three_samples_say() -> None:
    found = [each.level_m for each in _levels(_depths(0.2, 0.21, 3.0, 0.22, 3.0, 3.1))]
    assert found == [None, 0.2, 0.21, 0.22, 3.0, 3.0]


def test_a_sensor_above_the_water_needs_to_know_how_high_it_hangs() -> None:
    sight = Sight(entry_of("level"))
    seen = [sight.at(60 * number, {"distance": 1.5}) for number in range(3)]
    assert _levels(seen)[-1].level_m is None
    assert _levels(seen, Level(mount_height_m=2.0))[-1].level_m == 0.5


def test_the_rise_is_the_median_slope_and_a_spike_does_not_move_it() -> None:
    depths = [0.1 + 0.01 * number for number in range(30)]
    depths[20] = 4.0
    assert _levels(_depths(*depths))[-1].rise_m_per_h == pytest.approx(0.6, abs=0.01)
    assert [each.rise_m_per_h for each in _levels(_depths(*depths))[:8]] == [None] * 8


def test_after_a_gap_neither_level_nor_rise_is_known() -> None:
    sight = Sight(entry_of("level"))
    seen = [sight.at(60 * number, {"water.depth": 0.1 * number}) for number in range(20)]
    seen += [sight.at(9_000, {"battery.level": 90}), sight.at(9_060, {"water.depth": 5.0})]
    found = _levels(seen)
    assert found[-3].level_m == pytest.approx(1.8)
    assert [(each.level_m, each.rise_m_per_h) for each in found[-2:]] == [(None, None), (None, None)]


def test_the_same_value_for_a_day_is_stuck_over_water_and_not_in_a_dry_gully() -> None:
    wet, dry = ([_levels(_depths(*[depth] * 49, every_s=1800.0))] for depth in (1.0, 0.0))
    assert [each.is_stuck for each in wet[0][-2:]] == [False, True]
    assert wet[0][-1].level_m is None
    assert dry[0][-1].is_stuck is False
    assert _levels(_depths(*[1.0] * 49, every_s=1800.0), Level(stuck_s=0.0))[-1].is_stuck is False


def test_a_sensor_that_is_stuck_is_believed_again_when_it_moves() -> None:
    found = _levels(_depths(*[1.0] * 49, 1.01, 1.02, every_s=1800.0))
    assert [each.is_stuck for each in found[-3:]] == [True, False, False]


def test_an_impossible_value_is_no_level() -> None:
    entry = entry_of("level")
    values = taken({}, (Reading("water.depth", 900.0, "m", quality="impossible"),), START_MS)
    seen = Seen(entry=entry, time_ms=START_MS, heard_ms=START_MS, values=values, time_zone=Sight(entry).at(0).time_zone)
    assert _levels([seen, seen, seen])[-1].level_m is None


def test_rain_begins_and_ends_at_different_rates() -> None:
    sight = Sight(entry_of("weather"))
    rates = (0.3, 0.5, 0.3, 0.1)
    found = _skies([sight.at(60 * number, {"rain.rate": rate}) for number, rate in enumerate(rates)])
    assert [each.is_raining for each in found] == [False, True, True, False]


def test_what_falls_in_the_cold_is_snow() -> None:
    sight = Sight(entry_of("weather"))
    seen = [sight.at(0, {"rain.rate": 2.0, "temperature": 3.0}), sight.at(60, {"rain.rate": 2.0, "temperature": -1.0})]
    assert [(each.is_raining, each.is_snowing) for each in _skies(seen)] == [(True, False), (False, True)]


def test_without_a_rate_the_growth_of_the_counter_is_one_unless_it_began_anew() -> None:
    sight = Sight(entry_of("weather"))
    totals = (10.0, 10.2, 0.0, 0.1)
    found = _skies([sight.at(60 * number, {"rain.total": total}) for number, total in enumerate(totals)])
    assert [each.rain_mm_h for each in found] == [None, 12.0, None, 6.0]
    assert [each.is_raining for each in found] == [None, True, None, True]


def test_a_share_of_bad_readings_grows_and_fades() -> None:
    entry, condition = entry_of("other"), AnyDevice(bad_weight=0.5)
    state, shares = condition.first(), list[float | None]()
    for number, quality in enumerate(("good", "impossible", "suspect", "good")):
        reading = Reading("noise", 50.0, "dB", quality=quality)  # type: ignore[arg-type]
        time_ms = START_MS + number * 1000
        seen = Seen(
            entry=entry,
            time_ms=time_ms,
            heard_ms=time_ms,
            values=taken({}, (reading,), time_ms),
            time_zone=Sight(entry).at(0).time_zone,
        )
        state, sample = condition.step(state, seen)
        assert isinstance(sample, DeviceSample)
        shares.append(sample.bad_share)
    assert shares == [0.0, 0.5, 0.75, 0.375]


def test_silence_is_told_in_periods() -> None:
    sight = Sight(entry_of("other", period_s=100.0))
    _, sample = AnyDevice().step(AnyDevice().first(), sight.tick(500, 250))
    assert (sample.periods_missed, sample.silent_s) == (2.5, 250)


def test_of_several_outputs_the_worst_counts_and_the_sum_only_if_all_are_known() -> None:
    sight = Sight(entry_of("cabinet"))
    seen = sight.at(0, {"voltage@l1": 230.0, "voltage@l2": 198.0, "current@l1": 4.0, "door.open@1": False})
    assert (cabinet_sample(seen).voltage_v, cabinet_sample(seen).current_a) == (198, 4)
    assert cabinet_sample(seen).is_door_open is False
    later = sight.at(200, {"current@l2": 3.0, "door.open@2": True})
    assert (meter_sample(later).current_a, cabinet_sample(later).is_door_open) == (None, True)


def test_a_sender_that_makes_up_names_is_not_remembered_without_end() -> None:
    values = taken({}, (Reading(f"x{number}", 1.0) for number in range(10_000)), 0)
    assert len(values) == 128
