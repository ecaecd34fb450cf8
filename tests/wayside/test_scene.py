"""The drawn street is what its truth says, every time."""

from pathlib import Path

import av
import numpy as np
import pytest

from edge.replay import Frames, replay
from edge.rule_files import read_book
from wayside.demo_files import scene_camera
from wayside.scene import FPS, render, truth
from wayside.street.stage import Stage, backdrop
from wayside.street.view import Floats, View

SEED = 7
SMALL = View(size=(480, 270))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage(SMALL, backdrop(SMALL, SEED), SEED)


def change(stage: Stage, time_s: float) -> Floats:
    """Return how much each pixel of the place of the standing car differs from the empty street, grey levels."""
    left, top, width, height = (round(value) for value in truth(SMALL).bbox)
    place = slice(top, top + height), slice(left, left + width)
    difference = stage.picture(time_s, 0)[place].astype(float) - stage.backdrop.street[place]
    return np.asarray(np.abs(difference).mean(axis=2))


def test_the_kerb_is_empty_while_the_street_is_learnt_and_after_the_car_has_left(stage: Stage) -> None:
    assert [(change(stage, time_s) > 22).mean() > 0.1 for time_s in (0.0, 2.0, 4.0, 57.0, 74.0)] == [False] * 5


def test_the_car_stands_where_and_as_long_as_the_truth_says(stage: Stage) -> None:
    said = truth(SMALL)
    for time_s in (said.stop_s, 20.0, 36.0, said.leave_s - 0.1):
        assert (change(stage, time_s) > 22).mean() > 0.4
    first, last = (stage.cast[-1].at(time_s) for time_s in (said.stop_s, said.leave_s))
    assert first is not None
    assert last is not None
    assert first.pose == last.pose


def test_the_timetable_ends_as_it_began(stage: Stage) -> None:
    first = stage.picture(0.0, 0).astype(int)
    last = stage.picture(truth().duration_s, 0).astype(int)
    assert np.abs(first - last).max() <= 1


def test_the_same_seed_gives_the_same_bytes_and_a_key_frame_each_second(tmp_path: Path) -> None:
    paths = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for path in paths:
        render(path, view=SMALL, seed=SEED, duration_s=4.0)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(str(paths[0])) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 480, 270)
    times = [float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]
    assert times == pytest.approx([number / float(FPS) for number in range(50)], abs=0.001)
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert max(np.diff(keys)) <= float(FPS)


@pytest.mark.system  # it draws the whole timetable
def test_replay_finds_the_one_car_that_stands_and_no_other(tmp_path: Path) -> None:
    video = tmp_path / "street.mp4"
    said = render(video, view=SMALL, seed=SEED)
    book = read_book(ROOT / "rules/book")
    raised = replay(video, scene_camera(video, said, None), book, Frames())
    assert len(raised) == 1
    assert raised[0].start_s == pytest.approx(said.stop_s, abs=1.5)
    assert raised[0].end_s == pytest.approx(said.leave_s, abs=2.0)
    assert raised[0].bbox == pytest.approx(said.bbox, abs=12)
