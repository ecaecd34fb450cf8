import numpy as np
import pytest
from numpy.typing import NDArray

from edge.pace import Pacing
from edge.senses.movement import Movement

SIZE = (540, 960)
RNG = np.random.default_rng(7)
STREET = RNG.integers(60, 140, (*SIZE, 3), np.uint8)


def noisy(image: NDArray[np.uint8], sigma: float = 6.0) -> NDArray[np.uint8]:
    return np.clip(image + RNG.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


def watching(seconds: int = 20) -> Movement:
    """Return one that has seen the empty street for a while."""
    movement = Movement(Pacing())
    for number in range(2 * seconds):
        movement.moved(noisy(STREET), number / 2)
    return movement


def with_thing(height: int, width: int, *, grey: int, at: tuple[int, int] = (300, 400)) -> NDArray[np.uint8]:
    image = STREET.copy()
    image[at[0] : at[0] + height, at[1] : at[1] + width] = grey
    return image


def test_of_the_first_picture_nobody_knows_so_it_moves() -> None:
    assert Movement(Pacing()).moved(STREET, 0.0)


def test_an_empty_street_is_still_however_noisy_its_camera() -> None:
    movement = watching()
    assert not any(movement.moved(noisy(STREET, 12.0), 20 + number / 2) for number in range(40))


@pytest.mark.parametrize("grey", [30, 180])
@pytest.mark.parametrize("size", [(80, 160), (40, 20), (36, 14)])
def test_a_car_and_a_person_move_dark_or_light(size: tuple[int, int], grey: int) -> None:
    assert watching().moved(noisy(with_thing(*size, grey=grey)), 20.0)


def test_another_light_or_another_view_moves_once_and_is_then_the_street() -> None:
    movement = watching()
    brighter = np.clip(STREET.astype(int) + 80, 0, 255).astype(np.uint8)
    assert movement.moved(noisy(brighter), 20.0)
    assert not movement.moved(noisy(brighter), 20.5)


def test_what_has_stopped_counts_as_motion_until_it_is_part_of_the_street() -> None:
    movement = watching()
    moved = [movement.moved(noisy(with_thing(80, 160, grey=200)), 20 + number / 2) for number in range(100)]
    assert all(moved[:10])
    assert not any(moved[60:])
