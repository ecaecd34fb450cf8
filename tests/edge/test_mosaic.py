"""The mosaic: places of a picture in one inference, and their boxes back where they belong."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.tick import Box
from detectors.wants import Corners
from edge.config import Motion, Onnx
from edge.inference import Found, open_backend
from edge.inference.mosaic import PLACES_MAX, grid, look, shows_all
from edge.inference.onnx import Network
from edge.video import Image, frames

COLOURS = {"car": (0, 0, 255), "truck": (0, 255, 0), "person": (255, 0, 0)}
"""Blue green red."""


class Painted:
    """A backend that finds what is painted in one of a few colours, to the pixel."""

    name, is_stateless = "painted", True

    def __init__(self, input_size: tuple[int, int] = (736, 416)) -> None:
        self.input_size = input_size
        self.seen: list[Image] = []

    def detect(self, image: Image, time_s: float) -> Found:
        assert image.shape == (self.input_size[1], self.input_size[0], 3)
        assert time_s == 0.0
        self.seen.append(image)
        boxes = []
        for label, colour in COLOURS.items():
            alike = (np.abs(image.astype(int) - colour).max(2) < 90).astype(np.uint8)
            for x, y, width, height, area in cv2.connectedComponentsWithStats(alike)[2][1:].tolist():
                boxes.append(Box(x, y, x + width, y + height, label, round(0.5 + area / 1e6, 4)))
        return Found(tuple(boxes))


def street(size: tuple[int, int], *things: tuple[str, Corners]) -> Image:
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    for label, (x1, y1, x2, y2) in things:
        image[round(y1) : round(y2), round(x1) : round(x2)] = COLOURS[label]
    return image


def near(box: Box, corners: Corners, pixels: float) -> bool:
    return all(abs(a - b) <= pixels for a, b in zip((box.x1, box.y1, box.x2, box.y2), corners, strict=True))


def test_a_box_comes_back_to_where_it_is_in_the_picture() -> None:
    car = (300.0, 200.0, 340.0, 220.0)
    boxes, regions = look(Painted(), street((1280, 720), ("car", car)), [car])
    assert len(boxes) == 1
    assert near(boxes[0], car, 1.5)
    assert boxes[0].label == "car"
    ((x1, y1, x2, y2),) = regions
    assert all(np.less_equal((x1, y1), (290, 195)))  # half of its size around it, and what fits besides
    assert all(np.greater_equal((x2, y2), (350, 225)))


def test_nine_places_are_one_inference() -> None:
    backend = Painted()
    places = [
        (100.0 + 180 * (n % 3), 80.0 + 200 * (n // 3), 140.0 + 180 * (n % 3), 110.0 + 200 * (n // 3)) for n in range(9)
    ]
    boxes, regions = look(backend, street((1280, 720), *(("car", place) for place in places)), places)
    assert len(backend.seen) == 1
    assert len(regions) == 9
    assert len(boxes) == 9
    assert all(any(near(box, place, 1.5) for box in boxes) for place in places)


@given(
    count=st.integers(1, PLACES_MAX),
    seed=st.integers(0, 10_000),
    size=st.sampled_from([(1920, 1080), (640, 480), (320, 240), (480, 800)]),
    wide=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_wherever_a_thing_stands_it_is_found_there(*, count: int, seed: int, size: tuple[int, int], wide: bool) -> None:
    chance = np.random.default_rng(seed)
    column, row = size[0] / 3, size[1] / 3
    places: list[Corners] = []
    for n in chance.permutation(9)[:count].tolist():
        side = np.floor(chance.uniform(0.2, 0.5, 2) * (column, row))
        corner = np.floor((n % 3 * column, n // 3 * row) + chance.uniform(0, 0.45, 2) * (column, row)) + 1
        places.append((*corner.tolist(), *(corner + side).tolist()))
    backend = Painted((736, 416) if wide else (416, 416))
    boxes, regions = look(backend, street(size, *(("car", place) for place in places)), places)
    for place, region in zip(places, regions, strict=True):
        zoom = backend.input_size[0] / grid(count, backend.input_size)[0] / (region[2] - region[0])
        assert any(near(box, place, 2 + 2 / zoom) for box in boxes)
        assert all(np.less_equal((0, 0), region[:2]))
        assert all(np.less_equal(region[:2], place[:2]))
        assert all(np.less_equal(place[2:], region[2:]))
        assert all(np.less_equal(region[2:], size))


def test_what_two_tiles_see_is_one_thing() -> None:
    first, second = (300.0, 200.0, 340.0, 220.0), (345.0, 200.0, 385.0, 220.0)
    image = street((1280, 720), ("car", first), ("truck", second))
    boxes, _ = look(Painted(), image, [first, second])
    assert sorted(box.label for box in boxes) == ["car", "truck"]


def test_of_a_thing_that_is_cut_nothing_is_said_unless_it_hides_the_place() -> None:
    place = (600.0, 300.0, 640.0, 320.0)
    _, ((_, y1, x2, y2),) = look(Painted(), street((1280, 720)), [place])
    beside = (x2 - 20, y1 + 60, x2 + 100, y1 + 120)
    boxes, _ = look(Painted(), street((1280, 720), ("truck", beside)), [place])
    assert boxes == ()
    before = (500.0, y1 + 40, x2 + 100, y2 - 40)
    (box,), _ = look(Painted(), street((1280, 720), ("truck", before)), [place])
    assert box.x1 <= place[0]
    assert box.x2 >= x2 > place[2]


def test_at_the_edge_of_the_picture_nothing_is_cut() -> None:
    car = (0.0, 690.0, 50.0, 720.0)
    boxes, ((x1, _, _, y2),) = look(Painted(), street((1280, 720), ("car", car)), [car])
    assert near(boxes[0], car, 1.5)
    assert (x1, y2) == (0.0, 720.0)


def test_a_place_that_lies_outside_or_has_no_size_breaks_nothing() -> None:
    for place in ((-50.0, -50.0, -10.0, -10.0), (2000.0, 900.0, 2100.0, 1000.0), (100.0, 100.0, 100.0, 100.0)):
        boxes, regions = look(Painted(), street((1280, 720)), [place])
        assert boxes == ()
        assert len(regions) == 1


def test_a_picture_is_enlarged_to_twice_its_size_at_most() -> None:
    backend = Painted()
    place = (100.0, 100.0, 110.0, 110.0)
    _, ((x1, _, x2, _),) = look(backend, street((320, 240), ("car", place)), [place])
    assert 736 / (x2 - x1) <= 2.4  # its border does not count as looked at


def test_many_large_places_are_better_seen_in_the_whole_picture() -> None:
    large: Sequence[Corners] = [(10.0 + 100 * n, 50.0, 250.0 + 100 * n, 400.0) for n in range(4)]
    assert shows_all(Painted(), (768, 576), large[:1])
    assert not shows_all(Painted(), (768, 576), large)
    assert shows_all(Painted(), (768, 576), [(10.0 + 70 * n, 50.0, 70.0 + 70 * n, 80.0) for n in range(9)])
    assert not shows_all(Painted(), (768, 576), [])


def test_a_backend_that_remembers_pictures_is_shown_no_mosaic() -> None:
    with pytest.raises(ValueError, match="motion looks at whole pictures only"):
        look(open_backend(Motion()), street((640, 480)), [(10, 10, 40, 40)])
    assert not shows_all(open_backend(Motion()), (640, 480), [(10, 10, 40, 40)])


@pytest.mark.parametrize("count", [0, 10])
def test_more_than_nine_places_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to 9 places, got {count}"):
        look(Painted(), street((640, 480)), [(10, 10, 40, 40)] * count)


def seen(boxes: Sequence[Box], place: Corners) -> bool:
    def overlap(box: Box) -> float:
        across = max(0.0, min(box.x2, place[2]) - max(box.x1, place[0]))
        down = max(0.0, min(box.y2, place[3]) - max(box.y1, place[1]))
        union = (box.x2 - box.x1) * (box.y2 - box.y1) + (place[2] - place[0]) * (place[3] - place[1]) - across * down
        return across * down / union

    vehicles = {"car", "bus", "truck"}
    return any(box.label in vehicles and box.confidence >= 0.3 and overlap(box) > 0.45 for box in boxes)


PARKED = ((652.0, 42.0, 727.0, 98.0), (734.0, 50.0, 768.0, 95.0))


@pytest.mark.data
def test_parked_cars_are_seen_in_a_mosaic_as_in_the_whole_picture_and_from_far_away_too(recorded: Path) -> None:
    backend = Network(Onnx(model="yolox-nano-416x736"))
    pictures = frames(str(recorded / "footage" / "vtest.avi"), tick_hz=0.05, decode="full", size=(768, 576))
    for frame in pictures:
        for part in (1, 3):
            image = cv2.resize(frame.image, (768 // part, 576 // part), interpolation=cv2.INTER_AREA)
            places = [(x1 / part, y1 / part, x2 / part, y2 / part) for x1, y1, x2, y2 in PARKED]
            boxes, _ = look(backend, np.asarray(image, np.uint8), places)
            assert all(seen(boxes, place) for place in places)


@pytest.mark.data
def test_a_small_car_in_a_large_picture_is_seen_only_in_the_mosaic(recorded: Path) -> None:
    backend = Network(Onnx(model="yolox-nano-416x736"))
    clip = str(recorded / "footage" / "vtest.avi")
    frame = next(iter(frames(clip, tick_hz=1, decode="full", size=(768, 576))))
    large = np.tile(frame.image, (3, 3, 1))
    places = [(x1 + 768 * n, y1 + 576, x2 + 768 * n, y2 + 576) for n in range(3) for x1, y1, x2, y2 in PARKED]
    assert not any(seen(backend.detect(large, 0.0).boxes, place) for place in places)
    boxes, _ = look(backend, large, places)
    assert all(seen(boxes, place) for place in places)


@pytest.mark.data
def test_the_car_on_the_hard_shoulder_is_seen_among_nine_places(recorded: Path) -> None:
    backend = Network(Onnx(model="yolox-nano-416x736"))
    clip = str(recorded / "scenes" / "parking_simple.mp4")
    car = (528.0, 263.0, 599.0, 331.0)
    others = [(60.0 * n, 200.0, 60.0 * n + 50, 240.0) for n in range(8)]
    for frame in frames(clip, tick_hz=0.1, decode="full", size=(640, 480)):
        if 25 < frame.time_s < 75:
            assert seen(look(backend, frame.image, [*others, car])[0], car)
