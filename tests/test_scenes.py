"""Composited scenes through the whole edge: what is seen live is what a recorded day says later."""

import os
from pathlib import Path

import msgspec
import pytest

from detectors.wants import Wants
from edge.replay import Frames, Raised, replay, ticks_of
from edge.rule_files import OWN_BOOK, read_book
from edge.tick_log import SUFFIX, TickLog
from edge.watch import Watch, WatchState
from tests.fixtures.scenes import camera_of
from wire.event import Event

pytestmark = pytest.mark.data


def _live(video: Path, log: TickLog) -> list[Event]:
    """Look at a video as an agent does: every tick is recorded, and every state can be stored."""
    watch = Watch(camera_of(video), read_book(OWN_BOOK))
    state, wants, events = watch.first(), [Wants()], list[Event]()
    for tick in ticks_of(video, watch.camera, Frames(), lambda: wants[0]):
        log.append(tick)
        state, outputs = watch.step(state, tick)
        events += [each for each in outputs if isinstance(each, Event)]
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=WatchState)
        wants[0] = watch.wants(state)
    return events


@pytest.mark.parametrize("name", ["parking_occlusion", "spill_debris", "stall_cart"])
def test_a_recorded_scene_replays_without_its_pictures_to_the_same_events(tmp_path: Path, name: str) -> None:
    folder = os.environ.get("WAYSIDE_DATA")
    if not folder:
        pytest.skip("WAYSIDE_DATA is not set: no scenes")
    video = Path(folder) / "scenes" / f"{name}.mp4"
    path = tmp_path / f"{name}{SUFFIX}"
    log = TickLog(path)
    events = _live(video, log)
    log.close()
    replayed: list[Raised] = replay(path, camera_of(video), read_book(OWN_BOOK), Frames())
    assert [each.id for each in replayed] == [each.id for each in events if each.phase == "start"]
    assert len(replayed) == 1
    assert [each.end_s is not None for each in replayed] == [any(each.phase == "end" for each in events)]
