"""Scale: how many pixels a metre has where something stands, told by the people and cars that pass there."""

from collections.abc import Iterable

import msgspec
import numpy as np

from detectors.geometry import Point
from detectors.ground import Ground
from detectors.tick import Box

_HEIGHTS_M = {"person": 1.7, "car": 1.5}
_SHAPES = {"person": (1.8, 4.0), "car": (0.4, 1.1)}
"""Height over width of one that is seen whole."""
_CONFIDENCE = 0.5
_KEEP = 0.999
"""Share of what is known that each further sighting leaves: some thousand sightings count."""
_SIGHTINGS_MIN = 12.0
_UNKNOWN_M = 12.0
"""Metres that the height of a picture is taken for until people or cars have passed."""
_SPREAD_MIN = 0.05
"""Heights of the picture over which sightings must be spread for a slope to be told."""
_RANGE = 4.0


class Scale(msgspec.Struct, frozen=True, array_like=True):
    """A straight line through pixels per metre over the row of the feet: sums of the sightings."""

    count: float = 0.0
    row: float = 0.0
    row_row: float = 0.0
    pixels: float = 0.0
    row_pixels: float = 0.0

    def with_sightings(self, boxes: Iterable[Box], size: tuple[int, int]) -> "Scale":
        """Return the scale after one more look at people and cars."""
        count, row, row_row, pixels, row_pixels = msgspec.structs.astuple(self)
        for box in boxes:
            height_m = _HEIGHTS_M.get(box.label)
            if height_m is None or box.confidence < _CONFIDENCE or not _is_whole(box, size):
                continue
            y, metre = box.y2 / size[1], (box.y2 - box.y1) / height_m
            count, row, row_row = count * _KEEP + 1, row * _KEEP + y, row_row * _KEEP + y * y
            pixels, row_pixels = pixels * _KEEP + metre, row_pixels * _KEEP + metre * y
        return Scale(count, row, row_row, pixels, row_pixels)

    def metre_at(self, point: Point, size: tuple[int, int], ground: Ground | None) -> float:
        """Return how many pixels an upright metre has at a point of the road."""
        if ground is not None:
            x, y = point
            left, right = ground.metres(np.array([(x - 0.5, y), (x + 0.5, y)], dtype=np.float64))
            return 1 / max(float(np.hypot(*(right - left))), 1e-4)
        if self.count < _SIGHTINGS_MIN:
            return size[1] / _UNKNOWN_M
        mean_row, mean = self.row / self.count, self.pixels / self.count
        spread = self.row_row / self.count - mean_row * mean_row
        slope = (self.row_pixels / self.count - mean_row * mean) / spread if spread > _SPREAD_MIN**2 else 0.0
        return min(max(mean + slope * (point[1] / size[1] - mean_row), mean / _RANGE), mean * _RANGE)


def _is_whole(box: Box, size: tuple[int, int]) -> bool:
    low, high = _SHAPES[box.label]
    shape = (box.y2 - box.y1) / max(box.x2 - box.x1, 1.0)
    return low <= shape <= high and box.x1 > 2 and box.y1 > 2 and box.x2 < size[0] - 2 and box.y2 < size[1] - 2
