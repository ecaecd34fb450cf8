"""The scale is learnt from made-up cars on a flat road."""

import numpy as np
import pytest

from detectors.scale import Scale
from detectors.tick import Box

SIZE = (640, 480)


def cars(horizon: float, slope: float, *, wrong: int = 0, seed: int = 1) -> list[Box]:
    random = np.random.default_rng(seed)
    made = []
    for number in range(60):
        row = float(random.uniform(max(horizon, 0) + 60, 470))
        height = slope * (row - horizon) * float(random.normal(1, 0.08))
        height *= 2.5 if number < wrong else 1
        made.append(Box(200, row - height, 300, row, "car", 0.8))
    return made


def learnt(boxes: list[Box]) -> Scale:
    return Scale().learn(boxes, SIZE)


@pytest.mark.parametrize(("horizon", "slope"), [(-80.0, 0.2), (0.0, 0.3), (60.0, 0.25)])
def test_the_line_is_found_also_when_a_fifth_of_the_boxes_are_lorries(horizon: float, slope: float) -> None:
    for wrong in (0, 12):
        scale = learnt(cars(horizon, slope, wrong=wrong))
        assert scale.car_px(300) == pytest.approx(slope * (300 - horizon), rel=0.15)


def test_the_ground_is_as_wide_and_as_deep_as_the_camera_s_height_says() -> None:
    # A level camera 5 m up: 1.5 m are 0.3 of the rows below the horizon; the focal length is 320 / tan(25 deg) = 686.
    ground = learnt(cars(240, 0.3)).ground(SIZE)
    assert ground is not None
    [[left, _], [right, depth]] = ground.metres(np.array([(320.0, 400.0), (420.0, 400.0)])).tolist()
    assert right - left == pytest.approx(100 * 5 / 160, rel=0.15)
    assert depth == pytest.approx(686.2 * 5 / 160, rel=0.25)


def test_a_few_cars_or_cars_at_one_place_teach_nothing() -> None:
    assert learnt(cars(0, 0.3)[:5]).line is None
    assert learnt([Box(200, 210, 300, 300, "car", 0.8)] * 40).line is None


def test_a_steep_view_in_which_cars_look_the_same_everywhere_teaches_nothing() -> None:
    scale = learnt([Box(200, row - 90, 300, row, "car", 0.8) for row in range(120, 470, 5)])
    assert scale.car_px(300) is None
    assert scale.ground(SIZE) is None


def test_cars_that_the_frame_cuts_or_the_model_doubts_are_passed_over() -> None:
    assert learnt([Box(0, 200, 100, 300, "car", 0.9), Box(200, 400, 300, 480, "car", 0.9)]).bands == {}
    assert learnt([Box(200, 200, 300, 300, "car", 0.4)]).bands == {}


def test_what_is_kept_stays_small() -> None:
    scale = Scale()
    for seed in range(50):
        scale = scale.learn(cars(0, 0.3, seed=seed), SIZE)
    assert max(map(len, scale.bands.values())) <= 15
