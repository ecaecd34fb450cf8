"""Stillness: whether pictures are new. A frozen stream repeats itself; a still street has at least sensor noise."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

_WIDTH = 320
_CELLS = (16, 9)
_KEPT = 8
"""Four seconds at two a second: an encoder that is fed one picture repeats itself with each key frame."""
_ALIVE = 12.0
"""A cell that changed by so many grey levels has moved; no need to look further back."""


class Stillness:
    """Remembers the last pictures, as single pixels: an average would hide their noise."""

    def __init__(self) -> None:
        self._kept: deque[Grey] = deque(maxlen=_KEPT)

    def change(self, image: NDArray[np.uint8]) -> float | None:
        """Return how much the cell that changed most differs from the most similar picture of the last."""
        step = max(1, image.shape[1] // _WIDTH)
        pixels = np.ascontiguousarray(image[::step, ::step, 1])
        least: float | None = None
        for before in reversed(self._kept):
            change = _change(pixels, before)
            least = change if least is None else min(least, change)
            if least == 0 or least > _ALIVE:
                break
        self._kept.append(pixels)
        return None if least is None else round(least, 3)


def _change(one: Grey, other: Grey) -> float:
    difference = cv2.absdiff(one, other).astype(np.float32)
    return float(cv2.resize(difference, _CELLS, interpolation=cv2.INTER_AREA).max())
