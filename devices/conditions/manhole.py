"""Manhole: whether a cover is open, tilted, or gone, and how deep the water under it stands.

The tilt is the angle between where down is now and where it was when the sensor was new. Sensors tell it as the
elevation of their three axes over the horizontal, so down is (sin x, sin y, sin z); what tells only x and y is believed
to stand upright on its third.
"""

import math

import msgspec

from devices.conditions.quantity import Angle, Degrees, Metres, Seconds
from devices.ground import distance_m
from devices.seen import Seen
from wire.sample import ManholeSample

_LEARN_COUNT = 3
_LOST_PERIODS = 1.5
Down = tuple[float, float, float]


class ManholeState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a cover."""

    reference: Down | None = None
    """Where down was when the cover lay as it should."""
    learnt: tuple[Down, ...] = ()
    """The first readings, until they agree."""
    is_disturbed: bool = False
    """Its last word was of movement."""
    moved_m: float | None = None


class Manhole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The condition is its configuration."""

    reference_x_deg: Degrees | None = None
    """What the sensor tells while the cover lies as it should; learnt from its first readings if left out."""
    reference_y_deg: Degrees | None = None
    reference_z_deg: Degrees | None = None
    learn_deg: Angle = 3.0
    """By how much the first three readings may differ to be taken as the reference."""
    tilted_deg: Angle = 20.0
    """From this angle the cover is tilted, whatever the sensor's own limit is."""
    open_deg: Angle = 60.0
    """From this angle the cover is no longer over the hole."""
    disturbed_deg: Angle = 10.0
    """From this tilt the cover has been moved; if the sensor falls silent then, the cover may be lost."""
    lost_after_s: Seconds = 3600.0
    """How long it must be silent after a movement to be lost; one and a half of its periods, where that is longer."""
    moved_max_m: Metres = 100.0
    """How far from its place the sensor may say that it is; positioning among houses is no better."""

    def first(self) -> ManholeState:
        """Return the state of a cover of which nothing is known."""
        return ManholeState()

    def step(self, state: ManholeState, seen: Seen) -> tuple[ManholeState, ManholeSample]:
        """Return the state and the sample after a report or a tick."""
        flag = seen.flag("cover.open")
        down = _down(*(seen.number(f"tilt.{axis}") for axis in "xyz"))
        if not seen.is_tick:
            state = self._learn(state, down, is_calm=not flag and not seen.flag("cover.tilted"))
            state = self._place(state, seen)
        reference = self._configured() or state.reference
        tilt_deg = _between_deg(down, reference) if down and reference else None
        is_open = self._is_past(self.open_deg, "cover.open", seen, tilt_deg)
        is_tilted = self._is_past(self.tilted_deg, "cover.tilted", seen, tilt_deg)
        if not seen.is_tick:
            is_disturbed = bool(is_open or is_tilted or (tilt_deg is not None and tilt_deg >= self.disturbed_deg))
            state = msgspec.structs.replace(state, is_disturbed=is_disturbed)
        lost_after_s = max(self.lost_after_s, _LOST_PERIODS * seen.entry.period_s)
        is_gone = state.is_disturbed and seen.silent_s >= lost_after_s
        is_away = state.moved_m is not None and state.moved_m > self.moved_max_m
        return state, ManholeSample(
            **seen.base,
            is_open=is_open,
            is_tilted=is_tilted and not is_open,
            tilt_deg=None if tilt_deg is None else round(tilt_deg, 2),
            is_lost=is_gone or is_away,
            moved_m=state.moved_m,
            water_m=seen.number("water.depth"),
        )

    @staticmethod
    def _is_past(limit_deg: float, flag: str, seen: Seen, tilt_deg: float | None) -> bool | None:
        """Say what flag and angle say together, of what the sensor has of both."""
        words = [seen.flag(flag)] if flag in seen.values else []
        if "tilt.x" in seen.values:
            words.append(None if tilt_deg is None else tilt_deg >= limit_deg)
        if True in words:
            return True
        return None if not words or None in words else False

    def _configured(self) -> Down | None:
        given = (self.reference_x_deg, self.reference_y_deg, self.reference_z_deg)
        return _down(*given) if any(each is not None for each in given) else None

    def _learn(self, state: ManholeState, down: Down | None, *, is_calm: bool) -> ManholeState:
        """Take the middle of the first readings that agree as the reference."""
        if state.reference or not down or not is_calm:
            return state
        learnt = (*state.learnt, down)
        if any(_between_deg(down, each) > self.learn_deg for each in learnt):
            return msgspec.structs.replace(state, learnt=(down,))
        if len(learnt) < _LEARN_COUNT:
            return msgspec.structs.replace(state, learnt=learnt)
        middle = _unit(*(sum(each[axis] for each in learnt) for axis in range(3)))
        return msgspec.structs.replace(state, reference=middle, learnt=())

    @staticmethod
    def _place(state: ManholeState, seen: Seen) -> ManholeState:
        fixes = [(each.latitude, each.longitude) for each in seen.positions if each.is_positioned]
        if not fixes or seen.entry.position is None:
            return state
        return msgspec.structs.replace(state, moved_m=round(distance_m(fixes[-1], seen.entry.position), 1))


def _down(x_deg: float | None, y_deg: float | None, z_deg: float | None) -> Down | None:
    if x_deg is None or y_deg is None:
        return None
    x, y = math.sin(math.radians(x_deg)), math.sin(math.radians(y_deg))
    z = math.sqrt(max(0.0, 1 - x * x - y * y)) if z_deg is None else math.sin(math.radians(z_deg))
    return _unit(x, y, z)


def _unit(x: float, y: float, z: float) -> Down | None:
    length = math.hypot(x, y, z)
    return (x / length, y / length, z / length) if length > 0.1 else None


def _between_deg(one: Down, other: Down) -> float:
    cosine = sum(a * b for a, b in zip(one, other, strict=True))
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
