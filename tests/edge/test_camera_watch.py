import asyncio
import shutil
from collections import Counter
from pathlib import Path
from typing import cast

import msgspec
import pytest

from detectors.tick import Box
from edge.camera import CameraFeed
from edge.camera_watch import CameraState, CameraWatch, state_name
from edge.clip import Clip
from edge.clock import Clock
from edge.config import Camera, Motion, Zone
from edge.day_logs import DayLogs
from edge.evidence import names_of, sweep
from edge.eyes import Eyes
from edge.inference import Found
from edge.outbox import Outbox
from edge.rule_files import read_book
from edge.tick_log import read_ticks
from edge.video import Frame
from edge.watch import Watch
from tests.fixtures.corrupted import street
from wire.batch import Message, decode
from wire.event import Event, Evidence
from wire.health import CameraHealth

_HZ = 2
_ENTERS_S, _LEAVES_S, _ENDS_S = 5.0, 30.0, 60.0
_FRAMES = int(_ENDS_S * _HZ)
_STREET = list(street(seconds=30, size=(320, 240)))
_CAMERA = Camera(
    id="cam-1",
    source="street.mp4",
    size=(320, 240),
    backend=Motion(),
    tick_hz=_HZ,
    zones=(
        Zone(
            id="kerb",
            type="no_parking",
            polygon=((10, 10), (200, 10), (200, 100), (10, 100)),
            parameters={"limit_s": 10},
        ),
    ),
)


class _Scripted:
    """A backend that sees one car, from when it enters to when it leaves."""

    name = "scripted"

    def __init__(self, leaves_s: float = _LEAVES_S) -> None:
        self._leaves_s = leaves_s

    def detect(self, image: object, time_s: float) -> Found:
        del image
        is_there = _ENTERS_S <= time_s < self._leaves_s
        return Found((Box(50.0, 40.0, 110.0, 90.0, "car", 0.9),) if is_there else ())


class _Feed:
    """Frames from a list, as quickly as they are looked at; clips as the test wants them."""

    def __init__(self, first: int, last: int, *, has_clips: bool = True) -> None:
        self.drained = asyncio.Event()
        self._numbers = list(range(first, last))
        self._has_clips = has_clips

    async def next_frame(self) -> Frame:
        if not self._numbers:
            self.drained.set()
            await asyncio.Event().wait()
        number = self._numbers.pop(0)
        return Frame(number / _HZ, 1_700_000_000_000 + number * 1000 // _HZ, _STREET[number % len(_STREET)])

    async def clip(self, path: Path, start_s: float, end_s: float) -> Clip | None:
        if not self._has_clips:
            return None
        await asyncio.to_thread(path.write_bytes, b"video from %d to %d" % (start_s, end_s))
        return Clip(path, start_s, end_s - start_s, 1_700_000_000_000 + int(start_s * 1000))

    def health(self) -> CameraHealth:
        return CameraHealth(id="cam-1", state="live")


class _Box:
    """A roadside box: its folder, and one life of its agent after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._outbox_path = folder / "outbox.sqlite"
        self._watch = Watch(_CAMERA, read_book(Path(__file__).parents[2] / "rules" / "book"))

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    async def live(
        self, first: int, last: int, *, killed: bool, has_clips: bool = True, leaves_s: float = _LEAVES_S
    ) -> None:
        """Look at some frames; a kill leaves the files as they were after the last of them."""
        outbox = self._open()
        blob = outbox.state(state_name("cam-1")).result(10)
        state = msgspec.msgpack.decode(blob, type=CameraState) if blob else CameraState(watch=self._watch.first())
        waiting = {upload.path for upload in outbox.uploads().result(10)}
        sweep(self.evidence, waiting | names_of(still for stills in state.stills.values() for still in stills))
        feed = _Feed(first, last, has_clips=has_clips)
        watch = CameraWatch(
            self._watch,
            cast("CameraFeed", feed),
            Eyes(_CAMERA, _Scripted(leaves_s)),
            outbox,
            state,
            folder=self.evidence,
            tick_log=DayLogs(self.folder / "ticks"),
            clock=Clock(),
            advanced=lambda: None,
        )
        task = asyncio.create_task(watch.run())
        await asyncio.wait([task, asyncio.create_task(feed.drained.wait())], return_when=asyncio.FIRST_COMPLETED)
        outbox.lanes().result(10)
        if killed:
            for suffix in ("", "-wal"):
                shutil.copy(f"{self._outbox_path}{suffix}", f"{self.folder / 'copy.sqlite'}{suffix}")
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        outbox.close()
        if killed:
            self._outbox_path = (self.folder / "copy.sqlite").rename(self.folder / f"killed-at-{last}.sqlite")
            (self.folder / "copy.sqlite-wal").rename(f"{self._outbox_path}-wal")

    def messages(self) -> list[Message]:
        outbox = self._open()
        found: list[Message] = []
        while run := outbox.next_run("events", bytes_max=10**6).result(10):
            found += [message for _, message in decode(run.payload).messages]
        outbox.close()
        return found

    def state(self) -> CameraState:
        outbox = self._open()
        blob = outbox.state(state_name("cam-1")).result(10)
        outbox.close()
        assert blob is not None
        return msgspec.msgpack.decode(blob, type=CameraState)

    def _open(self) -> Outbox:
        return Outbox(self._outbox_path, agent="box-1", bytes_max=10**9)


@pytest.fixture
def box(tmp_path: Path) -> _Box:
    return _Box(tmp_path)


def _assert_one_whole_event(box: _Box) -> None:
    messages = box.messages()
    events = [each for each in messages if isinstance(each, Event)]
    files = [each for each in messages if isinstance(each, Evidence)]
    assert [each.phase for each in events] == ["start", "end"]
    assert events[0].id == events[1].id
    assert Counter(each.role for each in files) == {"arrival": 2, "middle": 2, "limit": 2, "clip": 1}
    assert {each.event_id for each in files} == {events[0].id}
    assert [each.role for each in files if each.copy_of] == ["arrival", "middle", "limit"]
    suffixes = {"image/jpeg": ".jpg", "video/mp4": ".mp4"}
    assert {path.name for path in box.evidence.iterdir()} == {each.sha256 + suffixes[each.media_type] for each in files}
    for each in files:
        assert (box.evidence / (each.sha256 + suffixes[each.media_type])).stat().st_size == each.size


def test_a_stay_becomes_one_event_with_its_stills_and_clip(box: _Box) -> None:
    asyncio.run(box.live(0, _FRAMES, killed=False))
    _assert_one_whole_event(box)
    logs = list((box.folder / "ticks").iterdir())
    assert [path.name for path in logs] == ["2023-11-14.ticks.zst"]
    assert len(list(read_ticks(logs[0]))) == _FRAMES


@pytest.mark.parametrize("last", [8, 16, 19, 20, 21, 24, 27, 29, 30, 31, 32, 36, 40, 41, 44, 60, 74])
def test_a_kill_after_any_tick_neither_loses_nor_repeats_the_event(last: int, box: _Box) -> None:
    asyncio.run(box.live(0, last, killed=True))
    asyncio.run(box.live(last + 1, _FRAMES, killed=False))
    _assert_one_whole_event(box)


def test_stills_of_a_vehicle_that_leaves_in_time_are_dropped(box: _Box) -> None:
    asyncio.run(box.live(0, 24, killed=False, leaves_s=12.0))
    assert len(list(box.evidence.iterdir())) == 4
    asyncio.run(box.live(24, 60, killed=False, leaves_s=12.0))
    assert not list(box.evidence.iterdir())
    assert box.messages() == []
    assert not box.state().stills


def test_a_clip_that_can_never_be_cut_is_told_with_the_end_of_the_event(
    box: _Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.camera_watch._CLIP_TRIES_MAX", 1)
    asyncio.run(box.live(0, _FRAMES, killed=False, has_clips=False))
    events = [each for each in box.messages() if isinstance(each, Event)]
    assert events[1].facts["clip_missing"] == "the camera gave no video"
    assert not box.state().clips


def test_a_clip_whose_time_passed_while_the_agent_was_away_is_cut_later(box: _Box) -> None:
    asyncio.run(box.live(0, 34, killed=True))
    asyncio.run(box.live(34, 44, killed=False, has_clips=False))
    (waiting,) = box.state().clips
    assert waiting.tries == 2
    assert waiting.end_s - waiting.start_s == 10
    asyncio.run(box.live(44, _FRAMES, killed=False))
    _assert_one_whole_event(box)
    (clip,) = (each for each in box.messages() if isinstance(each, Evidence) and each.role == "clip")
    assert clip.time_ms == 1_700_000_000_000 + int(waiting.start_s * 1000)
