"""`wayside jt808`: what the bytes of a vehicle's terminal say."""

import json
from typing import Annotated, Any

import typer

from devices.protocols.jt808 import Frame, Framer, checksum_of, read_frame
from devices.protocols.jt808_bits import ACC_BIT, POSITIONED_BIT, SOUTH_BIT, WEST_BIT, alarm_names, bits_of
from devices.protocols.jt808_location import ITEM_SIZES, Location, bcd_time, read_batch, read_location
from devices.protocols.jt808_messages import BATCH, LOCATION, LOCATION_ASKED, NAMES, read_facts
from devices.reading import DecodeError
from shell.refusal import Refusal

_ITEMS = {
    0x01: ("mileage_km", 10),
    0x02: ("fuel_l", 10),
    0x03: ("recorder_speed_kmh", 10),
    0x04: ("event_to_confirm_u16", 1),
    0x14: ("video_alarm_u32", 1),
    0x25: ("vehicle_signal_u32", 1),
    0x2A: ("io_status_u16", 1),
    0x2B: ("analog_u32", 1),
    0x30: ("rssi", 1),
    0x31: ("satellites", 1),
}
"""Name of an item of the standard, and what its number is divided by."""

jt808_app = typer.Typer(no_args_is_help=True, add_completion=False, help="JT/T 808: what a vehicle's terminal says.")


@jt808_app.callback()
def _start() -> None:
    """Take what stands before a command."""


@jt808_app.command("decode")
def decode_bytes(
    stream: Annotated[str, typer.Argument(metavar="HEX", help="Bytes as captured; spaces are fine.")],
) -> None:
    """Print each frame among these bytes as JSON; frames without delimiters or escapes, as logs have them, too."""
    try:
        captured = bytes.fromhex(stream)
    except ValueError as error:
        raise Refusal(stream[:60], "expected an even number of hexadecimal digits", "for example 7e0002…7e") from error
    found = pieces_of(captured)
    if not found:
        raise Refusal(f"{len(captured)} bytes", "expected a frame", "it begins and ends with 7e")
    for piece in found:
        typer.echo(json.dumps(described(piece), ensure_ascii=False, indent=2))


def pieces_of(captured: bytes) -> list[bytes]:
    """Return the frames among some bytes: those of a stream, or all of it as one that was unescaped before."""
    found = Framer().feed(captured)
    whole = captured[1:-1] if captured[:1] == captured[-1:] == b"\x7e" else captured
    if len(whole) > 12 and not checksum_of(whole) and all(checksum_of(piece) for piece in found):
        return [whole]
    return found


def described(piece: bytes) -> dict[str, Any]:
    """Return all that one frame says, in the words of the standard; a body that cannot be read is a fault."""
    try:
        frame = read_frame(piece)
    except DecodeError as error:
        return {"frame_hex": piece.hex(), "faults": [str(error)]}
    faults = list(frame.faults)
    try:
        body = _body(frame, faults)
    except DecodeError as error:
        body = {}
        faults.append(str(error))
    return {
        "message_id": f"{frame.message:04x}",
        "message_name": NAMES.get(frame.message, "unknown"),
        "terminal_id_hex": frame.terminal,
        "terminal_id_is_bcd": frame.terminal.isdecimal(),
        "serial": frame.serial,
        "properties_u16": frame.properties,
        "version_flag": frame.version is not None,
        **({} if frame.version is None else {"protocol_version": frame.version}),
        "encryption_bits": frame.encryption,
        "subpackage": frame.is_part,
        **({"part_total": frame.total, "part_index": frame.index} if frame.is_part else {}),
        "reserved_bit15": bool(frame.properties & 0x8000),
        "body_length_declared": frame.properties & 0x3FF,
        "body_length_actual": len(frame.body),
        "checksum_in_frame": f"{frame.checksum:02x}",
        "checksum_computed": f"{checksum_of(piece[:-1]):02x}",
        "checksum_ok": frame.is_checksum_right,
        "body_hex": frame.body.hex(),
        "body": body,
        "faults": faults,
    }


def _body(frame: Frame, faults: list[str]) -> dict[str, Any]:
    if frame.encryption or frame.is_part:
        return {}
    if frame.message == LOCATION:
        location = read_location(frame.body)
        faults.extend(location.faults)
        return _location(location, frame.body)
    if frame.message == LOCATION_ASKED:
        location = read_location(frame.body[2:])
        faults.extend(location.faults)
        return {"reply_serial": int.from_bytes(frame.body[:2], "big"), **_location(location, frame.body[2:])}
    if frame.message == BATCH:
        return _batch(frame.body, faults)
    return read_facts(frame.message, frame.body, frame.version)


def _batch(body: bytes, faults: list[str]) -> dict[str, Any]:
    batch = read_batch(body)
    faults.extend(batch.faults)
    items = [
        {**_location(location, raw), "item_length": len(raw), "faults": list(location.faults)}
        for location, raw in zip(batch.locations, batch.bodies, strict=True)
    ]
    return {"count_declared": batch.declared, "batch_type": batch.kind, "items": items}


def _location(location: Location, body: bytes) -> dict[str, Any]:
    status = location.status
    items = [_item(item, value) for item, value in location.items]
    altitude = location.altitude_m
    return {
        "alarm_u32": location.alarm,
        "alarm_bits_set": bits_of(location.alarm),
        "alarm_names_standard": list(alarm_names(location.alarm)),
        "status_u32": status,
        "status_bits_set": bits_of(status),
        "acc_on": bool(status & ACC_BIT),
        "positioned": bool(status & POSITIONED_BIT),
        "south": bool(status & SOUTH_BIT),
        "west": bool(status & WEST_BIT),
        "latitude": location.latitude,
        "longitude": location.longitude,
        "altitude_m_u16": altitude & 0xFFFF,
        "altitude_m_s16": altitude,
        "speed_kmh": location.speed_km_h,
        "course_deg": location.course_deg,
        "time_bcd": body[22:28].hex(),
        "time_local_gmt8": None if location.time_ms is None else _iso(location.time_ms),
        "time_ms": location.time_ms,
        "extra_hex": body[28:].hex(),
        "standard": {item["name"]: item["value"] for item in items if "name" in item},
        "tlv": items,
        **({"tail_hex": location.tail.hex()} if location.tail else {}),
    }


def _item(item: int, value: bytes) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": f"{item:02x}", "length": len(value), "value_hex": value.hex()}
    if ITEM_SIZES.get(item) == len(value):
        name, divisor = _ITEMS[item]
        number = int.from_bytes(value, "big")
        shown |= {"name": name, "value": number / divisor if divisor > 1 else number}
    return shown


def _iso(time_ms: int) -> str:
    digits = bcd_time(time_ms)
    year, month, day, hour, minute, second = (digits[at : at + 2] for at in range(0, 12, 2))
    return f"20{year}-{month}-{day}T{hour}:{minute}:{second}+08:00"
