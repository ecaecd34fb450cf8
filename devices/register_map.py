"""Register map: where a Modbus device keeps which value, how its words are put together, and what is read at once."""

import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config.document import Document
from devices.protocols.modbus import COILS_MAX
from devices.reading import Reading
from devices.value import Make, Value, check_value, maker

Table = Literal["coil", "discrete", "holding", "input"]
Kind = Literal["bit", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "bcd", "text", "text8"]
End = Literal["big", "little"]
Address = Annotated[int, Meta(ge=0, le=65_535)]
FUNCTIONS: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_SIZES: dict[Kind, int] = {"bit": 1, "u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2, "u64": 4, "s64": 4, "f64": 4}
_SIZED = ("bcd", "text", "text8")
NUMBER = "{n}"
Raw = Callable[[Sequence[int]], float | str]


class Repeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same again at higher addresses, for another output, phase or address of the device."""

    count: Annotated[int, Meta(ge=2, le=256)]
    step: Annotated[int, Meta(ge=1, le=4_096)] = 1
    """From one to the next, in addresses."""
    first: Annotated[int, Meta(ge=0, le=256)] = 1
    """The number that ``{n}`` in ``feature`` stands for in the first."""

    def features(self, feature: str) -> list[tuple[str, int]]:
        """Return each feature, and by how much its address is higher than the first one's."""
        numbers = range(self.count)
        return [(feature.replace(NUMBER, str(self.first + number)), number * self.step) for number in numbers]


class Layout(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one value lies in 16-bit registers."""

    type: Kind = "u16"
    """``bcd`` holds four decimal digits a register; ``text`` one letter a register, ``text8`` two."""
    size: Annotated[int, Meta(ge=0, le=64)] = 0
    """Registers of a ``bcd``, ``text`` or ``text8``; the other types have theirs."""
    order: End = "big"
    """``big``: the register with the most significant word comes first."""
    bytes: End = "big"
    """``big``: the most significant byte of a register comes first, as the standard has it."""

    @property
    def words_long(self) -> int:
        """How many registers it takes."""
        return self.size or _SIZES.get(self.type, 1)


class Register(Layout, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of a device; without a ``property`` it is only known to be there, and never read."""

    table: Table
    """``coil`` is read by function 1, ``discrete`` by 2, ``holding`` by 3, ``input`` by 4."""
    address: Address
    """As it goes over the wire: the first one is 0, whatever number a manual prints."""
    bit: Annotated[int, Meta(ge=0, le=15)] | None = None
    """The lowest of the bits that the value is, 0 for the least significant; all of the register if left out."""
    width: Annotated[int, Meta(ge=1, le=16)] = 1
    """How many bits, where ``bit`` is given."""
    writes: Annotated[tuple[Literal[5, 6, 15, 16], ...], Meta(max_length=2)] = ()
    """The functions that write it; commands may write nothing else."""
    write_address: Address | None = None
    """Where it is written, if elsewhere than it is read."""
    write_only: bool = False
    every: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """Read in every so many polls only: what hardly changes need not be asked for each time."""
    repeat: Repeat | None = None

    @property
    def function(self) -> int:
        """By which it is read."""
        return FUNCTIONS[self.table]

    @property
    def places(self) -> list[tuple[str, int]]:
        """Each feature and its address."""
        if self.repeat is None:
            return [(self.feature, self.address)]
        return [(feature, self.address + step) for feature, step in self.repeat.features(self.feature)]


class Block(msgspec.Struct, frozen=True, order=True):
    """What one request reads."""

    function: int
    address: int
    count: int


class Cell(msgspec.Struct, frozen=True):
    """One value at one address, with what makes a reading of it."""

    register: Register
    feature: str
    address: int
    end: int
    """The first address after it."""
    raw: Raw
    make: Make | None
    """None for texts, which are what they are."""

    def reading(self, words: Sequence[int]) -> Reading | None:
        """Return what it says; raise ValueError for what cannot be."""
        register, raw = self.register, self.raw(words)
        if isinstance(raw, str):
            return Reading(str(register.property), raw, "", self.feature)
        try:
            return self.make(raw, self.feature, None) if self.make else None
        except KeyError as error:
            raise ValueError(f"no word for {raw:g}") from error
        except OverflowError as error:
            raise ValueError(f"{raw:g} is too large") from error


def cells_of(registers: Sequence[Register]) -> list[Cell]:
    """Return every value that can be read, by function and address."""
    cells = []
    for register in registers:
        if register.property is None or register.write_only:
            continue
        raw, make = raw_of_words(register), None if register.type in ("text", "text8") else maker(register)
        for feature, address in register.places:
            cells.append(Cell(register, feature, address, address + register.words_long, raw, make))
    return sorted(cells, key=lambda cell: (cell.register.function, cell.address))


def blocks_of(cells: Sequence[Cell], *, gap_max: int, size_max: int) -> list[Block]:
    """Return the fewest requests that read all cells, over at most ``gap_max`` addresses that nobody asked for."""
    blocks: list[Block] = []
    for cell in cells:
        function, limit = cell.register.function, size_max
        if function < 3:
            limit = COILS_MAX if size_max > 100 else size_max
        last = blocks[-1] if blocks and blocks[-1].function == function else None
        if last and cell.address - (last.address + last.count) <= gap_max and cell.end - last.address <= limit:
            blocks[-1] = Block(function, last.address, max(last.count, cell.end - last.address))
        else:
            blocks.append(Block(function, cell.address, cell.end - cell.address))
    return blocks


def raw_of_words(register: Register) -> Raw:
    """Return what puts the words of a register together to its raw number or text."""
    if register.type == "bit":
        return lambda words: words[0]
    if register.bit is not None:
        low, mask = register.bit, (1 << register.width) - 1
        return lambda words: words[0] >> low & mask
    arrange = _arranged(register)
    if register.type == "u16" and register.bytes == "big":
        return lambda words: words[0]
    if register.type in ("text", "text8"):
        is_wide = register.type == "text"
        return lambda words: _text(arrange(words), is_wide=is_wide)
    if register.type == "bcd":
        return lambda words: _decimal(arrange(words))
    form = struct.Struct(">" + {"u": "_HI_Q", "s": "_hi_q", "f": "__f_d"}[register.type[0]][register.words_long])
    return lambda words: form.unpack(arrange(words))[0]


def words_of(layout: Layout, raw: float) -> tuple[int, ...]:
    """Return the registers that hold a raw number; raise ValueError if it does not fit."""
    size, kind = layout.words_long, layout.type
    try:
        if kind == "bcd":
            content = bytes.fromhex(f"{round(raw):0{4 * size}d}")
        else:
            form = ">" + {"u": "_HI_Q", "s": "_hi_q", "f": "__f_d"}[kind[0]][size]
            content = struct.pack(form, raw if kind[0] == "f" else round(raw))
    except (struct.error, ValueError, OverflowError) as error:
        raise ValueError(f"{raw:g} does not fit into {kind}") from error
    if len(content) != 2 * size:
        raise ValueError(f"{raw:g} does not fit into {kind}")
    words = struct.unpack(f">{size}H", content)
    if layout.bytes == "little":
        words = tuple((word & 0xFF) << 8 | word >> 8 for word in words)
    return words if layout.order == "big" else words[::-1]


def check_register(register: Register, key: str, document: Document) -> None:
    """Raise ConfigError for what is wrong with a register at ``key``."""
    check_value(register, key, document)
    is_bit = register.table in ("coil", "discrete")
    if is_bit != (register.type == "bit"):
        expected = "`type: bit` for a coil or discrete input" if is_bit else "`type: bit` for coils only"
        raise document.error(f"{key}.type", f"expected {expected}")
    if (register.type in _SIZED) != (register.size > 0):
        raise document.error(f"{key}.size", "expected for `bcd`, `text` and `text8`, and for no other type")
    if register.bit is not None and (register.type != "u16" or register.bit + register.width > 16):
        raise document.error(f"{key}.bit", "expected bits within one u16")
    if (register.repeat is not None) != (NUMBER in register.feature):
        raise document.error(f"{key}.feature", "expected `{n}` in it if there is `repeat`, and only then")
    if register.places[-1][1] + register.words_long > 65_536:
        raise document.error(f"{key}.address", "expected all of it within 65536 addresses")
    allowed = {"coil": (5, 15), "holding": (6, 16)}.get(register.table, ())
    if any(function not in allowed for function in register.writes):
        raise document.error(f"{key}.writes", f"a {register.table} is not written by {register.writes}")
    if not register.writes and (register.write_only or register.write_address is not None):
        raise document.error(f"{key}.writes", "expected the functions that write it")


def _arranged(layout: Layout) -> Callable[[Sequence[int]], bytes]:
    """Return what makes bytes, most significant first, of the words of a layout."""
    form = struct.Struct(f"{'>' if layout.bytes == 'big' else '<'}{layout.words_long}H")
    if layout.order == "big":
        return lambda words: form.pack(*words)
    return lambda words: form.pack(*words[::-1])


def _text(content: bytes, *, is_wide: bool) -> str:
    letters = content[1::2] if is_wide else content
    text = letters.split(b"\0")[0]
    if not all(32 <= letter < 127 for letter in text):
        raise ValueError(f"no text: {text[:16].hex(' ')}")
    return text.decode("ascii").strip()


def _decimal(content: bytes) -> int:
    digits = content.hex()
    if not digits.isdecimal():
        raise ValueError(f"no decimal digits: {content.hex(' ')}")
    return int(digits)
