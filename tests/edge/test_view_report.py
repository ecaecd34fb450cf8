"""What a watch says of a camera's view, also while the camera is blind."""

import msgspec

from detectors.tick import Box, Tick
from detectors.view import View
from edge.config import Camera, Motion, Zone
from edge.rule_files import OWN_BOOK, read_book
from edge.watch import Watch
from wire.event import Event
from wire.observation import Observation

GOOD = View(luminance=127.5, lost=0.0, sharpness=1.0, change=20.0, shift=(0.0, 0.0), match=0.8, moved=0.0)
SOFT = msgspec.structs.replace(GOOD, sharpness=0.4)
CAR = Box(200, 250, 280, 310, "car", 0.8)
CAMERA = Camera(
    id="cam-1",
    source="x.mp4",
    size=(640, 480),
    backend=Motion(),
    zones=(
        Zone(
            id="kerb", type="no_parking", polygon=((0, 0), (640, 0), (640, 480), (0, 480)), parameters={"limit_s": 30}
        ),
    ),
)


def _play(views: list[View | None], blind: str = "") -> list[tuple[float, Event | Observation]]:
    watch = Watch(CAMERA, read_book(OWN_BOOK))
    state, found = watch.first(), list[tuple[float, Event | Observation]]()
    for number, view in enumerate(views):
        time_s = number / 2
        tick = Tick(
            camera="cam-1", time_s=time_s, time_ms=1_700_000_000_000 + round(time_s * 1000), size=(640, 480),
            boxes=(CAR,), view=view, blind=blind,
        )  # fmt: skip
        state, outputs = watch.step(state, tick)
        found += [(time_s, each) for each in outputs if isinstance(each, Event | Observation)]
    return found


def _said(found: list[tuple[float, Event | Observation]]) -> list[tuple[float, object]]:
    return [(s, o.result) for s, o in found if isinstance(o, Observation) and o.property == "camera.view"]


def test_the_view_is_said_every_minute_and_on_every_change() -> None:
    found = _play([GOOD] * 180 + [SOFT] * 160 + [GOOD] * 20)
    assert _said(found) == [(0.0, "clear"), (60.0, "clear"), (114.5, "defocused"), (173.5, "clear")]


def test_its_measures_go_with_it_and_have_units() -> None:
    found = [each for time_s, each in _play([GOOD]) if isinstance(each, Observation) and time_s == 0]
    measures = {each.property: (each.result, each.unit) for each in found if each.property.startswith("camera.")}
    assert measures == {
        "camera.view": ("clear", ""),
        "camera.luminance": (50.0, "%"),
        "camera.clipped": (0.0, "%"),
        "camera.detail_lost": (0.0, "%"),
        "camera.sharpness": (1.0, "1"),
        "camera.shift": (0.0, "%"),
        "camera.match": (0.8, "1"),
        "camera.moved": (0.0, "%"),
    }


def test_it_is_said_while_the_camera_is_blind() -> None:
    assert _said(_play([GOOD], blind="learning the empty street")) == [(0.0, "clear")]


def test_boxes_without_pictures_say_nothing_of_a_view() -> None:
    assert _said(_play([None] * 200)) == []


def test_no_dwell_is_credited_and_nothing_is_raised_while_the_picture_is_out_of_focus() -> None:
    events = [(s, each) for s, each in _play([GOOD] * 20 + [SOFT] * 400) if isinstance(each, Event)]
    assert [(s, each.phase) for s, each in events] == [(30.0, "start")]
    assert [each for each in _play([SOFT] * 53 + [SOFT] * 400) if isinstance(each[1], Event)] == []
