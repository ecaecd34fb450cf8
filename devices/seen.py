"""Seen: what the conditions of a device are told from: its latest values, its positions, and how long it is silent."""

import math
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import TypedDict

import msgspec

from devices.inventory import DeviceEntry
from devices.reading import Reading
from devices.report import Position

PERIODS_MAX = 3
"""What is older than so many of a device's periods is stale, and it is offline after as many without a word."""
_VALUES_MAX = 128
"""Of one device; a sender that makes up more names is not remembered further."""


class Value(msgspec.Struct, frozen=True, array_like=True):
    """The latest result of one property of one feature."""

    result: float | bool | str
    time_ms: int
    is_good: bool


Values = dict[str, dict[str, Value]]
"""By property, then by feature; it encodes."""


def is_of_now(reading: Reading) -> bool:
    """Say whether a reading tells how things are, not how they were."""
    return reading.at_ms is None and reading.quality != "stale"


def taken(values: Values, readings: Iterable[Reading], time_ms: int) -> Values:
    """Return the latest values after a report."""
    after = dict(values)
    count = sum(len(features) for features in values.values())
    for reading in readings:
        features = after.get(reading.property, {})
        if reading.feature not in features:
            if count >= _VALUES_MAX:
                continue
            count += 1
        value = Value(reading.result, time_ms, reading.quality == "good")
        after[reading.property] = {**features, reading.feature: value}
    return after


class _Base(TypedDict):
    device: str
    time_ms: int
    heard_ms: int
    is_tick: bool
    silent_s: float


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a device at a report, or at a tick, when nothing is heard but time has passed."""

    entry: DeviceEntry
    time_ms: int
    """Of the report, by the device's clock."""
    heard_ms: int
    """Of the report or tick, by the gateway's clock."""
    is_tick: bool = False
    silent_s: float = 0.0
    """For how long nothing was heard while somebody listened."""
    listened_s: float = 0.0
    """For how long somebody has listened since the last report or tick."""
    is_link_down: bool = False
    values: Values = {}
    positions: tuple[Position, ...] = ()
    """Where it is now: none that come from its memory."""
    time_zone: tzinfo

    @property
    def base(self) -> _Base:
        """What every sample begins with."""
        return {
            "device": self.entry.id,
            "time_ms": self.time_ms,
            "heard_ms": self.heard_ms,
            "is_tick": self.is_tick,
            "silent_s": round(self.silent_s, 3),
        }

    @property
    def local(self) -> datetime:
        """The local time of the place."""
        return datetime.fromtimestamp(self.time_ms / 1000, self.time_zone)

    def flag(self, name: str) -> bool | None:
        """Return whether any feature says yes; None if none does and one cannot be believed any more."""
        found = self._of(name)
        if True in found:
            return True
        return False if found and all(each is False for each in found) else None

    def numbers(self, name: str) -> list[float]:
        """Return what all features have now, as far as it can be believed."""
        return [each for each in self._of(name) if isinstance(each, float | int) and not isinstance(each, bool)]

    def number(self, name: str) -> float | None:
        """Return what a property without feature has now, else the first one."""
        return next(iter(self.numbers(name)), None)

    def low(self, name: str) -> float | None:
        """Return the smallest of all features."""
        return min(self.numbers(name), default=None)

    def high(self, name: str) -> float | None:
        """Return the largest of all features."""
        return max(self.numbers(name), default=None)

    def total(self, name: str) -> float | None:
        """Return the sum over all features, unless one of them is unknown."""
        found = self.numbers(name)
        return math.fsum(found) if found and len(found) == len(self._of(name)) else None

    def _of(self, name: str) -> list[float | bool | str | None]:
        features = self.values.get(name, {})
        oldest_ms = self.time_ms - PERIODS_MAX * self.entry.period_s * 1000
        found = [
            each.result if each.is_good and each.time_ms >= oldest_ms else None for _, each in sorted(features.items())
        ]
        return found
