"""The class-free backend on made-up streets: what arrives, stands and leaves; light; noise."""

import numpy as np
from numpy.typing import NDArray

from detectors.tick import Box
from edge.config import Motion
from edge.inference import Found, open_backend
from edge.inference.motion import Difference

SIZE = (640, 360)
CAR = (300, 200, 90, 50)
LEARNING = "learning the empty street"
Image = NDArray[np.uint8]
GRAIN = np.random.default_rng(1).normal(0, 1, (SIZE[1], SIZE[0])).astype(np.float32)


def street(seed: int = 1, *, noise: float = 3.0, gain: float = 1.0, things: tuple[tuple[int, ...], ...] = ()) -> Image:
    """A road with a pavement; each thing is x, y, width, height and, if given, its grey level."""
    width, height = SIZE
    image = np.full((height, width), 95, np.float32)
    image[:120] = 150
    image[118:122] = 190
    for x, y, w, h, *level in things:
        grey = level[0] if level else 215
        image[y : y + h, x : x + w] = grey
        image[y + h // 3 : y + h // 2, x + w // 5 : x + w - w // 5] = grey - 60
    image += noise * np.roll(GRAIN, seed * 7919)
    return np.repeat(np.clip(image * gain, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


class Watched:
    """A backend and its clock, two pictures a second."""

    def __init__(self, config: Motion | None = None) -> None:
        self.backend = Difference(config or Motion())
        self.tick = 0

    def see(self, image: Image) -> Found:
        self.tick += 1
        return self.backend.detect(image, self.tick / 2)

    def see_for(self, seconds: float, **scene: object) -> list[Found]:
        return [self.see(street(self.tick, **scene)) for _ in range(int(seconds * 2))]


def learned() -> Watched:
    watched = Watched()
    watched.see_for(6)
    return watched


def iou(box: Box, thing: tuple[int, ...]) -> float:
    x, y, w, h, *_ = thing
    across = max(0.0, min(box.x2, x + w) - max(box.x1, x))
    down = max(0.0, min(box.y2, y + h) - max(box.y1, y))
    both = across * down
    return both / ((box.x2 - box.x1) * (box.y2 - box.y1) + w * h - both)


def finds(found: Found, thing: tuple[int, ...]) -> bool:
    return any(iou(box, thing) > 0.7 for box in found.boxes)


def test_it_is_blind_until_the_empty_street_is_learnt_and_says_so() -> None:
    found = Watched().see_for(6)
    assert [each.blind for each in found] == [LEARNING] * 9 + [""] * 3  # 4 s at two a second, both ends counted
    assert not any(each.boxes for each in found)


def test_an_empty_noisy_street_holds_nothing() -> None:
    assert not any(found.boxes for found in learned().see_for(30, noise=8.0))


def test_traffic_that_passes_while_it_learns_is_not_taken_for_street() -> None:
    watched = Watched()
    for n in range(9):
        watched.see(street(n, things=((n * 60, 200, 90, 50),)))
    assert not any(found.boxes for found in watched.see_for(5))


def test_a_car_is_found_while_it_comes_stands_and_goes() -> None:
    watched = learned()
    coming = [watched.see(street(n, things=((n * 60, 200, 90, 50),))) for n in range(5)]
    assert all(finds(found, (n * 60, 200, 90, 50)) for n, found in enumerate(coming))
    assert all(finds(found, CAR) for found in watched.see_for(60, things=(CAR,)))
    assert not any(found.boxes for found in watched.see_for(5))


def test_a_dark_car_is_found_as_well_as_a_light_one() -> None:
    dark = (*CAR, 60)
    assert all(finds(found, dark) for found in learned().see_for(10, things=(dark,)))


def test_a_car_that_stands_for_long_is_not_learnt_as_street() -> None:
    found = learned().see_for(400, things=(CAR,))
    assert finds(found[-1], CAR)


def test_after_the_configured_time_a_thing_is_taken_for_street() -> None:
    watched = Watched(Motion(forget_s=60))
    watched.see_for(6)
    assert finds(watched.see_for(10, things=(CAR,))[-1], CAR)
    assert not watched.see_for(240, things=(CAR,))[-1].boxes


def test_a_passer_by_who_touches_a_standing_car_does_not_move_its_box() -> None:
    watched = learned()
    watched.see_for(20, things=(CAR,))
    walker = (388, 190, 20, 60)
    assert finds(watched.see(street(3, things=(CAR, walker))), CAR)


def test_exposure_that_drifts_or_jumps_a_little_shows_nothing() -> None:
    watched = learned()
    drifting = [watched.see(street(n, gain=1 + 0.004 * n)) for n in range(60)]
    jumped = watched.see_for(5, gain=0.8)
    assert not any(found.boxes for found in drifting + jumped)


def test_a_car_is_found_under_another_exposure() -> None:
    assert all(finds(found, CAR) for found in learned().see_for(5, gain=0.75, things=(CAR,)))


def test_when_most_of_the_picture_changes_at_once_it_learns_anew() -> None:
    watched = learned()
    other = np.random.default_rng(5).integers(0, 255, (360, 640, 3)).astype(np.uint8)
    other = np.kron(other[::40, ::40], np.ones((40, 40, 1))).astype(np.uint8)
    assert [watched.see(other).blind for _ in range(11)] == [LEARNING] * 9 + ["", ""]


def test_what_is_smaller_than_the_configured_share_is_no_thing() -> None:
    watched = Watched(Motion(area_min=0.03))  # the car covers 0.02 of the picture
    watched.see_for(6)
    assert not any(found.boxes for found in watched.see_for(5, things=(CAR,)))


def test_a_gap_between_pictures_teaches_nothing() -> None:
    watched = learned()
    watched.see_for(5, things=(CAR,))
    watched.tick += 7200
    assert finds(watched.see(street(8, things=(CAR,))), CAR)


def test_the_same_pictures_give_the_same_boxes() -> None:
    assert learned().see_for(10, things=(CAR,)) == learned().see_for(10, things=(CAR,))


def test_boxes_are_in_pixels_of_the_picture_that_was_given() -> None:
    backend = open_backend(Motion())
    doubled = (2 * CAR[0], 2 * CAR[1], 2 * CAR[2], 2 * CAR[3])
    for n in range(12):
        backend.detect(np.kron(street(n), np.ones((2, 2, 1), np.uint8)), n / 2)
    found = backend.detect(np.kron(street(20, things=(CAR,)), np.ones((2, 2, 1), np.uint8)), 6.0)
    assert finds(found, doubled)
