"""Emitter: what is done with a raw value once it is read: a reading, a name, a warning, or bits that are each that."""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from devices.layout import Bits, Field, Tables, When, words_of
from devices.reading import DecodeError, Quality, Reading
from devices.template import names_in, renderer
from devices.value import maker

TEXT_FORMATS = frozenset({"text", "hex", "dotted", "dotted_hex", "digest"})


class State:
    """What one message has given so far."""

    __slots__ = ("at_ms", "faults", "feature", "out", "raws", "tags", "texts", "warnings")

    def __init__(self) -> None:
        self.out: list[Reading] = []
        self.faults: list[str] = []
        self.warnings: list[str] = []
        self.raws: dict[str, float] = {}
        self.texts: dict[str, str] = {}
        self.tags: list[str] = []
        self.feature = ""
        self.at_ms: int | None = None


Emit = Callable[[Any, int, State], None]
"""Takes a raw value and the offset that it was read from."""


class Emitter:
    """Makes of each field of one profile what takes its raw values."""

    def __init__(self, tables: Tables, names: frozenset[str]) -> None:
        """``names`` are those that templates need."""
        self._names = names
        self._words = {name: words_of(table) for name, table in tables.items()}

    def of(self, field: Field | Bits) -> Emit:
        """Return what is done with a raw value: a reading, a name, a warning, or bits that are each that again."""
        parts = [self._bits(bits) for bits in field.bits] if isinstance(field, Field) else []
        if isinstance(field, Field) and field.sets:
            parts.append(self._setter(field))
        if field.name and getattr(field, "format", None) not in TEXT_FORMATS:
            parts.append(self._naming(field))
        if field.property is not None:
            parts.append(self._reading(field))
        if len(parts) == 1:
            return parts[0]

        def emit(raw: Any, at: int, state: State) -> None:
            for part in parts:
                part(raw, at, state)

        return emit

    def _bits(self, bits: Bits) -> Emit:
        high, low = bits.bits or (bits.bit or 0, bits.bit or 0)
        mask = (1 << (high - low + 1)) - 1
        if bits.bit is not None and not bits.words and not bits.table:
            bits = msgspec.structs.replace(bits, words={0: False, 1: True})
        emit = self.of(bits)
        conditions = [condition(when) for when in bits.when]

        def take(raw: int, at: int, state: State) -> None:
            for holds in conditions:
                if not holds(state.raws):
                    return
            emit(raw >> low & mask, at, state)

        return take

    def _setter(self, field: Field) -> Emit:
        words = self._words.get(field.table, field.words)
        if field.sets == "time":
            scale = field.scale * 1000

            def set_time(raw: float, _at: int, state: State) -> None:
                state.at_ms = int(raw * scale)

            return set_time

        def set_feature(raw: int, at: int, state: State) -> None:
            if raw not in words:
                raise DecodeError(at, f"no word for {raw}")
            state.feature = str(words[raw])

        return set_feature

    def _naming(self, field: Field | Bits) -> Emit:
        name, words = field.name, self._words.get(field.table, field.words)
        scale, add = field.scale, field.add
        if name not in self._names:

            def keep(raw: float, _at: int, state: State) -> None:
                state.raws[name] = raw

            return keep

        def keep_text(raw: float, _at: int, state: State) -> None:
            state.raws[name] = raw
            state.texts[name] = str(words.get(raw, f"{raw * scale + add:.12g}"))  # type: ignore[call-overload]

        return keep_text

    def _reading(self, field: Field | Bits) -> Emit:
        """Return what appends the reading of a raw value."""
        words = self._words.get(field.table, field.words)
        if isinstance(field, Field) and (field.text or field.value is not None):
            return self._constant(field)
        template = renderer(field.feature) if names_in(field.feature) else None
        if words and template is None and not field.none:
            return _word(msgspec.structs.replace(field, words=words))
        fixed, warning, name = field.feature, field.warning, field.property or ""
        made = maker(msgspec.structs.replace(field, words=words))
        is_text = isinstance(field, Field) and field.format in TEXT_FORMATS
        make: Any = (lambda raw, feature, at_ms: Reading(name, raw, "", feature, "good", at_ms)) if is_text else made

        def emit(raw: Any, at: int, state: State) -> None:
            feature = template(state.texts) if template else fixed or state.feature
            try:
                reading = make(raw, feature, state.at_ms)
            except KeyError as error:
                raise DecodeError(at, f"{name}: no word for {raw}") from error
            if reading is not None:
                state.out.append(reading)
                if warning:
                    _warn(reading, warning, state)

        return emit

    def _constant(self, field: Field) -> Emit:
        """Return what appends a reading that no byte stands for."""
        text, value, texts = renderer(field.text), "" if field.value is None else field.value, bool(field.text)
        template = renderer(field.feature) if names_in(field.feature) else None
        name, quality = field.property or "", "suspect" if field.suspect else "good"

        def emit(_raw: Any, _at: int, state: State) -> None:
            feature = template(state.texts) if template else field.feature or state.feature
            result = text(state.texts) if texts else value
            reading = Reading(name, result, field.unit, feature, quality, state.at_ms)  # type: ignore[arg-type]
            state.out.append(reading)
            if field.warning:
                _warn(reading, field.warning, state)

        return emit


def _word(field: Field | Bits) -> Emit:
    """Return what appends one of few readings, which are made beforehand."""
    name, unit, fixed, warning = field.property or "", field.unit, field.feature, field.warning
    quality: Quality = "suspect" if field.suspect else "good"
    ready = {raw: Reading(name, word, unit, fixed, quality) for raw, word in field.words.items()}

    def emit(raw: Any, at: int, state: State) -> None:
        reading = ready.get(raw)
        if reading is None:
            raise DecodeError(at, f"{name}: no word for {raw}")
        if state.at_ms is not None or (state.feature and not fixed):
            reading = Reading(name, reading.result, unit, fixed or state.feature, quality, state.at_ms)
        state.out.append(reading)
        if warning:
            _warn(reading, warning, state)

    return emit


def _warn(reading: Reading, warning: str, state: State) -> None:
    """Note what a device complains of."""
    if reading.result is True or reading.quality == "impossible":
        state.warnings.append(f"{reading.feature} {warning}".strip())
    elif isinstance(reading.result, str) and reading.result:
        state.warnings.append(f"{reading.feature} {warning} {reading.result}".strip())


def condition(when: When) -> Callable[[dict[str, float]], bool]:
    """Return what says whether a condition holds, by the raw numbers read before."""
    name, among = when.name, frozenset(when.among)
    if when.bit is not None:
        mask = 1 << when.bit
        return lambda raws: bool(int(raws.get(name, 0)) & mask)
    if among:
        return lambda raws: raws.get(name) in among
    low = -math.inf if when.min is None else when.min
    high = math.inf if when.max is None else when.max
    return lambda raws: low <= raws.get(name, math.nan) <= high
