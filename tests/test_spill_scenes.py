"""The onnx backend and the whole rule book on composited lorries, and on footage in which nothing falls."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.spills import Spills
from edge.config import Camera, Onnx, Zone
from edge.replay import Frames, Raised, replay
from edge.rule_files import read_book

pytestmark = pytest.mark.data

CHECKS_S = (10.0, 20.0, 30.0)
IN_TIME_S = 55.0


def recording(name: str) -> Path:
    folder = os.environ.get("WAYSIDE_DATA")
    if not folder:
        pytest.skip("WAYSIDE_DATA is not set: no footage")
    return Path(folder) / name


def lanes(scene: dict[str, Any]) -> tuple[Zone, ...]:
    zones = [
        {"id": lane["id"], "type": "lane", "polygon": lane["polygon"], "direction": lane["direction"]}
        for lane in scene["lanes"]
    ]
    return msgspec.convert(zones, tuple[Zone, ...])


def events(path: Path, size: tuple[int, int], zones: tuple[Zone, ...] = (), *, tick_hz: float = 2.0) -> list[Raised]:
    width, height = size
    whole = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    camera = Camera(
        id="footage",
        source=str(path),
        size=size,
        tick_hz=tick_hz,
        backend=Onnx(model="yolox-nano-416x736"),
        spills=Spills(checks_s=CHECKS_S),
        zones=zones or (Zone(id="road", type="lane", polygon=whole),),
    )
    return replay(path, camera, read_book(Path("rules/book")), Frames())


def in_scene(name: str, *, tick_hz: float = 2.0) -> tuple[dict[str, Any], list[Raised]]:
    scene = json.loads(recording(f"scenes/{name}.json").read_text())
    width, height = scene["size"]
    return scene, events(recording(f"scenes/{name}.mp4"), (width, height), lanes(scene), tick_hz=tick_hz)


@pytest.mark.parametrize("tick_hz", [2.0, 5.0])
def test_what_the_lorry_loses_is_raised_once_in_time_and_where_it_lies(tick_hz: float) -> None:
    scene, [raised] = in_scene("spill_debris", tick_hz=tick_hz)
    [truth] = scene["events"]
    assert raised.kind in {"spill", "road_debris"}
    assert truth["start_s"] <= raised.raise_s <= truth["start_s"] + IN_TIME_S
    (ax, ay, aw, ah), (bx, by, bw, bh) = raised.bbox, truth["bbox"]
    shared = max(min(ax + aw, bx + bw) - max(ax, bx), 0) * max(min(ay + ah, by + bh) - max(ay, by), 0)
    assert shared / (aw * ah + bw * bh - shared) > 0.5
    assert raised.end_s is None


def test_shadow_and_a_wet_patch_behind_a_lorry_are_nothing() -> None:
    assert in_scene("spill_shadow_wet_negative")[1] == []


@pytest.mark.parametrize("name", ["parking_simple", "parking_occlusion", "parking_queue_negative"])
def test_traffic_and_cars_that_stop_are_no_spill(name: str) -> None:
    assert in_scene(name)[1] == []


@pytest.mark.parametrize(
    ("name", "size"),
    [("vtest.avi", (768, 576)), ("intel_car-detection.mp4", (768, 432)), ("bgs_video02.avi", (320, 240))],
)
def test_nothing_is_found_on_real_footage_in_which_nothing_falls(name: str, size: tuple[int, int]) -> None:
    assert events(recording(f"footage/{name}"), size) == []
