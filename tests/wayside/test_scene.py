"""The drawn street is what its truth says, every time."""

from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np

from detectors.tick import Tick
from edge.inference import open_backend
from edge.rule_files import read_book
from edge.watch import Watch
from wayside.demo_files import scene_camera
from wayside.scene import FPS, render, truth
from wayside.street.stage import Stage, backdrop
from wayside.street.view import View
from wire.event import Event

LIMIT_S = 12.0
TICK_HZ = 2


def events_of_a_round() -> list[Event]:
    """Return what the demo's camera and rules make of one round of the street, straight from the pictures."""
    facts, view = truth(), View()
    stage = Stage(view, backdrop(view, 7), 7)
    camera = scene_camera(Path("street.mp4"), facts, LIMIT_S)
    watch, backend = Watch(camera, read_book(Path("rules/book"))), open_backend(camera.backend)
    state, events = watch.first(), []
    for number in range(int(facts.duration_s * TICK_HZ)):
        time_s = number / TICK_HZ
        found = backend.detect(stage.picture(time_s, int(time_s * FPS)), time_s)
        tick = Tick(
            camera=camera.id,
            time_s=time_s,
            time_ms=round(time_s * 1000),
            size=facts.size,
            boxes=found.boxes,
            blind=found.blind,
        )
        state, outputs = watch.step(state, tick)
        events += [each for each in outputs if isinstance(each, Event)]
    return events


def test_one_car_parks_and_leaves_and_nothing_else_is_raised() -> None:
    facts = truth()
    start, end = events_of_a_round()
    assert (start.phase, end.phase) == ("start", "end")
    assert start.id == end.id
    assert abs(start.start_ms / 1000 - facts.stop_s) <= 2
    assert facts.stop_s + LIMIT_S - 2 <= start.time_ms / 1000 <= facts.stop_s + LIMIT_S + 5
    assert end.end_ms is not None
    assert abs(end.end_ms / 1000 - facts.leave_s) <= 5


def test_the_truth_lies_in_the_picture_and_the_car_in_its_zone() -> None:
    facts = truth()
    width, height = facts.size
    x, y, car_width, car_height = facts.bbox
    assert 0 <= x < x + car_width <= width
    assert 0 <= y < y + car_height <= height
    assert 0 < facts.stop_s < facts.leave_s < facts.duration_s
    foot = (x + car_width / 2, y + car_height * 0.8)
    assert cv2.pointPolygonTest(np.array(facts.zone, np.float32), foot, measureDist=False) > 0


def test_the_video_is_the_same_each_time_and_has_a_key_frame_a_second(tmp_path: Path) -> None:
    for name in ("once.mp4", "again.mp4"):
        render(tmp_path / name, duration_s=3.0)
    assert (tmp_path / "once.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    with av.open(str(tmp_path / "once.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.codec_context.width, stream.codec_context.height) == truth().size
        packets = [each for each in file.demux(stream) if each.pts is not None]
    keys_s = [float(each.pts * each.time_base) for each in packets if each.is_keyframe]
    assert len(packets) == int(3.0 * FPS)
    assert all(later - earlier <= 1 for earlier, later in pairwise(keys_s))
