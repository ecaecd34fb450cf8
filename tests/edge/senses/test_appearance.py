"""Looks at made-up pictures."""

import numpy as np
from numpy.typing import NDArray

from detectors.likeness import is_alike, is_street
from detectors.wants import Corners, Look
from edge.senses.appearance import Grey, describe

PLACE: Corners = (100, 80, 220, 170)
RED, WHITE = (30, 30, 200), (235, 230, 225)


def _road(seed: int = 1) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 4, (240, 320, 3))
    return np.clip(90 + noise, 0, 255).astype(np.uint8)


def _car(colour: tuple[int, int, int], *, seed: int = 1, gain: float = 1.0, windows: int = 2) -> NDArray[np.uint8]:
    picture = _road(seed)
    picture[90:160, 110:210] = colour
    for number in range(windows):
        left = 120 + number * 80 // windows
        picture[95:125, left : left + 60 // windows] = 20
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


def _look(picture: NDArray[np.uint8], street: Grey | None = None) -> Look:
    (look,) = describe(picture, {"a": PLACE}, lambda *_: street)
    return look


def test_the_same_car_in_less_light_is_alike_and_another_is_not() -> None:
    known = _look(_car(RED))
    assert (len(known.luma), len(known.hues), max(known.hues)) == (2304, 256, 255)
    assert is_alike(known, _look(_car(RED, seed=2, gain=0.7)))
    assert not is_alike(known, _look(_car(WHITE, seed=3, windows=5)))


def test_the_empty_street_is_told_from_a_car_though_asphalt_is_all_noise() -> None:
    street = np.full((45, 60), 90, np.uint8)
    assert is_street(_look(_road(5), street)) is True
    assert is_street(_look(_car(RED), street)) is False
    assert is_street(_look(_car(RED))) is None


def test_a_place_that_is_not_in_the_picture_or_tiny_has_no_look() -> None:
    places: dict[str, Corners] = {"out": (400, 10, 500, 90), "tiny": (10, 10, 14, 30), "cut": (300, 200, 400, 300)}
    assert [look.id for look in describe(_road(), places, lambda *_: None)] == ["cut"]
