"""One camera as its agent sees it: pictures, clips and health, whatever becomes of the process that reads it."""

import asyncio
import contextlib
import multiprocessing
import os
import random
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import numpy as np
import structlog

from edge.camera_process import SLOTS, Broken, Ended, Flawed, Order, Picture, Word, main
from edge.clip import Clip, write_clip
from edge.config import Camera
from edge.ring import Packet, Ring, StreamHead
from edge.video import Frame
from wire.health import CameraHealth

_OPEN_S = 20.0
"""A process that has only just begun may be silent for so long: it loads its libraries and connects."""
_PICTURE_DUE_S = 30.0
"""Packets without a picture for so long are a fault, even where key frames are rare and only they are decoded."""
_BACKOFF_MAX_S = 30.0
_SPAWN = multiprocessing.get_context("spawn")
_DECODER = msgspec.msgpack.Decoder(Word)
_log = structlog.get_logger()


class CameraFeed:
    """Keeps a reading process alive for a camera and holds what came last.

    The process is started anew, after a jittered pause that grows from 1 to 30 s, when it ends or when it has been
    silent for ``stall_s``. The ring of compressed packets lives here, so a clip reaches back over such a restart.
    All methods belong to one event loop; ``next_frame`` has one caller.
    """

    def __init__(
        self, camera: Camera, *, continue_from: tuple[float, int] | None = None, stall_s: float = 10.0
    ) -> None:
        self._camera = camera
        self._stall_s = stall_s
        self._zero_s = time.monotonic() - _resumed_s(continue_from)
        width, height = camera.size
        self._memory = _SPAWN.RawArray("B", SLOTS * height * width * 3)
        self._slots = np.frombuffer(self._memory, np.uint8).reshape(SLOTS, height, width, 3)
        self._ring = Ring(camera.ring_s)
        self._health = CameraHealth(id=camera.id, state="starting")
        self._frame: Frame | None = None
        self._fresh = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._heard_s = self._shown_s = time.monotonic()
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

    async def next_frame(self) -> Frame:
        """Wait for a picture not seen before; of several that came meanwhile, the last. None comes after the end."""
        await self._fresh.wait()
        self._fresh.clear()
        if self._frame is None:
            raise RuntimeError("woken without a picture")
        return self._frame

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
        age_s = time.monotonic() - self._shown_s if self._frame is not None else None
        health = msgspec.structs.replace(self._health, last_frame_age_s=age_s)
        if health.state == "live" and age_s is not None and age_s > max(_PICTURE_DUE_S, 3 / self._camera.tick_hz):
            reason = f"no picture could be decoded for {age_s:.0f} s, though packets come"
            return msgspec.structs.replace(health, state="stalled", reason=reason)
        return health

    async def _one_life(self) -> None:
        """Run one process until it ends or has to be killed."""
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=main, args=(self._order(), theirs, self._memory), daemon=True)
        self._hung_up.clear()
        self._heard_s = time.monotonic()
        process.start()
        theirs.close()
        listener = threading.Thread(
            target=self._listen, args=(ours, asyncio.get_running_loop()), name=f"camera {self._camera.id}", daemon=True
        )
        listener.start()
        frames_before = self._health.frames
        try:
            while not self._hung_up.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hung_up.wait(), self._stall_s / 10)
                silent_s = time.monotonic() - self._heard_s
                opened = self._health.frames > frames_before
                if silent_s > (self._stall_s if opened else max(self._stall_s, _OPEN_S)):
                    self._set(state="stalled", reason=f"the reading process was silent for {silent_s:.0f} s")
                    process.kill()
                    await self._hung_up.wait()
        finally:
            process.kill()
            process.join()
            listener.join()
            ours.close()
        if self._health.state == "live":
            self._set(state="stalled", reason=f"the reading process ended with code {process.exitcode}")

    def _order(self) -> Order:
        camera = self._camera
        return Order(
            source=camera.source,
            loop=camera.loop,
            size=camera.size,
            decode=camera.decode,
            tick_hz=camera.tick_hz,
            zero_s=self._zero_s,
            timeout_s=self._stall_s * 0.8,
            parent_pid=os.getpid(),
        )

    def _listen(self, pipe: Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Thread: fetch what the process says, copy its pictures, hand all to the event loop."""
        # The pipe ends with the process, the loop with the agent.
        try:
            with contextlib.suppress(EOFError, OSError, RuntimeError):
                while True:
                    word: Word = _DECODER.decode(pipe.recv_bytes())
                    frame = None
                    if isinstance(word, Picture):
                        frame = Frame(word.time_s, word.time_ms, self._slots[word.slot].copy())
                        pipe.send_bytes(bytes([word.slot]))
                    loop.call_soon_threadsafe(self._hear, word, frame)
        finally:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._hung_up.set)

    def _hear(self, word: Word, frame: Frame | None) -> None:
        self._heard_s = time.monotonic()
        match word:
            case Packet():
                self._ring.append(word)
            case Picture():
                self._show(frame)
            case StreamHead():
                self._ring.begin(word)
            case Flawed(count):
                self._set(decode_errors=self._health.decode_errors + count)
            case Broken(reason):
                self._set(state="stalled" if self._health.state == "live" else "unreachable", reason=reason)
            case Ended():
                self._set(state="ended", reason="the file was played to its end")

    def _show(self, frame: Frame | None) -> None:
        if frame is None or (self._frame is not None and frame.time_s <= self._frame.time_s):
            return  # the clock of pictures is never set back
        self._frame = frame
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
