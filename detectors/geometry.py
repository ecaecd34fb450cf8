"""Plane geometry of many boxes at once; boxes are rows ``x1, y1, x2, y2`` in pixels, y pointing down."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

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
    return np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes)).reshape(-1, 4)


def areas(boxes: Floats) -> Floats:
    """Return the areas, shape [N], never zero."""
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    return sides[:, 0] * sides[:, 1]


def overlaps(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return intersection areas and intersections over union, both of shape [len(a), len(b)]."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.T[:, :, None], b.T[:, None, :]
    common = np.minimum(ax2, bx2)
    common -= np.maximum(ax1, bx1)
    height = np.minimum(ay2, by2)
    height -= np.maximum(ay1, by1)
    np.maximum(common, 0, out=common)
    common *= np.maximum(height, 0, out=height)
    union = areas(a)[:, None] + areas(b)
    union -= common
    return common, common / union


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
    x1, y1, y2, slope = _edges(tuple(polygon))
    x, y = points[..., 0, None], points[..., 1, None]
    crosses: Bools = (y1 > y) != (y2 > y)
    crosses &= x < slope * (y - y1) + x1
    odd: Bools = np.logical_xor.reduce(crosses, axis=-1)
    return odd


@lru_cache(maxsize=256)
def _edges(polygon: tuple[Point, ...]) -> tuple[Floats, ...]:
    """Return where the edges of a polygon begin (x, y), at which height they end, and their run over rise.

    Level ones are never crossed.
    """
    begin = np.array(polygon, dtype=np.float64).reshape(-1, 2)
    x1, y1 = begin.T
    x2, y2 = np.roll(begin, -1, axis=0).T
    rise = y2 - y1
    return x1, y1, y2, (x2 - x1) / np.where(rise == 0, 1.0, rise)
