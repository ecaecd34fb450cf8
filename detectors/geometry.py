"""Plane geometry of many boxes at once; boxes are rows ``x1, y1, x2, y2`` in pixels, y pointing down."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Point = tuple[float, float]

FOOTPRINT = 0.35
"""The lower share of a box that stands on the road."""
_GRID = np.stack(np.meshgrid((np.arange(8) + 0.5) / 8, (np.arange(8) + 0.5) / 8), axis=-1).reshape(-1, 2)


def as_rows(boxes: Sequence[Sequence[float]]) -> Floats:
    """Return boxes as an array of shape [N, 4], also when there are none."""
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def areas(boxes: Floats) -> Floats:
    """Return the areas, shape [N], never zero."""
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    return sides[:, 0] * sides[:, 1]


def overlaps(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return intersection areas and intersections over union, both of shape [len(a), len(b)]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(np.minimum(a[:, None, 2:], b[None, :, 2:]) - low, 0)
    common: Floats = sides[..., 0] * sides[..., 1]
    return common, common / (areas(a)[:, None] + areas(b)[None, :] - common)


def footprint_shares(boxes: Floats, polygon: Sequence[Point]) -> Floats:
    """Return which share of each footprint lies in the polygon, in steps of 1/64, shape [N]."""
    origin = boxes[:, :2].copy()
    sides = boxes[:, 2:] - origin
    origin[:, 1] += sides[:, 1] * (1 - FOOTPRINT)
    sides[:, 1] *= FOOTPRINT
    shares: Floats = inside(origin[:, None] + sides[:, None] * _GRID, polygon).mean(axis=1)
    return shares


def base_points(boxes: Floats) -> Floats:
    """Return the middle of each lower edge, shape [N, 2]."""
    return np.stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]), axis=1)


def inside(points: Floats, polygon: Sequence[Point]) -> Bools:
    """Return which points lie in the polygon, for points of shape [..., 2] (even-odd rule).

    >>> inside(np.array([(1.0, 1.0), (3.0, 1.0)]), [(0, 0), (2, 0), (2, 2), (0, 2)]).tolist()
    [True, False]
    """
    x, y = points[..., 0], points[..., 1]
    odd: Bools = np.zeros(x.shape, dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return odd
