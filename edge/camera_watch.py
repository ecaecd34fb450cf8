"""Camera watch: one camera from picture to outbox. What a tick leads to is committed together, or not at all."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType

import av.error
import msgspec
import numpy as np
import structlog

from edge.camera import CameraFeed, Lent
from edge.camera_state import CameraState
from edge.clock import Clock
from edge.config import Camera
from edge.day_logs import DayLogs
from edge.evidence import (
    File,
    PendingClip,
    adopt_file,
    clip_message,
    late_clip,
    upload_of,
)
from edge.eyes import Sighting, tick_of
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.pace import watched_s
from edge.plate_desk import PlateDesk
from edge.plates import crop_of
from edge.provenance import Facts
from edge.sealing import Draft, Sealer, manifest_file
from edge.stills import Pacer
from edge.telling import Telling
from edge.video import Frame
from edge.vision import Looks, Passed
from edge.watch import Watch
from rules.rule_book import Capture, Crop
from wire.batch import Message
from wire.event import Event, Evidence
from wire.health import CameraHealth
from wire.manifest import ManifestFile
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
_SEAL_PATIENCE_S = 60.0
"""How long a seal waits for the camera's own clock, should the camera be down."""
_NO_IMAGE = np.empty((0, 0, 3), np.uint8)


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
        sealer: Sealer,
        provenance: Facts,
        advanced: Callable[[], None],
        plates: PlateDesk | None = None,
    ) -> None:
        self._camera: Camera = watch.camera
        self._watch, self._feed, self._vision, self._outbox, self._state = watch, feed, vision, outbox, state
        self._folder, self._tick_log, self._clock, self._advanced = folder, tick_log, clock, advanced
        self._sealer, self._provenance, self._pacer = sealer, provenance, Pacer()
        self._plates = plates
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
        self._cutting: tuple[PendingClip, asyncio.Task[tuple[Evidence, ManifestFile] | None]] | None = None
        self._unsealed_s: dict[str, float] = {}
        """Since when each event waits for its seal."""
        self._no_seal_before_s = 0.0

    async def run(self) -> None:
        """Look at every picture that comes, say when none does, and see to the clips, for ever."""
        try:
            while True:
                self._advanced()
                await self._round()
                await self._see_to_clips()
                await self._see_to_seals()
        finally:
            if self._looking is not None:
                self._looking.cancel()
            if self._cutting is not None:
                self._cutting[1].cancel()
            if self._plates is not None:
                self._plates.close()
            self._put([], [])
            if self._tick_log is not None:
                with contextlib.suppress(OSError):
                    self._tick_log.close()

    def health(self) -> CameraHealth:
        """Return how the camera is, with what became of its pictures."""
        health, verdict = self._feed.health(), self._state.watch.health.verdict
        if health.state == "live" and self._blind:
            health = msgspec.structs.replace(health, state="stalled", reason=self._blind)
        return msgspec.structs.replace(
            health,
            ticks=self._ticks,
            late_ticks=self._late_ticks,
            still_frames=self._still_frames,
            faults=verdict.faults,
            notes=verdict.notes,
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
                await self._step(frame, seen, passed_s)
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
        await self._step(Frame(time_s, time_ms, _NO_IMAGE), sighting, passed_s)

    def _is_later(self, time_s: float) -> bool:
        return not self._state.time_ms or time_s > self._state.time_s

    async def _step(self, frame: Frame, sighting: Sighting, passed_s: float) -> None:
        """Step the watch, and commit what comes of it; without a picture there are no stills."""
        clock = self._clock.read()
        tick = tick_of(self._camera, frame, sighting, clock.state, passed_s)
        if self._tick_log is not None:
            self._tick_log.append(tick)
        state, outputs = self._watch.step(self._state.watch, tick)
        told = Telling(self._camera, self._folder, self._state)
        for output in outputs:
            if isinstance(output, Capture):
                if frame.image.size:
                    await asyncio.to_thread(told.keep_still, frame, output, tick)
            elif isinstance(output, Crop):
                if frame.image.size and self._pacer.is_due(output.event_id, tick.time_s):
                    if self._plates is not None:
                        self._plates.offer(output.event_id, crop_of(frame.image, output.held.bbox), tick.time_s)
                    await asyncio.to_thread(told.keep_closeup, frame, output, tick)
            elif isinstance(output, Event):
                plate = self._plates.facts(output.id) if self._plates is not None else {}
                event = msgspec.structs.replace(output, facts=output.facts | self._provenance | clock.facts | plate)
                await asyncio.to_thread(told.tell, event, tick)
            else:
                told.messages.append(("observations", output))
        await self._commit(told.state(state, tick), told)
        self._ticks += 1

    async def _commit(self, after: CameraState, told: Telling) -> None:
        """Write messages, uploads and the state they came of in one transaction; delete the files of no event."""
        if self._plates is not None:
            self._plates.keep(after.watch.event_ids)
        before = self._state
        dropped = told.written | before.file_names
        dropped -= after.file_names | {upload.path for upload in told.uploads}
        observed = [each for each in told.messages if each[0] == "observations"]
        has_more = bool(len(told.messages) > len(observed) or dropped or after.file_names != before.file_names)
        # From here to put() nothing is awaited: another commit of this camera would write a state without its messages.
        self._state = after
        since_s = time.monotonic() - self._commit_s
        if not has_more and since_s < (_OBSERVED_S if self._observed or observed else _COMMIT_S):
            self._observed += observed
            return
        await asyncio.wrap_future(self._put(told.messages, told.uploads))
        for name in dropped:
            (self._folder / name).unlink(missing_ok=True)

    async def _see_to_clips(self) -> None:
        """Tell of the clip that has been cut, then begin the next that is due: one at a time, beside the watching."""
        if self._cutting is not None and self._cutting[1].done():
            (clip, task), self._cutting = self._cutting, None
            cut = task.result()
            self._asked_s.pop(clip)
            if cut is None:
                self._put_off(clip)
            else:
                message, listed = cut
                self._replace(clip)
                if draft := self._state.drafts.get(clip.event_id):
                    self._redraft(draft.with_files(listed))
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

    async def _cut(self, clip: PendingClip) -> tuple[Evidence, ManifestFile] | None:
        temporary = self._folder / clip.temporary_name
        try:
            cut = await self._feed.clip(temporary, clip.start_s, clip.end_s)
            if cut is None:
                return None
            return await asyncio.to_thread(self._adopt, clip, temporary, cut.time_ms)
        except (av.error.FFmpegError, OSError) as error:
            _LOG.error("a clip cannot be cut", camera=self._camera.id, event_id=clip.event_id, reason=str(error))
            return None

    def _adopt(self, clip: PendingClip, temporary: Path, time_ms: int) -> tuple[Evidence, ManifestFile]:
        """Return the messages of a clip that has been cut: for the centre, and for its manifest."""
        file: File = adopt_file(self._folder, temporary, ".mp4")
        message = clip_message(clip.event_id, file, time_ms)
        return message, manifest_file(message, (self._folder / file.name).read_bytes(), ".mp4")

    def _put_off(self, clip: PendingClip) -> None:
        """Wait for a later clip instead, as long as the vehicle stands, but not for ever."""
        is_standing = clip.event_id in self._state.watch.event_ids
        if is_standing and clip.tries < _CLIP_TRIES_MAX:
            self._replace(clip, late_clip(clip, self._state.time_s))
            return
        reason = "the camera gave no video" if is_standing else "the vehicle had left before there was video again"
        _LOG.error("there will be no clip", camera=self._camera.id, event_id=clip.event_id, reason=reason)
        self._replace(clip, *([msgspec.structs.replace(clip, failed=reason)] if is_standing else []))
        if draft := self._state.drafts.get(clip.event_id):
            self._redraft(msgspec.structs.replace(draft, missing={**draft.missing, "clip": reason}))

    async def _see_to_seals(self) -> None:
        """Seal the events for which nothing more will come."""
        if time.monotonic() < self._no_seal_before_s:
            return
        for draft in tuple(self._state.drafts.values()):
            if not self._is_ready(draft):
                continue
            try:
                async with self._sealer.link(draft, time.time_ns() // 1_000_000) as sealed:
                    self._unsealed_s.pop(draft.event.id, None)
                    self._redraft(draft, is_sealed=True)
                    committed = self._put([("events", sealed.message)], [sealed.upload], sealed.states)
            except OSError as error:
                _LOG.error("a manifest cannot be kept", camera=self._camera.id, reason=error.strerror)
                self._no_seal_before_s = time.monotonic() + _SEAL_PATIENCE_S
                return
            await asyncio.wrap_future(committed)

    def _is_ready(self, draft: Draft) -> bool:
        if any(clip.event_id == draft.event.id and not clip.failed for clip in self._state.clips):
            return False
        waited_s = time.monotonic() - self._unsealed_s.setdefault(draft.event.id, time.monotonic())
        return draft.is_over or self._state.time_s >= draft.ready_s or waited_s > _SEAL_PATIENCE_S

    def _redraft(self, draft: Draft, *, is_sealed: bool = False) -> None:
        drafts = {**self._state.drafts, draft.event.id: draft}
        if is_sealed:
            del drafts[draft.event.id]
        self._state = msgspec.structs.replace(self._state, drafts=drafts)

    def _replace(self, clip: PendingClip, *others: PendingClip) -> None:
        clips = (*(each for each in self._state.clips if each != clip), *others)
        self._state = msgspec.structs.replace(self._state, clips=clips)

    def _put(
        self,
        messages: list[tuple[Stream, Message]],
        uploads: list[Upload],
        states: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Future[None]:
        """Commit messages, the observations that waited for company, and the state that they all came of."""
        observed, self._observed = self._observed, []
        self._commit_s = time.monotonic()
        own = {state_name(self._camera.id): msgspec.msgpack.encode(self._state)}
        return self._outbox.put([*observed, *messages], {**own, **states}, uploads)
