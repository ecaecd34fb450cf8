"""Level: how high water stands, how fast it rises, and whether the sensor is stuck.

A level is believed when two of three samples say so: it is the middle one of the last three. The rise is the median of
the slopes between all pairs of the window's samples (Theil and Sen), which a few wild ones do not move. A sensor that
repeats the very same number for a day, over water, is stuck: a water surface is never so still. A dry gully is.
"""

import itertools
import statistics

import msgspec

from devices.conditions.quantity import Height, Metres, Seconds
from devices.seen import PERIODS_MAX, Seen
from wire.sample import LevelSample

_SAMPLES_MAX = 32
_RISE_SAMPLES_MIN = 4
_STUCK_SAMPLES_MIN = 12


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One level, as it was measured."""

    time_ms: int
    level_m: float


class LevelState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a level."""

    points: tuple[Point, ...] = ()
    """Of the window, without a gap between them."""
    time_ms: int = -1
    """Of the last reading."""
    raw_m: float | None = None
    """What the sensor says ..."""
    raw_since_ms: int = 0
    """... since then ..."""
    raw_count: int = 0
    """... so many times without a change."""
    is_stuck: bool | None = None


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The condition is its configuration."""

    mount_height_m: Height | None = None
    """How high over the zero of the level a sensor hangs that measures downwards; without it, distances say nothing."""
    offset_m: Height = 0.0
    """What is added to the depth that a submerged sensor tells."""
    window_s: Seconds = 1800.0
    """Of the samples that the rise is told from; at least four of the device's periods."""
    stuck_s: Seconds = 86_400.0
    """The very same value for so long, twelve times or more, is that of a sensor that is stuck; 0: never."""
    dry_m: Metres = 0.05
    """Below this level a value may stay for ever."""

    def first(self) -> LevelState:
        """Return the state of a level that was never measured."""
        return LevelState()

    def step(self, state: LevelState, seen: Seen) -> tuple[LevelState, LevelSample]:
        """Return the state and the sample after a report or a tick."""
        if not seen.is_tick:
            state = self._measured(state, seen)
        is_fresh = seen.time_ms - state.time_ms <= self._gap_ms(seen) and bool(state.points)
        is_believed = is_fresh and not state.is_stuck
        level_m, rise = (_middle_m(state.points), self._rise(state.points, seen)) if is_believed else (None, None)
        return state, LevelSample(
            **seen.base,
            level_m=None if level_m is None else round(level_m, 4),
            rise_m_per_h=None if rise is None else round(rise, 4),
            is_stuck=state.is_stuck if is_fresh else None,
        )

    def stuck_property(self, state: LevelState, seen: Seen) -> str:
        """Return which property is not to be believed, or an empty string."""
        if not state.is_stuck:
            return ""
        return "water.depth" if "water.depth" in seen.values else "distance"

    def _measured(self, state: LevelState, seen: Seen) -> LevelState:
        raw_m, level_m = self._reading(seen)
        if raw_m is None or level_m is None:
            return state
        is_same = raw_m == state.raw_m and level_m >= self.dry_m
        since_ms, count = (state.raw_since_ms, state.raw_count + 1) if is_same else (seen.time_ms, 1)
        lasted_s = (seen.time_ms - since_ms) / 1000
        points = state.points
        if seen.time_ms - state.time_ms > self._gap_ms(seen):
            points = ()
        window_ms = self._window_s(seen) * 1000
        points = (*points, Point(seen.time_ms, level_m))
        kept = tuple(each for each in points if seen.time_ms - each.time_ms <= window_ms)
        if len(kept) > _SAMPLES_MAX:  # every second one of the older half
            kept = kept[: _SAMPLES_MAX // 2 : 2] + kept[_SAMPLES_MAX // 2 :]
        return LevelState(
            points=kept if len(kept) >= 3 else points[-3:],
            time_ms=seen.time_ms,
            raw_m=raw_m,
            raw_since_ms=since_ms,
            raw_count=count,
            is_stuck=0 < self.stuck_s <= lasted_s and count >= _STUCK_SAMPLES_MIN,
        )

    def _reading(self, seen: Seen) -> tuple[float | None, float | None]:
        """Return what the sensor has said just now, and which level that is."""
        for name in ("water.depth", "distance"):
            if any(each.time_ms == seen.time_ms for each in seen.values.get(name, {}).values()):
                raw_m = seen.number(name)
                if raw_m is None or (name == "distance" and self.mount_height_m is None):
                    continue
                return raw_m, raw_m + self.offset_m if name == "water.depth" else (self.mount_height_m or 0.0) - raw_m
        return None, None

    def _rise(self, points: tuple[Point, ...], seen: Seen) -> float | None:
        """Return metres an hour, if the samples say anything of it."""
        span_s = (points[-1].time_ms - points[0].time_ms) / 1000
        if len(points) < _RISE_SAMPLES_MIN or span_s < self._window_s(seen) / 4:
            return None
        slopes = [
            (late.level_m - early.level_m) / (late.time_ms - early.time_ms)
            for early, late in itertools.combinations(points, 2)
            if late.time_ms > early.time_ms
        ]
        return statistics.median(slopes) * 3_600_000 if slopes else None

    def _window_s(self, seen: Seen) -> float:
        return max(self.window_s, _RISE_SAMPLES_MIN * seen.entry.period_s)

    @staticmethod
    def _gap_ms(seen: Seen) -> float:
        return PERIODS_MAX * seen.entry.period_s * 1000


def _middle_m(points: tuple[Point, ...]) -> float | None:
    """Return the middle one of the last three; of two the lower, for one alone may be a spike."""
    last = [each.level_m for each in points[-3:]]
    if len(last) == 3:
        return sorted(last)[1]
    return min(last) if len(last) == 2 else None
