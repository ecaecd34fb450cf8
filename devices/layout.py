"""Layout: the language in which a profile says what stands where among the bytes of a message.

A layout is a list of fields, read from the first byte to the last. Each is one of seven things: a number or text
(``format``), constant bytes (``bytes``), bytes that nobody needs (``skip``), a group (``fields``), a list of items that
each begin with a tag (``items``), another layout by its name (``layout``), or a constant reading (``value``, ``text``).
The same layouts are read for uplinks and written for commands.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from devices.value import Scalar, Value

Format = Literal[
    "uint8", "int8", "uint16", "int16", "uint24", "int24", "uint32", "int32", "uint64", "int64",
    "float16", "float32", "float64", "bcd", "hex_digits", "text", "hex", "dotted", "dotted_hex", "digest",
]  # fmt: skip
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$(?!\n)", max_length=40)]
Order = Literal["little", "big"]
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2} )*[0-9a-f]{2}$(?!\n)", max_length=1_500)]
Pattern = Annotated[str, Meta(pattern=r"^(([0-9a-f]{2}|\.\.) )*([0-9a-f]{2}|\.\.)$(?!\n)", max_length=100)]
"""Bytes in hexadecimal; ``..`` is any byte."""
Bit = Annotated[int, Meta(ge=0, le=63)]
Size = Annotated[int, Meta(ge=0, le=512)]


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raw numbers of a table and the text that they stand for."""

    first: int
    last: int | None = None
    """``first`` if left out."""
    step: Annotated[int, Meta(ge=1)] = 1
    text: Annotated[str, Meta(max_length=64)] = ""
    """``{n}`` is how many steps from ``first``; an empty one stands for the device itself."""
    called: Annotated[str, Meta(max_length=64)] = ""
    """The vendor's own text, if it is another."""


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition on a number read before."""

    name: Name
    bit: Bit | None = None
    """This bit of it is set."""
    among: tuple[int, ...] = ()
    """It is one of these."""
    min: int | None = None
    max: int | None = None


class Bits(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some bits of a number; bit 0 is the lowest."""

    bit: Bit | None = None
    """One bit, which is a flag unless ``words`` say otherwise."""
    bits: tuple[Bit, Bit] | None = None
    """From the highest to the lowest, which are a number."""
    name: Name = ""
    """By which conditions, sizes, templates and commands refer to it."""
    table: Name = ""
    """The table that turns it into words."""
    default: Scalar | None = None
    """What a command sends if nobody says."""
    when: tuple[When, ...] = ()


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands behind one tag."""

    tag: Hex
    fields: tuple["Field", ...] = ()
    called: Annotated[str, Meta(max_length=64)] = ""
    """The vendor's own name of it."""


class Field(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing of a layout."""

    format: Format | None = None
    order: Order | None = None
    """Which byte of a number comes first, where it is not that of the profile."""
    size: Size | Name | None = None
    """Of text or of a group: bytes, the name of a number read before, or ``end`` for all that is left."""
    at: Annotated[int, Meta(ge=0, le=512)] | None = None
    """Where it begins, counted from the first byte of the message; else behind what came before."""
    bits: tuple[Bits, ...] = ()
    """What the bits of an integer mean."""
    bytes: Hex | None = None
    skip: Size = 0
    fields: tuple["Field", ...] = ()
    items: tuple[Item, ...] = ()
    repeat: Annotated[int, Meta(ge=0, le=255)] | Name | None = None
    """Of a group: how often, the name of a number read before, or ``end`` for as long as there are bytes."""
    layout: Name = ""
    value: Scalar | None = None
    """A constant reading: no byte stands for it."""
    text: Annotated[str, Meta(max_length=64)] = ""
    """A reading made of names: ``{major}.{minor}``, ``{month:02}/{day:02}``."""
    name: Name = ""
    """By which conditions, sizes, templates and commands refer to it."""
    table: Name = ""
    """The table that turns it into words."""
    sets: Literal["feature", "time"] | None = None
    """It says what, or when (unix seconds), all that follows in its group is about."""
    default: Scalar | None = None
    """What a command sends if nobody says."""
    when: tuple[When, ...] = ()
    """It is there only if all of these hold."""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of uplink; the first that fits is it."""

    name: Name
    ports: Annotated[tuple[Annotated[int, Meta(ge=0, le=255)], ...], Meta(max_length=64)] = ()
    """FPorts; any if left out."""
    starts: tuple[Pattern, ...] = ()
    """How it may begin; its fields come behind that."""
    lengths: tuple[Size, ...] = ()
    """How many bytes it may have; any if left out."""
    fields: Annotated[tuple[Field, ...], Meta(min_length=1)]
    rest: Literal["fault", "ignore"] = "fault"
    """What bytes behind the last field are."""
    called: Annotated[str, Meta(max_length=64)] = ""
    """The vendor's own name of it."""


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes to the device; named fields are what an operator has to say."""

    port: Annotated[int, Meta(ge=1, le=223)]
    bytes: Hex | None = None
    """What it begins with."""
    fields: tuple[Field, ...] = ()
    called: dict[str, Scalar] = {}
    """What stands in the vendor's own form of it, besides what its fields are called."""


Layouts = dict[Name, tuple[Field, ...]]
Tables = dict[Name, tuple[Row, ...]]


def words_of(table: tuple[Row, ...]) -> dict[int, Scalar]:
    """Return the text of every raw number in a table."""
    words: dict[int, Scalar] = {}
    for row in table:
        last = row.first if row.last is None else row.last
        for n, raw in enumerate(range(row.first, last + 1, row.step)):
            words[raw] = row.text.replace("{n}", str(n))
    return words


def with_layouts(fields: tuple[Field, ...], layouts: Layouts) -> tuple[Field, ...]:
    """Return fields in which no other layout is named: each stands where its name stood."""
    found: list[Field] = []
    for field in fields:
        if field.layout:
            found.extend(with_layouts(layouts[field.layout], layouts))
        elif field.fields or field.items:
            items = tuple(
                msgspec.structs.replace(item, fields=with_layouts(item.fields, layouts)) for item in field.items
            )
            found.append(msgspec.structs.replace(field, fields=with_layouts(field.fields, layouts), items=items))
        else:
            found.append(field)
    return tuple(found)


def every_value(fields: tuple[Field, ...]) -> list[Field | Bits]:
    """Return all fields and bits of a layout, also those inside groups and items."""
    found: list[Field | Bits] = []
    for field in fields:
        found += [field, *field.bits, *every_value(field.fields)]
        for item in field.items:
            found += every_value(item.fields)
    return found
