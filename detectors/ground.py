"""Ground: where a pixel lies on the road, in metres; a homography of the road's plane.

Whatever is asked of a pixel on or above the horizon is NaN: there is no road. All methods take many points at once.
"""

from functools import cached_property

import msgspec
import numpy as np

from detectors.geometry import FOOTPRINT, Floats, Point, base_points

Matrix = tuple[float, float, float, float, float, float, float, float, float]

_CAR_M = 4.5
_BREADTH = 0.4
"""Of a car, as a share of its length."""
_ROUNDS = 12


class Ground(msgspec.Struct, frozen=True, dict=True):
    """The road of one camera as a plane.

    Examples share one: a camera that sees 10 pixels a metre.

    >>> ground = Ground((0.1, 0, 0, 0, 0.1, 0, 0, 0, 1))
    """

    matrix: Matrix
    """From pixels (x, y, 1) to metres, row by row; scaled so that the third coordinate is positive on the road."""

    @classmethod
    def of(cls, matrix: Floats) -> "Ground":
        """Return the ground of a matrix of shape [3, 3]."""
        a, b, c, d, e, f, g, h, i = matrix.ravel().tolist()
        return cls((a, b, c, d, e, f, g, h, i))

    @cached_property
    def _to_metres(self) -> Floats:
        return np.array(self.matrix, dtype=np.float64).reshape(3, 3)

    @cached_property
    def _to_pixels(self) -> Floats:
        return np.asarray(np.linalg.inv(self._to_metres), dtype=np.float64)

    def metres(self, points: Floats) -> Floats:
        """Return where pixels of shape [..., 2] lie, metres, same shape.

        >>> Ground((0.1, 0, 0, 0, 0.2, 0, 0, 0, 1)).metres(np.array([(10.0, 10.0)])).tolist()
        [[1.0, 2.0]]
        """
        return _projected(self._to_metres, points)

    def pixels(self, points: Floats) -> Floats:
        """Return where points of the road of shape [..., 2], metres, are seen, pixels; NaN behind the camera.

        >>> Ground((0.1, 0, 0, 0, 0.2, 0, 0, 0, 1)).pixels(np.array([(1.0, 2.0)])).round(6).tolist()
        [[10.0, 10.0]]
        """
        return _projected(self._to_pixels, points)

    def scales(self, points: Floats) -> Floats:
        """Return how much road the larger side of a pixel covers at pixels of shape [..., 2], metres, shape [...].

        >>> Ground((0.1, 0, 0, 0, 0.2, 0, 0, 0, 1)).scales(np.array([(10.0, 10.0)])).tolist()
        [0.2]
        """
        slopes = self._slopes(points)
        sides: Floats = np.hypot(slopes[..., 0, :], slopes[..., 1, :])
        longest: Floats = sides.max(axis=-1)
        return longest

    def metres_per_pixel(self, point: Point) -> float:
        """Return how much road the larger side of one pixel at ``point`` covers, metres."""
        return float(self.scales(np.array(point, dtype=np.float64)))

    def pixel_areas(self, points: Floats) -> Floats:
        """Return how much road one pixel covers at pixels of shape [..., 2], square metres, shape [...].

        Summed over the pixels of a blob it is the blob's area, if it lies flat.

        >>> Ground((0.1, 0, 0, 0, 0.2, 0, 0, 0, 1)).pixel_areas(np.array([(10.0, 10.0)])).round(6).tolist()
        [0.02]
        """
        slopes = self._slopes(points)
        areas: Floats = np.abs(slopes[..., 0, 0] * slopes[..., 1, 1] - slopes[..., 0, 1] * slopes[..., 1, 0])
        return areas

    def distances(self, points: Floats, others: Floats) -> Floats:
        """Return how far apart pixels of shape [..., 2] are on the road, metres, shape [...]; shapes broadcast.

        >>> ground = Ground((0.1, 0, 0, 0, 0.1, 0, 0, 0, 1))
        >>> ground.distances(np.array([(0.0, 0.0), (30.0, 40.0)]), np.array([(30.0, 40.0)])).round(6).tolist()
        [5.0, 0.0]
        """
        apart = self.metres(points) - self.metres(others)
        distances: Floats = np.hypot(apart[..., 0], apart[..., 1])
        return distances

    def base_lengths(self, boxes: Floats) -> Floats:
        """Return how long the lower edges of boxes of shape [N, 4] are on the road, metres, shape [N].

        Of a vehicle seen from its side it is about the length, seen along the road the width, else between the two.

        >>> ground = Ground((0.1, 0, 0, 0, 0.1, 0, 0, 0, 1))
        >>> ground.base_lengths(np.array([(10.0, 80.0, 55.0, 95.0)])).round(6).tolist()
        [4.5]
        """
        return self.distances(boxes[:, [0, 3]], boxes[:, [2, 3]])

    def footprint_areas(self, boxes: Floats) -> Floats:
        """Return how much road the footprints (lower 35 %) of boxes of shape [N, 4] cover, m2, shape [N].

        The footprint is taken to lie flat, so of a thing that stands up it is an upper bound.

        >>> ground = Ground((0.1, 0, 0, 0, 0.1, 0, 0, 0, 1))
        >>> ground.footprint_areas(np.array([(10.0, 80.0, 30.0, 100.0)])).round(6).tolist()
        [1.4]
        """
        top = boxes[:, 3] - FOOTPRINT * (boxes[:, 3] - boxes[:, 1])
        left, right, bottom = boxes[:, 0], boxes[:, 2], boxes[:, 3]
        corners = np.stack((left, top, right, top, right, bottom, left, bottom), axis=1).reshape(-1, 4, 2)
        return self.areas(corners)

    def areas(self, polygons: Floats) -> Floats:
        """Return the areas on the road of polygons of shape [..., corners, 2], pixels; square metres, shape [...].

        >>> ground = Ground((0.1, 0, 0, 0, 0.1, 0, 0, 0, 1))
        >>> ground.areas(np.array([[(0.0, 0.0), (20.0, 0.0), (20.0, 10.0), (0.0, 10.0)]])).round(6).tolist()
        [2.0]
        """
        here = self.metres(polygons)
        here = here - here[..., :1, :]  # map coordinates are large, and a product of them would lose the centimetres
        there = np.roll(here, -1, axis=-2)
        areas: Floats = np.abs(np.sum(here[..., 0] * there[..., 1] - there[..., 0] * here[..., 1], axis=-1)) / 2
        return areas

    def vehicle_lengths(self, boxes: Floats, heading: Point) -> Floats:
        """Return how long vehicles that head along ``heading`` (metres) are, by their boxes [N, 4]; metres, shape [N].

        A rectangle 0.4 times as broad as it is long is laid on the road and moved and stretched until its picture has
        the left, right and lower edge of the box. What stands above the road is left out, so it comes out some per cent
        long; so does a hatchback, and a bus short, by their breadth.

        >>> ground = Ground((0.1, 0, 0, 0, 0.1, 0, 0, 0, 1))
        >>> ground.vehicle_lengths(np.array([(10.0, 80.0, 55.0, 95.0)]), (1.0, 0.0)).round(6).tolist()
        [4.5]
        """
        along = np.array(heading, dtype=np.float64) / np.hypot(*heading)
        across = np.array((-along[1], along[0])) * _BREADTH
        shape = np.stack((along + across, along - across, -along - across, across - along)) / 2
        bases = base_points(boxes)
        here = middles = self.metres(bases)
        lengths: Floats = np.full(len(boxes), _CAR_M)
        for _ in range(_ROUNDS):
            seen = self.pixels(middles[:, None] + lengths[:, None, None] * shape)
            low, high = seen.min(axis=1), seen.max(axis=1)
            lengths = lengths * (boxes[:, 2] - boxes[:, 0]) / np.maximum(high[:, 0] - low[:, 0], 1e-6)
            middles = middles + here - self.metres(np.stack(((low[:, 0] + high[:, 0]) / 2, high[:, 1]), axis=1))
        return lengths

    def _slopes(self, points: Floats) -> Floats:
        """Return the derivative of metres by pixels, shape [..., 2, 2]: rows are X and Y, columns x and y."""
        depths = _depths(self._to_metres, points)[..., None, None]
        numerators = self._to_metres[:2, :2] - self.metres(points)[..., :, None] * self._to_metres[2, :2]
        slopes: Floats = numerators / depths
        return slopes


def _projected(matrix: Floats, points: Floats) -> Floats:
    projected: Floats = (points @ matrix[:2, :2].T + matrix[:2, 2]) / _depths(matrix, points)[..., None]
    return projected


def _depths(matrix: Floats, points: Floats) -> Floats:
    """Return the third coordinates, shape [...], NaN where they are not positive."""
    depths = points @ matrix[2, :2] + matrix[2, 2]
    return np.where(depths > 0, depths, np.nan)
