import asyncio
import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import cast

import msgspec
import pytest

from detectors.tick import Box, Tick
from detectors.wants import Pace, Wants
from edge.camera import CameraFeed, Lent
from edge.camera_state import CameraState
from edge.camera_watch import CameraWatch, state_name
from edge.clip import Clip
from edge.clock import Clock
from edge.config import Camera, Motion, Zone
from edge.day_logs import DayLogs
from edge.evidence import sweep
from edge.eyes import Eyes, Sighting
from edge.inference import Found
from edge.outbox import Outbox
from edge.rule_files import read_book
from edge.sealing import Head, Sealer, open_chain
from edge.signing import open_key
from edge.tick_log import read_ticks
from edge.turns import Turns
from edge.video import Frame
from edge.vision import Passed
from edge.watch import Watch
from tests.fixtures.corrupted import street
from wire.batch import Message, decode
from wire.event import Event, Evidence
from wire.health import CameraHealth
from wire.manifest import Envelope, Manifest

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
    """A backend that sees cars side by side, from when they enter to when they leave."""

    name = "scripted"
    is_stateless = False
    input_size = None

    def __init__(self, leaves_s: float = _LEAVES_S, cars: int = 1) -> None:
        self._leaves_s, self._cars = leaves_s, cars

    def detect(self, image: object, time_s: float) -> Found:
        del image
        is_there = _ENTERS_S <= time_s < self._leaves_s
        lefts = [50.0 + 70 * number for number in range(self._cars)] if is_there else []
        return Found(tuple(Box(left, 40.0, left + 60, 90.0, "car", 0.9) for left in lefts))


class _Here:
    """Looks in the test's own process; every third picture is passed over if the test wants it so, or none is seen."""

    def __init__(self, eyes: Eyes, *, passes: bool = False, sees: bool = True) -> None:
        self.turns = Turns()
        self._eyes, self._passes, self._sees = eyes, passes, sees
        self._count = 0

    async def look(self, camera: str, lent: Lent, wants: Wants) -> Sighting | Passed | None:
        assert camera == "cam-1"
        self._count += 1
        if self._passes and self._count % 3:
            return Passed()
        return self._eyes.look(lent.frame, wants) if self._sees else None


class _Feed:
    """Frames from a list, as quickly as they are looked at; clips as the test wants them."""

    due_s = 3.0

    def __init__(self, first: int, last: int, *, has_clips: bool = True) -> None:
        self.drained = asyncio.Event()
        self._numbers = list(range(first, last))
        self._has_clips = has_clips
        self.time_s, self.time_ms = 0.0, 1_700_000_000_000
        self.given_back: list[int] = []
        self.paces: list[Pace] = []

    async def wait(self) -> None:
        if not self._numbers:
            self.drained.set()
            await asyncio.Event().wait()

    def take(self) -> Lent:
        number = self._numbers.pop(0)
        self.time_s, self.time_ms = number / _HZ, 1_700_000_000_000 + number * 1000 // _HZ
        image = _STREET[number % len(_STREET)].copy()
        image[50:80, 60:100] = image[50:80, 130:170] = 200  # cars, so that there is something to be sharp
        return Lent(Frame(self.time_s, self.time_ms, image), number)

    def give_back(self, lent: Lent) -> None:
        self.given_back.append(lent.slot)

    def follow(self, pace: Pace, time_s: float) -> None:
        assert time_s == self.time_s
        self.paces.append(pace)

    def now(self) -> tuple[float, int]:
        return self.time_s + 2.0, self.time_ms + 2000

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
        self,
        first: int,
        last: int,
        *,
        killed: bool,
        has_clips: bool = True,
        leaves_s: float = _LEAVES_S,
        cars: int = 1,
        passes: bool = False,
    ) -> _Feed:
        """Look at some frames; a kill leaves the files as they were after the last of them."""
        outbox = self._open()
        blob = outbox.state(state_name("cam-1")).result(10)
        state = msgspec.msgpack.decode(blob, type=CameraState) if blob else CameraState(watch=self._watch.first())
        waiting = {upload.path for upload in outbox.uploads().result(10)}
        sweep(self.evidence, waiting | state.file_names)
        feed = _Feed(first, last, has_clips=has_clips)
        looks = _Here(Eyes(_CAMERA, _Scripted(leaves_s, cars)), passes=passes)
        watch = self.watching(feed, looks, outbox, state, chain=await open_chain(outbox))
        task = asyncio.create_task(watch.run())
        await asyncio.wait([task, asyncio.create_task(feed.drained.wait())], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)
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
        return feed

    def watching(
        self,
        feed: _Feed,
        looks: _Here,
        outbox: Outbox | None = None,
        state: CameraState | None = None,
        *,
        chain: Head | None = None,
    ) -> CameraWatch:
        self.evidence.mkdir(exist_ok=True)
        outbox = outbox or self._open()
        chain = chain or asyncio.run(open_chain(outbox))
        return CameraWatch(
            self._watch,
            cast("CameraFeed", feed),
            looks,
            outbox,
            state or CameraState(watch=self._watch.first()),
            folder=self.evidence,
            tick_log=DayLogs(self.folder / "ticks"),
            clock=Clock(),
            sealer=Sealer("box-1", open_key(self.folder / "keys"), chain, self.evidence),
            provenance={"config_sha256": "c" * 64},
            advanced=lambda: None,
        )

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
    roles = Counter(each.role for each in files)
    assert roles.pop("limit") in (2, 4)  # a second one where the first still came late
    assert roles == {"arrival": 2, "middle": 2, "closeup": 2, "clip": 1, "manifest": 1}
    assert events[0].expects == ("arrival", "middle", "limit", "closeup", "clip", "manifest")
    assert {each.event_id for each in files} == {events[0].id}
    suffixes = {"image/jpeg": ".jpg", "video/mp4": ".mp4", "application/json": ".json"}
    assert {path.name for path in box.evidence.iterdir()} == {each.sha256 + suffixes[each.media_type] for each in files}
    for each in files:
        assert (box.evidence / (each.sha256 + suffixes[each.media_type])).stat().st_size == each.size
    (sealed,) = (each for each in files if each.role == "manifest")
    envelope = msgspec.json.decode((box.evidence / f"{sealed.sha256}.json").read_bytes(), type=Envelope)
    manifest = msgspec.json.decode(envelope.manifest, type=Manifest)
    assert (manifest.number, manifest.previous, manifest.missing) == (1, None, {})
    assert {each.sha256 for each in manifest.files} == {each.sha256 for each in files} - {sealed.sha256}


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
    assert len(list(box.evidence.iterdir())) == 6
    asyncio.run(box.live(24, 60, killed=False, leaves_s=12.0))
    assert not list(box.evidence.iterdir())
    assert box.messages() == []
    assert not box.state().file_names


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


_KILLED = """
import asyncio, sys
from pathlib import Path
import edge.sealing
import shell.crash_point
from tests.edge.test_camera_watch import _FRAMES, _Box

folder, seal, target = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def passage(name, seals=[]):
    seals.append(name)
    if len(seals) == seal:
        shell.crash_point._TARGET, shell.crash_point._left = target, 1
    shell.crash_point.crash_point(name)

edge.sealing.crash_point = passage
asyncio.run(_Box(folder).live(0, _FRAMES, killed=False, cars=2))
"""


@pytest.mark.parametrize("target", ["seal.after-write", "outbox.before-commit", "outbox.after-commit"])
@pytest.mark.parametrize("seal", [1, 2])
def test_a_kill_at_any_step_of_sealing_neither_forks_the_chain_nor_repeats_a_link(
    seal: int, target: str, box: _Box
) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _KILLED, str(box.folder), str(seal), target]
    killed = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert killed.returncode == 137, killed.stderr
    asyncio.run(box.live(200, 320, killed=False, cars=2))
    sealed = [each for each in box.messages() if isinstance(each, Evidence) and each.role == "manifest"]
    envelopes = [
        msgspec.json.decode((box.evidence / f"{each.sha256}.json").read_bytes(), type=Envelope) for each in sealed
    ]
    links = [msgspec.json.decode(each.manifest, type=Manifest) for each in envelopes]
    assert [each.number for each in links] == [1, 2]
    assert [each.previous for each in links] == [None, hashlib.sha256(envelopes[0].manifest).hexdigest()]
    assert len({each.event_id for each in links}) == 2
    assert len({each.chain for each in links}) == len({each.key for each in links}) == 1
    assert len(list(box.evidence.glob("*.json"))) == 2


def _logged(box: _Box) -> list[Tick]:
    return [tick for path in sorted((box.folder / "ticks").iterdir()) for tick in read_ticks(path)]


def test_pictures_in_which_nothing_moves_make_no_tick_and_the_next_one_says_how_long(box: _Box) -> None:
    feed = asyncio.run(box.live(0, _FRAMES, killed=False, passes=True))
    ticks = _logged(box)
    assert [tick.time_s for tick in ticks] == [number * 1.5 + 1 for number in range(_FRAMES // 3)]
    assert [tick.watched_s for tick in ticks[1:]] == [1.0] * (len(ticks) - 1)
    assert feed.given_back == list(range(_FRAMES))
    assert len(feed.paces) == _FRAMES
    assert "armed" in feed.paces


def test_a_camera_that_shows_nothing_is_blind_in_its_ticks_and_stalled_in_its_health(box: _Box) -> None:
    feed = _Feed(0, 4)
    feed.due_s = 0.1
    watch = box.watching(feed, _Here(Eyes(_CAMERA, _Scripted())))

    async def scenario() -> list[str]:
        task = asyncio.create_task(watch.run())
        await feed.drained.wait()
        states = [watch.health().state]
        async with asyncio.timeout(30):
            while watch.health().state != "stalled":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        states.append(watch.health().reason)
        task.cancel()
        await asyncio.wait([task])
        return states

    assert asyncio.run(scenario()) == ["live", "no picture was looked at"]
    ticks = _logged(box)
    assert [tick.blind for tick in ticks][:5] == [""] * 4 + ["no picture was looked at"]
    assert ticks[4].time_s == ticks[3].time_s + 2
    assert ticks[4].boxes == ()


def test_pictures_that_nobody_can_look_at_make_the_camera_blind_but_are_given_back(box: _Box) -> None:
    feed = _Feed(0, 6)
    feed.due_s = -1.0
    watch = box.watching(feed, _Here(Eyes(_CAMERA, _Scripted()), sees=False))

    async def scenario() -> None:
        task = asyncio.create_task(watch.run())
        await feed.drained.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(scenario())
    assert feed.given_back == list(range(6))
    assert {tick.blind for tick in _logged(box)} == {"no picture was looked at"}
