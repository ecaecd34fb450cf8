"""Schedule: what lamps do when nobody says otherwise: programs by sun and clock, calendars, and who follows which.

Pure: it is told the time. Without a schedule, and wherever one says nothing, lamps burn.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config.document import Document
from devices.inventory import DeviceEntry
from devices.sun import Place, SunEvent, is_dark, sun_event
from wire.command import Level
from wire.identifiers import Id
from wire.values import Label

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TARGETS = ("lamp", "group", "circuit", "area", "all")
"""The most specific first."""
_AT = re.compile(r"(?:(?P<sun>sunrise|sunset)(?:(?P<sign>[+-])(?P<by>\d\d:\d\d))?|(?P<clock>\d\d:\d\d))\Z")
_DAYS_BACK = 2
_DAYS_MAX = 64
_DAY_MS = 86_400_000
At = Annotated[
    str,
    Meta(
        pattern=r"^((sunrise|sunset)([+-](0\d|1[0-2]):[0-5]\d)?|([01]\d|2[0-3]):[0-5]\d)$(?!\n)",
        examples=["sunset-00:15"],
    ),
]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when on which level holds."""

    at: At
    """``"23:00"`` by the local clock (in quotes), or the sun: ``sunset-00:15``, ``sunrise``, ``sunrise+00:10``."""
    level: Level


class Days(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days that are not like the others: a holiday, a festival, a season."""

    first: date
    last: date | None = None
    """Only ``first`` if left out."""
    program: Id
    every_year: bool = False

    def holds(self, day: date) -> bool:
        """Tell whether a day is one of them; a season may go over the turn of the year."""
        last = self.last or self.first
        if not self.every_year:
            return self.first <= day <= last
        begin, end, today = ((each.month, each.day) for each in (self.first, last, day))
        return begin <= today <= end if begin <= end else today >= begin or today <= end


class Calendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which program a day has: the first of ``days`` that holds it, else its weekday's, else ``default``."""

    default: Id
    weekdays: dict[Weekday, Id] = {}
    days: Annotated[tuple[Days, ...], Meta(max_length=400)] = ()

    def program_of(self, day: date) -> str:
        """Return the name of a day's program."""
        special = next((each.program for each in self.days if each.holds(day)), None)
        return special or self.weekdays.get(_WEEKDAYS[day.weekday()], self.default)


class Assignment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who follows a calendar: one of lamp, group, circuit, area, all.

    A lamp goes before a group, a group before a circuit, and so on; of two of a kind the first in the file holds.
    """

    calendar: Id
    lamp: Id | None = None
    group: Label | None = None
    circuit: Label | None = None
    area: Label | None = None
    all: Literal[True] | None = None

    @property
    def target(self) -> tuple[str, str | bool] | None:
        """What of these is named; None if it is not exactly one."""
        named = [(name, getattr(self, name)) for name in _TARGETS if getattr(self, name) is not None]
        return named[0] if len(named) == 1 else None

    def takes(self, entry: DeviceEntry) -> bool:
        """Tell whether it speaks of a lamp."""
        name, value = self.target or ("", "")
        if name == "group":
            return value in entry.groups
        return name == "all" or value == {"lamp": entry.id, "circuit": entry.circuit, "area": entry.area}.get(name)


class ScheduleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of schedules holds."""

    programs: Annotated[
        dict[Id, Annotated[tuple[Step, ...], Meta(min_length=1, max_length=48)]], Meta(min_length=1, max_length=100)
    ]
    calendars: Annotated[dict[Id, Calendar], Meta(min_length=1, max_length=100)]
    assign: Annotated[tuple[Assignment, ...], Meta(min_length=1, max_length=5_000)]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule wants of a lamp, and until when that is so."""

    level: int
    why: Literal["schedule", "fail-safe"]
    until_ms: int


class Schedule:
    """A file of schedules at a place. Everything in it is checked; raise ConfigError naming what is wrong."""

    def __init__(self, content: bytes, source: str, place: Place) -> None:
        self.place = place
        document = Document(content, source)
        self.file = document.read(ScheduleFile)
        self._document = document
        self._zone = place.zone
        self._days: dict[tuple[str, date], tuple[tuple[int, int], ...]] = {}
        self._check()

    def refuse_strangers(self, lamps: Sequence[DeviceEntry]) -> None:
        """Raise ConfigError if something is assigned to what no lamp belongs to: it is misspelt."""
        for number, each in enumerate(self.file.assign):
            if lamps and not any(each.takes(lamp) for lamp in lamps):
                name, value = each.target or ("", "")
                raise self._document.error(f"assign[{number}].{name}", f"no lamp of this gateway has {name} {value!r}")

    def calendar_of(self, entry: DeviceEntry) -> str | None:
        """Return the calendar that a lamp follows; None if nobody gave it one."""
        found = [each for each in self.file.assign if each.takes(entry)]
        return min(found, key=lambda each: _TARGETS.index((each.target or ("all", ""))[0])).calendar if found else None

    def wish(self, calendar: str | None, time_ms: int) -> Wish:
        """Return what the followers of a calendar should do at a time."""
        if calendar is None:
            return no_schedule(time_ms)
        today = datetime.fromtimestamp(time_ms / 1000, self._zone).date()
        changes = [
            change
            for number in range(-_DAYS_BACK, 3)
            for change in self._changes(calendar, today + timedelta(days=number))
        ]
        changes.sort(key=lambda change: change[0])
        past = [level for at_ms, level in changes if at_ms <= time_ms]
        until_ms = next((at_ms for at_ms, _ in changes if at_ms > time_ms), time_ms + _DAY_MS)
        if not past:
            return Wish(level=100, why="fail-safe", until_ms=until_ms)
        return Wish(level=past[-1], why="schedule", until_ms=until_ms)

    def turns(self, calendar: str | None, day: date) -> list[int]:
        """Return when something changes on a day, in milliseconds."""
        return [at_ms for at_ms, _ in self._changes(calendar, day)] if calendar is not None else []

    def special_days(self) -> set[date]:
        """Return the days at which some calendar is not as in other weeks: the first and last of each of its days."""
        every = [each for calendar in self.file.calendars.values() for each in calendar.days]
        return {day for each in every for day in (each.first, each.last or each.first)}

    def _changes(self, calendar: str, day: date) -> tuple[tuple[int, int], ...]:
        """Return the times and levels of a day's program, in their order."""
        found = self._days.get((calendar, day))
        if found is None:
            if len(self._days) >= _DAYS_MAX * len(self.file.calendars):
                self._days.clear()
            steps = self.file.programs[self.file.calendars[calendar].program_of(day)]
            found = tuple(sorted(self._at(steps, day), key=lambda change: change[0]))
            self._days[calendar, day] = found
        return found

    def _at(self, steps: Iterable[Step], day: date) -> Iterable[tuple[int, int]]:
        for step in steps:
            match = _AT.match(step.at)
            assert match is not None  # noqa: S101  # the pattern of ``At`` is as strict
            if match["clock"]:
                # A time that the clocks jump over is an hour later; one that comes twice is the first.
                hour, minute = map(int, match["clock"].split(":"))
                at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
                yield _ms(at), step.level
                continue
            event: SunEvent = "sunset" if match["sun"] == "sunset" else "sunrise"
            found = sun_event(self.place, event, day)
            if isinstance(found, datetime):
                yield _ms(found) + _offset_ms(match["sign"], match["by"]), step.level
            elif found == ("up" if event == "sunrise" else "down"):
                # It is day, or night, for all of the day: what belongs to that holds from its first minute.
                yield _ms(datetime(day.year, day.month, day.day, tzinfo=self._zone)), step.level

    def _check(self) -> None:
        programs = sorted(self.file.programs)
        for name, calendar in self.file.calendars.items():
            named = [("default", calendar.default)]
            named += [(f"weekdays.{day}", program) for day, program in calendar.weekdays.items()]
            named += [(f"days[{number}].program", each.program) for number, each in enumerate(calendar.days)]
            for key, program in named:
                if program not in self.file.programs:
                    known = f"known: {', '.join(programs)}"
                    raise self._document.error(f"calendars.{name}.{key}", f"no program {program!r}", known)
            for number, days in enumerate(calendar.days):
                if not days.every_year and days.last is not None and days.last < days.first:
                    raise self._document.error(f"calendars.{name}.days[{number}].last", "expected a day after `first`")
        for number, each in enumerate(self.file.assign):
            if each.target is None:
                raise self._document.error(f"assign[{number}]", f"expected exactly one of: {', '.join(_TARGETS)}")
            if each.calendar not in self.file.calendars:
                known = f"known: {', '.join(sorted(self.file.calendars))}"
                raise self._document.error(f"assign[{number}].calendar", f"no calendar {each.calendar!r}", known)


def level_at(schedule: Schedule | None, entry: DeviceEntry, time_ms: int) -> tuple[int, str]:
    """Return the level that a lamp should have at a time, and why."""
    wish = schedule.wish(schedule.calendar_of(entry), time_ms) if schedule else no_schedule(time_ms)
    return wish.level, wish.why


def no_schedule(time_ms: int) -> Wish:
    """Return what a lamp does that nobody gave a schedule: it burns."""
    return Wish(level=100, why="fail-safe", until_ms=time_ms + _DAY_MS)


def darker(old: Schedule | None, new: Schedule, lamps: Iterable[DeviceEntry], time_ms: int) -> set[str]:
    """Return the lamps that a new schedule would leave darker than the old one while it is dark outside.

    Looked at are the coming week, and the edges of every special day that either of them names for the coming year.
    """
    today = datetime.fromtimestamp(time_ms / 1000, new.place.zone).date()
    pairs: dict[tuple[str | None, str | None], set[str]] = {}
    for lamp in lamps:
        pair = (old.calendar_of(lamp) if old else None, new.calendar_of(lamp))
        pairs.setdefault(pair, set()).add(lamp.id)
    days = {today + timedelta(days=number) for number in range(8)}
    for each in (*new.special_days(), *(old.special_days() if old else ())):
        days |= {
            shifted
            for year in (today.year, today.year + 1)
            if (shifted := _in_year(each, year)) and today <= shifted <= today + timedelta(days=366)
        }
    found: set[str] = set()
    for (before, after), names in pairs.items():
        times = {at for day in days for at in _moments(old, new, before, after, day) if at >= time_ms} | {time_ms}
        if any(_is_darker(old, new, before, after, at) for at in times):
            found |= names
    return found


def _moments(old: Schedule | None, new: Schedule, before: str | None, after: str | None, day: date) -> Iterable[int]:
    """Yield when to look on a day: when either changes, halfway to the next change, and at midnight."""
    turns = sorted({*new.turns(after, day), *(old.turns(before, day) if old else ())})
    yield from turns
    yield from ((one + other) // 2 for one, other in pairwise(turns))
    noon = _ms(datetime(day.year, day.month, day.day, 12, tzinfo=new.place.zone))
    yield from (noon + hours * 3_600_000 for hours in range(0, 24, 2))


def _is_darker(old: Schedule | None, new: Schedule, before: str | None, after: str | None, at_ms: int) -> bool:
    was = old.wish(before, at_ms).level if old else 100
    return new.wish(after, at_ms).level < was and is_dark(new.place, at_ms)


def _in_year(day: date, year: int) -> date | None:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return None


def _offset_ms(sign: str | None, by: str | None) -> int:
    if not sign or not by:
        return 0
    hours, minutes = map(int, by.split(":"))
    return (hours * 60 + minutes) * 60_000 * (-1 if sign == "-" else 1)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
