"""Strip: the part of the road that a truck has swept, and the matrix that lays it flat."""

import math

import msgspec
import numpy as np

from detectors.geometry import Bools, Floats, Point, inside
from detectors.ground import Ground, Matrix
from detectors.spill_truck import Base
from detectors.surface import CELL_M

_STEP_M = 0.5
_ACROSS = np.linspace(-1, 1, 25)
_LENGTH_MAX_M = 45.0
_ROWS_MIN = 4
_BELOW = np.array((0.0, 1.0))


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """As asked of the eyes, see `detectors.surface.SurfaceWant`."""

    polygon: tuple[Point, ...]
    matrix: Matrix
    size: tuple[int, int]


def strip_of(
    bases: tuple[Base, ...],
    lane: tuple[Point, ...],
    ground: Ground,
    *,
    beside_m: float,
    beyond_m: float,
    resolution_max_m: float,
) -> Strip | None:
    """Return the union of the footprints, wider by ``beside_m`` and longer by ``beyond_m``, clipped to the lane.

    None where all of it is too far away: a row of the picture would cover more than ``resolution_max_m``.
    """
    rows = np.array(bases, dtype=np.float64)
    left, right = ground.metres(rows[:, (0, 2)]), ground.metres(rows[:, (1, 2)])
    middle = (left + right) / 2
    is_fine = _resolution(rows[:, (0, 2)], ground) <= resolution_max_m
    if is_fine.sum() < 2:
        return None
    middle, width_m = middle[is_fine], float(np.median(np.hypot(*(right - left)[is_fine].T)))
    way = middle[-1] - middle[0]
    length = float(np.hypot(*way))
    if length < 1e-3:
        return None
    way = way / length
    # Columns are the directions across and along, so that a point of the strip is (across, along).
    axes = np.array(((way[1], way[0]), (-way[0], way[1])))
    local = middle @ axes
    local = local[np.argsort(local[:, 1], kind="stable")]
    along = np.arange(local[0, 1] - beyond_m, local[-1, 1] + beyond_m + _STEP_M, _STEP_M)
    centre = np.interp(along, local[:, 1], local[:, 0])
    across = centre[:, None] + _ACROSS * (width_m / 2 + beside_m)
    grid = np.stack((across, np.broadcast_to(along[:, None], across.shape)), axis=-1)
    pixels, is_ahead = _seen(grid.reshape(-1, 2) @ axes.T, ground, rows[0, (0, 2)])
    in_lane = is_ahead & (_resolution(pixels, ground) <= resolution_max_m)
    in_lane &= inside(pixels, lane)
    return _outline(grid, in_lane.reshape(across.shape), axes, ground)


def _outline(grid: Floats, is_in: Bools, axes: Floats, ground: Ground) -> Strip | None:
    kept = np.flatnonzero(is_in.any(axis=1))
    if len(kept) < _ROWS_MIN:
        return None
    most = round(_LENGTH_MAX_M / _STEP_M)
    if len(kept) > most:
        # What is nearest is seen best: the end whose pixels cover less.
        ends = ground.pixels(grid[kept[[0, -1]], len(_ACROSS) // 2] @ axes.T)
        first_mpp, last_mpp = _resolution(ends, ground)
        kept = kept[:most] if first_mpp < last_mpp else kept[-most:]
    first, last = is_in[kept].argmax(axis=1), is_in.shape[1] - 1 - is_in[kept, ::-1].argmax(axis=1)
    sides = np.concatenate((grid[kept, first], grid[kept, last][::-1]))
    low, high = sides.min(axis=0), sides.max(axis=0)
    width, height = (max(math.ceil(each), 1) for each in ((high - low) / CELL_M).tolist())
    to_cells = np.array(((1 / CELL_M, 0, -low[0] / CELL_M), (0, 1 / CELL_M, -low[1] / CELL_M), (0, 0, 1)))
    to_local = np.eye(3)
    to_local[:2, :2] = axes.T
    whole = to_cells @ to_local @ np.array(ground.matrix).reshape(3, 3)
    a, b, c, d, e, f, g, h, i = (whole / np.abs(whole).max()).ravel().tolist()
    corners = ground.pixels(sides @ axes.T).round(1).tolist()
    return Strip(polygon=tuple((x, y) for x, y in corners), matrix=(a, b, c, d, e, f, g, h, i), size=(width, height))


def _resolution(pixels: Floats, ground: Ground) -> Floats:
    """Return how much road the row of each pixel covers, metres."""
    step = ground.metres(pixels + _BELOW) - ground.metres(pixels)
    resolution: Floats = np.hypot(step[:, 0], step[:, 1])
    return resolution


def _seen(metres: Floats, ground: Ground, base: Floats) -> tuple[Floats, Bools]:
    """Return where points of the road are seen, and which lie before the camera, as ``base`` (a pixel) does."""
    matrix = np.array(ground.matrix).reshape(3, 3)
    back = np.linalg.inv(matrix)
    points = np.column_stack((metres, np.ones(len(metres)))) @ back.T
    own = matrix[2] @ np.array((base[0], base[1], 1.0))
    is_ahead: Bools = points[:, 2] * own > 0
    depth = np.where(is_ahead, points[:, 2], np.sign(own))
    return points[:, :2] / depth[:, None], is_ahead
