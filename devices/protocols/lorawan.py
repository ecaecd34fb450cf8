"""LoRaWAN uplinks made of items: channel (1 byte), type (1 byte), then the bytes that the profile knows.

The length of an item follows from its channel and type alone, so behind an unknown pair nothing can be read.
"""

from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config.document import Document
from devices import vectors
from devices.header import Header, Vector, check_vectors
from devices.reading import CommandError, Decoded, DecodeError, Reading
from devices.report import Request
from devices.value import Property

Byte = Annotated[int, Meta(ge=0, le=255)]
SIZES = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4}


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value among the bytes of an item, little-endian."""

    property: Property
    format: Literal["uint8", "int8", "uint16", "int16", "uint32", "int32"]
    scale: float = 1.0
    """What the raw number is multiplied by to be in ``unit``."""
    decimals: Annotated[int, Meta(ge=0, le=9)] = 6
    """Digits kept after scaling, so that 308 tenths are 30.8 and not 30.800000000000001."""
    unit: str = ""
    """UCUM code; empty for words, counts and flags."""
    words: dict[int, bool | str] = {}
    """What a raw number means, if it stands for a word or a flag; a number not listed is an error."""


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands behind one channel and type."""

    channel: Byte
    type: Byte
    fields: tuple[Field, ...] = ()
    skip: Annotated[int, Meta(ge=0, le=64)] = 0
    """Bytes after the fields that nobody needs; their number must be known to read what follows."""


class UplinkVector(Vector, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes as sent, and the readings or the error that they must give."""

    bytes: Annotated[str, Meta(pattern=r"^([0-9a-f]{2} )*[0-9a-f]{2}$(?!\n)")]


class LorawanProfile(
    Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="protocol", tag="lorawan"
):
    """A device on LoRaWAN."""

    items: Annotated[tuple[Item, ...], Meta(min_length=1)]
    vectors: Annotated[tuple[UplinkVector, ...], Meta(min_length=2)]

    def check(self, document: Document) -> None:
        """Raise ConfigError for what is well-formed and yet wrong."""
        seen: set[tuple[int, int]] = set()
        for number, item in enumerate(self.items):
            if (item.channel, item.type) in seen:
                raise document.error(
                    f"items[{number}]", f"channel 0x{item.channel:02x} with type 0x{item.type:02x} is there twice"
                )
            if not item.fields and not item.skip:
                raise document.error(f"items[{number}]", "expected `fields`, or `skip` with the number of bytes")
            seen.add((item.channel, item.type))
        check_vectors(self.vectors, document)

    def decoded(self, payload: bytes, port: int | None = None) -> Decoded:  # noqa: ARG002  # these models use one port
        """Return the readings of one uplink in the order sent; raise DecodeError."""
        return Decoded(decode(payload, self))

    def request(self, command: str, values: dict[str, object]) -> Request:
        """Raise CommandError: these models are only listened to."""
        raise CommandError(f"{self.vendor}/{self.model} has no command {command!r} {values or ''}".rstrip())

    @cached_property
    def command_names(self) -> list[str]:
        """The commands that it takes."""
        return []

    @cached_property
    def properties(self) -> list[str]:
        """What it tells of."""
        return sorted({field.property for item in self.items for field in item.fields})

    def failures(self) -> list[str]:
        """Return how vectors come out otherwise than they say."""
        found = [
            (vector.note, vectors.failure(vector, lambda vector=vector: self.decoded(bytes.fromhex(vector.bytes))))  # type: ignore[misc]
            for vector in self.vectors
        ]
        return [f"{note}: {problem}" for note, problem in found if problem]


def decode(payload: bytes, profile: LorawanProfile) -> list[Reading]:
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
