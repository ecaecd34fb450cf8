"""Telling: which of a device's readings and fixes are worth a message; pure.

A reading is told when it has changed by the deadband, when its quality has, and after the heartbeat. A fix is told when
the vehicle turns, stops or starts, when a flag changes, and once a minute; what comes late is all told, for nobody can
know what it fills.
"""

import math
from collections.abc import Iterable

import msgspec

from devices.inventory import DeviceEntry
from devices.reading import Quality, Reading
from devices.report import Position
from devices.seen import is_of_now
from wire.fix import Fix
from wire.observation import Observation

_NAMES_MAX = 256
_READINGS_MAX = 512
"""Of one report."""
_TEXT_MAX = 200
_TURN_DEG = 15.0
_MOVING_KM_H = 5.0
_FIX_MS = 60_000
_NUMBER_MAX = 1e300
DEADBANDS = {"water.level": 0.01, "water.rise": 0.05, "coverage": 0.02, "signal": 10.0, "satellites": 4.0}
"""Of what is worked out or says little, where the device's entry has none of its own."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What was told of one property of one feature, and what has come since."""

    time_ms: int
    result: float | bool | str
    unit: str
    quality: Quality
    latest: float | bool | str


class FixTold(msgspec.Struct, frozen=True, array_like=True):
    """The last fix that was told."""

    time_ms: int
    course_deg: float | None
    is_moving: bool
    is_positioned: bool
    flags: tuple[str, ...]


class TellingState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was told of one device."""

    told: dict[str, Told] = {}
    """By property and feature: ``current@2``."""
    fix: FixTold | None = None


def clean(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """Return the readings that a message can carry: no NaN, no endless text, and no more than a device can have."""
    found = list[Reading]()
    for reading in readings:
        if len(found) >= _READINGS_MAX:
            break
        result = reading.result
        if isinstance(result, str):
            result = result.replace("\x00", "")[:_TEXT_MAX]
        elif not isinstance(result, bool) and not (math.isfinite(result) and abs(result) <= _NUMBER_MAX):
            continue
        if max(len(reading.property), len(reading.feature)) > 64 or "\x00" in reading.property + reading.feature:
            continue
        found.append(reading if result == reading.result else msgspec.structs.replace(reading, result=result))
    return tuple(found)


def step(
    state: TellingState, entry: DeviceEntry, readings: Iterable[Reading], time_ms: int, suspects: frozenset[str]
) -> tuple[TellingState, list[Observation]]:
    """Return the state after readings that are `clean`, and what is told.

    Args:
        state: before them.
        entry: the device.
        readings: what it said.
        time_ms: when.
        suspects: properties that are stuck, or not to be believed for another reason.
    """
    told, found = dict(state.told), list[Observation]()
    for reading in readings:
        if not is_of_now(reading):
            at_ms = time_ms if reading.at_ms is None else min(reading.at_ms, time_ms)
            found.append(_observation(entry, reading, at_ms, reading.quality))
            continue
        quality: Quality = "suspect" if reading.quality == "good" and reading.property in suspects else reading.quality
        name = f"{reading.property}@{reading.feature}" if reading.feature else reading.property
        before = told.get(name)
        if before is None and len(told) >= _NAMES_MAX:
            continue
        if before is None or _is_news(before, reading, quality, entry, time_ms):
            told[name] = Told(time_ms, reading.result, reading.unit, quality, reading.result)
            found.append(_observation(entry, reading, time_ms, quality))
        elif before.latest != reading.result:
            told[name] = msgspec.structs.replace(before, latest=reading.result)
    return msgspec.structs.replace(state, told=told), found


def faded(state: TellingState, entry: DeviceEntry, time_ms: int) -> tuple[TellingState, list[Observation]]:
    """Say of everything that a device told last that it is stale: once, when the device is offline."""
    told, found = dict(state.told), list[Observation]()
    for name, each in state.told.items():
        if each.quality == "stale":
            continue
        told[name] = msgspec.structs.replace(each, time_ms=time_ms, quality="stale")
        named, _, feature = name.partition("@")
        found.append(_observation(entry, Reading(named, each.latest, each.unit, feature), time_ms, "stale"))
    return msgspec.structs.replace(state, told=told), found


def step_fix(
    state: TellingState, entry: DeviceEntry, position: Position, time_ms: int
) -> tuple[TellingState, Fix | None]:
    """Return the state after a fix, and the fix if it is told."""
    if not (abs(position.latitude) <= 90 and abs(position.longitude) <= 180):
        return state, None
    fix = Fix(
        device=entry.id,
        time_ms=time_ms,
        latitude=position.latitude,
        longitude=position.longitude,
        is_positioned=position.is_positioned,
        speed_km_h=_within(position.speed_km_h, 10_000),
        course_deg=_within(position.course_deg, 65_535),
        mileage_km=_within(position.mileage_km, 1e9),
        flags=tuple(flag[:64] for flag in position.flags[:64]),
        is_late=position.is_late,
    )
    if position.is_late:
        return state, fix
    is_moving = (fix.speed_km_h or 0.0) >= _MOVING_KM_H
    before = state.fix
    if before is not None and not _is_turn(before, fix, is_moving=is_moving):
        return state, None
    told = FixTold(time_ms, fix.course_deg, is_moving, fix.is_positioned, fix.flags)
    return msgspec.structs.replace(state, fix=told), fix


def _is_news(before: Told, reading: Reading, quality: Quality, entry: DeviceEntry, time_ms: int) -> bool:
    one, other = before.result, reading.result
    if quality != before.quality or not 0 <= time_ms - before.time_ms < entry.heartbeat_s * 1000:
        return True
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return type(one) is not type(other) or one != other
    return one != other and abs(other - one) >= entry.deadband.get(
        reading.property, DEADBANDS.get(reading.property, 0.0)
    )


def _is_turn(before: FixTold, fix: Fix, *, is_moving: bool) -> bool:
    """Say whether a fix says more than that the vehicle goes on as it did."""
    if not 0 <= fix.time_ms - before.time_ms < _FIX_MS:
        return True
    if (before.is_moving, before.is_positioned, before.flags) != (is_moving, fix.is_positioned, fix.flags):
        return True
    if not is_moving or before.course_deg is None or fix.course_deg is None:
        return False
    turn_deg = abs((fix.course_deg - before.course_deg + 180) % 360 - 180)
    return turn_deg >= _TURN_DEG


def _observation(entry: DeviceEntry, reading: Reading, time_ms: int, quality: Quality) -> Observation:
    result = reading.result
    return Observation(
        source=entry.id,
        property=reading.property,
        result=result if isinstance(result, bool | str) else float(result),
        time_ms=max(0, time_ms),
        feature=reading.feature,
        unit=reading.unit[:16],
        quality=quality,
    )


def _within(value: float | None, most: float) -> float | None:
    return value if value is not None and 0 <= value <= most else None
