"""Telling: what one tick leads to, gathered until it is committed: files on the disk, messages, and the next state."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from detectors.tick import Tick
from edge.camera_state import CameraState
from edge.config import Camera
from edge.evidence import PendingClip, Still, names_of, pending_clip, still_messages, upload_of
from edge.outbox_rows import Upload
from edge.sealing import Draft, manifest_file
from edge.stills import CLOSEUPS_MAX, Closeup, better_closeup, take_still
from edge.video import Frame
from edge.watch import WatchState
from rules.rule_book import Capture, Crop
from wire.batch import Message
from wire.event import Event
from wire.streams import Stream

_SEAL_S = 12.0
"""How long after an event's start it is sealed at the earliest: a later picture of the limit comes within 10 s."""


class Telling:
    """Begins as a camera's state is; made for one tick."""

    def __init__(self, camera: Camera, folder: Path, before: CameraState) -> None:
        self.messages: list[tuple[Stream, Message]] = []
        self.uploads: list[Upload] = []
        self.written: set[str] = set()
        """Names of the files that were written for this tick."""
        self._camera, self._folder, self._before = camera, folder, before
        self._stills: dict[str, tuple[Still, ...]] = dict(before.stills)
        self._closeups: dict[str, Closeup] = dict(before.closeups)
        self._clips: tuple[PendingClip, ...] = before.clips
        self._drafts: dict[str, Draft] = dict(before.drafts)

    def state(self, watch: WatchState, tick: Tick) -> CameraState:
        """Return the state after the tick; pictures of events that will not come are not in it any more."""
        live = watch.event_ids
        return CameraState(
            watch=watch,
            time_s=tick.time_s,
            time_ms=tick.time_ms,
            stills={event_id: each for event_id, each in self._stills.items() if event_id in live},
            closeups={event_id: each for event_id, each in self._closeups.items() if event_id in live},
            clips=self._clips,
            drafts=self._drafts,
        )

    def keep_still(self, frame: Frame, asked: Capture, tick: Tick) -> None:
        """Take a still; that of an event which is told already is told at once, unless the event is sealed."""
        is_told = asked.event_id in self._before.watch.raised_ids
        if is_told and asked.event_id not in self._drafts:
            return
        still = take_still(
            self._folder,
            self._camera,
            frame.image,
            asked.held,
            event_id=asked.event_id,
            role=asked.role,
            boxes=tick.boxes,
        )
        if still is None:
            return
        self.written |= names_of((still,))
        if is_told:
            self._tell_stills(asked.event_id, (still,))
        else:
            self._stills[asked.event_id] = (*self._stills.get(asked.event_id, ()), still)

    def keep_closeup(self, frame: Frame, asked: Crop, tick: Tick) -> None:
        """Keep this view of the thing if it is clearly better than the best so far."""
        best = self._closeups.get(asked.event_id)
        if best is None and len(self._closeups) >= CLOSEUPS_MAX:
            return
        better = better_closeup(self._folder, self._camera, frame, asked, boxes=tick.boxes, best=best)
        if better is not None:
            self.written |= names_of((better.still,))
            self._closeups[asked.event_id] = better

    def tell(self, event: Event, tick: Tick) -> None:
        """Put an event, and with its start all of its stills, among the messages."""
        if event.phase == "end":
            self._tell_end(event)
            return
        event = msgspec.structs.replace(event, expects=(*event.expects, "manifest"))
        self.messages.append(("events", event))
        self._drafts[event.id] = Draft(event=event, ready_s=tick.time_s + _SEAL_S)
        closeup = self._closeups.pop(event.id, None)
        self._tell_stills(event.id, (*self._stills.pop(event.id, ()), *([closeup.still] if closeup else [])))
        if "clip" in event.expects:
            self._clips += (pending_clip(event, tick.time_s, self._camera.ring_s),)

    def _tell_end(self, event: Event) -> None:
        failed = [clip for clip in self._clips if clip.event_id == event.id and clip.failed]
        if failed:
            event = msgspec.structs.replace(event, facts={**event.facts, "clip_missing": failed[0].failed})
        self._clips = tuple(clip for clip in self._clips if clip not in failed)
        if event.id in self._drafts:
            draft = self._drafts[event.id]
            self._drafts[event.id] = msgspec.structs.replace(draft, is_over=True, end_ms=event.end_ms)
        self.messages.append(("events", event))

    def _tell_stills(self, event_id: str, stills: Iterable[Still]) -> None:
        """Put stills among the messages, and what is to be sealed of them into the draft."""
        for still in stills:
            for message in still_messages(event_id, still):
                upload = upload_of(message, ".jpg")
                listed = manifest_file(message, (self._folder / upload.path).read_bytes(), ".jpg")
                self.messages.append(("events", message))
                self.uploads.append(upload)
                self._drafts[event_id] = self._drafts[event_id].with_files(listed)
