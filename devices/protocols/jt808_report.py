"""JT/T 808 reports: what a terminal said, in the words and the datum of the gateway."""

import struct
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from devices.datum import Datum, wgs84_of
from devices.protocols.jt808 import Frame
from devices.protocols.jt808_bits import ACC_BIT, POSITIONED_BIT, flags_of
from devices.protocols.jt808_location import HARMLESS, Location, read_batch, read_location
from devices.protocols.jt808_messages import BATCH, LOCATION, LOCATION_ASKED, read_facts
from devices.reading import DecodeError, Reading
from devices.report import Position, Report
from devices.value import Property

EARLIEST_MS = 1_293_840_000_000
"""2011 began: there was no such terminal before. A clock that lost its battery says less."""
AHEAD_MS_MAX = 24 * 3_600_000
LATE = 1
"""Kind of a batch from a time without a link."""


class FlagBit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bit that this fleet's terminals use for something of their own, such as the cover of the bed."""

    where: Annotated[str, Meta(pattern=r"^(status|alarm|[0-9a-f]{2})$(?!\\n)", examples=["status", "e3"])]
    """The status or alarm word of a location, or the id of an item behind it, two hexadecimal digits."""
    bit: Annotated[int, Meta(ge=0, le=2_039)]
    """From 0, the lowest bit of the last byte."""
    property: Property
    """What it is told as, for example ``bed.covered``."""
    is_inverted: bool = False
    """Whether a 1 means no."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one fleet's terminals do in their own way."""

    datum: Datum = "wgs84"
    """Of the coordinates they send: ``wgs84`` as the standard has it, or ``gcj02``, that of Chinese maps."""
    flags: Annotated[tuple[FlagBit, ...], Meta(max_length=32)] = ()


def reports_of(frame: Frame, dialect: Dialect, *, link: str, received_ms: int) -> tuple[Report, ...]:
    """Return what a message reports, one for each instant it speaks of; raise DecodeError if it cannot be read.

    A message that says nothing of the vehicle gives one report without readings: the terminal is there.
    """
    faults = frame.faults and tuple(fault for fault in frame.faults if fault not in HARMLESS)
    if frame.encryption:
        raise DecodeError(2, f"the body is encrypted, kind {frame.encryption}: nothing can be read of it")
    if frame.message in (LOCATION, LOCATION_ASKED):
        location = read_location(frame.body if frame.message == LOCATION else frame.body[2:])
        return (
            _located(
                frame.terminal, location, dialect, link=link, received_ms=received_ms, faults=faults, is_late=False
            ),
        )  # fmt: skip
    if frame.message == BATCH:
        return _batch(frame, dialect, link=link, received_ms=received_ms, faults=faults)
    return (_heard(frame, link, received_ms, faults, read_facts(frame.message, frame.body, frame.version)),)


def _batch(
    frame: Frame, dialect: Dialect, *, link: str, received_ms: int, faults: tuple[str, ...]
) -> tuple[Report, ...]:
    batch = read_batch(frame.body)
    # Faults of a location that could be read stand in its own report.
    own = tuple(fault for fault in batch.faults if ":" not in fault or fault.endswith(":location_cut_off"))
    is_late = batch.kind == LATE
    found = [
        _located(frame.terminal, location, dialect, link=link, received_ms=received_ms, faults=(), is_late=is_late)
        for location in batch.locations
    ]
    if not found:
        return (_heard(frame, link, received_ms, (*faults, *own)),)
    return (msgspec.structs.replace(found[0], faults=(*faults, *own, *found[0].faults)), *found[1:])


def _heard(
    frame: Frame,
    link: str,
    received_ms: int,
    faults: tuple[str, ...],
    facts: dict[str, float | bool | str] | None = None,
) -> Report:
    return Report(
        link=link, address=frame.terminal, received_ms=received_ms, time_ms=received_ms, faults=faults,
        facts={"message": f"{frame.message:04x}", **(facts or {})},
    )  # fmt: skip


def _located(
    terminal: str,
    location: Location,
    dialect: Dialect,
    *,
    link: str,
    received_ms: int,
    faults: tuple[str, ...],
    is_late: bool,
) -> Report:
    if location.faults:
        faults = (*faults, *(fault for fault in location.faults if fault not in HARMLESS))
    time_ms = location.time_ms
    if time_ms is None:
        time_ms = received_ms
    elif not EARLIEST_MS <= time_ms <= received_ms + AHEAD_MS_MAX:
        time_ms = received_ms
        faults = (*faults, "implausible_time")
    readings, facts, mileage_km = _appended(location)
    for flag in dialect.flags:
        reading = _flag(flag, location)
        if reading is None:
            faults = (*faults, f"no_bit_{flag.where}_{flag.bit}")
        else:
            readings.append(reading)
    if is_late:  # they say nothing of now
        readings = [msgspec.structs.replace(reading, at_ms=time_ms) for reading in readings]
    return Report(
        link=link, address=terminal, received_ms=received_ms, time_ms=time_ms, readings=tuple(readings),
        positions=_positions(location, dialect, mileage_km, is_late=is_late), faults=faults, facts=facts,
    )  # fmt: skip


def _positions(
    location: Location, dialect: Dialect, mileage_km: float | None, *, is_late: bool
) -> tuple[Position, ...]:
    latitude, longitude, status = location.latitude, location.longitude, location.status
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return ()
    if dialect.datum == "gcj02":
        latitude, longitude = wgs84_of(latitude, longitude)
    return (
        Position(
            latitude=latitude, longitude=longitude,
            # A fix at 0, 0 is none, whatever the terminal thinks of it.
            is_positioned=status & POSITIONED_BIT != 0 and (latitude != 0 or longitude != 0),
            speed_km_h=location.speed_km_h, course_deg=location.course_deg, altitude_m=location.altitude_m,
            mileage_km=mileage_km, flags=flags_of(location.alarm, status), is_late=is_late,
        ),
    )  # fmt: skip


def _appended(location: Location) -> tuple[list[Reading], dict[str, float | bool | str], float | None]:
    """Return readings and facts of what is appended, and the mileage."""
    readings = [_IGNITION_ON if location.status & ACC_BIT else _IGNITION_OFF]
    facts: dict[str, float | bool | str] = {}
    mileage_km = None
    for item, value in location.items:
        key = (item << 8) | len(value)
        if key == 0x3101:
            readings.append(_SATELLITES[value[0]])
        elif key == 0x3001:
            readings.append(_SIGNALS[value[0]])
        elif key == 0x0104:
            mileage_km = int.from_bytes(value, "big") / 10
            readings.append(Reading("mileage", mileage_km, "km"))
        elif key in _KNOWN:
            _KNOWN[key](value, readings, facts)
        else:
            facts[_ITEM_NAMES[item]] = value.hex()
    if location.tail:
        facts["tail"] = location.tail.hex()
    return readings, facts, mileage_km


def _flag(flag: FlagBit, location: Location) -> Reading | None:
    """Return what a fleet's own bit says; None if the terminal did not send it."""
    if flag.where == "status":
        word, bits = location.status, 32
    elif flag.where == "alarm":
        word, bits = location.alarm, 32
    else:
        value = next((value for item, value in location.items if item == int(flag.where, 16)), b"")
        word, bits = int.from_bytes(value, "big"), 8 * len(value)
    if flag.bit >= bits:
        return None
    return Reading(flag.property, bool(word >> flag.bit & 1) != flag.is_inverted)


_Take = Callable[[bytes, list[Reading], dict[str, float | bool | str]], None]
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_TWO_U16 = struct.Struct(">HH")
_IGNITION_ON, _IGNITION_OFF = Reading("ignition", True), Reading("ignition", False)
# What is one byte is made once for each value: these two stand in nearly every report.
_SIGNALS = tuple(Reading("signal", value) for value in range(256))
_SATELLITES = tuple(Reading("satellites", value) for value in range(256))
_ITEM_NAMES = tuple(f"item.{item:02x}" for item in range(256))


def _fuel(value: bytes, readings: list[Reading], _facts: dict[str, float | bool | str]) -> None:
    readings.append(Reading("fuel.volume", _U16.unpack(value)[0] / 10, "L"))


def _recorder_speed(value: bytes, readings: list[Reading], _facts: dict[str, float | bool | str]) -> None:
    readings.append(Reading("speed.recorder", _U16.unpack(value)[0] / 10, "km/h"))


def _analog(value: bytes, readings: list[Reading], _facts: dict[str, float | bool | str]) -> None:
    second, first = _TWO_U16.unpack(value)
    readings.append(Reading("analog", first, "", "1"))
    readings.append(Reading("analog", second, "", "2"))


def _word(name: str) -> _Take:
    def take(value: bytes, _readings: list[Reading], facts: dict[str, float | bool | str]) -> None:
        facts[name] = int.from_bytes(value, "big")

    return take


_KNOWN: dict[int, _Take] = {
    0x0202: _fuel,
    0x0302: _recorder_speed,
    0x0402: _word("event_to_confirm"),
    0x1404: _word("video_alarm_bits"),
    0x2504: _word("vehicle_signal_bits"),
    0x2A02: _word("io_bits"),
    0x2B04: _analog,
}
"""By id and length: one of another length than the standard's is kept as it came. The three that nearly every report
has are taken in the loop itself."""
