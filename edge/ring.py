"""Ring: the last seconds of a camera as compressed packets, so that a clip can begin before its cause."""

from collections import deque

import msgspec

BYTES_MAX = 64 * 1024 * 1024


class StreamHead(msgspec.Struct, frozen=True, tag="head", array_like=True):
    """What a muxer must know of a stream before its first packet."""

    codec: str
    setup: bytes
    """The decoder's set-up (``extradata``): for H.264 the parameter sets."""
    size: tuple[int, int]
    sample: bytes = b""
    """A NUT file with one key frame: how a stream is described to another process."""

    def same_stream(self, other: "StreamHead | None") -> bool:
        """Say whether packets under both heads fit into one file."""
        return other is not None and (self.codec, self.setup, self.size) == (other.codec, other.setup, other.size)


class Packet(msgspec.Struct, frozen=True, tag="packet", array_like=True):
    """One compressed picture; times on the camera's steady clock."""

    shown_s: float
    decoded_s: float
    time_ms: int
    """Wall time at ``shown_s``."""
    is_key: bool
    content: bytes


class Ring:
    """Whole groups of pictures, each from a key frame on: at least ``length_s`` of them, never more than a byte cap."""

    def __init__(self, length_s: float, bytes_max: int = BYTES_MAX) -> None:
        self.head: StreamHead | None = None
        self.bytes = 0
        self._length_s = length_s
        self._bytes_max = bytes_max
        self._groups: deque[list[Packet]] = deque()

    def begin(self, head: StreamHead) -> None:
        """Take note of a new connection; packets of another kind of stream cannot share a file and are dropped."""
        if not head.same_stream(self.head):
            self._groups.clear()
            self.bytes = 0
        self.head = head

    def append(self, packet: Packet) -> None:
        """Add a packet, drop what is too old or too much."""
        if packet.is_key:
            self._groups.append([])
        if not self._groups:
            return
        self._groups[-1].append(packet)
        self.bytes += len(packet.content)
        oldest_wanted_s = packet.decoded_s - self._length_s
        while self._groups and (
            self.bytes > self._bytes_max or (len(self._groups) > 1 and self._groups[1][0].decoded_s <= oldest_wanted_s)
        ):
            self.bytes -= sum(len(each.content) for each in self._groups.popleft())

    def cut(self, start_s: float, end_s: float) -> list[Packet]:
        """Return the packets from the key frame at or before ``start_s`` (else the oldest there is) up to ``end_s``."""
        groups = list(self._groups)
        first = max((n for n, group in enumerate(groups) if group[0].shown_s <= start_s), default=0)
        packets = [packet for group in groups[first:] for packet in group if packet.decoded_s <= end_s]
        # What ended before the time that is asked for shows nothing of it.
        return packets if any(packet.shown_s >= start_s for packet in packets) else []
