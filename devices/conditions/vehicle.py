"""Vehicle: whether it keeps to its corridor and hours, how fast it is, and how much of its line it has passed.

Only fixes that can be believed count: positioned, of now, and no further from the last one than the vehicle can have
come. Three fixes in a row that contradict the last one and go with each other are believed instead of it. Fixes from
the terminal's memory count for the coverage of the day, which is of the past, and for nothing else.
"""

import msgspec

from devices.conditions.coverage import Coverage, covered, first_coverage, share_of
from devices.conditions.quantity import Hour, KmPerHour, Share, SweepWidth
from devices.ground import Place, distance_m, from_line_m
from devices.inventory import Corridor
from devices.report import Position
from devices.seen import PERIODS_MAX, Seen
from wire.sample import VehicleSample

_BELIEVED = 3
_JITTER_M = 50.0
_NEAR_PIECES = 8


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """Where a vehicle was, and when."""

    time_ms: int
    latitude: float
    longitude: float

    @property
    def place(self) -> Place:
        """The position alone."""
        return self.latitude, self.longitude


class VehicleState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a vehicle."""

    spot: Spot | None = None
    """Its last believed fix."""
    speed_km_h: float | None = None
    is_moving: bool | None = None
    jumps: tuple[Spot, ...] = ()
    """Fixes since then that contradict it."""
    is_off: bool | None = None
    off_m: float | None = None
    piece: int = 0
    """The piece of the corridor's line that it was nearest to."""
    gap_s: float | None = None
    flags: tuple[str, ...] | None = None
    coverage: Coverage | None = None


class Vehicle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The condition is its configuration."""

    moving_km_h: KmPerHour = 5.0
    """From this speed it moves; standing vehicles are told to creep."""
    jump_km_h: KmPerHour = 200.0
    """No vehicle comes from one fix to the next at a higher speed."""
    back_share: Share = 0.8
    """Off its corridor, it is on it again within this share of the width."""
    from_h: Hour = 0.0
    """The local hour from which it may drive."""
    to_h: Hour = 24.0
    """The local hour until which it may drive; before `from_h`: that of the next day."""
    sweep_due_h: Hour = 0.0
    """The local hour by which a sweeper has to have passed the line of its corridor; 0: it has no such plan."""
    sweep_width_m: SweepWidth = 25.0
    """How near to the line it must come."""

    def first(self) -> VehicleState:
        """Return the state of a vehicle that was never heard."""
        return VehicleState()

    def step(
        self, state: VehicleState, seen: Seen, late: tuple[tuple[int, Position], ...] = ()
    ) -> tuple[VehicleState, VehicleSample]:
        """Return the state and the sample after a report or a tick; ``late`` are fixes of the past and their times."""
        if state.gap_s is not None:
            state = msgspec.structs.replace(state, gap_s=state.gap_s + seen.listened_s)
        for position in seen.positions:
            state = msgspec.structs.replace(state, flags=position.flags)
            if position.is_positioned:
                state = self._located(state, seen, position)
        state = self._swept(state, seen, late)
        return state, self._sample(state, seen)

    def _located(self, state: VehicleState, seen: Seen, position: Position) -> VehicleState:
        spot, before = Spot(seen.time_ms, position.latitude, position.longitude), state.spot
        if before is not None and not self._can_be(before, spot):
            jumps = (*state.jumps, spot) if not state.jumps or self._can_be(state.jumps[-1], spot) else (spot,)
            if len(jumps) < _BELIEVED:
                return msgspec.structs.replace(state, jumps=jumps)
            before = jumps[-2]
        speed = position.speed_km_h
        if speed is None and before is not None and spot.time_ms > before.time_ms:
            speed = distance_m(before.place, spot.place) / (spot.time_ms - before.time_ms) * 3600
        state = msgspec.structs.replace(
            state,
            spot=spot,
            speed_km_h=None if speed is None else round(speed, 1),
            is_moving=None if speed is None else speed >= self.moving_km_h,
            jumps=(),
            gap_s=0.0,
        )
        return state if seen.entry.corridor is None else self._kept_to(state, seen.entry.corridor, spot.place)

    def _can_be(self, one: Spot, other: Spot) -> bool:
        hours = abs(other.time_ms - one.time_ms) / 3_600_000
        return distance_m(one.place, other.place) <= _JITTER_M + self.jump_km_h * 1000 * hours

    def _kept_to(self, state: VehicleState, corridor: Corridor, place: Place) -> VehicleState:
        pieces = len(corridor.line) - 1
        limit_m = corridor.width_m * (self.back_share if state.is_off else 1.0)
        near = min(state.piece, pieces - 1)
        far_m, piece = from_line_m(
            place, corridor.line, max(0, near - _NEAR_PIECES), min(pieces - 1, near + _NEAR_PIECES)
        )
        if far_m > limit_m:  # it may have come to another part of the line
            far_m, piece = from_line_m(place, corridor.line, 0, pieces - 1)
        return msgspec.structs.replace(state, is_off=far_m > limit_m, off_m=round(far_m, 1), piece=piece)

    def _swept(self, state: VehicleState, seen: Seen, late: tuple[tuple[int, Position], ...]) -> VehicleState:
        corridor = seen.entry.corridor
        if not self.sweep_due_h or corridor is None:
            return state
        coverage = state.coverage or first_coverage()
        fixes = [(time_ms, (each.latitude, each.longitude)) for time_ms, each in late if each.is_positioned]
        if state.spot is not None and state.spot.time_ms == seen.time_ms and seen.positions:
            fixes.append((state.spot.time_ms, state.spot.place))
        coverage = covered(coverage, seen.local, fixes, line=corridor.line, width_m=self.sweep_width_m)
        return msgspec.structs.replace(state, coverage=coverage)

    def _sample(self, state: VehicleState, seen: Seen) -> VehicleSample:
        spot, flags = state.spot, state.flags
        fresh_ms = PERIODS_MAX * seen.entry.period_s * 1000
        is_now = spot is not None and (spot.time_ms == seen.time_ms if seen.positions else True)
        is_fresh = is_now and spot is not None and seen.time_ms - spot.time_ms <= fresh_ms
        bed = seen.flag("bed.covered")
        return VehicleSample(
            **seen.base,
            speed_km_h=state.speed_km_h if is_fresh else None,
            is_moving=state.is_moving if is_fresh else None,
            was_moving=state.is_moving,
            is_off_corridor=state.is_off if is_fresh and seen.entry.corridor else None,
            off_m=state.off_m if is_fresh and seen.entry.corridor else None,
            is_in_hours=self._is_in_hours(seen),
            is_bed_uncovered=None if bed is None else not bed,
            is_overspeed_told=None if flags is None else "overspeed" in flags,
            is_power_cut=None if flags is None else "main_power_off" in flags,
            gap_s=None if state.gap_s is None else round(state.gap_s, 3),
            coverage_share=share_of(state.coverage),
            is_due=None if state.coverage is None else _hour(seen) >= self.sweep_due_h,
        )

    def _is_in_hours(self, seen: Seen) -> bool:
        hour = _hour(seen)
        if self.from_h <= self.to_h:
            return self.from_h <= hour < self.to_h
        return hour >= self.from_h or hour < self.to_h


def _hour(seen: Seen) -> float:
    local = seen.local
    return local.hour + local.minute / 60 + local.second / 3600
