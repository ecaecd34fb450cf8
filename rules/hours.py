"""Hours: when a rule holds, and for whom it does not, in the local time of the place."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from wire.values import Label

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"({'|'.join(_DAYS)})"
Days = Annotated[
    str,
    Meta(
        pattern=rf"^(daily|{_DAY}(-{_DAY})?(,{_DAY}(-{_DAY})?)*)$",
        description="daily, or days and runs of days with commas: mon-fri,sun.",
        examples=["mon-fri"],
    ),
]
Time = Annotated[
    str,
    Meta(
        pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$",
        description="Hour and minute in quotes, 00:00 to 24:00.",
        examples=["07:30"],
    ),
]


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A window of time that comes again on some days; one that ends before it begins goes on past midnight.

    >>> night = Hours(days="fri", from_="22:00", to="06:00")
    >>> night.hold(datetime(2026, 11, 27, 23, 0)), night.hold(datetime(2026, 11, 28, 5, 59))
    (True, True)
    >>> night.hold(datetime(2026, 11, 28, 6, 0)), night.hold(datetime(2026, 11, 28, 22, 0))
    (False, False)
    """

    days: Days = "daily"
    """On which days it begins."""
    from_: Time = "00:00"
    to: Time = "24:00"

    def hold(self, local: datetime) -> bool:
        """Say whether a local time lies in the window; its first minute does, the minute it ends at does not."""
        minute, begins, ends = local.hour * 60 + local.minute, _minute(self.from_), _minute(self.to)
        if begins < ends:
            return begins <= minute < ends and self._is_day(local)
        return (minute >= begins and self._is_day(local)) or (minute < ends and self._is_day(local - timedelta(days=1)))

    def _is_day(self, local: datetime) -> bool:
        return self.days == "daily" or _DAYS[local.weekday()] in _days(self.days)


class Allowance(Hours, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may stand there all the same, and when."""

    labels: Annotated[tuple[Label, ...], Meta(min_length=1)]
    why: Annotated[str, Meta(min_length=1, max_length=200)]
    """For the officer who asks."""


def _minute(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


def _days(text: str) -> set[str]:
    """Return the days that a text names.

    >>> sorted(_days("sat-mon,wed"))
    ['mon', 'sat', 'sun', 'wed']
    """
    named: set[str] = set()
    for first, last in re.findall(rf"{_DAY}(?:-{_DAY})?", text):
        begin = _DAYS.index(first)
        count = (_DAYS.index(last or first) - begin) % 7 + 1
        named |= {_DAYS[(begin + number) % 7] for number in range(count)}
    return named
