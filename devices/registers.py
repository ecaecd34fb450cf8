"""Register profile: what one Modbus device keeps in which register, what it can be told, and vectors of both."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated

import msgspec
from msgspec import Meta

from config.document import Document
from devices import vectors
from devices.header import Header, Vector, check_vectors
from devices.protocols.modbus import REGISTERS_MAX, FrameError, SlaveError, answer_size, answered
from devices.reading import CommandError, Decoded, DecodeError, Reading
from devices.register_command import Name, RegisterCommand, check_command
from devices.register_map import FUNCTIONS, Address, Block, Cell, Register, Table, blocks_of, cells_of, check_register
from devices.report import Request, Write
from devices.value import Scalar

_PLANS_MAX = 1_024
_TABLES = {function: table for table, function in FUNCTIONS.items()}
Words = Annotated[str, Meta(pattern=r"^([0-9a-f]{4}|[01])( ([0-9a-f]{4}|[01]))*$(?!\n)", max_length=1_024)]


class RegisterVector(Vector, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Registers as they were read, and the readings or the error that they must give."""

    coil: dict[Address, Words] = msgspec.field(default_factory=dict)
    """By first address: 0 and 1."""
    discrete: dict[Address, Words] = msgspec.field(default_factory=dict)
    holding: dict[Address, Words] = msgspec.field(default_factory=dict)
    """By first address: words of four hexadecimal digits."""
    input: dict[Address, Words] = msgspec.field(default_factory=dict)
    bytes: Annotated[str, Meta(pattern=r"^([0-9a-f]{2} )*[0-9a-f]{2}$(?!\n)", max_length=2_048)] | None = None
    """In place of these: exchanges as they went over the wire, each a request to read and its answer, unframed."""

    @property
    def blocks(self) -> list[tuple[int, int, list[int]]]:
        """Function, first address and values of each block."""
        tables: dict[Table, dict[int, str]] = {
            "coil": self.coil,
            "discrete": self.discrete,
            "holding": self.holding,
            "input": self.input,
        }
        return [
            (FUNCTIONS[table], address, [int(word, 16) for word in words.split()])
            for table, found in tables.items()
            for address, words in found.items()
        ]


class CommandVector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command, and the writes or the error that it must give."""

    note: str
    command: Name
    values: dict[str, Scalar] = {}
    writes: tuple[Write, ...] = ()
    error: str | None = None
    """Words that the error must hold."""


class RegisterProfile(
    Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="protocol", tag="modbus"
):
    """A device on Modbus, serial or TCP."""

    registers: Annotated[tuple[Register, ...], Meta(min_length=1, max_length=1_000)]
    read_gap: Annotated[int, Meta(ge=0, le=100)] = 0
    """How many registers that nobody asked for may be read along, to save a request. Many devices refuse a request
    that touches a register which they do not have; 0 is safe."""
    read_max: Annotated[int, Meta(ge=1, le=REGISTERS_MAX)] = REGISTERS_MAX
    """Most registers in one request."""
    commands: Annotated[dict[Name, RegisterCommand], Meta(max_length=64)] = msgspec.field(default_factory=dict)
    """``on``, ``off`` and ``dim`` (with a ``level`` in percent) are those of a lamp."""
    vectors: Annotated[tuple[RegisterVector, ...], Meta(min_length=2)]
    command_vectors: tuple[CommandVector, ...] = ()

    def check(self, document: Document) -> None:
        """Raise ConfigError for what is well-formed and yet wrong."""
        seen: dict[tuple[str, str], int] = {}
        for number, register in enumerate(self.registers):
            check_register(register, f"registers[{number}]", document)
            if register.words_long > self.read_max:
                raise document.error(f"registers[{number}]", "is longer than `read_max`")
            for feature, _ in register.places:
                if register.property is not None and seen.setdefault((register.property, feature), number) != number:
                    name = f"{register.property} {feature}".rstrip()
                    raise document.error(f"registers[{number}].property", f"{name!r} is there twice")
        for name, command in self.commands.items():
            check_command(command, f"commands.{name}", self.registers, document)
            if (name == "dim") != ("level" in command.parameters) and name in ("on", "off", "dim"):
                raise document.error(f"commands.{name}", "expected a parameter `level` for `dim` alone")
        check_vectors(self.vectors, document)
        for number, vector in enumerate(self.command_vectors):
            if (vector.error is None) != bool(vector.writes):
                raise document.error(f"command_vectors[{number}]", "expected either `writes` or `error`")

    def blocks(self, features: frozenset[str] | None = None, poll: int = 0) -> list[Block]:
        """Return what the n-th poll has to read to know these features, or all of them."""
        key = features, tuple(every for every in self._paces if poll % every == 0)
        blocks = self._asked.get(key)
        if blocks is None:
            cells = [
                cell
                for cell in self._cells
                if cell.register.every in key[1] and (features is None or cell.feature in features)
            ]
            blocks = blocks_of(cells, gap_max=self.read_gap, size_max=self.read_max)
            if len(self._asked) < _PLANS_MAX:
                self._asked[key] = blocks
        return blocks

    def readings(self, function: int, address: int, values: Sequence[int]) -> Decoded:
        """Return what one block of coils or registers says.

        Raises:
            DecodeError: it ends within a value; ``at_byte`` counts from its beginning, two bytes a register.
        """
        readings: list[Reading] = []
        faults: list[str] = []
        for cell in self._plan(Block(function, address, len(values))):
            start, end = cell.address - address, cell.end - address
            name = str(cell.register.property)
            if end > len(values):
                problem = f"truncated: {name} needs {end - start} registers, got {len(values) - start}"
                raise DecodeError(2 * start, problem, tuple(readings))
            try:
                reading = cell.reading(values[start:end])
            except ValueError as error:
                faults.append(f"{_TABLES[function]} {cell.address}: {name}: {error}")
                continue
            if reading is not None:
                readings.append(reading)
        warned = [
            f"{reading.feature} {reading.property}".strip()
            for reading in readings
            if self._warnings and reading.property in self._warnings and reading.result not in (False, "", 0)
        ]
        return Decoded(readings, tuple(faults), tuple(warned))

    def decoded(self, payload: bytes, port: int | None = None) -> Decoded:  # noqa: ARG002  # Modbus has no ports
        """Return what exchanges say: each is a request to read (function, address, count) and the answer behind it."""
        readings: list[Reading] = []
        faults: list[str] = []
        warnings: list[str] = []
        at = 0
        while at < len(payload):
            request, answer, end = _exchange(payload, at)
            try:
                values = answered(request, answer)
                said = self.readings(request[0], int.from_bytes(request[1:3], "big"), values)
            except SlaveError as error:
                faults.append(f"{_TABLES[request[0]]} {int.from_bytes(request[1:3], 'big')}: {error}")
            except FrameError as error:
                raise DecodeError(at + 5, str(error), tuple(readings)) from error
            except DecodeError as error:
                raise DecodeError(at + 7 + error.at_byte, error.problem, (*readings, *error.readings)) from error
            else:
                readings += said.readings
                faults += said.faults
                warnings += said.warnings
            at = end
        return Decoded(readings, tuple(faults), tuple(warnings))

    def request(self, command: str, values: dict[str, object]) -> Request:
        """Return the writes of a command; raise CommandError. ``feature`` picks one of several outputs."""
        if command not in self.commands:
            known = ", ".join(self.commands) or "none"
            raise CommandError(f"{self.vendor}/{self.model} has no command {command!r}; it has: {known}")
        return self.commands[command].request(command, values)

    @cached_property
    def command_names(self) -> list[str]:
        """The commands that it takes."""
        return list(self.commands)

    @cached_property
    def properties(self) -> list[str]:
        """What it tells of."""
        return sorted({str(cell.register.property) for cell in self._cells})

    @cached_property
    def features(self) -> frozenset[str]:
        """The outputs, phases and addresses that it tells of or takes commands for; empty for the device itself."""
        told = {cell.feature for cell in self._cells}
        return frozenset(told.union(*(command.steps for command in self.commands.values())))

    def failures(self) -> list[str]:
        """Return how vectors come out otherwise than they say."""
        found = [
            (vector.note, vectors.failure(vector, lambda vector=vector: self._said(vector)))  # type: ignore[misc]
            for vector in self.vectors
        ]
        found += [(vector.note, self._command_failure(vector)) for vector in self.command_vectors]
        return [f"{note}: {problem}" for note, problem in found if problem]

    @cached_property
    def _cells(self) -> list[Cell]:
        return cells_of(self.registers)

    @cached_property
    def _warnings(self) -> frozenset[str]:
        return frozenset(str(register.property) for register in self.registers if register.warning)

    @cached_property
    def _paces(self) -> list[int]:
        return sorted({cell.register.every for cell in self._cells})

    @cached_property
    def _asked(self) -> dict[tuple[frozenset[str] | None, tuple[int, ...]], list[Block]]:
        return {}

    @cached_property
    def _plans(self) -> dict[Block, list[Cell]]:
        return {}

    def _plan(self, block: Block) -> list[Cell]:
        """Return the values that begin within a block; the same blocks are read again and again."""
        plan = self._plans.get(block)
        if plan is None:
            first, after = (block.function, block.address), (block.function, block.address + block.count)
            cells = self._cells
            low = bisect_left(cells, first, key=_place)
            plan = cells[low : bisect_left(cells, after, key=_place)]
            if len(self._plans) < _PLANS_MAX:
                self._plans[block] = plan
        return plan

    def _said(self, vector: RegisterVector) -> Decoded:
        if vector.bytes is not None:
            return self.decoded(bytes.fromhex(vector.bytes))
        parts = [self.readings(*block) for block in vector.blocks]
        return Decoded(
            [reading for part in parts for reading in part.readings],
            tuple(fault for part in parts for fault in part.faults),
        )

    def _command_failure(self, vector: CommandVector) -> str:
        try:
            request = self.request(vector.command, dict(vector.values))
        except CommandError as error:
            is_expected = vector.error is not None and vector.error in str(error)
            return "" if is_expected else f"expected {vector.error or vector.writes!r}, got {str(error)!r}"
        if vector.error is not None:
            return f"expected an error with {vector.error!r}, got {request}"
        return "" if request == vector.writes else f"expected {vector.writes}, got {request}"


def _place(cell: Cell) -> tuple[int, int]:
    return cell.register.function, cell.address


def _exchange(payload: bytes, at: int) -> tuple[bytes, bytes, int]:
    """Return the request and the answer at ``at``, and where the next exchange begins."""
    request = payload[at : at + 5]
    if request[0] not in _TABLES:
        raise DecodeError(at, f"expected a request of function 1 to 4, got {request[0]}")
    if len(request) < 5:
        raise DecodeError(at, "truncated: expected function, address and count")
    count = int.from_bytes(request[3:5], "big")
    if not 1 <= count <= (REGISTERS_MAX if request[0] > 2 else 2_000):
        raise DecodeError(at + 3, f"a count of {count} cannot be asked for")
    is_refusal = payload[at + 5 : at + 6] == bytes([request[0] | 0x80])
    end = at + 5 + (2 if is_refusal else answer_size(request))
    if end > len(payload):
        raise DecodeError(len(payload), f"truncated: expected {end - len(payload)} more bytes")
    return request, payload[at + 5 : end], end
