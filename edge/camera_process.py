"""The process of one camera: reads, decodes and tells its parent; whatever breaks in it breaks nothing else."""

import ctypes
import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

import av
import msgspec
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge.clip import sample_of
from edge.ring import Packet, StreamHead
from edge.video import NO_PICTURE, Decode, Sampler, image_of, is_live, open_video, pictures, time_base_of
from shell.log import redact
from shell.refusal import Refusal

SLOTS = 3
"""Pictures that the shared memory holds: one being written, one being read, one to spare."""
_PR_SET_PDEATHSIG = 1
_SLACK_S = 2.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a camera process is to do."""

    source: str
    loop: bool
    size: tuple[int, int]
    decode: Decode
    tick_hz: float
    zero_s: float
    """The monotonic instant at which the camera's steady clock shows 0."""
    timeout_s: float
    parent_pid: int


class Picture(msgspec.Struct, frozen=True, tag="picture", array_like=True):
    """A picture lies in the shared memory; the parent sends the slot's number back when it has it."""

    slot: int
    time_s: float
    time_ms: int


class Flawed(msgspec.Struct, frozen=True, tag="flawed", array_like=True):
    """So many pictures could not be decoded."""

    count: int


class Broken(msgspec.Struct, frozen=True, tag="broken", array_like=True):
    """The source failed; the process ends."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag="ended", array_like=True):
    """A file was played to its end."""


Word = Picture | Flawed | Broken | Ended | StreamHead | Packet
_ENCODER = msgspec.msgpack.Encoder()


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


def main(order: Order, pipe: Connection, memory: Any) -> None:
    """Entry point of the process."""
    _die_with(order.parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader = _Reader(order, pipe, memory)
    try:
        reader.play()
    except Refusal as refusal:
        reader.tell(Broken(str(refusal)))
    except (BrokenPipeError, EOFError):
        return  # the parent hung up


def _die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent is gone, even if native code hangs (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


class _Reader:
    """Reads one source; keeps its pace, its place in time and the slots of the shared memory."""

    def __init__(self, order: Order, pipe: Connection, memory: Any) -> None:
        self._order, self._pipe = order, pipe
        width, height = order.size
        self._slots = np.frombuffer(memory, np.uint8).reshape(SLOTS, height, width, 3)
        self._free = list(range(SLOTS))
        self._live = is_live(order.source)
        self._clock = SourceClock()
        self._sampler = Sampler(order.tick_hz)
        self._played_s = 0.0
        self._last_stamp = 0
        self._size: tuple[int, int] | None = None
        self._had_packets = False

    def play(self) -> None:
        """Read the source to its end, a file that loops for ever. Raise Refusal."""
        while True:
            with open_video(self._order.source, timeout_s=self._order.timeout_s) as (container, stream):
                stream.codec_context.thread_count = 1  # the host has cameras enough to keep its cores busy
                base_s = self._played_s - float((stream.start_time or 0) * time_base_of(stream))
                for packet in container.demux(stream):
                    self._take(packet, stream, base_s)
            if self._live:
                raise Refusal(redact(self._order.source), "the camera ended the stream")
            if not self._had_packets:
                raise Refusal(self._order.source, NO_PICTURE)
            if not self._order.loop:
                break
        self.tell(Ended())

    def tell(self, word: Word) -> None:
        """Send one message to the parent; each is a sign of life."""
        self._pipe.send_bytes(_ENCODER.encode(word))

    def _take(self, packet: "av.Packet[VideoStream]", stream: VideoStream, base_s: float) -> None:
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
        frames, flawed = pictures(stream.codec_context, packet, self._order.decode)
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
        self.tell(
            Packet(shown_at_s - zero_s, decoded_at_s - zero_s, _wall_ms(shown_at_s), packet.is_keyframe, bytes(packet))
        )

    def _show(self, frame: VideoFrame, stamp_s: float) -> None:
        """Put a sampled frame into the shared memory, unless the parent still has to fetch what is there."""
        shown_at_s = self._clock.monotonic_s(stamp_s)
        time_s = shown_at_s - self._order.zero_s
        while self._pipe.poll(0):
            self._free.append(self._pipe.recv_bytes()[0])
        if not self._free or not self._sampler.takes(time_s):
            return
        slot = self._free.pop()
        self._slots[slot] = image_of(frame, self._order.size)
        self.tell(Picture(slot, time_s, _wall_ms(shown_at_s)))


def _wall_ms(monotonic_s: float) -> int:
    """Return the wall time of a monotonic instant, milliseconds."""
    return round((time.time() - (time.monotonic() - monotonic_s)) * 1000)
