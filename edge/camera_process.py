"""The process of one camera: reads, decodes and tells its parent; whatever breaks in it breaks nothing else."""

import socket
import time
from typing import Any

import av
import msgspec
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.channel import Channel, belong_to
from edge.clip import sample_of
from edge.decoder import Decode, Decoder
from edge.pace import Sampling
from edge.pictures import slots_of
from edge.ring import Packet, StreamHead
from edge.video import NO_PICTURE, Sampler, draw, is_live, open_video, time_base_of
from shell.log import redact
from shell.refusal import Refusal

_SLACK_S = 2.0
_GATHER_S = 0.5
"""Packets wait for the next picture to go with it, but no longer than this."""
_GATHER_BYTES = 256 * 1024


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a camera process is to do."""

    source: str
    loop: bool
    size: tuple[int, int]
    decode: Decode
    sampling: Sampling
    free: tuple[int, ...]
    """The slots of the shared memory that nobody reads."""
    zero_s: float
    """The monotonic instant at which the camera's steady clock shows 0."""
    timeout_s: float
    parent_pid: int


class Free(msgspec.Struct, frozen=True, tag="free", array_like=True):
    """To the process: a slot of the shared memory may be written to again."""

    slot: int


class Ask(msgspec.Struct, frozen=True, tag="ask", array_like=True):
    """To the process: which pictures are wanted from now on."""

    sampling: Sampling


class Picture(msgspec.Struct, frozen=True, tag="picture", array_like=True):
    """A picture lies in the shared memory, until its slot is said to be free."""

    slot: int
    time_s: float
    time_ms: int


class Rare(msgspec.Struct, frozen=True, tag="rare", array_like=True):
    """Key frames are so far apart, in seconds, that all pictures are decoded though that is left to the process."""

    key_gap_s: float


class Flawed(msgspec.Struct, frozen=True, tag="flawed", array_like=True):
    """So many pictures could not be decoded."""

    count: int


class Broken(msgspec.Struct, frozen=True, tag="broken", array_like=True):
    """The source failed; the process ends."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag="ended", array_like=True):
    """A file was played to its end."""


Word = Picture | Flawed | Rare | Broken | Ended | StreamHead | Packet
"""What the process says; always several at once, as a list."""
_ENCODER = msgspec.msgpack.Encoder()
_ORDERS = msgspec.msgpack.Decoder(Free | Ask)


class SourceClock:
    """Lays a source's own times onto the monotonic clock: as even as they are, never ahead of now, never far behind.

    >>> clock = SourceClock()
    >>> clock.place(stamp_s=7.0, now_s=100.0)
    >>> clock.place(stamp_s=7.5, now_s=100.75)  # late by the network: the source's own pace is kept
    >>> clock.monotonic_s(7.5)
    100.5
    >>> clock.place(stamp_s=1.0, now_s=101.0)  # the source began anew
    >>> clock.monotonic_s(1.0)
    101.0
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def place(self, stamp_s: float, now_s: float) -> None:
        """Take note that the packet with this time has just come."""
        if self._offset_s is None or not 0 <= now_s - stamp_s - self._offset_s <= _SLACK_S:
            self._offset_s = now_s - stamp_s

    def monotonic_s(self, stamp_s: float) -> float:
        """Return the monotonic instant of a source's time."""
        return stamp_s + (self._offset_s or 0.0)

    def wait_s(self, stamp_s: float, now_s: float) -> float:
        """Return for how long a player must wait before this packet, in seconds."""
        return 0.0 if self._offset_s is None else stamp_s + self._offset_s - now_s


def main(end: socket.socket, order: Order, memory: Any) -> None:
    """Entry point of the process."""
    belong_to(order.parent_pid)
    reader = _Reader(order, Channel(end), memory)
    try:
        reader.play()
    except Refusal as refusal:
        reader.tell(Broken(str(refusal)))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return  # the parent hung up


class _Reader:
    """Reads one source; keeps its pace, its place in time and the slots of the shared memory."""

    def __init__(self, order: Order, channel: Channel, memory: Any) -> None:
        self._order, self._channel = order, channel
        self._slots = slots_of(memory, order.size)
        self._free = list(order.free)
        self._is_full = order.sampling.is_full
        self._live = is_live(order.source)
        self._clock = SourceClock()
        self._sampler = Sampler(order.sampling.hz)
        self._words: list[Word] = []
        self._words_bytes, self._told_s = 0, 0.0
        self._played_s = 0.0
        self._last_stamp = 0
        self._size: tuple[int, int] | None = None
        self._had_packets = self._said_rare = False

    def play(self) -> None:
        """Read the source to its end, a file that loops for ever. Raise Refusal."""
        while True:
            with open_video(self._order.source, timeout_s=self._order.timeout_s) as (container, stream):
                stream.codec_context.thread_count = 1  # the host has cameras enough to keep its cores busy
                base_s = self._played_s - float((stream.start_time or 0) * time_base_of(stream))
                decoder = Decoder(stream.codec_context, float(time_base_of(stream)), self._order.decode)
                for packet in container.demux(stream):
                    self._obey(decoder)
                    self._take(packet, stream, decoder, base_s)
            if self._live:
                raise Refusal(redact(self._order.source), "the camera ended the stream")
            if not self._had_packets:
                raise Refusal(self._order.source, NO_PICTURE)
            if not self._order.loop:
                break
        self.tell(Ended())

    def tell(self, word: Word) -> None:
        """Send a message to the parent, with what was gathered before; each is a sign of life."""
        self._words.append(word)
        self._channel.send(_ENCODER.encode(self._words))
        self._words.clear()
        self._words_bytes, self._told_s = 0, time.monotonic()

    def _obey(self, decoder: Decoder) -> None:
        for body in self._channel.receive(wait=False):
            match _ORDERS.decode(body):
                case Free(slot):
                    self._free.append(slot)
                case Ask(sampling):
                    self._sampler.tick_hz, self._is_full = sampling.hz, sampling.is_full
        decoder.is_asked = self._is_full
        if decoder.is_rare and self._order.decode == "auto" and not self._said_rare:
            self.tell(Rare(decoder.key_gap_s or 0.0))
            self._said_rare = True

    def _take(self, packet: "av.Packet[VideoStream]", stream: VideoStream, decoder: Decoder, base_s: float) -> None:
        """Pass one packet on, then what it shows."""
        time_base = float(time_base_of(stream))
        if self._live and packet.size and packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = self._last_stamp  # a stream's first packet may come before its clock is known
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is not None:
            self._last_stamp = stamp
            if not self._had_packets:
                if not packet.is_keyframe:
                    return  # nothing can be decoded before the first key frame
                self._introduce(packet, stream)
            self._pace(stamp * time_base + base_s, float(packet.duration or 0) * time_base)
            shown = stamp if packet.pts is None else packet.pts
            self._keep(packet, shown * time_base + base_s, stamp * time_base + base_s)
        frames, flawed = decoder.take(packet)
        if flawed:
            self.tell(Flawed(flawed))
        for pts, frame in frames:
            size = (frame.width, frame.height)
            if self._live and self._size not in (None, size):
                reason = f"the picture is now {size[0]}x{size[1]}, connecting anew"
                raise Refusal(redact(self._order.source), reason)
            self._size = size
            self._show(frame, pts * time_base + base_s)

    def _introduce(self, packet: "av.Packet[VideoStream]", stream: VideoStream) -> None:
        context = stream.codec_context
        size = (context.width, context.height)
        self.tell(StreamHead(context.name, context.extradata or b"", size, sample_of(stream, packet)))
        self._had_packets = True

    def _pace(self, stamp_s: float, duration_s: float) -> None:
        """Wait until a file's packet is due; note when it came."""
        if not self._live:
            time.sleep(max(0.0, self._clock.wait_s(stamp_s, time.monotonic())))
            self._played_s = max(self._played_s, stamp_s + duration_s)
        self._clock.place(stamp_s, time.monotonic())

    def _keep(self, packet: "av.Packet[VideoStream]", shown_s: float, decoded_s: float) -> None:
        shown_at_s, decoded_at_s = self._clock.monotonic_s(shown_s), self._clock.monotonic_s(decoded_s)
        zero_s = self._order.zero_s
        self._words.append(
            Packet(shown_at_s - zero_s, decoded_at_s - zero_s, _wall_ms(shown_at_s), packet.is_keyframe, bytes(packet))
        )
        self._words_bytes += packet.size
        if self._words_bytes > _GATHER_BYTES or time.monotonic() - self._told_s > _GATHER_S:
            self.tell(self._words.pop())

    def _show(self, frame: VideoFrame, stamp_s: float) -> None:
        """Put a sampled frame into the shared memory, unless all that is there is still needed."""
        shown_at_s = self._clock.monotonic_s(stamp_s)
        time_s = shown_at_s - self._order.zero_s
        if not self._free or not self._sampler.takes(time_s):
            return
        slot = self._free.pop()
        draw(frame, self._slots[slot])
        self.tell(Picture(slot, time_s, _wall_ms(shown_at_s)))


def _wall_ms(monotonic_s: float) -> int:
    """Return the wall time of a monotonic instant, milliseconds."""
    return round((time.time() - (time.monotonic() - monotonic_s)) * 1000)
