"""One camera as its agent sees it: pictures, clips and health, whatever becomes of the process that reads it."""

import asyncio
import contextlib
import os
import random
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from detectors.wants import Pace
from edge.camera_process import Ask, Broken, Ended, Flawed, Free, Order, Picture, Rare, Word, main
from edge.child import Child, child
from edge.clip import Clip, write_clip
from edge.config import Camera
from edge.pace import Asking
from edge.pictures import SLOTS, Pictures
from edge.ring import Packet, Ring, StreamHead
from edge.video import Frame
from wire.health import CameraHealth

_OPEN_S = 20.0
"""A process that has only just begun may be silent for so long: it loads its libraries and connects."""
_PICTURE_DUE_S = 30.0
"""Packets without a picture for so long are a fault, even where key frames are rare and only they are decoded."""
_SILENT_S = 3.0
_BACKOFF_MAX_S = 30.0
_DECODER = msgspec.msgpack.Decoder(list[Word])
_ENCODER = msgspec.msgpack.Encoder()
_log = structlog.get_logger()


class Lent(NamedTuple):
    """A picture in the shared memory; it stays what it is until it is given back."""

    frame: Frame
    slot: int


class CameraFeed:
    """Keeps a reading process alive for a camera and holds what came last.

    The process is started anew, after a jittered pause that grows from 1 to 30 s, when it ends or when it has been
    silent for ``stall_s``. The ring of compressed packets lives here, so a clip reaches back over such a restart.
    All methods belong to one event loop; pictures are waited for and taken by one caller.
    """

    def __init__(
        self,
        camera: Camera,
        pictures: Pictures | None = None,
        *,
        continue_from: tuple[float, int] | None = None,
        stall_s: float = 10.0,
    ) -> None:
        self._camera = camera
        self._pictures = pictures or Pictures(camera.size)
        self._stall_s = stall_s
        self._zero_s = time.monotonic() - _resumed_s(continue_from)
        self._asking = Asking(camera.tick_hz, camera.pacing)
        self._sampling = self._asking.sampling("quiet", 0.0)
        self._ring = Ring(camera.ring_s)
        self._health = CameraHealth(id=camera.id, state="starting")
        self._child: Child | None = None
        self._waiting: Lent | None = None
        self._lent: set[int] = set()
        self._time_s: float | None = None
        """Of the last picture."""
        self._fresh = asyncio.Event()
        self._heard_s = self._shown_s = time.monotonic()
        self._key_s: float | None = None
        self._key_gap_s = 0.0
        self._backoff_s = 1.0

    async def run(self) -> None:
        """Keep the camera going; return when a file that does not loop has been played."""
        while True:
            await self._one_life()
            if self._health.state == "ended":
                return
            _log.warning("camera lost", camera=self._camera.id, reason=self._health.reason)
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
            self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S)
            self._set(reconnects=self._health.reconnects + 1)

    async def wait(self) -> None:
        """Wait for a picture that was not taken yet. None comes after the end."""
        await self._fresh.wait()

    def take(self) -> Lent | None:
        """Take the last picture that has come, for as long as it takes; it must be given back."""
        self._fresh.clear()
        lent, self._waiting = self._waiting, None
        if lent is not None:
            self._lent.add(lent.slot)
        return lent

    def give_back(self, lent: Lent) -> None:
        """Let a picture go: its place is written over."""
        self._lent.remove(lent.slot)
        self._tell(Free(lent.slot))

    def follow(self, pace: Pace, time_s: float) -> None:
        """Ask the camera for the pictures that this pace needs, from the time of the picture that led to it."""
        sampling = self._asking.sampling(pace, time_s)
        if sampling != self._sampling:
            self._sampling = sampling
            self._tell(Ask(sampling))

    def now(self) -> tuple[float, int]:
        """Return what the camera's steady clock shows, seconds, and the wall time, milliseconds."""
        return time.monotonic() - self._zero_s, time.time_ns() // 1_000_000

    @property
    def due_s(self) -> float:
        """How long the next picture may take, before the camera counts as blind."""
        key_gap_s = 0.0 if self._camera.decode == "full" else self._key_gap_s
        return max(_SILENT_S, 3 / self._camera.tick_hz, 1.5 * min(key_gap_s, _PICTURE_DUE_S))

    async def clip(self, path: Path, start_s: float, end_s: float) -> Clip | None:
        """Write what the ring holds from ``start_s`` to ``end_s`` as mp4; return None if it holds nothing of it.

        Times are of the camera's steady clock. The copy begins at the key frame at or before ``start_s``; nobody waits
        for ``end_s`` to pass.
        """
        head, packets = self._ring.head, self._ring.cut(start_s, end_s)
        if head is None or not packets:
            return None
        return await asyncio.to_thread(write_clip, path, head, packets)

    def health(self) -> CameraHealth:
        """Return how the camera is."""
        age_s = time.monotonic() - self._shown_s if self._time_s is not None else None
        health = msgspec.structs.replace(self._health, last_frame_age_s=age_s)
        if health.state == "live" and age_s is not None and age_s > max(_PICTURE_DUE_S, 3 / self._camera.tick_hz):
            reason = f"no picture could be decoded for {age_s:.0f} s, though packets come"
            return msgspec.structs.replace(health, state="stalled", reason=reason)
        return health

    async def _one_life(self) -> None:
        """Run one process until it ends or has to be killed."""
        self._heard_s = time.monotonic()
        frames_before = self._health.frames
        code = 0
        async with child(main, self._order(), self._pictures.memory, hear=self._hear) as running:
            self._child = running
            try:
                while not running.hung_up.is_set():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(running.hung_up.wait(), self._stall_s / 10)
                    silent_s = time.monotonic() - self._heard_s
                    opened = self._health.frames > frames_before
                    if silent_s > (self._stall_s if opened else max(self._stall_s, _OPEN_S)):
                        self._set(state="stalled", reason=f"the reading process was silent for {silent_s:.0f} s")
                        break
                code = running.end()
            finally:
                self._child = None
        if self._health.state == "live":
            self._set(state="stalled", reason=f"the reading process ended with code {code}")

    def _order(self) -> Order:
        camera = self._camera
        held = self._lent | ({self._waiting.slot} if self._waiting is not None else set())
        return Order(
            source=camera.source,
            loop=camera.loop,
            size=camera.size,
            decode=camera.decode,
            sampling=self._sampling,
            free=tuple(slot for slot in range(SLOTS) if slot not in held),
            zero_s=self._zero_s,
            timeout_s=self._stall_s * 0.8,
            parent_pid=os.getpid(),
        )

    def _tell(self, word: Free | Ask) -> None:
        if self._child is not None:  # the next process is told with its order
            self._child.tell(_ENCODER.encode(word))

    def _hear(self, body: bytes) -> None:
        self._heard_s = time.monotonic()
        for word in _DECODER.decode(body):
            match word:
                case Packet():
                    self._keep(word)
                case Picture():
                    self._show(word)
                case StreamHead():
                    self._ring.begin(word)
                    self._key_s = None
                case Flawed(count):
                    self._set(decode_errors=self._health.decode_errors + count)
                case Rare(key_gap_s):
                    _log.warning(
                        "key frames are rare, so every picture is decoded",
                        camera=self._camera.id,
                        key_gap_s=round(key_gap_s, 1),
                    )
                case Broken(reason):
                    self._set(state="stalled" if self._health.state == "live" else "unreachable", reason=reason)
                case Ended():
                    self._set(state="ended", reason="the file was played to its end")

    def _keep(self, packet: Packet) -> None:
        self._ring.append(packet)
        if packet.is_key:
            if self._key_s is not None:
                self._key_gap_s = max(0.0, packet.decoded_s - self._key_s)
            self._key_s = packet.decoded_s

    def _show(self, picture: Picture) -> None:
        if self._time_s is not None and picture.time_s <= self._time_s:
            self._tell(Free(picture.slot))  # the clock of pictures is never set back
            return
        if self._waiting is not None:
            self._tell(Free(self._waiting.slot))
            self._set(dropped_frames=self._health.dropped_frames + 1)
        frame = Frame(picture.time_s, picture.time_ms, self._pictures.slots[picture.slot])
        self._waiting, self._time_s = Lent(frame, picture.slot), picture.time_s
        self._shown_s = self._heard_s
        self._backoff_s = 1.0
        self._set(state="live", reason="", frames=self._health.frames + 1)
        self._fresh.set()

    def _set(self, **changes: object) -> None:
        self._health = msgspec.structs.replace(self._health, **changes)


def _resumed_s(continue_from: tuple[float, int] | None) -> float:
    """Return what the steady clock shows now, given a time of it and the wall time that belonged to it."""
    if continue_from is None:
        return 0.0
    time_s, time_ms = continue_from
    return time_s + max(0.0, time.time() - time_ms / 1000)
