"""Writer: commands made into bytes, by the layouts that also read them."""

import struct
from typing import Any

import msgspec

from devices.emitter import TEXT_FORMATS, condition
from devices.layout import Bits, Command, Field, Order, Tables, words_of
from devices.reading import CommandError
from devices.template import read as read_template
from devices.value import raw_of

BYTES_MAX = 242
"""The longest payload of LoRaWAN, at the fastest rate."""
_FLOATS = {"float16": "e", "float32": "f", "float64": "d"}


def names_of(fields: tuple[Field, ...]) -> list[str]:
    """Return what has to be said for a command: the names of its fields that do not follow from others."""
    return [name for name, _ in _said(fields)]


class Writer:
    """Writes the commands of one profile."""

    def __init__(self, order: Order, tables: Tables) -> None:
        self._order: Order = order
        self._words = {name: words_of(table) for name, table in tables.items()}

    def bytes_of(self, command: Command, values: dict[str, Any]) -> bytes:
        """Return the payload of a command; raise CommandError."""
        known = names_of(command.fields)
        for name in values:
            if name not in known:
                raise CommandError(f"no value {name!r}; it takes: {', '.join(known) or 'none'}")
        written = self._fields(command.fields, values, _counts(command.fields, values))
        payload = (bytes.fromhex(command.bytes) if command.bytes else b"") + written
        if len(payload) > BYTES_MAX:
            raise CommandError(f"expected at most {BYTES_MAX} bytes, got {len(payload)}")
        return payload

    def _fields(self, fields: tuple[Field, ...], values: dict[str, Any], raws: dict[str, float]) -> bytes:
        """Return the bytes of fields; ``raws`` are the raw numbers before them, and come to hold theirs."""
        values = _spread(fields, values)
        for field in fields:
            if isinstance(field.size, str) and field.size != "end":
                raws[field.size] = len(self._field(field, values, dict(raws)))
        written = [
            self._field(field, values, raws) for field in fields if all(condition(when)(raws) for when in field.when)
        ]
        return b"".join(written)

    def _field(self, field: Field, values: dict[str, Any], raws: dict[str, float]) -> bytes:
        """Return the bytes of one field; note the raw numbers that it has."""
        if field.fields or field.items:
            return self._group(field, values, raws)
        if field.bytes is not None:
            return bytes.fromhex(field.bytes)
        if field.format is None:
            return bytes(field.skip)
        if field.format in TEXT_FORMATS:
            return _text(field, _value(field, values))
        raw = self._bits(field, values, raws) if field.bits else self._raw(field, values, raws)
        if field.name:
            raws[field.name] = raw
        return _number(field, raw, field.order or self._order)

    def _group(self, field: Field, values: dict[str, Any], raws: dict[str, float]) -> bytes:
        if field.items:
            return b"".join(self._item(field, each) for each in _list_of(values, field))
        if field.repeat is None:
            return self._fields(field.fields, values, raws)
        return b"".join(
            self._fields(field.fields, each, _counts(field.fields, each)) for each in _list_of(values, field)
        )

    def _item(self, field: Field, given: Any) -> bytes:
        values = dict(given) if isinstance(given, dict) else {}
        wanted = values.pop("item", None)
        for item in field.items:
            if item.called == wanted:
                return bytes.fromhex(item.tag) + self._fields(item.fields, values, _counts(item.fields, values))
        names = ", ".join(item.called for item in field.items if item.called)
        raise CommandError(f"{field.name}: expected an `item` of: {names}; got {str(wanted)[:40]!r}")

    def _bits(self, field: Field, values: dict[str, Any], raws: dict[str, float]) -> int:
        whole = 0
        for bits in field.bits:
            high, low = bits.bits or (bits.bit or 0, bits.bit or 0)
            if not bits.name:
                continue
            if bits.bit is not None and not bits.words:
                bits = msgspec.structs.replace(bits, words={0: False, 1: True})  # noqa: PLW2901
            raw = round(self._raw(bits, values, raws))
            raws[bits.name] = raw
            if not 0 <= raw < 1 << (high - low + 1):
                raise CommandError(f"{bits.name}: expected 0 to {(1 << (high - low + 1)) - 1}, got {raw}")
            whole |= raw << low
        return whole

    def _raw(self, field: Field | Bits, values: dict[str, Any], raws: dict[str, float]) -> float:
        if field.name in raws:
            return raws[field.name]
        if field.table:
            field = msgspec.structs.replace(field, words=self._words[field.table])
        return raw_of(field, _value(field, values), field.name)


def _said(fields: tuple[Field, ...], derived: frozenset[str] | None = None) -> list[tuple[str, Field | Bits]]:
    """Return the names that a command takes, without those that follow from lists, texts and templates."""
    if derived is None:
        derived = frozenset(_derived(fields))
    found: list[tuple[str, Field | Bits]] = []
    for field in fields:
        if field.fields and field.repeat is None:
            found += _said(field.fields, derived)
        elif field.bits:
            found += [(bits.name, bits) for bits in field.bits if bits.name and bits.name not in derived]
        elif field.name and field.name not in derived:
            found.append((field.name, field))
    return found


def _derived(fields: tuple[Field, ...]) -> list[str]:
    """Return the names of numbers that say how often or how long others are."""
    found = [each for field in fields for each in (field.repeat, field.size) if isinstance(each, str) and each != "end"]
    return found + [name for field in fields if field.repeat is None for name in _derived(field.fields)]


def _counts(fields: tuple[Field, ...], values: dict[str, Any]) -> dict[str, float]:
    """Return how many of each list there are, by the names of the numbers that say so."""
    counts: dict[str, float] = {}
    for field in fields:
        if field.fields and field.repeat is None:
            counts |= _counts(field.fields, values)
        elif isinstance(field.repeat, str) and field.repeat != "end":
            counts[field.repeat] = len(_list_of(values, field)) if field.name in values else 0
    return counts


def _spread(fields: tuple[Field, ...], values: dict[str, Any]) -> dict[str, Any]:
    """Return values with those that a text like ``05/17`` holds for several fields."""
    for field in fields:
        if field.text and field.name in values:
            parts = read_template(field.text, str(values[field.name]))
            if parts is None or not all(part.isdecimal() for part in parts.values()):
                raise CommandError(f"{field.name}: expected {field.text}, got {str(values[field.name])[:40]!r}")
            values = {**values, **{name: int(part) for name, part in parts.items()}}
    return values


def _value(field: Field | Bits, values: dict[str, Any]) -> Any:
    if field.name in values:
        return values[field.name]
    if field.default is not None:
        return field.default
    raise CommandError(f"the value {field.name!r} is missing")


def _list_of(values: dict[str, Any], field: Field) -> list[dict[str, Any]]:
    """Return what stands in a list; where each has one value, it may be given by itself."""
    given = values.get(field.name)
    if field.name not in values:
        raise CommandError(f"the value {field.name!r} is missing")
    if not isinstance(given, list | tuple):
        raise CommandError(f"{field.name}: expected a list, got {str(given)[:40]!r}")
    if isinstance(field.repeat, int) and len(given) != field.repeat:
        raise CommandError(f"{field.name}: expected {field.repeat} of them, got {len(given)}")
    if len(given) > BYTES_MAX:
        raise CommandError(f"{field.name}: expected at most {BYTES_MAX} of them, got {len(given)}")
    texts = [each.name for each in field.fields if each.text]
    names = texts or names_of(field.fields)
    found: list[dict[str, Any]] = []
    for each in given:
        if isinstance(each, dict):
            unknown = [
                name for name in each if name not in {*names, *names_of(field.fields), "item"} and not field.items
            ]
            if unknown:
                raise CommandError(f"{field.name}: no value {unknown[0]!r}; it takes: {', '.join(names)}")
            found.append(each)
        elif len(names) == 1:
            found.append({names[0]: each})
        else:
            raise CommandError(f"{field.name}: expected {', '.join(names)} of each")
    return found


def _text(field: Field, given: Any) -> bytes:
    """Return text as it is sent; raise CommandError if it does not fit."""
    if not isinstance(given, str):
        raise CommandError(f"{field.name}: expected text, got {str(given)[:40]!r}")
    try:
        if field.format in {"hex", "digest"}:
            raw = bytes.fromhex(given)[:: -1 if field.order == "little" else 1]
        elif field.format in {"dotted", "dotted_hex"}:
            raw = bytes(int(part, 16 if field.format == "dotted_hex" else 10) for part in given.split("."))
        else:
            raw = given.encode()
    except ValueError as error:
        raise CommandError(f"{field.name}: expected {field.format}, got {given[:40]!r}") from error
    if isinstance(field.size, int) and len(raw) != field.size:
        raise CommandError(f"{field.name}: expected {field.size} bytes, got {len(raw)}")
    return raw


def _number(field: Field, raw: float, order: Order) -> bytes:
    """Return a raw number as it is sent; raise CommandError if it does not fit."""
    form, size = field.format or "", field.size if isinstance(field.size, int) else 0
    try:
        if form in _FLOATS:
            return _float(raw, _FLOATS[form], order)
        whole = round(raw)
        if form == "hex_digits":
            return whole.to_bytes(size // 2, "big").hex().upper().encode()
        if form == "bcd":
            # As if it were hexadecimal, which each of its digits is.
            return int(str(whole), 16).to_bytes(size, order)
        return whole.to_bytes(int(form.lstrip("uint")) // 8, order, signed=form.startswith("int"))
    except (OverflowError, ValueError, struct.error) as error:
        raise CommandError(f"{field.name}: {raw:g} does not fit into {form}") from error


def _float(raw: float, code: str, order: Order) -> bytes:
    """Return a float cut off, not rounded, to the digits that it has room for, as the encoders of vendors do."""
    packed = struct.pack(">" + code, raw)
    if abs(struct.unpack(">" + code, packed)[0]) > abs(raw):
        packed = (int.from_bytes(packed, "big") - 1).to_bytes(len(packed), "big")
    return packed if order == "big" else packed[::-1]
