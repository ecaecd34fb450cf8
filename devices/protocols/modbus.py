"""Modbus: requests and answers as bytes, in the frames of TCP and of serial lines; an answer must fit its request.

>>> request = read_request(4, 0, 2)
>>> answer = bytes([4, 4, 0x09, 0x03, 0x00, 0x41])
>>> answered(request, answer)
(2307, 65)
>>> rtu_frame(1, request).hex(" ")
'01 04 00 00 00 02 71 cb'
"""

import struct

from devices.report import Write

COILS_MAX, REGISTERS_MAX = 2_000, 125
"""Most that one request may read."""
UNITS = range(1, 248)
TCP_PDU_MAX = 253
RTU_FRAME_MAX = 256
BUSY, ACKNOWLEDGED, GATEWAY = 6, 5, (10, 11)
"""Exceptions that say: ask again; it is being done; the slave behind me is silent."""
_EXCEPTIONS = {
    1: "does not know the function",
    2: "has no such address",
    3: "does not take the value",
    4: "failed",
    5: "needs time",
    6: "is busy",
    8: "finds its memory faulty",
    10: "has no path to it",
    11: "gets no answer from it",
}
_BITS = (1, 2)
_TID = struct.Struct(">HHHB")


class SlaveError(Exception):
    """A slave answered that it will not.

    Attributes:
        code: the exception's number in Modbus.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exception {code}: {_EXCEPTIONS.get(code, 'a reason of its own')}")


class FrameError(ValueError):
    """Bytes that are no frame, or no answer to the request."""


def read_request(function: int, address: int, count: int) -> bytes:
    """Return what asks for ``count`` coils or registers: function 1 to 4."""
    return struct.pack(">BHH", function, address, count)


def write_request(write: Write) -> bytes:
    """Return what writes coils (5, 15) or registers (6, 16)."""
    function, values = write.function, write.values
    if function == 5:
        return struct.pack(">BHH", 5, write.address, 0xFF00 if values[0] else 0)
    if function == 6:
        return struct.pack(">BHH", 6, write.address, values[0])
    if function == 15:
        bits = sum(1 << place for place, value in enumerate(values) if value).to_bytes((len(values) + 7) // 8, "little")
        return struct.pack(">BHHB", 15, write.address, len(values), len(bits)) + bits
    return struct.pack(f">BHHB{len(values)}H", 16, write.address, len(values), 2 * len(values), *values)


def answer_size(request: bytes) -> int:
    """Return how long the answer is, unless it is an exception."""
    function, count = request[0], int.from_bytes(request[3:5], "big")
    if function > 4:
        return 5
    return 2 + ((count + 7) // 8 if function in _BITS else 2 * count)


def answered(request: bytes, answer: bytes) -> tuple[int, ...]:
    """Return the values that were read, nothing for a write; raise SlaveError, or FrameError for what does not fit."""
    function, count = request[0], int.from_bytes(request[3:5], "big")
    if len(answer) == 2 and answer[0] == function | 0x80:
        raise SlaveError(answer[1])
    if not answer or answer[0] != function:
        raise FrameError(f"function {answer[0] if answer else 'none'} for {function}")
    if len(answer) != answer_size(request):
        raise FrameError(f"{len(answer)} bytes for {answer_size(request)}")
    if function > 4:
        # What it says it wrote must be what it was to write.
        if answer != request[:5]:
            raise FrameError("another address or value than was written")
        return ()
    if answer[1] != len(answer) - 2:
        raise FrameError(f"a count of {answer[1]} for {len(answer) - 2} bytes")
    if function in _BITS:
        return tuple(answer[2 + place // 8] >> place % 8 & 1 for place in range(count))
    return struct.unpack_from(f">{count}H", answer, 2)


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return a request or answer as it goes over TCP."""
    return _TID.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class TcpFrames:
    """Cuts what comes over TCP, in pieces of any size, into frames.

    >>> frames = TcpFrames()
    >>> frames.feed(tcp_frame(7, 1, b"abc")[:9]), frames.feed(b"c")
    ([], [(7, 1, b'abc')])
    """

    def __init__(self) -> None:
        self._unread = bytearray()

    @property
    def is_cut(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._unread)

    def feed(self, piece: bytes) -> list[tuple[int, int, bytes]]:
        """Return transaction, unit and content of frames that are whole now; raise FrameError for what is no frame."""
        self._unread += piece
        found, at = [], 0
        while len(self._unread) - at >= 8:
            transaction, protocol, size, unit = _TID.unpack_from(self._unread, at)
            if protocol or not 2 <= size <= TCP_PDU_MAX + 1:
                raise FrameError(f"no Modbus: {self._unread[at : at + 8].hex(' ')}")
            end = at + 6 + size
            if end > len(self._unread):
                break
            found.append((transaction, unit, bytes(self._unread[at + 7 : end])))
            at = end
        del self._unread[:at]
        return found


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Return a request or answer as it goes over a serial line."""
    frame = bytes([unit]) + pdu
    return frame + crc(frame)


def rtu_answer(buffer: bytes, unit: int, request: bytes) -> tuple[bytes, int] | None:
    """Return the answer to ``request`` out of what came since it was sent, and where it ends; or none.

    Its place is searched for: a line that turns round gives a stray byte before it. An answer of another unit, of
    another function or of another length is not one.
    """
    normal = bytes([unit, request[0]])
    refusal = bytes([unit, request[0] | 0x80])
    size = answer_size(request) + 3
    for head, length in ((normal, size), (refusal, 5)):
        at = buffer.find(head)
        while at >= 0 and at + length <= len(buffer):
            frame = buffer[at : at + length]
            if crc(frame[:-2]) == frame[-2:]:
                return frame[1:-2], at + length
            at = buffer.find(head, at + 1)
    return None


def crc(frame: bytes) -> bytes:
    """Return the check of a frame, as it is sent: low byte first."""
    value = 0xFFFF
    for byte in frame:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC = tuple(_crc_of(byte) for byte in range(256))
