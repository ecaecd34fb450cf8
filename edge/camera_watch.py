"""Camera watch: one camera from picture to outbox. What a tick leads to is committed together, or not at all."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import av.error
import msgspec
import structlog

from detectors.tick import Tick
from edge.camera import CameraFeed
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
from edge.eyes import Eyes, tick_of
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.overlay import jpeg, with_overlay
from edge.plate_desk import PlateDesk
from edge.plates import crop_of
from edge.video import Frame
from edge.watch import Watch, WatchState
from rules.rule_book import Capture
from wire.batch import Message
from wire.event import Event, Evidence
from wire.health import CameraHealth
from wire.streams import Stream

_LOG = structlog.get_logger()
_SILENT_S = 2.0
_COMMIT_S = 5.0
"""A state that led to nothing is committed no more often; flash wears."""
_CLIP_PATIENCE_S = 25.0
_CLIP_TRIES_MAX = 20


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
        eyes: Eyes,
        outbox: Outbox,
        state: CameraState,
        *,
        folder: Path,
        tick_log: DayLogs | None,
        clock: Clock,
        advanced: Callable[[], None],
        plates: PlateDesk | None = None,
    ) -> None:
        self._camera: Camera = watch.camera
        self._watch, self._feed, self._eyes, self._outbox, self._state = watch, feed, eyes, outbox, state
        self._folder, self._tick_log, self._clock, self._advanced = folder, tick_log, clock, advanced
        self._plates = plates
        self._ticks = self._late_ticks = 0
        self._commit_s = time.monotonic()
        self._asked_s: dict[PendingClip, float] = {}
        """Since when each clip is waited for."""
        self._cutting: tuple[PendingClip, asyncio.Task[Evidence | None]] | None = None

    async def run(self) -> None:
        """Look at every picture that comes, and see to the clips, for ever."""
        try:
            while True:
                self._advanced()
                frame = await self._next_frame()
                if frame is not None:
                    await self._look(frame)
                await self._see_to_clips()
        finally:
            if self._cutting is not None:
                self._cutting[1].cancel()
            if self._plates is not None:
                self._plates.close()
            self._outbox.put(states=self._blob())
            if self._tick_log is not None:
                with contextlib.suppress(OSError):
                    self._tick_log.close()

    def health(self) -> CameraHealth:
        """Return how the camera is, with what became of its pictures."""
        return msgspec.structs.replace(self._feed.health(), ticks=self._ticks, late_ticks=self._late_ticks)

    async def _next_frame(self) -> Frame | None:
        try:
            async with asyncio.timeout(_SILENT_S):
                return await self._feed.next_frame()
        except TimeoutError:
            return None

    async def _look(self, frame: Frame) -> None:
        began_s = time.monotonic()
        sighting = await asyncio.to_thread(self._eyes.look, frame, self._watch.wants(self._state.watch))
        tick = tick_of(self._camera, frame, sighting, self._clock.state())
        if self._tick_log is not None:
            self._tick_log.append(tick)
        state, outputs = self._watch.step(self._state.watch, tick)
        result = _Yield(stills=dict(self._state.stills), clips=list(self._state.clips))
        for output in outputs:
            if isinstance(output, Capture):
                if self._plates is not None:
                    self._plates.offer(output.event_id, crop_of(frame.image, output.held.bbox), frame.time_s)
                still = await asyncio.to_thread(self._take_still, frame, output)
                if still is not None:
                    result.stills[output.event_id] = (*result.stills.get(output.event_id, ()), still)
            elif isinstance(output, Event):
                self._tell(output, tick, result)
            else:
                result.messages.append(("observations", output))
        await self._commit(state, tick, result)
        self._ticks += 1
        self._late_ticks += time.monotonic() - began_s > 1 / self._camera.tick_hz

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
        if self._plates is not None:
            event = msgspec.structs.replace(event, facts={**event.facts, **self._plates.facts(event.id)})
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
        if self._plates is not None:
            self._plates.keep(watch.event_ids)
        kept = {event_id: stills for event_id, stills in result.stills.items() if event_id in watch.event_ids}
        dropped = [still for event_id, stills in result.stills.items() if event_id not in kept for still in stills]
        has_more = bool(result.messages or dropped or kept != self._state.stills)
        # From here to put() nothing is awaited: another commit of this camera would write a state without its messages.
        self._state = CameraState(
            watch=watch, time_s=tick.time_s, time_ms=tick.time_ms, stills=kept, clips=tuple(result.clips)
        )
        if not has_more and time.monotonic() - self._commit_s < _COMMIT_S:
            return
        self._commit_s = time.monotonic()
        await asyncio.wrap_future(self._outbox.put(result.messages, self._blob(), result.uploads))
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
                upload = upload_of(message, ".mp4")
                await asyncio.wrap_future(self._outbox.put([("events", message)], self._blob(), [upload]))
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

    def _blob(self) -> dict[str, bytes]:
        return {state_name(self._camera.id): msgspec.msgpack.encode(self._state)}
