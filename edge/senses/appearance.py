"""Appearance: what a place looks like, small enough to be remembered with a stay and compared later."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.wants import Corners, Look
from edge.video import Image

Grey = NDArray[np.uint8]

_SIDE = 48
_BINS = 16
_PIXELS_MIN = 8
"""A place that is narrower or lower than this in the picture looks like nothing."""
_NOISE = 100.0
"""Variance, in grey levels squared, below which a patch is all noise: two bare patches of road are alike."""


def describe(image: Image, places: Mapping[str, Corners], street: Grey | None = None) -> tuple[Look, ...]:
    """Return a look at each place; none for a place that is too small or not in the picture.

    Args:
        image: blue green red.
        places: corners in pixels of the picture, by the id of who asks.
        street: grey levels of the empty street, of the whole view, at any scale; None while it is not known.
    """
    looks = []
    for name, corners in places.items():
        patch = _cut(image, corners)
        if patch is None:
            continue
        small = np.asarray(cv2.resize(patch, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        looks.append(Look(name, luma.tobytes(), _hues(small), _street(luma, street, corners, image.shape)))
    return tuple(looks)


def _cut(image: Image | Grey, corners: Corners, scale: tuple[float, float] = (1.0, 1.0)) -> Image | Grey | None:
    height, width = image.shape[:2]
    left, right = (round(min(max(x * scale[0], 0), width)) for x in (corners[0], corners[2]))
    top, bottom = (round(min(max(y * scale[1], 0), height)) for y in (corners[1], corners[3]))
    if right - left < _PIXELS_MIN * scale[0] or bottom - top < _PIXELS_MIN * scale[1]:
        return None
    return image[top:bottom, left:right]


def _hues(small: Image) -> bytes:
    """Return a histogram of hue and saturation, the largest count 255."""
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1], None, [_BINS, _BINS], [0, 180, 0, 256])
    shares: Grey = np.round(counts * (255 / counts.max())).astype(np.uint8)
    return shares.tobytes()


def _street(luma: Grey, street: Grey | None, corners: Corners, shape: tuple[int, ...]) -> float:
    """Return how well a patch correlates with the empty street there, -1 to 1; 0 if the street is not known.

    With a floor under both variances, as in structural similarity (Wang et al., IEEE TIP 2004), lest the noise of
    bare asphalt be compared.
    """
    if street is None:
        return 0.0
    patch = _cut(street, corners, (street.shape[1] / shape[1], street.shape[0] / shape[0]))
    if patch is None or not patch.size:
        return 0.0
    bare = cv2.resize(patch, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    here = luma.astype(np.float64)
    covariance = float(((bare - bare.mean()) * (here - here.mean())).mean())
    spread = float(np.sqrt((bare.var() + _NOISE) * (here.var() + _NOISE)))
    return round((covariance + _NOISE) / spread, 3) or 0.001
