"""Reader: layouts made into functions that read bytes, once for each profile."""

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from devices.emitter import Emit, Emitter, State, condition
from devices.layout import Field, Item, Order, Tables
from devices.reading import DecodeError
from devices.template import renderer

READINGS_MAX = 512
_CODES = {
    "uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
_TEXTS: dict[str, Callable[[bytes], str]] = {
    "text": lambda raw: "".join(sign for sign in raw.decode("utf-8").rstrip("\0") if sign.isprintable()),
    "hex": bytes.hex,
    "dotted": lambda raw: ".".join(map(str, raw)),
    "dotted_hex": lambda raw: ".".join(f"{byte:x}" for byte in raw),
    "digest": lambda raw: hashlib.sha256(raw).hexdigest()[:16],
}
Unpack = Callable[[bytes, int], tuple[Any, ...]]
Step = Callable[[bytes, int, int, State], int]
"""Reads from an offset up to an end, and returns the offset behind what it has read."""


def size_of(field: Field) -> int | None:
    """Return how many bytes a field always has; none if that depends on the message."""
    if field.when or field.fields or field.items:
        return None
    if field.bytes is not None:
        return len(bytes.fromhex(field.bytes))
    if field.format is None:
        return field.skip
    if field.format in _CODES:
        return struct.calcsize(_CODES[field.format])
    if field.format in {"uint24", "int24"}:
        return 3
    return field.size if isinstance(field.size, int) else None


class Compiler:
    """Makes steps of the fields of one profile."""

    def __init__(self, order: Order, tables: Tables, names: frozenset[str]) -> None:
        """``names`` are those that templates need."""
        self._order = order
        self._emitter = Emitter(tables, names)

    def sequence(self, fields: tuple[Field, ...], start: int = 0) -> Step:
        """Return a step for fields one behind the other; ``start`` bytes of the message are before the first."""
        steps: list[Step] = []
        run: list[tuple[Field, int]] = []
        offset = extent = start
        for field in fields:
            size = size_of(field)
            if size is None:
                steps += [self._run(run, extent)] if extent else []
                run, offset, extent = [], 0, 0
                steps.append(self._varying(field))
                continue
            offset = offset if field.at is None else field.at
            run.append((field, offset))
            offset += size
            extent = max(extent, offset)
        if run or extent:
            steps.append(self._run(run, extent))
        if len(steps) == 1:
            return steps[0]

        def read(payload: bytes, at: int, end: int, state: State) -> int:
            for step in steps:
                at = step(payload, at, end, state)
            return at

        return read

    def _run(self, run: list[tuple[Field, int]], size: int) -> Step:
        """Return a step for fields whose offsets are known beforehand; the length is looked at once."""
        together = self._together(run)
        reads = [(offset, self._fixed(field)) for field, offset in run if not field.skip]
        if together is not None:
            unpack, plan = together

            def read_together(payload: bytes, at: int, end: int, state: State) -> int:
                if end - at < size:
                    raise DecodeError(at, f"truncated: expected {size} bytes, got {end - at}")
                for raw, (emit, offset) in zip(unpack(payload, at), plan, strict=True):
                    emit(raw, at + offset, state)
                return at + size

            return read_together

        def read(payload: bytes, at: int, end: int, state: State) -> int:
            if end - at < size:
                raise DecodeError(at, f"truncated: expected {size} bytes, got {end - at}")
            for offset, take in reads:
                take(payload, at + offset, state)
            return at + size

        return read

    def _together(self, run: list[tuple[Field, int]]) -> tuple[Unpack, list[tuple[Emit, int]]] | None:
        """Return how several numbers one behind the other are read at once; none if they are no such."""
        fields = [(field, offset) for field, offset in run if not field.skip]
        orders = {field.order or self._order for field, _ in fields}
        if len(fields) < 2 or len(orders) > 1 or any(field.format not in _CODES for field, _ in fields):
            return None
        form, behind = ">" if "big" in orders else "<", 0
        for field, offset in fields:
            if offset < behind:
                return None
            form += f"{offset - behind}x{_CODES[field.format or 'uint8']}"
            behind = offset + (size_of(field) or 0)
        return struct.Struct(form).unpack_from, [(self._emitter.of(field), offset) for field, offset in fields]

    def _fixed(self, field: Field) -> Callable[[bytes, int, State], None]:
        """Return what reads a field that has always the same size."""
        if field.bytes is not None:
            return _constant(bytes.fromhex(field.bytes))
        emit = self._emitter.of(field)
        if field.format is None:
            raw = int(field.value) if isinstance(field.value, bool) else 0
            return lambda _payload, at, state: emit(raw, at, state)
        if field.format in _CODES:
            sign = ">" if (field.order or self._order) == "big" else "<"
            unpack = struct.Struct(sign + _CODES[field.format]).unpack_from

            def take(payload: bytes, at: int, state: State) -> None:
                emit(unpack(payload, at)[0], at, state)

            return take
        size = size_of(field) or 0
        convert = self._convert(field)

        def slice_of(payload: bytes, at: int, state: State) -> None:
            emit(convert(payload[at : at + size], at), at, state)

        return slice_of

    def _convert(self, field: Field) -> Callable[[bytes, int], Any]:
        """Return what makes a raw value of some bytes."""
        if field.format in {"uint24", "int24"}:
            order, signed = field.order or self._order, field.format == "int24"
            return lambda raw, _at: int.from_bytes(raw, order, signed=signed)
        if field.format in {"bcd", "hex_digits"}:
            base, in_ascii, order = (16, True, "big") if field.format == "hex_digits" else (10, False, self._order)
            order = field.order or order

            def digits(raw: bytes, at: int) -> int:
                try:
                    text = raw.decode("ascii") if in_ascii else (raw if order == "big" else raw[::-1]).hex()
                    return int(text if text.isalnum() else "", base)
                except ValueError as error:
                    raise DecodeError(at, f"expected digits, got {raw.hex()}") from error

            return digits
        make = _TEXTS[field.format or "hex"]

        turn = -1 if field.order == "little" else 1

        def text(raw: bytes, at: int) -> str:
            try:
                return make(raw[::turn])
            except UnicodeDecodeError as error:
                raise DecodeError(at, "expected text in UTF-8") from error

        return text

    def _varying(self, field: Field) -> Step:
        """Return a step for a field whose size depends on the message."""
        step = self._group(field) if field.fields or field.items else self._sized(field)
        if not field.when:
            return step
        conditions = [condition(when) for when in field.when]

        def read(payload: bytes, at: int, end: int, state: State) -> int:
            for holds in conditions:
                if not holds(state.raws):
                    return at
            return step(payload, at, end, state)

        return read

    def _sized(self, field: Field) -> Step:
        """Return a step for text of a size that the message says, or for a field under a condition."""
        bare = msgspec.structs.replace(field, when=())
        if size_of(bare) is not None:
            return self._run([(bare, 0)], size_of(bare) or 0)
        emit, convert, limit = self._emitter.of(field), self._convert(field), _limit(field.size)

        def read(payload: bytes, at: int, end: int, state: State) -> int:
            stop = limit(at, end, state)
            emit(convert(payload[at:stop], at), at, state)
            return stop

        return read

    def _group(self, field: Field) -> Step:
        """Return a step for a group: once, several times, or until its end."""
        is_sized = field.size is not None
        limit = _limit(field.size)
        inner = self._items(field.items, is_sized=is_sized) if field.items else self.sequence(field.fields)
        feature = renderer(field.feature) if field.feature else None
        repeat: int | str = "end" if field.items else 1 if field.repeat is None else field.repeat

        def read(payload: bytes, at: int, end: int, state: State) -> int:
            stop = limit(at, end, state) if is_sized else end
            left = (
                READINGS_MAX
                if repeat == "end"
                else repeat
                if isinstance(repeat, int)
                else int(state.raws.get(repeat, 0))
            )
            kept, number = (state.feature, state.at_ms), 0
            while number < left and (repeat != "end" or at < stop):
                number += 1
                if feature is not None:
                    state.texts["n"] = str(number)
                    state.feature = feature(state.texts)
                before, at = at, inner(payload, at, stop, state)
                state.feature, state.at_ms = kept
                if at == before and repeat != 1:
                    raise DecodeError(at, "expected more bytes for what is repeated")
                if len(state.out) > READINGS_MAX:
                    raise DecodeError(at, f"more than {READINGS_MAX} readings")
            if is_sized and at < stop:
                state.faults.append(f"byte {at}: {stop - at} bytes more than expected in a part of the message")
            return stop if is_sized else at

        return read

    def _items(self, items: tuple[Item, ...], *, is_sized: bool) -> Step:
        """Return a step for one item; behind an unknown one nothing can be read but what comes after a known size."""
        size = len(bytes.fromhex(items[0].tag))
        known = {bytes.fromhex(item.tag): (self.sequence(item.fields), item.called) for item in items}

        def read(payload: bytes, at: int, end: int, state: State) -> int:
            tag = payload[at : min(at + size, end)]
            found = known.get(tag)
            if found is not None:
                if found[1]:
                    state.tags.append(found[1])
                return found[0](payload, at + size, end, state)
            problem = (
                f"unknown item {tag.hex(' ')}" if len(tag) == size else f"truncated: expected a tag of {size} bytes"
            )
            if not is_sized:
                raise DecodeError(at, problem)
            state.faults.append(f"byte {at}: {problem}")
            return end

        return read


def _constant(expected: bytes) -> Callable[[bytes, int, State], None]:
    def take(payload: bytes, at: int, _state: State) -> None:
        found = payload[at : at + len(expected)]
        if found != expected:
            raise DecodeError(at, f"expected {expected.hex(' ')}, got {found.hex(' ')}")

    return take


def _limit(size: int | str | None) -> Callable[[int, int, State], int]:
    """Return what says where something of a size ends."""
    if size is None or size == "end":
        return lambda _at, end, _state: end

    def limit(at: int, end: int, state: State) -> int:
        stop = at + (size if isinstance(size, int) else int(state.raws.get(size, 0)))
        if not at <= stop <= end:
            raise DecodeError(at, f"truncated: expected {stop - at} bytes, got {end - at}")
        return stop

    return limit
