"""Canvas: a network's input, written again and again into the same memory."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.video import Image

PADDING = 114
"""Grey that YOLO networks are trained with beside a picture."""


class Canvas:
    """A picture fitted to the top left of a network's input, grey beside it; planes of floats. For one thread.

    Fresh memory for every picture would cost more than the work itself: the system clears each page of it first.
    """

    def __init__(self, height: int, width: int, *, is_rgb: bool, white: float) -> None:
        self._height, self._width = height, width
        self._order = (2, 1, 0) if is_rgb else (0, 1, 2)
        self._unit = np.float32(white / 255)
        self._input = np.empty((1, 3, height, width), np.float32)
        self._fitted = np.empty((0, 0, 3), np.uint8)
        self._planes: list[NDArray[np.uint8]] = []

    def fit(self, image: Image) -> tuple[NDArray[np.float32], float]:
        """Return the input, which holds until the next call, and how many of its pixels a picture's pixel is."""
        scale = min(self._height / image.shape[0], self._width / image.shape[1])
        height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
        if self._fitted.shape[:2] != (height, width):
            self._prepare(height, width)
        if image.shape == self._fitted.shape:
            cv2.split(image, self._planes)
        else:
            cv2.split(
                cv2.resize(image, (width, height), dst=self._fitted, interpolation=cv2.INTER_LINEAR), self._planes
            )
        for n, source in enumerate(self._order):
            part = self._input[0, n, :height, :width]
            if self._unit == 1:
                np.copyto(part, self._planes[source])
            else:
                np.multiply(self._planes[source], self._unit, out=part, dtype=np.float32)
        return self._input, scale

    def _prepare(self, height: int, width: int) -> None:
        """Take memory for pictures of another shape; the grey beside them is written once."""
        self._fitted = np.empty((height, width, 3), np.uint8)
        self._planes = [np.empty((height, width), np.uint8) for _ in range(3)]
        self._input[:] = PADDING * self._unit
