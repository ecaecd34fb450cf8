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
Log = NDArray[np.float32]

_WINDOW = 41
"""Pixels of the median: 2 m at 5 cm, about twice what a piece may measure."""
_RANGE = 3.0
"""Log-ratios from -1.5 to 1.5 are told apart, in 255 steps."""
_LOG = np.log(np.arange(256, dtype=np.float32) + 8)
"""Of a grey level; the 8 keeps the noise of dark pixels small."""
_MADS, _CONTRAST_MIN = 6.0, 0.10
_EDGE_STEP = 6
"""Steps by which the median must change within three pixels to be an edge ..."""
_EDGE_BAND = 9
"""... and pixels beside it that are not judged."""
_AREA_MIN, _AREA_MAX = 4, 500
_ACROSS_MAX, _ALONG_MAX = 30, 60
"""Pixels. What stands upright is laid flat too, and drawn out along the lane the more the flatter it is seen."""
_FILL_MIN = 0.3
_SHAKE = np.ones((3, 3), np.uint8)
_RING = (3, 8)
"""Pixels around a blob between which the road is looked at ..."""
_ROAD_SHARE, _ROAD_CONTRAST = 0.88, 0.5
"""... so much of which must differ from the blob by so much of its contrast."""
_LIKELY_MAX = 60


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
    was, now = (np.asarray(cv2.blur(cv2.LUT(each, _LOG), (3, 3)), np.float32) for each in (before, after))
    ratio = now - was
    ratio -= np.float32(_typical(ratio, valid))
    ratio[~valid] = 0
    np.clip(ratio, -_RANGE / 2, _RANGE / 2, out=ratio)
    steps = np.asarray(cv2.convertScaleAbs(ratio, alpha=255 / _RANGE, beta=127.5), np.uint8)
    smooth = _smooth(steps)
    rest = ratio - (smooth.astype(np.float32) - np.float32(127.5)) * np.float32(_RANGE / 255)
    threshold = max(_MADS * _typical(np.abs(rest), valid), _CONTRAST_MIN)
    rest = np.abs(_beyond_shake(rest, was))
    step = cv2.morphologyEx(smooth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    band = cv2.dilate((step > _EDGE_STEP).astype(np.uint8), np.ones((2 * _EDGE_BAND + 1,) * 2, np.uint8))
    mask = ((rest > threshold) & valid & (band == 0)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    blobs = ((number, Blob(*(int(each) for each in row))) for number, row in enumerate(stats))
    likely = sorted(
        ((number, blob) for number, blob in blobs if number and _is_piece(blob)),
        key=lambda each: (-each[1].area, each[1].x, each[1].y),
    )[:_LIKELY_MAX]
    return [blob for number, blob in likely if _is_alone(ratio, labels, number, valid, blob)]


def _smooth(steps: Grey) -> Grey:
    """Return the median over 2 m, taken at half the size: four times as fast, and its edges are not judged anyway."""
    height, width = steps.shape
    half = cv2.resize(steps, (max(width // 2, 1), max(height // 2, 1)), interpolation=cv2.INTER_AREA)
    median = cv2.medianBlur(half, _WINDOW // 2 + 1)
    return np.asarray(cv2.resize(median, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _typical(values: Log, valid: Mask) -> float:
    """Return the median of what is valid, from every ninth pixel, or from all where these show nothing."""
    some = values[::3, ::3][valid[::3, ::3]]
    return float(np.median(some if len(some) else values[valid]))


def _beyond_shake(rest: Log, was: Log) -> Log:
    """Return what of a difference is left if the picture may have moved by a pixel: markings have sharp edges."""
    darker = np.asarray(cv2.erode(was, _SHAKE), np.float32) - was
    lighter = np.asarray(cv2.dilate(was, _SHAKE), np.float32) - was
    return np.asarray(np.maximum(rest - lighter, 0) + np.minimum(rest - darker, 0), np.float32)


def _is_piece(blob: Blob) -> bool:
    return (
        _AREA_MIN <= blob.area <= _AREA_MAX
        and blob.width < _ACROSS_MAX
        and blob.height < _ALONG_MAX
        and blob.area > _FILL_MIN * blob.width * blob.height
    )


def _is_alone(ratio: Log, labels: NDArray[np.int32], number: int, valid: Mask, blob: Blob) -> bool:
    """Tell whether the road all around a blob has stayed as it was; at the rim of a wet patch half of it has not."""
    x1, y1 = max(blob.x - _RING[1], 0), max(blob.y - _RING[1], 0)
    part = np.s_[y1 : blob.y + blob.height + _RING[1], x1 : blob.x + blob.width + _RING[1]]
    own = (labels[part] == number).astype(np.uint8)
    inner, outer = (cv2.dilate(own, np.ones((2 * far + 1,) * 2, np.uint8)) > 0 for far in _RING)
    ring, values = outer & ~inner & valid[part], ratio[part]
    if not ring.any():
        return False
    apart = np.abs(values[ring] - np.mean(values[own > 0]))
    contrast = np.abs(np.mean(values[own > 0]) - np.median(values[ring]))
    return bool(np.quantile(apart, 1 - _ROAD_SHARE) >= _ROAD_CONTRAST * max(contrast, _CONTRAST_MIN))
