"""LoRaWAN: which of a profile's messages some bytes on an FPort are, and what they say; commands the other way."""

from functools import cached_property, partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from config.document import Document
from devices.emitter import State
from devices.header import Header, Vector, check_vectors
from devices.layout import Command, Hex, Layouts, Message, Name, Order, Tables, every_value, with_layouts
from devices.layout_check import LayoutCheck
from devices.reader import Compiler, Step
from devices.reading import CommandError, Decoded, DecodeError
from devices.report import Downlink
from devices.template import names_in
from devices.value import Scalar
from devices.vectors import failure
from devices.writer import Writer, names_of

PAYLOAD_MAX = 512


class UplinkVector(Vector, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes as sent, and the readings or the error that they must give."""

    bytes: Hex
    port: Annotated[int, Meta(ge=0, le=255)] | None = None


class CommandVector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command, and the bytes or the error that it must give."""

    note: str
    command: Name
    values: dict[Name, Scalar | list[Any]] = {}
    bytes: Hex | None = None
    error: str | None = None
    """Words that the refusal must hold."""


class LorawanProfile(
    Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="protocol", tag="lorawan"
):
    """A device on LoRaWAN."""

    order: Order
    """Which byte of a number comes first."""
    tables: Tables = msgspec.field(default_factory=dict)
    """By name: what raw numbers stand for, where many do, or several fields share them."""
    layouts: Layouts = msgspec.field(default_factory=dict)
    """By name: fields that several messages or commands share."""
    messages: Annotated[tuple[Message, ...], Meta(min_length=1)]
    commands: dict[Name, Command] = msgspec.field(default_factory=dict)
    """``on``, ``off`` and ``dim`` with ``level`` are those of a lamp; others are the device's own."""
    vectors: Annotated[tuple[UplinkVector, ...], Meta(min_length=2)]
    command_vectors: tuple[CommandVector, ...] = ()

    def check(self, document: Document) -> None:
        """Raise ConfigError for what is well-formed and yet wrong."""
        look = LayoutCheck(document, self.layouts, self.tables)
        look.tables()
        for number, message in enumerate(self.messages):
            key = f"messages[{number}]"
            if len({len(start) for start in message.starts}) > 1:
                raise document.error(f"{key}.starts", "expected all to have as many bytes")
            look.fields(message.fields, f"{key}.fields", set())
        for name, command in self.commands.items():
            look.fields(command.fields, f"commands.{name}.fields", set())
            if not command.bytes and not command.fields:
                raise document.error(f"commands.{name}", "expected `bytes`, `fields` or both")
        check_vectors(self.vectors, document)
        for number, vector in enumerate(self.command_vectors):
            if (vector.bytes is None) == (vector.error is None):
                raise document.error(f"command_vectors[{number}]", "expected either `bytes` or `error`")

    def decoded(self, payload: bytes, port: int | None = None) -> Decoded:
        """Return all that an uplink says; raise DecodeError."""
        if len(payload) > PAYLOAD_MAX:
            raise DecodeError(PAYLOAD_MAX, f"expected at most {PAYLOAD_MAX} bytes, got {len(payload)}")
        state = State()
        kind = self._kinds.of(payload, port)
        try:
            at = kind.step(payload, 0, len(payload), state)
        except DecodeError as error:
            error.readings = tuple(state.out)
            raise
        if at < len(payload) and kind.tells_rest:
            state.faults.append(f"byte {at}: {len(payload) - at} bytes more than expected")
        name = "+".join(state.tags) if state.tags else kind.name
        return Decoded(state.out, tuple(state.faults), tuple(state.warnings), name)

    def request(self, command: str, values: dict[str, Any]) -> Downlink:
        """Return what has to be sent; raise CommandError for an unknown command, or a value out of bounds."""
        found = self._commands.get(command)
        if found is None:
            known = ", ".join(self.command_names) or "none"
            raise CommandError(f"{self.vendor}/{self.model} has no command {command!r}; it has: {known}")
        try:
            return Downlink(port=found.port, payload=self._writer.bytes_of(found, values))
        except CommandError as error:
            raise CommandError(f"{command}: {error}") from error

    def parameters(self, command: str) -> list[str]:
        """Return the names of the values that a command takes."""
        return names_of(self._commands[command].fields)

    @cached_property
    def command_names(self) -> list[str]:
        """The commands that it takes."""
        return list(self.commands)

    @cached_property
    def properties(self) -> list[str]:
        """What it tells of."""
        values = [value for message in self._spliced for value in every_value(message.fields)]
        return sorted({value.property for value in values if value.property})

    def failures(self) -> list[str]:
        """Return how vectors come out otherwise than they say."""
        found = [
            (one.note, failure(one, partial(self.decoded, bytes.fromhex(one.bytes), one.port))) for one in self.vectors
        ]
        found += [(one.note, self._command_failure(one)) for one in self.command_vectors]
        return [f"{note}: {problem}" for note, problem in found if problem]

    def _command_failure(self, vector: CommandVector) -> str:
        try:
            given = self.request(vector.command, dict(vector.values)).payload.hex(" ")
        except CommandError as error:
            if vector.error is not None and vector.error in str(error):
                return ""
            return f"expected {vector.bytes or vector.error!r}, got {str(error)!r}"
        return (
            ""
            if given == vector.bytes
            else f"expected {vector.bytes or f'an error with {vector.error!r}'}, got {given}"
        )

    @cached_property
    def _spliced(self) -> tuple[Message, ...]:
        return tuple(
            msgspec.structs.replace(message, fields=with_layouts(message.fields, self.layouts))
            for message in self.messages
        )

    @cached_property
    def _commands(self) -> dict[str, Command]:
        return {
            name: msgspec.structs.replace(command, fields=with_layouts(command.fields, self.layouts))
            for name, command in self.commands.items()
        }

    @cached_property
    def _writer(self) -> Writer:
        return Writer(self.order, self.tables)

    @cached_property
    def _kinds(self) -> "_Kinds":
        values = [value for message in self._spliced for value in every_value(message.fields)]
        texts = [value.feature for value in values] + [value.text for value in values if hasattr(value, "text")]
        names = frozenset(name for text in texts for name in names_in(text))
        return _Kinds(self._spliced, Compiler(self.order, self.tables, names))


class _Kind:
    """A message that can be read."""

    __slots__ = ("is_told", "lengths", "name", "starts", "step", "tells_rest")

    def __init__(self, message: Message, step: Step) -> None:
        self.step, self.name, self.tells_rest = step, message.called or message.name, message.rest == "fault"
        self.lengths = frozenset(message.lengths)
        self.starts = [
            [(at, int(byte, 16)) for at, byte in enumerate(start.split()) if byte != ".."] for start in message.starts
        ]
        self.is_told = not self.lengths and all([at for at, _ in start] == [0] for start in self.starts)
        """Whether the first byte alone tells that it is this message."""

    def may_begin(self, first: int) -> bool:
        """Return whether its first byte can be this."""
        return not self.starts or any(dict(start).get(0, first) == first for start in self.starts)

    def fits(self, payload: bytes) -> bool:
        """Return whether a payload can be this message."""
        size = len(payload)
        if self.lengths and size not in self.lengths:
            return False
        return not self.starts or any(all(at < size and payload[at] == byte for at, byte in one) for one in self.starts)


class _Kinds:
    """All messages of a profile, found by FPort and first byte."""

    def __init__(self, messages: tuple[Message, ...], compiler: Compiler) -> None:
        by_port: dict[int | None, list[_Kind]] = {}
        self._ports = sorted({port for message in messages for port in message.ports})
        for message in messages:
            behind = len(message.starts[0].split()) if message.starts else 0
            kind = _Kind(message, compiler.sequence(message.fields, behind))
            for port in message.ports or [None, *self._ports]:
                by_port.setdefault(port, []).append(kind)
        if None not in by_port and len(self._ports) == 1:
            by_port[None] = by_port[self._ports[0]]
        self._known = {
            port: (kinds, [[kind for kind in kinds if kind.may_begin(first)] for first in range(256)])
            for port, kinds in by_port.items()
        }
        self._any_port = any(not message.ports for message in messages)

    def of(self, payload: bytes, port: int | None) -> _Kind:
        """Return the message that some bytes are; raise DecodeError."""
        known = self._known.get(port) or (self._known.get(None) if self._any_port else None)
        if known is None:
            ports = ", ".join(map(str, self._ports))
            raise DecodeError(0, f"unknown FPort {port}" if port is not None else f"expected the FPort, one of {ports}")
        for kind in known[1][payload[0]] if payload else known[0]:
            if (kind.is_told and payload) or kind.fits(payload):
                return kind
        begin = f" that begins with {payload[:4].hex(' ')}" if payload else ""
        raise DecodeError(0, f"no message of {len(payload)} bytes{begin}")
