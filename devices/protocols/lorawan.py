"""LoRaWAN uplinks made of items: channel (1 byte), type (1 byte), then the bytes that the profile knows.

The length of an item follows from its channel and type alone, so behind an unknown pair nothing can be read.
"""

from devices.profile import Field, Item, Profile
from devices.reading import DecodeError, Reading

SIZES = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4}


def decode(payload: bytes, profile: Profile) -> list[Reading]:
    """Return the readings of one uplink in the order sent; raise DecodeError."""
    items = {(item.channel, item.type): item for item in profile.items}
    readings: list[Reading] = []
    at = 0
    while at < len(payload):
        head = payload[at : at + 2]
        if len(head) < 2:
            raise DecodeError(at, "truncated: expected a channel and a type")
        item = items.get((head[0], head[1]))
        if item is None:
            raise DecodeError(at, f"unknown channel 0x{head[0]:02x} with type 0x{head[1]:02x}")
        found, at = _item(payload, at + 2, item)
        readings.extend(found)
    return readings


def _item(payload: bytes, at: int, item: Item) -> tuple[list[Reading], int]:
    """Return the readings of one item, and where the next begins."""
    size = sum(SIZES[field.format] for field in item.fields) + item.skip
    if at + size > len(payload):
        raise DecodeError(at, f"truncated: expected {size} bytes, got {len(payload) - at}")
    readings: list[Reading] = []
    end = at + size
    for field in item.fields:
        readings.append(_reading(payload, at, field))
        at += SIZES[field.format]
    return readings, end


def _reading(payload: bytes, at: int, field: Field) -> Reading:
    raw = int.from_bytes(payload[at : at + SIZES[field.format]], "little", signed=field.format.startswith("int"))
    if not field.words:
        return Reading(field.property, round(raw * field.scale, field.decimals), field.unit)
    if raw not in field.words:
        raise DecodeError(at, f"{field.property}: no word for {raw}")
    return Reading(field.property, field.words[raw], field.unit)
