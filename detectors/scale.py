"""Scale: how large a car looks at each row of the picture, and the ground that follows from it without calibration.

On a flat road seen by a camera that does not roll, the depth of a row y below the horizon y0 is f H / (y - y0), with
the focal length f in pixels and the camera's height H. So what is 1.5 m high, as cars are, measures
``h(y) = 1.5 f / depth = (1.5 / H) (y - y0)`` pixels: linear in y. The slope of that line is 1.5 / H, and where it
meets zero is the horizon. Both are found by the medians of car boxes in bands of rows and the median of the slopes
between the bands (Theil-Sen), which a fifth of wrong boxes cannot turn.

A car's box also holds some of its roof when it is seen from above, which makes it higher at the bottom of the picture
than the line says; the camera then seems lower than it is and everything smaller, by a third at 30 degrees. The focal
length is not in the boxes: it is taken from an angle of view of 50 degrees across, and a wrong one stretches lengths
along the road in proportion. Enough to tell a clod from a shadow and a lorry from a car; not enough to measure.
"""

import math
from itertools import combinations
from statistics import median

import msgspec
import numpy as np

from detectors.ground import Ground, Matrix
from detectors.tick import Box

CAR_HEIGHT_M = 1.5
_BANDS = 16
_SIZES_A_BAND = 15
_SIZES_MIN = 3
"""In a band that counts."""
_BANDS_MIN = 4
_SPAN_MIN = 0.25
"""Share of the picture's height that the bands must span."""
_SLOPE_MIN = 0.03
_VIEW_DEG = 50.0
"""Angle of view across that a camera is assumed to have."""
_SURE = 0.5
_RIM = 2.0
"""Pixels from the frame's edge within which a box may be cut."""

Line = tuple[float, float]
"""Slope k, and row y0 where a car would have no height: h(y) = k (y - y0)."""


class Scale(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The heights of cars by row, as far as they have been seen."""

    bands: dict[int, tuple[tuple[int, int], ...]] = {}
    """By band from the top: lower edge and height of the last cars seen there, pixels."""
    line: Line | None = None
    """None until cars have been seen at enough rows."""

    def learn(self, boxes: list[Box], size: tuple[int, int]) -> "Scale":
        """Return the scale after seeing these cars; boxes that are unsure or cut by the frame are passed over."""
        width, height = size
        bands = dict(self.bands)
        for box in boxes:
            is_whole = box.x1 > _RIM and box.y1 > _RIM and box.x2 < width - _RIM and box.y2 < height - _RIM
            if is_whole and box.confidence >= _SURE:
                band = int(box.y2 * _BANDS / height)
                seen = (round(box.y2), round(box.y2 - box.y1))
                bands[band] = (*bands.get(band, ())[1 - _SIZES_A_BAND :], seen)
        if bands == self.bands:
            return self
        return Scale(bands=bands, line=_fit(bands, height))

    def car_px(self, row: float) -> float | None:
        """Return how high a car is whose wheels are seen at this row, pixels; None while that is not known."""
        if self.line is None:
            return None
        slope, horizon = self.line
        return slope * (row - horizon) if row > horizon else None

    def ground(self, size: tuple[int, int]) -> Ground | None:
        """Return the road as a plane, estimated; x to the right, y away from the camera; None while it is not known."""
        return None if self.line is None else Ground(_matrix(self.line, size))


def _fit(bands: dict[int, tuple[tuple[int, int], ...]], height: int) -> Line | None:
    points = [
        (median(row for row, _ in seen), median(size for _, size in seen))
        for _, seen in sorted(bands.items())
        if len(seen) >= _SIZES_MIN
    ]
    if len(points) < _BANDS_MIN or points[-1][0] - points[0][0] < _SPAN_MIN * height:
        return None
    slope = median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0])
    if slope < _SLOPE_MIN:
        return None
    return round(slope, 5), round(median(row - size / slope for row, size in points), 2)


def _matrix(line: Line, size: tuple[int, int]) -> Matrix:
    """Return the homography from pixels to metres of a camera that does not roll.

    With the pitch t below the horizontal, and (u, v) in pixels from the middle of the picture over f, a ray meets the
    plane H below at x = H u / (v cos t + sin t) and y = H (cos t - v sin t) / (v cos t + sin t).
    """
    (slope, horizon), (width, height) = line, size
    focal = width / 2 / math.tan(math.radians(_VIEW_DEG / 2))
    pitch = math.atan2(height / 2 - horizon, focal)
    sine, cosine = math.sin(pitch), math.cos(pitch)
    # Seen level the slope is 1.5 / H; a pitch brings each row nearer by its cosine.
    above_m = CAR_HEIGHT_M / slope * cosine
    to_rays = np.array([[1 / focal, 0, -width / 2 / focal], [0, 1 / focal, -height / 2 / focal], [0, 0, 1]])
    to_road = above_m * np.array([[1, 0, 0], [0, -sine, cosine], [0, cosine / above_m, sine / above_m]])
    cells = (to_road @ to_rays).ravel().tolist()
    a, b, c, d, e, f, g, h, i = cells
    return a, b, c, d, e, f, g, h, i
