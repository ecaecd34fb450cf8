"""Vision: the looking process as the agent sees it; one for all cameras, started anew whatever becomes of it."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec
import structlog

from detectors.wants import Wants
from edge.camera import Lent
from edge.child import Child, child
from edge.config import Camera
from edge.eyes import Sighting
from edge.pictures import Pictures
from edge.turns import Turns
from edge.vision_process import Answer, Look, Ready, Refused, Seen, main
from shell.refusal import Refusal

_OPEN_S = 60.0
"""For loading libraries and opening models, on a slow box that has just booted."""
_BACKOFF_MAX_S = 30.0
_ENCODER = msgspec.msgpack.Encoder()
_ANSWERS = msgspec.msgpack.Decoder(Answer)
_LOG = structlog.get_logger()


class Passed(msgspec.Struct, frozen=True):
    """A picture that was only watched: nothing moves, and nothing was due to be looked at."""


class Looks(Protocol):
    """Who looks at the pictures of a camera."""

    turns: Turns

    async def look(self, camera: str, lent: Lent, wants: Wants) -> Sighting | Passed | None:
        """Return what a picture shows, None if nobody could look at it."""


class Vision:
    """Keeps a looking process alive for all cameras.

    It is started anew, after a jittered pause that grows from 1 to 30 s, when it ends or has not answered for
    ``stall_s``. What it was asked meanwhile is answered with None. Enter it to start the first process, which raises
    Refusal when a model cannot be used. ``folder`` is the agent's storage.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        pictures: Sequence[Pictures],
        folder: Path,
        *,
        stall_s: float = 10.0,
        entry: Callable[..., None] = main,
    ) -> None:
        self.turns = Turns()
        self.restarts = 0
        self._cameras = [(camera, each.memory) for camera, each in zip(cameras, pictures, strict=True)]
        self._numbers = {camera.id: number for number, camera in enumerate(cameras)}
        self._folder, self._stall_s, self._entry = folder, stall_s, entry
        self._asked: dict[int, tuple[float, asyncio.Future[Sighting | Passed | None]]] = {}
        """Orders without an answer, oldest first, and since when each has waited."""
        self._count = 0
        self._heard_s = 0.0
        self._life = contextlib.AsyncExitStack()
        self._child: Child | None = None
        self._opened: asyncio.Future[Ready | Refused] | None = None
        self._backoff_s = 1.0

    @property
    def pid(self) -> int | None:
        """The process that looks now."""
        return self._child.pid if self._child is not None else None

    async def __aenter__(self) -> Self:
        """Start the process and wait until its models are open."""
        try:
            await self._begin()
        except BaseException:  # also when cancelled: no process may be left behind
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        await self._end()

    async def run(self) -> None:
        """Keep the process going, for ever."""
        while True:
            if self._child is not None:
                reason = await self._until_lost()
                await self._end()
                _LOG.error("nothing looks at the pictures, starting anew", reason=reason)
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
            self._backoff_s = min(self._backoff_s * 2, _BACKOFF_MAX_S)
            self.restarts += 1
            try:
                await self._begin()
            except Refusal as refusal:
                await self._end()
                _LOG.error("the models cannot be opened any more, trying again", reason=str(refusal))

    async def look(self, camera: str, lent: Lent, wants: Wants) -> Sighting | Passed | None:
        """Return what a picture shows; None if the process is away, or goes away meanwhile."""
        if self._child is None or self._opened is None or not self._opened.done():
            return None
        self._count += 1
        number = self._count
        frame = lent.frame
        order = Look(number, self._numbers[camera], lent.slot, frame.time_s, frame.time_ms, wants)
        answer: asyncio.Future[Sighting | Passed | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = time.monotonic(), answer
        self._child.tell(_ENCODER.encode(order))
        return await answer

    async def _begin(self) -> None:
        """Start a process; raise Refusal if it cannot open its models."""
        self._opened = asyncio.get_running_loop().create_future()
        running = child(self._entry, os.getpid(), self._cameras, self._folder, hear=self._hear)
        self._child = await self._life.enter_async_context(running)
        lost = asyncio.create_task(self._child.hung_up.wait())
        lost.add_done_callback(lambda _: self._opened is None or self._opened.done() or self._opened.cancel())
        await asyncio.wait([self._opened], timeout=_OPEN_S)
        lost.cancel()
        if not self._opened.done() or self._opened.cancelled():
            problem = "ended" if self._child.hung_up.is_set() else f"opened no model in {_OPEN_S:.0f} s"
            raise Refusal("the looking process", problem, "its last words are in the log")
        opened = self._opened.result()
        if isinstance(opened, Refused):
            raise Refusal(opened.subject, opened.problem, opened.suggestion)
        self._heard_s = time.monotonic()

    async def _end(self) -> None:
        """End the process, and answer what it leaves."""
        self._child = None
        await self._life.aclose()
        asked, self._asked = self._asked, {}
        for _, answer in asked.values():
            if not answer.done():
                answer.set_result(None)

    async def _until_lost(self) -> str:
        """Wait until the process has ended or hangs, and say which."""
        if self._child is None:
            return ""
        while not self._child.hung_up.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.hung_up.wait(), self._stall_s / 10)
            asked_s = next((since_s for since_s, _ in self._asked.values()), None)
            now_s = time.monotonic()
            if asked_s is not None and min(now_s - asked_s, now_s - self._heard_s) > self._stall_s:
                return f"it has not answered for {now_s - asked_s:.0f} s"
        return f"it ended with code {self._child.end()}"

    def _hear(self, body: bytes) -> None:
        self._heard_s = time.monotonic()
        match _ANSWERS.decode(body):
            case Seen(number, sighting):
                self._backoff_s = 1.0
                _, answer = self._asked.pop(number)
                if not answer.done():
                    answer.set_result(sighting if sighting is not None else Passed())
            case opened:
                if self._opened is not None and not self._opened.done():
                    self._opened.set_result(opened)
