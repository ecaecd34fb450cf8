"""Lessons: pictures that a camera's view is learnt from; their median does not see traffic that passes."""

import cv2
import numpy as np

from detectors.view import View
from edge.senses.geometry import FINE_WIDTH
from edge.video import Image

_LEARN_S = 8.0
_LESSONS = (5, 9)
"""How many pictures are needed, and taken at most."""
_GOOD_BLANK, _GOOD_DARK, _GOOD_BRIGHT = 0.9, 0.97, 0.5
_GOOD_SHIFT = 0.01


class Lessons:
    """Gathers good pictures, evenly over the time of learning."""

    def __init__(self) -> None:
        self._pictures: list[Image] = []
        self._since_s: float | None = None

    def take(self, image: Image, view: View, time_s: float) -> Image | None:
        """Take a picture if it is good; return the median of all once there are enough."""
        if not _is_good(view):
            return None
        self._since_s = time_s if self._since_s is None else self._since_s
        share = (time_s - self._since_s) / _LEARN_S
        if share * (_LESSONS[1] - 1) >= len(self._pictures):
            self._pictures.append(_reduced(image))
        if share < 1 or len(self._pictures) < _LESSONS[0]:
            return None
        return np.asarray(np.median(np.stack(self._pictures[-_LESSONS[1] :]), axis=0), np.uint8)


def _is_good(view: View) -> bool:
    is_still = view.shift is None or max(map(abs, view.shift)) < _GOOD_SHIFT
    return is_still and view.blank < _GOOD_BLANK and view.dark < _GOOD_DARK and view.bright < _GOOD_BRIGHT


def _reduced(image: Image) -> Image:
    """Return a picture at most 640 wide."""
    if image.shape[1] <= FINE_WIDTH:
        return image
    height = round(image.shape[0] * FINE_WIDTH / image.shape[1])
    return np.asarray(cv2.resize(image, (FINE_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)
