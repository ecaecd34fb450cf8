"""Register commands: what a Modbus device is told to do, as writes of coils and registers."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config.document import Document
from devices.reading import CommandError
from devices.register_map import NUMBER, Address, End, Kind, Layout, Register, Repeat, words_of
from devices.report import Write
from devices.value import Property, Value, check_value, raw_of

COIL_FUNCTIONS = (5, 15)
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$(?!\n)", max_length=48)]
FEATURE = "feature"
"""The parameter that picks one of several outputs."""


class Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that a write holds: a constant, or a parameter of the command."""

    value: Annotated[float, Meta(ge=-1e18, le=1e18)] | None = None
    """As it goes over the wire."""
    parameter: Name | None = None
    type: Kind = "u16"
    order: End = "big"
    bytes: End = "big"

    @property
    def layout(self) -> Layout:
        """How it lies in registers."""
        return Layout(type=self.type, order=self.order, bytes=self.bytes)


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One write: what it sends stands one behind the other from ``address`` on."""

    function: Literal[5, 6, 15, 16]
    address: Address
    sends: Annotated[tuple[Sent, ...], Meta(min_length=1, max_length=64)]


class RegisterCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one command writes, in order."""

    parameters: Annotated[dict[Name, Value], Meta(max_length=8)] = {}
    """With bounds and conversion, as in a register: ``scale`` turns the register's number into the parameter's."""
    writes: Annotated[tuple[Order, ...], Meta(min_length=1, max_length=16)]
    shows: Property | None = None
    """What shows in the next poll whether it was done."""
    feature: Annotated[str, Meta(max_length=64)] = ""
    repeat: Repeat | None = None
    """The same for other outputs, at higher addresses; the parameter ``feature`` picks one."""

    @property
    def steps(self) -> dict[str, int]:
        """By feature, how much higher its addresses are."""
        return dict(self.repeat.features(self.feature)) if self.repeat else {self.feature: 0}

    def request(self, name: str, values: dict[str, object]) -> tuple[Write, ...]:
        """Return the writes; raise CommandError for a value that it does not take."""
        given = dict(values)
        feature = given.pop(FEATURE, self.feature if self.repeat is None else "")
        if not isinstance(feature, str) or feature not in self.steps:
            known = ", ".join(self.steps) or "none"
            raise CommandError(f"{name}: expected as feature one of: {known[:200]}; got {str(feature)[:40]!r}")
        unknown = [key for key in given if key not in self.parameters]
        missing = [key for key in self.parameters if key not in given]
        if unknown or missing:
            expected = ", ".join(self.parameters) or "none"
            raise CommandError(f"{name}: expected the parameters: {expected}; got: {', '.join(given) or 'none'}")
        raw = {key: raw_of(value, given[key], key) for key, value in self.parameters.items()}
        step = self.steps[feature]
        return tuple(
            Write(function=order.function, address=order.address + step, values=_values(order, raw))
            for order in self.writes
        )


def check_command(command: RegisterCommand, key: str, registers: tuple[Register, ...], document: Document) -> None:
    """Raise ConfigError for what is wrong with a command at ``key``: it may write only what the map says is written."""
    for name, value in command.parameters.items():
        check_value(value, f"{key}.parameters.{name}", document)
    if (command.repeat is not None) != (NUMBER in command.feature):
        raise document.error(f"{key}.feature", "expected `{n}` in it if there is `repeat`, and only then")
    if command.shows is not None and all(register.property != command.shows for register in registers):
        raise document.error(f"{key}.shows", f"no register has the property {command.shows!r}")
    written = _written(registers)
    for number, order in enumerate(command.writes):
        at = f"{key}.writes[{number}]"
        _check_order(order, command, at, document)
        size = sum(sent.layout.words_long for sent in order.sends)
        if order.function in (5, 6) and size != 1:
            raise document.error(f"{at}.sends", f"function {order.function} writes exactly one")
        first = [order.address + step for step in command.steps.values()]
        if any((order.function, start + place) not in written for start in first for place in range(size)):
            raise document.error(f"{at}.address", f"no register says that function {order.function} writes it")
    used = {sent.parameter for order in command.writes for sent in order.sends}
    if unused := [name for name in command.parameters if name not in used]:
        raise document.error(f"{key}.parameters.{unused[0]}", "expected in one of the writes")


def _check_order(order: Order, command: RegisterCommand, key: str, document: Document) -> None:
    for number, sent in enumerate(order.sends):
        at = f"{key}.sends[{number}]"
        if (sent.value is None) == (sent.parameter is None):
            raise document.error(at, "expected either `value` or `parameter`")
        if sent.parameter is not None and sent.parameter not in command.parameters:
            raise document.error(f"{at}.parameter", f"the command has no parameter {sent.parameter!r}")
        if sent.type in ("bit", "bcd", "text", "text8"):
            raise document.error(f"{at}.type", "expected a number of 16, 32 or 64 bits")
        if sent.value is not None:
            try:
                _words(order, sent, sent.value)
            except ValueError as error:
                raise document.error(f"{at}.value", str(error)) from error


def _written(registers: tuple[Register, ...]) -> set[tuple[int, int]]:
    """Return the function and address of all that may be written."""
    found: set[tuple[int, int]] = set()
    for register in registers:
        shift = 0 if register.write_address is None else register.write_address - register.address
        for _, address in register.places:
            for place in range(register.words_long):
                found |= {(function, address + shift + place) for function in register.writes}
    return found


def _values(order: Order, raw: dict[str, float]) -> tuple[int, ...]:
    values: list[int] = []
    for sent in order.sends:
        try:
            values += _words(order, sent, raw[sent.parameter] if sent.parameter else sent.value or 0)
        except ValueError as error:
            raise CommandError(f"{sent.parameter}: {error}") from error
    return tuple(values)


def _words(order: Order, sent: Sent, raw: float) -> tuple[int, ...]:
    if order.function not in COIL_FUNCTIONS:
        return words_of(sent.layout, raw)
    if raw not in (0, 1):
        raise ValueError(f"{raw:g} is no state of a coil: expected 0 or 1")
    return (int(raw),)
