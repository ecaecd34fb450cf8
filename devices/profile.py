"""Profile: what one firmware of one device model says, as data beside its own vectors."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config.document import Document
from devices.header import Header, Property

Byte = Annotated[int, Meta(ge=0, le=255)]


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


class Vector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes as sent, and the readings or the error that they must give."""

    note: str
    bytes: Annotated[str, Meta(pattern=r"^([0-9a-f]{2} )*[0-9a-f]{2}$(?!\n)")]
    readings: dict[str, float | bool | str] | None = None
    error: str | None = None
    """Words that the error must hold."""


class Profile(Header, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file under ``firmware_profiles/<vendor>/``."""

    protocol: Literal["lorawan"]
    items: Annotated[tuple[Item, ...], Meta(min_length=1)]
    vectors: Annotated[tuple[Vector, ...], Meta(min_length=2)]


def read_profile(content: bytes, source: str) -> Profile:
    """Return the profile in ``content``; raise ConfigError naming file, line and key of what is wrong."""
    document = Document(content, source)
    profile = document.read(Profile)
    seen: set[tuple[int, int]] = set()
    for number, item in enumerate(profile.items):
        if (item.channel, item.type) in seen:
            raise document.error(
                f"items[{number}]", f"channel 0x{item.channel:02x} with type 0x{item.type:02x} is there twice"
            )
        if not item.fields and not item.skip:
            raise document.error(f"items[{number}]", "expected `fields`, or `skip` with the number of bytes")
        seen.add((item.channel, item.type))
    for number, vector in enumerate(profile.vectors):
        if (vector.readings is None) == (vector.error is None):
            raise document.error(f"vectors[{number}]", "expected either `readings` or `error`")
    if all(vector.error is None for vector in profile.vectors):
        raise document.error("vectors", "expected at least one vector with an `error`")
    return profile
