"""Texture: how much can be seen in each part of a picture, and how sharply, against the same place before.

Cells are compared with themselves, so a bland street is as good as a rich one. Steepness is measured beside the
contrast around it: darkness takes from both alike, blur from the steep edges first (as in Crete et al., "The blur
effect", SPIE 2007).
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Cells = NDArray[np.float32]

COLUMNS = 16
_FOURTH = (np.arange(256, dtype=np.float32) / 2) ** 4
"""The fourth power of a gradient, grey levels a pixel, that is given in halves."""
_BLANK = 0.9
"""Standard deviation, grey levels, that sensor noise leaves in a cell of a small picture."""
_SEEN = 1.8
"""From here on something is seen in a cell: twice what is blank."""
_LOST = 0.35
"""A cell has lost what was seen when less of its contrast is left: a third survives dusk, not a sheet."""
_CHANGED = 0.4
"""A cell has changed when it differs from before by so much of its contrast."""
_JUDGED_MIN = 0.1
"""Share of cells that must have something to see, or a loss cannot be told."""
_FOLLOW_S, _CREEP_S = 120.0, 1_200.0
"""How quickly the memory follows: what is much as before; what is not quite."""
_AS_BEFORE = (0.3, 0.8)
"""Lost at most, sharp at least: the picture is as before, but for daylight."""
_NEARLY = (0.5, 0.65)
"""The same, beyond which it looks like a fault."""


class Texture(NamedTuple):
    """Contrast and steepness of each cell."""

    contrast: Cells
    steep: Cells


def texture_of(small: Grey, fine: Grey) -> Texture:
    """Measure a picture, given at 320 and 640 pixels of width."""
    size = (COLUMNS, max(1, round(small.shape[0] * COLUMNS / small.shape[1])))
    return Texture(contrast_of(small), _steep(fine, size))


def contrast_of(small: Grey) -> Cells:
    """Return the standard deviation of each cell."""
    size = (COLUMNS, max(1, round(small.shape[0] * COLUMNS / small.shape[1])))
    smooth = cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32)
    mean = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
    square = cv2.resize(cv2.multiply(smooth, smooth), size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), np.float32)


def blank_of(contrast: Cells) -> float:
    """Return the share of cells with nothing but noise."""
    return round(float((contrast < _BLANK).mean()), 3)


def changed_of(before: Cells, now: Cells, contrast_before: Cells, contrast: Cells) -> float | None:
    """Return the share of cells with something to see in which two small pictures differ; None if there are too few."""
    seen = np.minimum(contrast_before, contrast) >= _SEEN
    if seen.mean() < _JUDGED_MIN:
        return None
    difference = cv2.resize(cv2.absdiff(before, now), contrast.shape[::-1], interpolation=cv2.INTER_AREA)
    return float((difference > _CHANGED * contrast)[seen].mean())


def _steep(fine: Grey, size: tuple[int, int]) -> Cells:
    """Return the fourth-power mean of each cell's gradients: the steepest weigh most."""
    across, down = (cv2.convertScaleAbs(each, alpha=0.25) for each in cv2.spatialGradient(fine))
    fourth = cv2.resize(cv2.LUT(cv2.max(across, down), _FOURTH), size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.maximum(fourth, 0) ** 0.25, np.float32)


class TextureMemory:
    """What each cell was like; follows the daylight, never what looks like a fault."""

    def __init__(self, before: Texture) -> None:
        self._contrast, self._steep = before.contrast.copy(), before.steep.copy()

    def lost(self, contrast: Cells) -> float | None:
        """Return the share of cells that have lost what was seen; None if there is too little to see."""
        judged = self._contrast >= _SEEN
        if judged.mean() < _JUDGED_MIN:
            return None
        gone = contrast < np.maximum(_LOST * self._contrast, _BLANK)
        return round(float(gone[judged].mean()), 3)

    def sharpness(self, now: Texture) -> float | None:
        """Return how steep edges are, against before, in the cells where most is seen; the middle one of them."""
        best = self._contrast >= max(_SEEN, float(np.quantile(self._contrast, 0.6)))
        # What has gone or has been covered says nothing of focus.
        best &= now.contrast >= np.maximum(_LOST * self._contrast, _SEEN)
        if best.mean() < _JUDGED_MIN / 2:
            return None
        ratio = now.steep[best] / now.contrast[best] * self._contrast[best] / np.maximum(self._steep[best], 0.05)
        return round(float(np.median(ratio)), 3)

    def follow(
        self, now: Texture, dt_s: float, *, lost: float | None, sharpness: float | None, is_street: bool
    ) -> None:
        """Take over a little of a picture that is much as before, very little of one that is not quite, else none."""
        is_as_before = (lost or 0.0) < _AS_BEFORE[0] and (sharpness is None or sharpness > _AS_BEFORE[1])
        if not is_as_before and ((lost or 0.0) > _NEARLY[0] or (sharpness or 1.0) < _NEARLY[1]):
            return
        share = np.float32(1 - math.exp(-dt_s / (_FOLLOW_S if is_as_before and is_street else _CREEP_S)))
        self._contrast += share * (now.contrast - self._contrast)
        self._steep += share * (now.steep - self._steep)
