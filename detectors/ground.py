"""Ground: where a pixel lies on the road, in metres; a homography of the road's plane."""

import msgspec
import numpy as np

from detectors.geometry import Floats, Point

Matrix = tuple[float, float, float, float, float, float, float, float, float]


class Ground(msgspec.Struct, frozen=True):
    """The road of one camera as a plane."""

    matrix: Matrix
    """From pixels (x, y, 1) to metres, row by row."""

    def metres(self, points: Floats) -> Floats:
        """Return where pixels of shape [N, 2] lie, metres, shape [N, 2].

        >>> Ground((0.1, 0, 0, 0, 0.2, 0, 0, 0, 1)).metres(np.array([(10.0, 10.0)])).tolist()
        [[1.0, 2.0]]
        """
        return _projected(np.array(self.matrix).reshape(3, 3), points)

    def pixels(self, points: Floats) -> Floats:
        """Return where points of the road of shape [N, 2], metres, are seen, pixels, shape [N, 2]."""
        return _projected(np.linalg.inv(np.array(self.matrix).reshape(3, 3)), points)

    def metres_per_pixel(self, point: Point) -> float:
        """Return how much road the larger side of one pixel at ``point`` covers, metres."""
        x, y = point
        here, right, below = self.metres(np.array([(x, y), (x + 1, y), (x, y + 1)], dtype=np.float64))
        return float(max(np.hypot(*(right - here)), np.hypot(*(below - here))))


def _projected(matrix: Floats, points: Floats) -> Floats:
    mapped = np.column_stack((points, np.ones(len(points)))) @ matrix.T
    projected: Floats = mapped[:, :2] / mapped[:, 2:]
    return projected
