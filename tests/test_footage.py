"""The onnx backend and the whole rule book on real footage and on composited scenes of known truth."""

import json
import os
from pathlib import Path

import pytest

from edge.config import Camera, Onnx, Zone
from edge.replay import Frames, Raised, replay
from edge.rule_files import read_book

pytestmark = pytest.mark.data

LIMIT_S = 30.0
YELLOW_LINES = ((630.0, 20.0), (767.0, 20.0), (767.0, 140.0), (630.0, 140.0))
"""Where a white van and a light blue car stand on double yellow lines in vtest.avi."""


def recording(name: str) -> Path:
    folder = os.environ.get("WAYSIDE_DATA")
    if not folder:
        pytest.skip("WAYSIDE_DATA is not set: no footage")
    return Path(folder) / name


def events(path: Path, size: tuple[int, int], polygon: tuple[tuple[float, float], ...] = ()) -> list[Raised]:
    width, height = size
    whole = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    camera = Camera(
        id="footage",
        source=str(path),
        size=size,
        backend=Onnx(model="yolox-nano-416x736"),
        zones=(Zone(id="kerb", type="no_parking", polygon=polygon or whole, parameters={"limit_s": LIMIT_S}),),
    )
    return replay(path, camera, read_book(Path("rules/book")), Frames())


def test_the_two_cars_on_double_yellow_lines_are_two_events() -> None:
    raised = events(recording("footage/vtest.avi"), (768, 576), YELLOW_LINES)
    assert len(raised) == 2
    assert {each.end_s for each in raised} == {None}
    assert all(LIMIT_S <= each.raise_s <= LIMIT_S + 10 for each in raised)
    left, right = sorted(each.bbox[0] for each in raised)
    assert 640 <= left <= 660
    assert 725 <= right <= 745


def test_a_car_on_the_hard_shoulder_is_one_event_on_time() -> None:
    scene = json.loads(recording("scenes/parking_simple.json").read_text())
    polygon = tuple((x, y) for x, y in scene["zones"][0]["polygon"])
    [raised] = events(recording("scenes/parking_simple.mp4"), (640, 480), polygon)
    [truth] = scene["events"]
    due_s = truth["start_s"] + LIMIT_S
    assert due_s - 2 <= raised.raise_s <= due_s + 10
    assert raised.end_s == pytest.approx(truth["end_s"], abs=5)


@pytest.mark.parametrize(
    ("name", "size"),
    [("footage/intel_car-detection.mp4", (768, 432)), ("footage/bgs_video02.avi", (320, 240))],
)
def test_traffic_that_passes_is_no_event(name: str, size: tuple[int, int]) -> None:
    assert events(recording(name), size) == []
