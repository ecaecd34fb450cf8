"""The picture of the last seconds, made of made-up ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.tick import Box
from edge.inference import Found
from edge.senses.steady import Steady
from edge.video import Frame, Image


class Bright:
    """Finds the bounds of what is bright."""

    name = "bright"
    is_stateless = True
    input_size = None

    def detect(self, image: Image, time_s: float) -> Found:
        del time_s
        ys, xs = np.nonzero(image[..., 0] > 128)
        if not len(xs):
            return Found(())
        return Found((Box(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1), "car", 0.9),))


def _picture(number: int, *, stands: bool, width: int = 320) -> NDArray[np.uint8]:
    picture = np.zeros((120, width, 3), np.uint8)
    if stands:
        picture[40:80, 100:160] = 200
    left = number * 37 % (width - 60)
    picture[20:100, left : left + 60] = 250  # traffic
    return picture


def _frame(number: int, picture: NDArray[np.uint8]) -> Frame:
    return Frame(image=picture, time_s=number / 2, time_ms=number * 500)


@pytest.mark.parametrize("stands", [True, False])
def test_what_stands_is_found_and_traffic_is_not(*, stands: bool) -> None:
    steady, found = Steady(Bright()), None
    for number in range(40):
        frame = _frame(number, _picture(number, stands=stands))
        found = steady.look(frame, stands=True, asked=number == 39)
    assert found is not None
    assert [(box.x1, box.y1, box.x2, box.y2) for box in found] == ([(100, 40, 160, 80)] if stands else [])


def test_boxes_are_given_in_pixels_of_the_frame() -> None:
    steady, found = Steady(Bright()), None
    for number in range(40):
        frame = _frame(number, np.repeat(np.repeat(_picture(number, stands=True), 4, axis=0), 4, axis=1))
        found = steady.look(frame, stands=True, asked=number == 39)
    assert found is not None
    assert [(box.x1, box.y2) for box in found] == [(400, 320)]


def test_it_does_not_answer_before_it_has_seen_ten_seconds_or_after_nothing_stood() -> None:
    steady = Steady(Bright())
    answers = [steady.look(_frame(n, _picture(n, stands=True)), stands=True, asked=True) for n in range(24)]
    assert [answer is not None for answer in answers] == [False] * 20 + [True] * 4
    steady.look(_frame(24, _picture(24, stands=True)), stands=False, asked=False)
    assert steady.look(_frame(25, _picture(25, stands=True)), stands=True, asked=True) is None


def test_of_pictures_far_apart_the_old_ones_are_forgotten() -> None:
    steady = Steady(Bright())
    for number in range(24):
        steady.look(_frame(number, _picture(number, stands=True)), stands=True, asked=False)
    assert steady.look(_frame(200, _picture(200, stands=True)), stands=True, asked=True) is None
