"""Steady: what the model finds in the picture of the last seconds, in which traffic vanishes and what stands remains.

As the winners of the AI City challenge on stopped vehicles do it: a detector on a background picture. The picture is
the median of a few, which needs no learning and forgets what drove past at once.
"""

from collections import deque

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.tick import Box
from edge.inference import Backend
from edge.video import Frame, Image

_PICTURES, _PICTURES_MIN = 7, 3
_EVERY_S, _SPAN_MIN_S = 2.5, 10.0
"""How far apart they are at least, and how much time they must span."""
_WIDTH_MAX = 640
"""Kept no wider than this: 7 pictures of 640 x 360 are 5 MB."""
_AGE_MAX_S = 40.0
"""Pictures older than this do not show the last seconds."""


class Steady:
    """Keeps a few pictures while something stands; for backends whose answer depends on nothing but the picture."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._ring: deque[tuple[float, Image]] = deque(maxlen=_PICTURES)

    def look(self, frame: Frame, *, stands: bool, asked: bool) -> tuple[Box, ...] | None:
        """Take note of a picture; return what the model finds in the last seconds if it was asked and knows them.

        Args:
            frame: the picture.
            stands: something stands, so that the question may come.
            asked: it has come.
        """
        if not stands:
            self._ring.clear()
            return None
        while self._ring and frame.time_s - self._ring[0][0] > _AGE_MAX_S:
            self._ring.popleft()
        if not self._ring or frame.time_s - self._ring[-1][0] >= _EVERY_S:
            self._ring.append((frame.time_s, _small(frame.image)))
        if not asked or len(self._ring) < _PICTURES_MIN or frame.time_s - self._ring[0][0] < _SPAN_MIN_S:
            return None
        pictures = [picture for _, picture in self._ring]
        middle = _median(pictures[1 - len(pictures) % 2 :])
        scale = frame.image.shape[1] / middle.shape[1], frame.image.shape[0] / middle.shape[0]
        return tuple(_scaled(box, *scale) for box in self._backend.detect(middle, frame.time_s).boxes)


def _small(image: Image) -> Image:
    height, width = image.shape[:2]
    if width <= _WIDTH_MAX:
        return image.copy()
    size = (_WIDTH_MAX, round(height * _WIDTH_MAX / width))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _median(pictures: list[Image]) -> Image:
    """Return the median of an odd number of pictures, by a sorting network: ten times as fast as partial sorting."""
    rows: list[NDArray[np.uint8]] = list(pictures)
    for turn in range(len(rows)):
        for low in range(turn % 2, len(rows) - 1, 2):
            one, other = rows[low], rows[low + 1]
            rows[low] = np.asarray(cv2.min(one, other), np.uint8)
            rows[low + 1] = np.asarray(cv2.max(one, other), np.uint8)
    return rows[len(rows) // 2]


def _scaled(box: Box, right: float, down: float) -> Box:
    x1, x2, y1, y2 = box.x1 * right, box.x2 * right, box.y1 * down, box.y2 * down
    return msgspec.structs.replace(box, x1=x1, y1=y1, x2=x2, y2=y2)
