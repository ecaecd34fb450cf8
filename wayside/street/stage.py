"""One picture of the street at one time."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from wayside.street.greenery import cast_shadows, standing
from wayside.street.ground import EAST, ground
from wayside.street.houses import houses, sky
from wayside.street.paint import paint
from wayside.street.people import paint_walker
from wayside.street.traffic import Trip, strides, trips, walked, walkers
from wayside.street.view import Floats, Image, View

_FINE = 2


@dataclass(frozen=True)
class Backdrop:
    """What does not move: the empty street, and the trees and lamps that walkers pass behind."""

    street: Image
    standing: Image
    cover: Image


def backdrop(view: View, seed: int) -> Backdrop:
    """Paint what does not move, twice as large as needed, so that edges are soft."""
    rng = np.random.default_rng(seed)
    fine = view.scaled(_FINE)
    flat, picture = ground(fine, rng), sky(fine, rng)
    is_ground = _on_ground(fine)
    picture[is_ground] = flat[is_ground]
    cast_shadows(picture, fine, rng)
    houses(picture, fine, rng)
    colours, cover = standing(fine, rng)
    share = cover[..., None].astype(np.float32) / 255
    soft = cv2.resize(colours * share, view.size, interpolation=cv2.INTER_AREA)
    light = _vignette(view)
    street = cv2.resize(picture, view.size, interpolation=cv2.INTER_AREA) * light
    return Backdrop(
        np.clip(street, 0, 255).astype(np.uint8),
        np.clip(soft * light, 0, 255).astype(np.uint8),
        np.asarray(cv2.resize(cover, view.size, interpolation=cv2.INTER_AREA), dtype=np.uint8),
    )


@dataclass
class Stage:
    """Draws the street at any time of its timetable."""

    view: View
    backdrop: Backdrop
    seed: int
    cast: list[Trip] = field(default_factory=trips)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        width, height = self.view.size
        self._grain = rng.normal(0, 1.4, (height + 64, width + 64)).astype(np.float32)
        self._far = [walker for walker in walkers() if walker.y > 0]
        self._near = [walker for walker in walkers() if walker.y < 0]
        self._keep = cv2.merge([255 - self.backdrop.cover] * 3)

    def picture(self, time_s: float, number: int) -> Image:
        """Return the frame at ``time_s``; ``number`` chooses its grain."""
        frame = self.backdrop.street.copy()
        for walker in sorted(self._far, key=lambda one: -walked(one, time_s)):
            paint_walker(frame, walker, walked(walker, time_s), strides(walker, time_s), self.view)
        frame = self._behind_standing(frame)
        present = [(trip, state) for trip in self.cast if (state := trip.on_loop(time_s)) is not None]
        for trip, driving in sorted(present, key=lambda one: -self._distance(one[1].pose)):
            paint(frame, trip.vehicle, driving, self.view)
        for walker in sorted(self._near, key=lambda one: -walked(one, time_s)):
            paint_walker(frame, walker, walked(walker, time_s), strides(walker, time_s), self.view)
        return self._grainy(frame, number)

    def _behind_standing(self, frame: Image) -> Image:
        return np.asarray(
            cv2.add(cv2.multiply(frame, self._keep, scale=1 / 255), self.backdrop.standing), dtype=np.uint8
        )

    def _distance(self, pose: tuple[float, float, float]) -> float:
        return float(self.view.depth(np.array([pose[0], pose[1], 0.0])))

    def _grainy(self, frame: Image, number: int) -> Image:
        """Add sensor noise: one field of noise, looked at from elsewhere in every frame."""
        left, top = number * 37 % 64, number * 23 % 64
        width, height = self.view.size
        grain = self._grain[top : top + height, left : left + width]
        return np.asarray(cv2.add(frame, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U))


def _on_ground(view: View) -> np.ndarray:
    """Return which pixels see the ground of the plan."""
    width, height = view.size
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    back = np.linalg.inv(view.plane((0.0, 0.0, 0.0), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])))
    x, _, w = (back[n, 0] * columns + back[n, 1] * rows + back[n, 2] for n in range(3))
    below = w * np.sign(w[-1, width // 2]) > 0
    return np.asarray(below & (x / w < EAST))


def _vignette(view: View) -> Floats:
    width, height = view.size
    x, y = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
    return np.asarray((1.10 - 0.10 * (x**2 + y**2))[..., None])
