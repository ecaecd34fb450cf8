"""JT/T 808 frames: cutting a stream of bytes into frames, reading and writing their header.

The layout is that of JT/T 808-2011, -2013 and -2019; what terminals do otherwise is from the captured frames of
https://github.com/traccar/traccar at 9e5c458, src/test/java/org/traccar/protocol/Jt808ProtocolDecoderTest.java.
Everything is big-endian.
"""

import re
import struct

import msgspec

from devices.reading import DecodeError

DELIMITER = 0x7E
BODY_BYTES_MAX = 1_023
"""What the ten bits of the length can say."""
PIECE_BYTES_MAX = 2 * (BODY_BYTES_MAX + 22)
"""The longest frame there can be, were every byte of it escaped."""
TEXT_BYTES_MAX = 256

_MARK = b"\x7e"
_ESCAPE = b"\x7d"
_BEFORE_2019 = struct.Struct(">HH6sH")
_SINCE_2019 = struct.Struct(">HHB10sH")
_SHORT_SERIAL = frozenset({0x5501, 0x5502})
"""Messages of one vendor whose serial number has one byte."""
_VERSION_BIT, _PARTS_BIT, _RESERVED_BIT = 0x4000, 0x2000, 0x8000
# XOR of all bytes by folding one large number is three times as fast as a loop over them.
_FOLDS = tuple(tuple(8 << step for step in reversed(range(bits))) for bits in range(32))
_NUMBERS_OF_FAULT = re.compile(r"^item\d+:|_declared_.*|_(nonzero_)?[0-9].*")


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as it was sent: its header, its body, and what departs from the standard."""

    message: int
    """Message id, for example 0x0200."""
    properties: int
    terminal: str
    """The terminal's number as it stands in the header: 12 digits, 20 with a header of 2019; hexadecimal ones if it
    is no BCD."""
    serial: int
    body: bytes
    """What really stands between header and checksum, whatever length was declared."""
    checksum: int
    is_checksum_right: bool = True
    version: int | None = None
    """Version of the protocol in a header of 2019."""
    total: int = 1
    index: int = 1
    """Which part of how many, from 1."""
    faults: tuple[str, ...] = ()

    @property
    def encryption(self) -> int:
        """The kind of encryption of the body; 0 for none."""
        return self.properties >> 10 & 7

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a message that was too long for one frame."""
        return bool(self.properties & _PARTS_BIT)


class Framer:
    r"""Cuts a stream into frames, however it was split; holds one unfinished frame of bounded length and no more.

    What stands between two delimiters is given, unescaped, whether it is a good frame or not: so after any rubbish the
    next frame is read again. What stands before the first delimiter, and what is too long for a frame, is skipped.

    >>> Framer().feed(bytes.fromhex("2424 7e307d02087d01557e"))
    [b'0~\x08}U']
    """

    __slots__ = ("_is_long", "_is_open", "_rest", "skipped_bytes")

    def __init__(self) -> None:
        self._rest = b""
        self._is_open = False
        self._is_long = False
        self.skipped_bytes = 0
        """Bytes that belong to no frame, counted as soon as that is known."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the frames that end in ``chunk``."""
        pieces = (self._rest + chunk).split(_MARK)
        self._rest = pieces.pop()
        found = []
        for piece in pieces:
            if self._is_open and not self._is_long and len(piece) <= PIECE_BYTES_MAX:
                if piece:
                    found.append(unescaped(piece) if _ESCAPE in piece else piece)
            else:
                self.skipped_bytes += len(piece)
            self._is_open, self._is_long = True, False
        self._is_long = self._is_long or len(self._rest) > PIECE_BYTES_MAX
        if self._is_long or not self._is_open:
            self.skipped_bytes += len(self._rest)
            self._rest = b""
        return found


def unescaped(piece: bytes) -> bytes:
    """Return ``piece`` without escapes; a 7D that begins none stays, and the checksum says whether it was meant so."""
    # The order matters: every 7D of the content stands there as 7D 01, so 7D 02 is never a part of one.
    return piece.replace(b"\x7d\x02", _MARK).replace(b"\x7d\x01", _ESCAPE)


def escaped(content: bytes) -> bytes:
    """Return ``content`` as it may stand between delimiters."""
    return content.replace(_ESCAPE, b"\x7d\x01").replace(_MARK, b"\x7d\x02")


def checksum_of(content: bytes) -> int:
    """Return the XOR of all bytes.

    >>> checksum_of(bytes([0x7E, 0x01, 0x80]))
    255
    """
    folded = int.from_bytes(content, "big")
    for shift in _FOLDS[(len(content) - 1).bit_length() if content else 0]:
        folded ^= folded >> shift
    return folded & 0xFF


def read_frame(content: bytes) -> Frame:
    """Read the header of a frame without delimiters and escapes; raise DecodeError if its length cannot be one."""
    size = len(content)
    if size > PIECE_BYTES_MAX:
        raise DecodeError(PIECE_BYTES_MAX, f"a frame of {size} bytes: there are at most {PIECE_BYTES_MAX}")
    if size < 13:
        if size < 12 or content[:2] not in (b"\x55\x01", b"\x55\x02"):
            raise DecodeError(size, f"a frame of {size} bytes: a header and a checksum take at least 13")
        message, properties, number = struct.unpack_from(">HH6s", content)
        serial, at, version = 0, 10, None
    else:
        message, properties, number, serial = _BEFORE_2019.unpack_from(content)
        at, version = 12, None
    if properties & _VERSION_BIT:
        if size < 18:
            raise DecodeError(size, f"a frame of {size} bytes: a header of 2019 and a checksum take at least 18")
        message, properties, version, number, serial = _SINCE_2019.unpack_from(content)
        at = 17
    elif message in _SHORT_SERIAL:
        serial, at = content[10], 11
    total = index = 1
    if properties & _PARTS_BIT:
        if size < at + 5:
            raise DecodeError(size, f"a frame of {size} bytes: total and index of the part are cut off")
        total, index = struct.unpack_from(">HH", content, at)
        at += 4
    body = content[at:-1]
    terminal = number.hex()
    remainder = checksum_of(content)
    if not (remainder or properties & 0x9C00 or (properties & 0x3FF) != len(body)) and terminal.isdecimal():
        faults: tuple[str, ...] = ()
    else:
        faults = _departures(remainder, properties, len(body), terminal)
    return Frame(
        message=message, properties=properties, terminal=terminal, serial=serial, body=body, checksum=content[-1],
        is_checksum_right=not remainder, version=version, total=total, index=index, faults=faults,
    )  # fmt: skip


def _departures(remainder: int, properties: int, body_bytes: int, terminal: str) -> tuple[str, ...]:
    declared = properties & 0x3FF
    found = {
        "checksum_mismatch": remainder != 0,
        f"encryption_bits_nonzero_{properties >> 10 & 7}": properties & 0x1C00 != 0,
        "reserved_bit15_set": properties & _RESERVED_BIT != 0,
        f"length_mismatch_declared_{declared}_actual_{body_bytes}": declared != body_bytes,
        "terminal_id_not_bcd": not terminal.isdecimal(),
    }
    return tuple(name for name, is_so in found.items() if is_so)


def kind_of(fault: str) -> str:
    """Return a fault without what differs from frame to frame, so that there are few kinds to count.

    >>> kind_of("item3:wrong_length_item_01"), kind_of("length_mismatch_declared_122_actual_107")
    ('wrong_length_item', 'length_mismatch')
    """
    return _NUMBERS_OF_FAULT.sub("", fault)


def encode_frame(
    message: int,
    terminal: str,
    serial: int,
    body: bytes = b"",
    *,
    version: int | None = None,
    part: tuple[int, int] | None = None,
) -> bytes:
    """Return a frame as it goes over the wire.

    Args:
        message: its id.
        terminal: the number in the header, 12 hexadecimal digits, 20 if ``version`` is given.
        serial: its serial number; what is above 65535 begins at 0 again.
        body: at most 1023 bytes.
        version: of a header of 2019.
        part: total and index, if it is one of several.

    >>> encode_frame(0x8001, "019172068424", 0, bytes.fromhex("01a2020000")).hex()
    '7e80010005019172068424000001a2020000617e'
    """
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"a body of {len(body)} bytes does not fit a frame")
    number = bytes.fromhex(terminal)
    if len(number) != (6 if version is None else 10):
        raise ValueError(f"a terminal's number of {len(terminal)} digits")
    properties = len(body) | (_PARTS_BIT if part else 0)
    if version is None:
        header = _BEFORE_2019.pack(message, properties, number, serial & 0xFFFF)
    else:
        header = _SINCE_2019.pack(message, properties | _VERSION_BIT, version, number, serial & 0xFFFF)
    content = header + (struct.pack(">HH", *part) if part else b"") + body
    return _MARK + escaped(content + bytes((checksum_of(content),))) + _MARK
