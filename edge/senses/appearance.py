"""Appearance: what a place looks like, small enough to be remembered with a stay and compared later."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.wants import Corners, Look
from edge.video import Image

Grey = NDArray[np.uint8]
StreetAt = Callable[[Corners, tuple[int, int]], Grey | None]
"""The empty street within corners of a frame of this width and height, at any scale; None where it is not known."""

_SIDE = 48
_BINS = 16
_PIXELS_MIN = 8
"""A place that is narrower or lower than this in the picture looks like nothing."""
_NOISE = 100.0
"""Variance, in grey levels squared, below which a patch is all noise: two bare patches of road are alike."""


def describe(image: Image, places: Mapping[str, Corners], street_at: StreetAt) -> tuple[Look, ...]:
    """Return a look at each place; none for a place that is too small or not in the picture.

    Args:
        image: blue green red.
        places: corners in pixels of the picture, by the id of who asks.
        street_at: the empty street there.
    """
    looks = []
    for name, corners in places.items():
        patch = _cut(image, corners)
        if patch is None:
            continue
        small = _resized(patch, (_SIDE, _SIDE))
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        street = street_at(corners, (image.shape[1], image.shape[0]))
        looks.append(Look(name, luma.tobytes(), _hues(small), 0.0 if street is None else _likeness(luma, street)))
    return tuple(looks)


def _cut(image: Image, corners: Corners) -> Image | None:
    height, width = image.shape[:2]
    left, right = (round(min(max(x, 0), width)) for x in (corners[0], corners[2]))
    top, bottom = (round(min(max(y, 0), height)) for y in (corners[1], corners[3]))
    return image[top:bottom, left:right] if min(right - left, bottom - top) >= _PIXELS_MIN else None


def _resized(picture: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _hues(small: Image) -> bytes:
    """Return a histogram of hue and saturation, the largest count 255."""
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1], None, [_BINS, _BINS], [0, 180, 0, 256])
    shares: Grey = np.round(counts * (255 / counts.max())).astype(np.uint8)
    return shares.tobytes()


def _likeness(luma: Grey, street: Grey) -> float:
    """Return how well a patch correlates with the empty street there, -1 to 1 and never 0.

    With a floor under both variances, as in structural similarity (Wang et al., IEEE TIP 2004), lest the noise of
    bare asphalt be compared; and at the coarser scale of the two.
    """
    height, width = (min(each, _SIDE) for each in street.shape)
    here, bare = (_resized(each, (width, height)).astype(np.float64) for each in (luma, street))
    covariance = float(((here - here.mean()) * (bare - bare.mean())).mean())
    spread = float(np.sqrt((here.var() + _NOISE) * (bare.var() + _NOISE)))
    return round((covariance + _NOISE) / spread, 3) or 0.001
