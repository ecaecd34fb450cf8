"""Class-free: boxes of whatever differs from the empty street. For fixed views; needs no weights.

Two exponential averages of a small grey picture, as in Porikli et al., "Robust abandoned object detection using dual
foregrounds", EURASIP JASP 2008: the slow one is the empty street and is not taught by what stands on it (selective
update); a pixel that differs from the street but not from the fast one belongs to something that stands still.
"""

import math
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.tick import Box
from edge.config import Motion
from edge.inference import Found
from edge.video import Image

_Grey = NDArray[np.float32]
_Mask = NDArray[np.uint8]
_Bits = NDArray[np.bool_]
_Pixel = TypeVar("_Pixel", np.uint8, np.float32)

_WIDTH = 320
_FAST_S = 2.0
"""Time constant of the fast average: what stands for about twice as long is seen to stand."""
_STREET_S = 60.0
"""Time constant at which the bare street follows the daylight."""
_STEP_MAX_S = 2.0
"""A longer gap between pictures teaches no more than this: nobody knows what was there."""
_SUDDEN_SHARE = 0.6
"""If more of the picture than this differs at once, the light has changed and not the street."""
_LESSONS_MAX = 32
"""Pictures that the empty street is learnt from; their median does not see traffic that passes."""
_SPLIT = (0.2, 0.9)
"""A blob that stands still for less than the first share moves, for more than the second it stands; between them two
things touch, one of each kind."""
_BLIND = "learning the empty street"


class Difference:
    """Boxes, labelled ``thing``, of what is not street, moving or standing."""

    name = "motion"
    is_stateless = False
    input_size = None

    def __init__(self, config: Motion) -> None:
        self._config = config
        self._began_s: float | None = None
        self._last_s = 0.0
        self._lessons: list[_Grey] = []
        self._street: _Grey | None = None
        self._fast: _Grey = np.empty((0, 0), np.float32)

    def detect(self, image: Image, time_s: float) -> Found:
        """Return the things in a picture; blind while the empty street is learnt."""
        grey = _small(image)
        step_s = min(max(time_s - self._last_s, 0.0), _STEP_MAX_S)
        self._last_s = time_s
        if self._street is None:
            return self._learn(grey, time_s)
        evened = _evened(grey, self._street)
        difference = np.abs(evened - self._street)
        differs = _cleaned(difference > self._config.threshold)
        if differs.mean() > _SUDDEN_SHARE:
            self._street, self._began_s = None, None
            return self._learn(grey, time_s)
        stands = differs & (np.abs(evened - self._fast) < self._config.threshold)
        self._fast = self._fast + np.float32(1 - math.exp(-step_s / _FAST_S)) * (evened - self._fast)
        self._street = self._street + self._lesson(differs, step_s) * (evened - self._street)
        scale = (image.shape[1] / grey.shape[1], image.shape[0] / grey.shape[0])
        return Found(tuple(self._boxes(differs, stands, difference, scale)))

    def _learn(self, grey: _Grey, time_s: float) -> Found:
        """Gather pictures, evenly over the time of learning; at its end their median is the street."""
        if self._began_s is None:
            self._began_s, self._lessons = time_s, []
        share = (time_s - self._began_s) / self._config.learn_s
        if share * _LESSONS_MAX >= len(self._lessons):
            self._lessons.append(grey)
        if share >= 1:
            self._street = np.median(np.stack(self._lessons), axis=0).astype(np.float32)
            self._fast = grey.copy()
            self._lessons = []
        return Found((), _BLIND)

    def _lesson(self, differs: _Mask, step_s: float) -> _Grey:
        """Return how much of a picture each pixel of the street takes over: under things and near them, hardly any."""
        near = cv2.dilate(differs, np.ones((9, 9), np.uint8))
        bare = 1 - math.exp(-step_s / _STREET_S)
        covered = 1 - math.exp(-step_s / self._config.forget_s)
        return np.where(near, np.float32(covered), np.float32(bare))

    def _boxes(self, differs: _Mask, stands: _Mask, difference: _Grey, scale: tuple[float, float]) -> list[Box]:
        """Return a box for each blob; one that stands in part and moves in part is two things that touch."""
        boxes = []
        area_min = self._config.area_min * differs.size
        for blob in _blobs(differs, area_min):
            parts = [blob]
            standing = blob.mask & blob.of(stands)
            if _SPLIT[0] < standing.sum() / blob.mask.sum() < _SPLIT[1]:
                standing = _cleaned(standing) & blob.mask
                moving = blob.mask & (1 - standing)
                halves = [*_blobs(standing, area_min), *_blobs(moving, area_min)]
                parts = [half.moved(blob.x, blob.y) for half in halves] or [blob]
            boxes += [self._box(part, difference, scale) for part in parts]
        return sorted(boxes, key=lambda box: (-box.confidence, box.x1, box.y1))

    def _box(self, blob: "_Blob", difference: _Grey, scale: tuple[float, float]) -> Box:
        """Return a blob's box; confidence is its mean difference, 0.5 at the threshold and 1 at twice that."""
        contrast = float(blob.of(difference)[blob.mask > 0].mean()) / (2 * self._config.threshold)
        height, width = blob.mask.shape
        return Box(
            round(blob.x * scale[0], 1),
            round(blob.y * scale[1], 1),
            round((blob.x + width) * scale[0], 1),
            round((blob.y + height) * scale[1], 1),
            "thing",
            round(min(1.0, contrast), 4),
        )


class _Blob(NamedTuple):
    """A connected piece: its corner in the picture and, cut to its bounds, its mask."""

    x: int
    y: int
    mask: _Mask

    def of(self, picture: NDArray[_Pixel]) -> NDArray[_Pixel]:
        """Return the part of a picture that lies in the blob's bounds."""
        height, width = self.mask.shape
        return picture[self.y : self.y + height, self.x : self.x + width]

    def moved(self, x: int, y: int) -> "_Blob":
        """Return the blob as seen from a corner that lies further up and left."""
        return _Blob(self.x + x, self.y + y, self.mask)


def _small(image: Image) -> _Grey:
    """Return a picture as grey, about 320 wide, smoothed against noise."""
    height = round(image.shape[0] * _WIDTH / image.shape[1])
    small = cv2.cvtColor(cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    return cv2.GaussianBlur(small, (5, 5), 0).astype(np.float32)


def _evened(grey: _Grey, street: _Grey) -> _Grey:
    """Return a picture as bright as the street: a camera's exposure drifts, the median pixel's share of it does not."""
    gain = np.median((street[::4, ::4] + 1) / (grey[::4, ::4] + 1))
    return grey * np.float32(gain)


def _cleaned(mask: _Bits | _Mask) -> _Mask:
    """Return a mask, 0 and 1, without specks and with its cracks closed."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)), np.uint8)


def _blobs(mask: _Mask, area_min: float) -> list[_Blob]:
    """Return each connected piece of a mask that is large enough."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    blobs = []
    for n in range(1, count):
        x, y, width, height, area = (int(each) for each in stats[n])
        if area >= area_min:
            blobs.append(_Blob(x, y, (labels[y : y + height, x : x + width] == n).astype(np.uint8)))
    return blobs
