"""Lamps know by themselves what to do: by sun, clock and calendar, for ever, and burn where nobody says anything."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.document import ConfigError
from devices.schedule import Schedule, darker, level_at
from devices.sun import Place, is_up
from tests.fixtures.lamps import METERED, T0, Controller, Street, some_lamps
from wire.command import LampState

SHANGHAI = Place(latitude=31.2, longitude=121.5, time_zone="Asia/Shanghai")
TROMSO = Place(latitude=69.6, longitude=18.9, time_zone="Europe/Oslo")
BERLIN = Place(latitude=52.5, longitude=13.4, time_zone="Europe/Berlin")
FILE = """
programs:
  night: [{at: sunset-00:15, level: 100}, {at: "23:00", level: 50}, {at: sunrise+00:10, level: 0}]
  festival: [{at: sunset-00:15, level: 100}, {at: sunrise, level: 0}]
  bright: [{at: "00:00", level: 100}]
  signs: [{at: "06:00", level: 0}, {at: "20:30", level: 80}]
calendars:
  streets:
    default: night
    weekdays: {sat: festival}
    days:
      - {first: 2026-10-01, last: 2026-10-07, program: festival}
      - {first: 2020-12-24, last: 2021-01-02, every_year: true, program: bright}
  signs: {default: signs}
assign:
  - {all: true, calendar: streets}
  - {group: signs, calendar: signs}
"""


def schedule(place: Place = SHANGHAI, text: str = FILE) -> Schedule:
    return Schedule(text.encode(), "schedules.yaml", place)


def at(place: Place, text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(place.time_zone)).timestamp() * 1000)


def level(text: str, place: Place = SHANGHAI, calendar: str = "streets") -> int:
    return schedule(place).wish(calendar, at(place, text)).level


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-06-01T12:00", 0),
        ("2026-06-01T18:36", 0),  # the sun sets at 18:52
        ("2026-06-01T18:38", 100),
        ("2026-06-01T22:59", 100),
        ("2026-06-01T23:00", 50),
        ("2026-06-02T04:55", 50),  # it rises at 4:51
        ("2026-06-02T05:02", 0),
        ("2026-06-06T23:30", 100),  # Saturday
        ("2026-10-03T02:00", 100),
        ("2026-10-07T23:30", 100),
        ("2026-10-08T23:30", 50),
        ("2026-12-25T12:00", 100),  # every year
        ("2027-01-02T12:00", 100),
        ("2027-01-03T12:00", 0),
    ],
)
def test_sun_clock_weekday_and_holiday_are_kept(time: str, expected: int) -> None:
    assert level(time) == expected


def test_the_next_change_is_known() -> None:
    wish = schedule().wish("signs", at(SHANGHAI, "2026-06-01T12:00"))
    assert (wish.level, wish.why, wish.until_ms) == (0, "schedule", at(SHANGHAI, "2026-06-01T20:30"))


@pytest.mark.parametrize(
    ("lamp", "calendar"),
    [
        ({"id": "lamp-9"}, "one"),
        ({"groups": ("signs",), "circuit": "c-1", "area": "old-town"}, "two"),
        ({"circuit": "c-1", "area": "old-town"}, "three"),
        ({"circuit": "c-2", "area": "old-town"}, "four"),
        ({"circuit": "c-2", "area": "new-town"}, "five"),
    ],
)
def test_the_most_specific_assignment_holds_whatever_their_order(lamp: dict[str, object], calendar: str) -> None:
    text = """
programs: {p: [{at: "00:00", level: 1}]}
calendars: {one: {default: p}, two: {default: p}, three: {default: p}, four: {default: p}, five: {default: p}}
assign:
  - {all: true, calendar: five}
  - {area: old-town, calendar: four}
  - {circuit: c-1, calendar: three}
  - {lamp: lamp-9, calendar: one}
  - {group: signs, calendar: two}
"""
    (entry,) = some_lamps(1)
    entry = msgspec.structs.replace(entry, **lamp)
    assert (
        schedule(text=text.replace("{p:", "{p1:").replace("default: p}", "default: p1}")).calendar_of(entry) == calendar
    )


def test_without_a_schedule_and_without_an_assignment_lamps_burn() -> None:
    (entry,) = some_lamps(1)
    assert level_at(None, entry, T0) == (100, "fail-safe")
    only_signs = FILE.replace("  - {all: true, calendar: streets}\n", "")
    assert level_at(schedule(text=only_signs), entry, T0) == (100, "fail-safe")
    assert level_at(schedule(), entry, at(SHANGHAI, "2026-06-01T12:00")) == (0, "schedule")


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-06-21T12:00", 0),  # the sun does not set
        ("2026-06-21T22:00", 0),
        ("2026-12-21T12:00", 100),  # it does not rise
        ("2026-12-21T23:30", 50),
        ("2026-12-22T00:01", 100),
    ],
)
def test_where_the_sun_stays_up_or_down_the_day_goes_by_that(time: str, expected: int) -> None:
    assert level(time, TROMSO) == expected


def test_a_change_of_the_clocks_neither_loses_nor_repeats_a_switch() -> None:
    text = """
programs: {p1: [{at: "02:30", level: 50}, {at: "06:00", level: 0}, {at: "20:00", level: 100}]}
calendars: {c1: {default: p1}}
assign: [{all: true, calendar: c1}]
"""
    for day in ("2026-03-29", "2026-10-25"):  # forward, and back
        begin = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        made = schedule(BERLIN, text)
        levels = [
            made.wish("c1", round((begin + timedelta(minutes=minutes)).timestamp() * 1000)).level
            for minutes in range(0, 23 * 60, 10)
        ]
        changes = [level for before, level in zip([None, *levels], levels, strict=False) if level != before]
        assert changes == [100, 50, 0, 100]


def test_a_leap_day_and_a_turn_of_the_year_are_days_like_others() -> None:
    assert level("2028-02-29T23:30") == 50
    assert level("2026-12-31T23:59") == level("2027-01-01T00:01") == 100


@settings(max_examples=60)
@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.sampled_from(["Asia/Shanghai", "Pacific/Kiritimati", "America/St_Johns", "UTC"]),
    st.integers(0, 4_000_000_000_000),
)
def test_anywhere_and_at_any_time_there_is_a_level_and_it_changes_later(
    latitude: float, longitude: float, time_zone: str, time_ms: int
) -> None:
    made = schedule(Place(latitude=latitude, longitude=longitude, time_zone=time_zone))
    wish = made.wish("streets", time_ms)
    assert 0 <= wish.level <= 100
    assert time_ms < wish.until_ms <= time_ms + 2 * 86_400_000


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        (
            "default: night",
            "default: nigth",
            "calendars.streets.default: no program 'nigth'; known: bright, festival, night, signs",
        ),
        ("sat: festival", "saturday: festival", "weekdays"),
        ("program: bright}", "program: no}", "days[1].program"),
        ("level: 50", "level: 500", "`int` <= 100"),
        ("sunset-00:15", "sunset-25:00", "not written as expected, for example 'sunset-00:15'"),
        ('"23:00"', "23:00", "put it in quotes"),
        ("{all: true, calendar: streets}", "{all: true, area: x, calendar: streets}", "exactly one of"),
        ("calendar: signs", "calendar: sings", "no calendar 'sings'"),
        ("last: 2026-10-07", "last: 2026-09-07", "a day after `first`"),
        ("programs:", "programmes:", "did you mean 'programs'"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_named_with_its_line(found: str, instead: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        schedule(text=FILE.replace(found, instead, 1))
    assert said in str(refused.value)
    assert refused.value.line


def test_an_assignment_to_nobody_is_a_misspelling() -> None:
    with pytest.raises(ConfigError, match=r"assign\[1\].group: no lamp of this gateway has group 'signs'"):
        schedule().refuse_strangers(some_lamps(3))


def darkened(new: str, old: str | None = FILE) -> set[str]:
    return darker(
        schedule(text=old) if old else None, schedule(text=new), some_lamps(2), at(SHANGHAI, "2026-06-01T12:00")
    )


def test_a_schedule_that_leaves_the_night_as_it_was_darkens_nobody() -> None:
    assert darkened(FILE) == set()
    assert darkened(FILE.replace("sunrise+00:10", "sunrise+01:00").replace("level: 50", "level: 60")) == set()


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("level: 50", "level: 49"),
        ('"23:00", level: 50', '"22:00", level: 50'),
        ('sunset-00:15, level: 100}, {at: "23', 'sunset+01:30, level: 100}, {at: "23'),
        ("sunrise+00:10", "sunrise-02:00"),
        ("weekdays: {sat: festival}", "weekdays: {}"),
        ("      - {first: 2026-10-01, last: 2026-10-07, program: festival}\n", ""),
        ("every_year: true, program: bright}", "every_year: true, program: signs}"),
    ],
)
def test_a_schedule_that_makes_any_night_darker_is_found_out(found: str, instead: str) -> None:
    assert found in FILE
    assert darkened(FILE.replace(found, instead, 1)) == {"lamp-1", "lamp-2"}


def test_the_first_schedule_that_dims_at_night_is_darker_than_none() -> None:
    assert darkened(FILE, None) == {"lamp-1", "lamp-2"}
    assert (
        darkened(
            FILE.replace("level: 50", "level: 100").replace(
                "{group: signs, calendar: signs}", "{lamp: lamp-1, calendar: streets}"
            ),
            None,
        )
        == set()
    )


def test_a_day_without_the_centre() -> None:
    """L4: sun, programs and the end of an override, second by second, and nobody is asked."""
    made = schedule()
    street = Street(
        msgspec.structs.replace(METERED, period_s=60), Controller(), now_ms=at(SHANGHAI, "2026-06-01T12:00")
    )
    street.poll_s = 60
    seen: list[tuple[str, int, str]] = []
    for second in range(24 * 3600):
        if second == 3600:
            street.order("on", minutes=60)
        wish = made.wish("streets", street.now_ms)
        street.level, street.is_day = wish.level, is_up(SHANGHAI, street.now_ms) if second % 60 == 0 else street.is_day
        street.run(1)
    for state in (each for each in street.outputs if isinstance(each, LampState) and each.proof == "proven"):
        local = datetime.fromtimestamp(state.time_ms / 1000, ZoneInfo("Asia/Shanghai"))
        if not seen or (seen[-1][1], seen[-1][2]) != (state.desired, state.why):
            seen.append((f"{local:%H:%M}", state.desired, state.why))
    assert seen == [
        ("12:01", 0, "schedule"),
        ("13:01", 100, "override"),
        ("14:00", 0, "schedule"),
        ("18:38", 100, "schedule"),
        ("23:01", 50, "schedule"),
        ("05:01", 0, "schedule"),
    ]
    assert street.controller.told == [0, 100, 0, 100, 50, 0]
    assert [each for each in street.states if each.fault] == []
