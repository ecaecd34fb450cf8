"""Stalls on composited scenes and real footage, with the model, all senses and the whole rule book."""

import json
import os
from pathlib import Path

import pytest

from edge.config import Camera, Onnx, Zone
from edge.replay import Frames, Raised, replay
from edge.rule_files import read_book

pytestmark = pytest.mark.data

LIMIT_S = 40.0


def folder() -> Path:
    named = os.environ.get("WAYSIDE_DATA")
    if not named:
        pytest.skip("WAYSIDE_DATA is not set: no footage")
    return Path(named)


def zones_of(scene: str) -> tuple[Zone, ...]:
    zones = json.loads((folder() / "scenes" / f"{scene}.json").read_text())["zones"]
    return tuple(
        Zone(
            id=f"{scene}-{zone['id']}".replace("_", "-"),
            type="stall",
            polygon=tuple((x, y) for x, y in zone["polygon"]),
            parameters={"limit_s": LIMIT_S},
        )
        for zone in zones
    )


def events(path: Path, zones: tuple[Zone, ...], size: tuple[int, int] = (768, 576)) -> list[Raised]:
    camera = Camera(
        id="footage", source=str(path), size=size, backend=Onnx(model="yolox-nano-416x736"), zones=zones, tick_hz=2
    )
    return replay(path, camera, read_book(Path("rules/book")), Frames())


@pytest.mark.parametrize("name", ["stall_cart", "stall_umbrella"])
def test_a_stall_is_one_event_on_time_with_its_start_and_end(name: str) -> None:
    path = folder() / "scenes" / f"{name}.mp4"
    [truth] = json.loads(path.with_suffix(".json").read_text())["events"]
    [raised] = events(path, zones_of(name))
    assert raised.kind == "mobile_vendor"
    assert -2 <= raised.raise_s - (truth["start_s"] + LIMIT_S) <= 10
    assert raised.start_s == pytest.approx(truth["start_s"], abs=2)
    assert raised.end_s == pytest.approx(truth["end_s"], abs=4)
    x, y, width, height = raised.bbox
    tx, ty, t_width, t_height = truth["bbox"]
    assert tx - 30 <= x + width / 2 <= tx + t_width + 30
    assert ty <= y + height / 2 <= ty + t_height


@pytest.mark.parametrize(
    ("name", "scenes"),
    [
        ("scenes/stall_people_chatting_negative.mp4", ("stall_people_chatting_negative", "stall_cart")),
        ("footage/vtest.avi", ("stall_umbrella", "stall_cart")),
    ],
)
def test_people_who_stand_and_walk_are_no_stall(name: str, scenes: tuple[str, str]) -> None:
    zones = tuple(zone for scene in scenes for zone in zones_of(scene))
    assert events(folder() / name, zones) == []


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("scenes/parking_simple.mp4", (640, 480)),
        ("scenes/parking_occlusion.mp4", (640, 480)),
        ("scenes/spill_shadow_wet_negative.mp4", (640, 480)),
        ("footage/intel_car-detection.mp4", (768, 432)),
    ],
)
def test_vehicles_that_stand_shadows_and_wet_road_are_no_stall(name: str, size: tuple[int, int]) -> None:
    width, height = size
    whole = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    zone = Zone(id="whole", type="stall", polygon=whole, parameters={"limit_s": LIMIT_S})
    assert events(folder() / name, (zone,), size) == []
