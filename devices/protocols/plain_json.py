"""Plain JSON over MQTT: paths into a message, and what stands there; commands as text or JSON."""

import re
from functools import cached_property, partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from config.document import Document
from devices.header import Header, Vector, check_vectors
from devices.json_document import Path, Step, found_at, read_json, steps_of
from devices.layout import Name
from devices.reading import CommandError, Decoded, DecodeError, Reading
from devices.report import Downlink
from devices.template import is_template, names_in
from devices.value import Make, Scalar, Value, check_value, maker, raw_of
from devices.vectors import failure

READINGS_MAX = 512
TEXT_MAX = 128
NUMBER_MAX = 2**63
_NUMBER = re.compile(r"\s*[-+]?\d{1,30}(\.\d{0,30})?([eE][-+]?\d{1,3})?\s*")


class JsonField(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value in a message; a message without it says nothing of it."""

    path: Path
    texts: dict[str, Scalar] = msgspec.field(default_factory=dict)
    """What a text stands for; one not listed is told as a fault."""
    is_text: bool = False
    """Text that is told as it is."""
    feature_path: Path | None = None
    """For each of a list: where in it the feature stands."""


class JsonCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to the device."""

    topic: Annotated[str, Meta(max_length=200)]
    """Behind the device's own topic."""
    text: Annotated[str, Meta(max_length=500)] = ""
    message: dict[str, Any] | None = None
    """JSON; ``"{level}"`` is replaced by that value."""
    values: dict[Name, Value] = {}


class MessageVector(Vector, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as sent, and the readings or the error that it must give."""

    message: str


class JsonCommandVector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command, and the message or the error that it must give."""

    note: str
    command: Name
    values: dict[Name, Scalar] = {}
    topic: str = ""
    message: str | None = None
    error: str | None = None


class JsonProfile(Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="protocol", tag="json"):
    """A device that publishes JSON."""

    values: Annotated[tuple[JsonField, ...], Meta(min_length=1)]
    commands: dict[Name, JsonCommand] = msgspec.field(default_factory=dict)
    vectors: Annotated[tuple[MessageVector, ...], Meta(min_length=2)]
    command_vectors: tuple[JsonCommandVector, ...] = ()

    def check(self, document: Document) -> None:
        """Raise ConfigError for what is well-formed and yet wrong."""
        for number, field in enumerate(self.values):
            check_value(field, f"values[{number}]", document)
            if field.property is None:
                raise document.error(f"values[{number}]", "the key 'property' is missing")
            if field.feature_path and "[]" not in field.path:
                raise document.error(
                    f"values[{number}].feature_path", "only for each of a list, as in `sensors[].value`"
                )
        for name, command in self.commands.items():
            if bool(command.text) == (command.message is not None):
                raise document.error(f"commands.{name}", "expected either `text` or `message`")
            for text in _texts_in(command.text or command.message):
                if not is_template(text) or not set(names_in(text)) <= set(command.values):
                    raise document.error(f"commands.{name}", f"{text!r} names a value that is not among `values`")
        check_vectors(self.vectors, document)

    def decoded(self, payload: bytes, port: int | None = None) -> Decoded:  # noqa: ARG002  # a broker has no ports
        """Return all that a message says; raise DecodeError."""
        document = read_json(payload)
        readings: list[Reading] = []
        faults: list[str] = []
        for field, steps, make in self._makers:
            for raw, feature in _told(document, steps, field):
                _take(field, make, raw, feature, (readings, faults))
                if len(readings) + len(faults) > READINGS_MAX:
                    raise DecodeError(0, f"more than {READINGS_MAX} readings", tuple(readings))
        if not readings and not faults:
            raise DecodeError(0, "nothing in it that the profile knows")
        warned = {field.property: field.warning for field in self.values if field.warning}
        warnings = [
            f"{reading.feature} {warned[reading.property]}".strip()
            for reading in readings
            if reading.property in warned and (reading.result is True or reading.quality == "impossible")
        ]
        return Decoded(readings, tuple(faults), tuple(warnings), "json")

    def request(self, command: str, values: dict[str, Any]) -> Downlink:
        """Return what has to be published; raise CommandError for an unknown command, or a value out of bounds."""
        found = self.commands.get(command)
        if found is None:
            known = ", ".join(self.command_names) or "none"
            raise CommandError(f"{self.vendor}/{self.model} has no command {command!r}; it has: {known}")
        for name in values:
            if name not in found.values:
                raise CommandError(f"{command}: no value {name!r}; it takes: {', '.join(found.values) or 'none'}")
        raws: dict[str, Any] = {}
        for name, value in found.values.items():
            if name not in values:
                raise CommandError(f"{command}: the value {name!r} is missing")
            raw = round(raw_of(value, values[name], f"{command}: {name}"), value.decimals)
            raws[name] = int(raw) if raw == int(raw) else raw
        content = _filled(found.text or found.message, raws)
        payload = content.encode() if isinstance(content, str) else msgspec.json.encode(content)
        return Downlink(port=0, payload=payload, topic=found.topic)

    def parameters(self, command: str) -> list[str]:
        """Return the names of the values that a command takes."""
        return list(self.commands[command].values)

    @cached_property
    def command_names(self) -> list[str]:
        """The commands that it takes."""
        return list(self.commands)

    @cached_property
    def properties(self) -> list[str]:
        """What it tells of."""
        return sorted({field.property for field in self.values if field.property})

    def failures(self) -> list[str]:
        """Return how vectors come out otherwise than they say."""
        found = [(one.note, failure(one, partial(self.decoded, one.message.encode()))) for one in self.vectors]
        found += [(one.note, self._command_failure(one)) for one in self.command_vectors]
        return [f"{note}: {problem}" for note, problem in found if problem]

    def _command_failure(self, vector: JsonCommandVector) -> str:
        try:
            given = self.request(vector.command, dict(vector.values))
        except CommandError as error:
            if vector.error is not None and vector.error in str(error):
                return ""
            return f"expected {vector.message or vector.error!r}, got {str(error)!r}"
        found = (given.topic, given.payload.decode())
        expected = (vector.topic, vector.message)
        return "" if found == expected else f"expected {vector.error or expected}, got {found}"

    @cached_property
    def _makers(self) -> list[tuple[JsonField, list[Step], Make | None]]:
        return [(field, steps_of(field.path), maker(field)) for field in self.values]


def _told(document: Any, steps: list[Step], field: JsonField) -> list[tuple[Any, str]]:
    """Return what stands at a field's path, each with its feature."""
    told = []
    for number, (value, element) in enumerate(found_at(document, steps), 1):
        feature = (field.feature or ("{n}" if "[]" in field.path else "")).replace("{n}", str(number))
        if field.feature_path is not None:
            named = found_at(element, steps_of(field.feature_path))
            said = named[0][0] if named else None
            feature = str(said)[:64] if isinstance(said, str | int) else feature
        told.append((value, feature))
    return told


def _take(field: JsonField, make: Make | None, raw: Any, feature: str, into: tuple[list[Reading], list[str]]) -> None:
    """Add the reading of a raw value, or the fault that it is."""
    readings, faults = into
    name, quality = field.property or "", "suspect" if field.suspect else "good"
    if isinstance(raw, str) and (raw in field.texts or field.is_text):
        result = field.texts[raw] if raw in field.texts else raw[:TEXT_MAX].replace("\0", "")
        readings.append(Reading(name, result, field.unit, feature, quality))  # type: ignore[arg-type]
        return
    if isinstance(raw, bool) and not field.words:
        readings.append(Reading(name, raw, "", feature, quality))  # type: ignore[arg-type]
        return
    if isinstance(raw, str) and _NUMBER.fullmatch(raw):
        raw = float(raw)
    try:
        reading = make(raw, feature, None) if make is not None and _is_number(raw) else None
    except (KeyError, OverflowError):
        reading = None
    if reading is not None:
        readings.append(reading)
    elif not (_is_number(raw) and raw in field.none):
        faults.append(f"{field.path}: expected {_expected(field)}, got {repr(raw)[:40]}")


def _is_number(raw: Any) -> bool:
    return isinstance(raw, float) or (isinstance(raw, int) and abs(raw) < NUMBER_MAX)


def _expected(field: JsonField) -> str:
    known = [str(word) for word in (*field.texts, *field.words)]
    return f"one of {', '.join(known)}" if known else "a number"


def _texts_in(content: Any) -> list[str]:
    """Return every text in a command's message."""
    if isinstance(content, dict):
        return [text for value in content.values() for text in _texts_in(value)]
    if isinstance(content, list):
        return [text for value in content for text in _texts_in(value)]
    return [content] if isinstance(content, str) else []


def _filled(content: Any, raws: dict[str, Any]) -> Any:
    """Return a command's message with values in the place of their names."""
    if isinstance(content, dict):
        return {key: _filled(value, raws) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, raws) for value in content]
    if not isinstance(content, str):
        return content
    names = names_in(content)
    if len(names) == 1 and content == f"{{{names[0]}}}":
        return raws[names[0]]
    for name in names:
        content = content.replace(f"{{{name}}}", str(raws[name]))
    return content
