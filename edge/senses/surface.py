"""Two pictures of one strip of road: what lies there now and did not before.

A log-ratio of the two makes exposure a constant; its median over two metres is what shadow, water and glow do, edges
included; what is left is smaller than about a metre. The edges of that median, where it is a pixel off, are not judged.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_WINDOW = 41
"""Pixels of the median: 2 m at 5 cm, about twice what a piece may measure."""
_RANGE = 3.0
"""Log-ratios from -1.5 to 1.5 are told apart, in 255 steps."""
_MADS, _CONTRAST_MIN = 6.0, 0.10
_EDGE_STEP = 6
"""Steps by which the median must change within three pixels to be an edge ..."""
_EDGE_BAND = 9
"""... and pixels beside it that are not judged."""
_AREA_MIN, _AREA_MAX = 4, 500
_ACROSS_MAX, _ALONG_MAX = 30, 60
"""Pixels. What stands upright is laid flat too, and drawn out along the lane the more the flatter it is seen."""
_FILL_MIN = 0.3


class Blob(NamedTuple):
    """One piece in pixels of the strip."""

    x: int
    y: int
    width: int
    height: int
    area: int


def compare(before: Grey, after: Grey, valid: Mask) -> list[Blob]:
    """Return what lies in ``after`` and not in ``before``, the largest first; pixels outside ``valid`` do not count."""
    if not valid.any():
        return []
    ratio = cv2.log(after.astype(np.float32) + 8) - cv2.log(before.astype(np.float32) + 8)
    ratio -= np.float32(np.median(ratio[valid][::7]))
    ratio[~valid] = 0
    ratio = cv2.blur(ratio, (3, 3))
    ratio = np.clip(ratio, -_RANGE / 2, _RANGE / 2)
    steps = cv2.convertScaleAbs(ratio, alpha=255 / _RANGE, beta=127.5)
    smooth = cv2.medianBlur(steps, _WINDOW)
    rest = np.abs(ratio - (smooth.astype(np.float32) - np.float32(127.5)) * np.float32(_RANGE / 255))
    threshold = max(_MADS * float(np.median(rest[valid][::7])), _CONTRAST_MIN)
    step = cv2.morphologyEx(smooth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    band = cv2.dilate((step > _EDGE_STEP).astype(np.uint8), np.ones((2 * _EDGE_BAND + 1,) * 2, np.uint8))
    mask = ((rest > threshold) & valid & (band == 0)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    blobs = [Blob(*(int(each) for each in row)) for row in stats[1:]]
    return sorted(filter(_is_piece, blobs), key=lambda blob: (-blob.area, blob.x, blob.y))


def _is_piece(blob: Blob) -> bool:
    return (
        _AREA_MIN <= blob.area <= _AREA_MAX
        and blob.width < _ACROSS_MAX
        and blob.height < _ALONG_MAX
        and blob.area > _FILL_MIN * blob.width * blob.height
    )
