"""JT/T 808 locations: the body of 0200, of 0201 and of each entry of a batch, 0704.

Fields as in JT/T 808-2013, 8.18 and 8.49. A list of items whose lengths are wrong costs the rest of the list,
never the fix: terminals send such ones (https://github.com/traccar/traccar/issues/5331).
"""

import calendar
import datetime as dt
import struct
from functools import lru_cache

import msgspec

from devices.protocols.jt808_bits import POSITIONED_BIT, SOUTH_BIT, WEST_BIT
from devices.reading import DecodeError

ITEM_SIZES = {0x01: 4, 0x02: 2, 0x03: 2, 0x04: 2, 0x14: 4, 0x25: 4, 0x2A: 2, 0x2B: 4, 0x30: 1, 0x31: 1}
"""Items of the standard and how long each is."""
FIXED_BYTES = 28
HARMLESS = frozenset({"not_positioned_but_nonzero_coordinates", "terminal_id_not_bcd", "reserved_bit15_set"})
"""Departures from the standard that cost nothing: the last known place, an IMEI for a number, a vendor's bit."""

_FIXED_TAIL_BYTES = 18
_UNREADABLE_MAX = 8
_BEIJING_S = 8 * 3_600
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_FIXED = struct.Struct(">IIIIhHH3sBBB")
_BCD = tuple((byte >> 4) * 10 + (byte & 15) if byte >> 4 < 10 and byte & 15 < 10 else -1 for byte in range(256))
_NEVER_S = -1_000_000
_HOUR_S = tuple(3_600 * number if 0 <= number < 24 else _NEVER_S for number in _BCD)
_MINUTE_S = tuple(60 * number if 0 <= number < 60 else _NEVER_S for number in _BCD)
_SECOND_S = tuple(number if 0 <= number < 60 else _NEVER_S for number in _BCD)
_SIZES = tuple(ITEM_SIZES.get(item, -1) for item in range(256))


class Location(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a vehicle was, as the terminal has it: in its fleet's datum, at its own time."""

    alarm: int
    status: int
    latitude: float
    longitude: float
    """Degrees; south and west are negative."""
    altitude_m: int
    speed_km_h: float
    course_deg: int
    time_ms: int | None
    """UTC; None if the terminal told no time that there is."""
    items: tuple[tuple[int, bytes], ...] = ()
    """What is appended: id and value, up to the first whose length cannot be."""
    tail: bytes = b""
    """What stands behind them and is no item."""
    faults: tuple[str, ...] = ()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Several locations in one message."""

    declared: int
    """How many there should be."""
    kind: int
    """0 for usual ones, 1 for those of a time without a link."""
    locations: tuple[Location, ...]
    bodies: tuple[bytes, ...]
    """As each location was sent."""
    faults: tuple[str, ...] = ()
    """Of the batch, and of its entries that could not be read: ``item<number from 0>:<what>``."""


def read_location(body: bytes) -> Location:
    """Read a location; raise DecodeError if even its fixed part is cut off."""
    size = len(body)
    if size < FIXED_BYTES:
        raise DecodeError(size, f"a location of {size} bytes: its fixed part takes {FIXED_BYTES}")
    (
        alarm, status, raw_latitude, raw_longitude, altitude_m, speed, course_deg, day, hour, minute, second,
    ) = _FIXED.unpack_from(body)  # fmt: skip
    faults: list[str] | None = None
    midnight_s, clock_s = _midnight_s(day), _HOUR_S[hour] + _MINUTE_S[minute] + _SECOND_S[second]
    time_ms = None
    if midnight_s is None or clock_s < 0:
        faults = ["invalid_time"]
    else:
        time_ms = (midnight_s + clock_s) * 1_000
    if not raw_latitude | raw_longitude:
        if status & POSITIONED_BIT:
            faults = [*(faults or ()), "positioned_flag_with_zero_coordinates"]
    elif not status & POSITIONED_BIT:
        faults = [*(faults or ()), "not_positioned_but_nonzero_coordinates"]
    if raw_latitude > 90_000_000 or raw_longitude > 180_000_000:
        faults = [*(faults or ()), "coordinates_out_of_range"]
    items, tail, wrong = _read_items(body, size)
    if wrong:
        faults = [*(faults or ()), *wrong]
    return Location(
        alarm=alarm, status=status,
        latitude=(-raw_latitude if status & SOUTH_BIT else raw_latitude) / 1_000_000,
        longitude=(-raw_longitude if status & WEST_BIT else raw_longitude) / 1_000_000,
        altitude_m=altitude_m, speed_km_h=speed / 10, course_deg=course_deg, time_ms=time_ms, items=items, tail=tail,
        faults=() if faults is None else tuple(faults),
    )  # fmt: skip


def _read_items(body: bytes, size: int) -> tuple[tuple[tuple[int, bytes], ...], bytes, list[str] | None]:
    """Return the items behind the fixed part, what is no item, and what is wrong with them."""
    items: list[tuple[int, bytes]] = []
    wrong: list[str] | None = None
    at = FIXED_BYTES
    while at + 2 <= size:
        item, length = body[at], body[at + 1]
        begin = at + 2
        if begin + length > size:
            break
        if _SIZES[item] not in (length, -1) and (wrong is None or len(wrong) < _UNREADABLE_MAX):
            wrong = [*(wrong or ()), f"wrong_length_item_{item:02x}"]
        at = begin + length
        items.append((item, body[begin:at]))
    if at == size:
        return tuple(items), b"", wrong
    tail = body[FIXED_BYTES:]
    if len(tail) == _FIXED_TAIL_BYTES and not any(ITEM_SIZES.get(item) == len(value) for item, value in items):
        # One vendor appends a structure of its own instead of items: see the decoder of traccar that is named above.
        return (), tail, ["fixed_tail"]
    return tuple(items), body[at:], [*(wrong or ()), "items_overrun"]


def read_batch(body: bytes) -> Batch:
    """Read the locations of a batch, as far as they can be; raise DecodeError if there is no head."""
    if len(body) < 3:
        raise DecodeError(len(body), f"a batch of {len(body)} bytes: its head takes 3")
    declared, kind = struct.unpack_from(">HB", body)
    locations: list[Location] = []
    bodies: list[bytes] = []
    faults: list[str] = []
    at = 3
    number = unreadable = 0
    while at < len(body) and unreadable < _UNREADABLE_MAX:
        length = int.from_bytes(body[at : at + 2], "big")
        begin, at = at + 2, at + 2 + length
        if at > len(body):
            faults.append("batch_overrun")
            break
        try:
            location = read_location(body[begin:at])
        except DecodeError:
            faults.append(f"item{number}:location_cut_off")
            unreadable += 1
        else:
            locations.append(location)
            bodies.append(body[begin:at])
            faults.extend(f"item{number}:{fault}" for fault in location.faults)
        number += 1
    if number != declared:
        faults.append(f"batch_count_declared_{declared}_actual_{number}")
    return Batch(
        declared=declared, kind=kind, locations=tuple(locations), bodies=tuple(bodies), faults=tuple(faults)
    )  # fmt: skip


@lru_cache(maxsize=1_024)
def _midnight_s(day: bytes) -> int | None:
    """Return when a day began in Beijing, in seconds since 1970 UTC."""
    year, month, number = (_BCD[byte] for byte in day)
    if year < 0 or not 1 <= month <= 12 or not 1 <= number <= calendar.monthrange(2_000 + year, month)[1]:
        return None
    return calendar.timegm((2_000 + year, month, number, 0, 0, 0)) - _BEIJING_S


def encode_location(location: Location) -> bytes:
    """Return the body that says this; the signs of the coordinates set their bits of the status."""
    status = location.status & ~(SOUTH_BIT | WEST_BIT)
    status |= SOUTH_BIT if location.latitude < 0 else 0
    status |= WEST_BIT if location.longitude < 0 else 0
    digits = "000000000000" if location.time_ms is None else bcd_time(location.time_ms)
    fixed = _FIXED.pack(
        location.alarm, status, round(abs(location.latitude) * 1_000_000), round(abs(location.longitude) * 1_000_000),
        location.altitude_m, round(location.speed_km_h * 10), location.course_deg,
        bytes.fromhex(digits[:6]), *bytes.fromhex(digits[6:]),
    )  # fmt: skip
    items = b"".join(bytes((item, len(value))) + value for item, value in location.items)
    return fixed + items + location.tail


def encode_batch(locations: tuple[Location, ...], *, is_late: bool) -> bytes:
    """Return the body of a batch."""
    bodies = [encode_location(location) for location in locations]
    head = struct.pack(">HB", len(bodies), int(is_late))
    return head + b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


def bcd_time(time_ms: int) -> str:
    """Return the digits YYMMDDhhmmss of an instant in Beijing.

    >>> bcd_time(1_684_418_356_000)
    '230518215916'
    """
    days, of_day = divmod(time_ms // 1_000 + _BEIJING_S, 86_400)
    return f"{_date(days)}{of_day // 3_600:02d}{of_day // 60 % 60:02d}{of_day % 60:02d}"


@lru_cache(maxsize=64)
def _date(days: int) -> str:
    return dt.date.fromordinal(_EPOCH_DAY + days).strftime("%y%m%d")
