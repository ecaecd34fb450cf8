"""Camera watch: one camera from picture to outbox. What a tick leads to is committed together, or not at all."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import av.error
import msgspec
import numpy as np
import structlog

from detectors.tick import Tick
from edge.camera import CameraFeed, Lent
from edge.clock import Clock
from edge.config import Camera
from edge.day_logs import DayLogs
from edge.evidence import (
    PendingClip,
    Still,
    adopt_file,
    clip_message,
    late_clip,
    names_of,
    pending_clip,
    still_messages,
    upload_of,
    write_file,
)
from edge.eyes import Sighting, tick_of
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.overlay import jpeg, with_overlay
from edge.pace import watched_s
from edge.video import Frame
from edge.vision import Looks, Passed
from edge.watch import Watch, WatchState
from rules.rule_book import Capture
from wire.batch import Message
from wire.event import Event, Evidence
from wire.health import CameraHealth
from wire.streams import Stream

_LOG = structlog.get_logger()
_ROUND_S = 1.0
_BLIND_AGAIN_S = 2.0
_COMMIT_S = 5.0
"""A state that led to nothing is committed no more often; flash wears."""
_OBSERVED_S = 2.0
"""Observations wait for so long to be committed together, if no event comes: each commit costs as much as a tick."""
_CLIP_PATIENCE_S = 25.0
_CLIP_TRIES_MAX = 20
_NO_IMAGE = np.empty((0, 0, 3), np.uint8)


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """All that must survive a restart of the agent; committed with the messages that came of it."""

    watch: WatchState
    time_s: float = 0.0
    time_ms: int = 0
    stills: dict[str, tuple[Still, ...]] = {}
    """Taken for events that may yet come, by event."""
    clips: tuple[PendingClip, ...] = ()


class _Yield(msgspec.Struct):
    """What one tick leads to."""

    messages: list[tuple[Stream, Message]] = []
    uploads: list[Upload] = []
    stills: dict[str, tuple[Still, ...]] = {}
    clips: list[PendingClip] = []


def state_name(camera_id: str) -> str:
    """Return the name under which the outbox keeps a camera's state."""
    return f"camera/{camera_id}"


class CameraWatch:
    """Steps a camera's watch with every picture, and keeps stills and clips until their event needs them."""

    def __init__(
        self,
        watch: Watch,
        feed: CameraFeed,
        vision: Looks,
        outbox: Outbox,
        state: CameraState,
        *,
        folder: Path,
        tick_log: DayLogs | None,
        clock: Clock,
        advanced: Callable[[], None],
    ) -> None:
        self._camera: Camera = watch.camera
        self._watch, self._feed, self._vision, self._outbox, self._state = watch, feed, vision, outbox, state
        self._folder, self._tick_log, self._clock, self._advanced = folder, tick_log, clock, advanced
        self._ticks = self._late_ticks = self._still_frames = 0
        self._looking: asyncio.Task[tuple[Lent, Sighting | Passed | None, float] | None] | None = None
        self._passed_s: float | None = None
        """When the last picture was taken in which nothing moved, on the camera's clock."""
        self._seen_s = time.monotonic()
        self._blind = ""
        self._commit_s = time.monotonic()
        self._observed: list[tuple[Stream, Message]] = []
        self._asked_s: dict[PendingClip, float] = {}
        """Since when each clip is waited for."""
        self._cutting: tuple[PendingClip, asyncio.Task[Evidence | None]] | None = None

    async def run(self) -> None:
        """Look at every picture that comes, say when none does, and see to the clips, for ever."""
        try:
            while True:
                self._advanced()
                await self._round()
                await self._see_to_clips()
        finally:
            if self._looking is not None:
                self._looking.cancel()
            if self._cutting is not None:
                self._cutting[1].cancel()
            self._put([], [])
            if self._tick_log is not None:
                with contextlib.suppress(OSError):
                    self._tick_log.close()

    def health(self) -> CameraHealth:
        """Return how the camera is, with what became of its pictures."""
        health = self._feed.health()
        if health.state == "live" and self._blind:
            health = msgspec.structs.replace(health, state="stalled", reason=self._blind)
        return msgspec.structs.replace(
            health, ticks=self._ticks, late_ticks=self._late_ticks, still_frames=self._still_frames
        )

    async def _round(self) -> None:
        """Wait a while for a picture to be looked at; without one for too long, the camera is blind."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.wait([self._looking], timeout=_ROUND_S)
        if self._looking.done():
            looked, self._looking = self._looking.result(), None
            if looked is not None:
                await self._take_in(*looked)
        since_s = time.monotonic() - self._seen_s
        if since_s > (_BLIND_AGAIN_S if self._blind else self._feed.due_s):
            await self._go_blind()

    async def _look(self) -> tuple[Lent, Sighting | Passed | None, float] | None:
        """Wait for a picture and for its turn; return it, what it shows, and until when its tick is due."""
        await self._feed.wait()
        due_s = time.monotonic() + 1 / self._camera.tick_hz
        pace = self._watch.wants(self._state.watch).pace
        async with self._vision.turns.turn(self._camera.id, due_s, pace):
            lent = self._feed.take()
            if lent is None:
                return None
            return lent, await self._vision.look(self._camera.id, lent, self._watch.wants(self._state.watch)), due_s

    async def _take_in(self, lent: Lent, seen: Sighting | Passed | None, due_s: float) -> None:
        """Make a tick of what a picture shows, unless there is nothing to tell, or the clock has gone on without it."""
        frame = lent.frame
        try:
            if seen is None or not self._is_later(frame.time_s):
                return
            self._seen_s, self._blind = time.monotonic(), ""
            if isinstance(seen, Passed):
                self._passed_s = frame.time_s
                self._still_frames += 1
            else:
                passed_s = watched_s(self._state.time_s, self._passed_s)
                await self._step(tick_of(self._camera, frame, seen, self._clock.state(), passed_s), frame)
                self._late_ticks += time.monotonic() > due_s
            self._feed.follow(self._watch.wants(self._state.watch).pace, frame.time_s)
        finally:
            self._feed.give_back(lent)

    async def _go_blind(self) -> None:
        """Make a tick of seeing nothing, so that clocks wait and nobody takes silence for an empty street."""
        health = self._feed.health()
        self._blind = "no picture" if health.state != "live" else "no picture was looked at"
        if health.reason:
            self._blind = f"{self._blind}: {health.reason}"
        self._seen_s = time.monotonic()
        time_s, time_ms = self._feed.now()
        if not self._is_later(time_s):
            return
        sighting = Sighting(boxes=(), blind=self._blind)
        passed_s = watched_s(self._state.time_s, self._passed_s)
        empty = Frame(time_s, time_ms, _NO_IMAGE)
        await self._step(tick_of(self._camera, empty, sighting, self._clock.state(), passed_s), None)

    def _is_later(self, time_s: float) -> bool:
        return not self._state.time_ms or time_s > self._state.time_s

    async def _step(self, tick: Tick, frame: Frame | None) -> None:
        """Step the watch, and commit what comes of it; without a picture there are no stills."""
        if self._tick_log is not None:
            self._tick_log.append(tick)
        state, outputs = self._watch.step(self._state.watch, tick)
        result = _Yield(stills=dict(self._state.stills), clips=list(self._state.clips))
        for output in outputs:
            if isinstance(output, Capture):
                still = None if frame is None else await asyncio.to_thread(self._take_still, frame, output)
                if still is not None:
                    result.stills[output.event_id] = (*result.stills.get(output.event_id, ()), still)
            elif isinstance(output, Event):
                self._tell(output, tick, result)
            else:
                result.messages.append(("observations", output))
        await self._commit(state, tick, result)
        self._ticks += 1

    def _take_still(self, frame: Frame, capture: Capture) -> Still | None:
        """Write a picture and its explained copy; None if the disk is full: an event without a still is one."""
        comment = f"{self._camera.id} {capture.event_id} {capture.role} {frame.time_ms}"
        try:
            original = write_file(self._folder, jpeg(frame.image, comment), ".jpg")
            drawn = with_overlay(frame.image, self._camera, capture.held, capture.role, original.sha256)
            copy = write_file(self._folder, jpeg(drawn, f"{comment} copy"), ".jpg")
        except OSError as error:
            _LOG.error("a still cannot be kept", camera=self._camera.id, role=capture.role, reason=error.strerror)
            return None
        return Still(capture.role, frame.time_ms, original, copy)

    def _tell(self, event: Event, tick: Tick, result: _Yield) -> None:
        """Put an event, and with its start all of its stills, among the messages."""
        if event.phase == "end":
            failed = [clip for clip in result.clips if clip.event_id == event.id and clip.failed]
            if failed:
                event = msgspec.structs.replace(event, facts={**event.facts, "clip_missing": failed[0].failed})
            result.clips = [clip for clip in result.clips if clip not in failed]
        result.messages.append(("events", event))
        if event.phase == "end":
            return
        for still in result.stills.pop(event.id, ()):
            for message in still_messages(event.id, still):
                result.messages.append(("events", message))
                result.uploads.append(upload_of(message, ".jpg"))
        if "clip" in event.expects:
            result.clips.append(pending_clip(event, tick.time_s, self._camera.ring_s))

    async def _commit(self, watch: WatchState, tick: Tick, result: _Yield) -> None:
        """Write messages, uploads and the state they came of in one transaction; delete the stills of no event."""
        kept = {event_id: stills for event_id, stills in result.stills.items() if event_id in watch.event_ids}
        dropped = [still for event_id, stills in result.stills.items() if event_id not in kept for still in stills]
        observed = [each for each in result.messages if each[0] == "observations"]
        has_more = bool(len(result.messages) > len(observed) or dropped or kept != self._state.stills)
        # From here to put() nothing is awaited: another commit of this camera would write a state without its messages.
        self._state = CameraState(
            watch=watch, time_s=tick.time_s, time_ms=tick.time_ms, stills=kept, clips=tuple(result.clips)
        )
        since_s = time.monotonic() - self._commit_s
        if not has_more and since_s < (_OBSERVED_S if self._observed or observed else _COMMIT_S):
            self._observed += observed
            return
        await asyncio.wrap_future(self._put(result.messages, result.uploads))
        for name in names_of(dropped):
            (self._folder / name).unlink(missing_ok=True)

    async def _see_to_clips(self) -> None:
        """Tell of the clip that has been cut, then begin the next that is due: one at a time, beside the watching."""
        if self._cutting is not None and self._cutting[1].done():
            (clip, task), self._cutting = self._cutting, None
            message = task.result()
            self._asked_s.pop(clip)
            if message is None:
                self._put_off(clip)
            else:
                self._replace(clip)
                await asyncio.wrap_future(self._put([("events", message)], [upload_of(message, ".mp4")]))
        if self._cutting is None:
            due = next(filter(self._is_due, self._state.clips), None)
            if due is not None:
                self._cutting = due, asyncio.create_task(self._cut(due))

    def _is_due(self, clip: PendingClip) -> bool:
        """Tell whether a clip's end has passed, or should have, had the camera shown anything since."""
        if clip.failed:
            return False
        waited_s = time.monotonic() - self._asked_s.setdefault(clip, time.monotonic())
        return self._state.time_s >= clip.end_s or waited_s > _CLIP_PATIENCE_S

    async def _cut(self, clip: PendingClip) -> Evidence | None:
        temporary = self._folder / clip.temporary_name
        try:
            cut = await self._feed.clip(temporary, clip.start_s, clip.end_s)
            if cut is None:
                return None
            file = await asyncio.to_thread(adopt_file, self._folder, temporary, ".mp4")
        except (av.error.FFmpegError, OSError) as error:
            _LOG.error("a clip cannot be cut", camera=self._camera.id, event_id=clip.event_id, reason=str(error))
            return None
        return clip_message(clip.event_id, file, cut.time_ms)

    def _put_off(self, clip: PendingClip) -> None:
        """Wait for a later clip instead, as long as the vehicle stands, but not for ever."""
        is_standing = clip.event_id in self._state.watch.event_ids
        if is_standing and clip.tries < _CLIP_TRIES_MAX:
            self._replace(clip, late_clip(clip, self._state.time_s))
            return
        reason = "the camera gave no video" if is_standing else "the vehicle had left before there was video again"
        _LOG.error("there will be no clip", camera=self._camera.id, event_id=clip.event_id, reason=reason)
        self._replace(clip, *([msgspec.structs.replace(clip, failed=reason)] if is_standing else []))

    def _replace(self, clip: PendingClip, *others: PendingClip) -> None:
        clips = (*(each for each in self._state.clips if each != clip), *others)
        self._state = msgspec.structs.replace(self._state, clips=clips)

    def _put(self, messages: list[tuple[Stream, Message]], uploads: list[Upload]) -> Future[None]:
        """Commit messages, the observations that waited for company, and the state that they all came of."""
        observed, self._observed = self._observed, []
        self._commit_s = time.monotonic()
        states = {state_name(self._camera.id): msgspec.msgpack.encode(self._state)}
        return self._outbox.put([*observed, *messages], states, uploads)
