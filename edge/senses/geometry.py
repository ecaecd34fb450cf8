"""Geometry: whether a picture shows the view that it should, and if not, by how much the camera was turned.

Edges are compared, not grey levels: where they lie outlasts cloud, dusk and a switch to infrared. Only where they do
not fit are features matched: ORB (Rublee et al., ICCV 2011), and a similarity that RANSAC finds in the matches.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
_Floats = NDArray[np.float32]

WIDTH = 320
FINE_WIDTH = 640
_LEEWAY_PX = 3
"""Of 320: about a hundredth of the width, so that wind at the mast is no other view."""
_SURE, _SAME = 0.45, 0.25
"""Correlation of edges that needs no second look; and the least that counts where no feature is found again. Pictures
of two places reach 0.2, the same place enlarged by a tenth 0.3."""
_FEATURES = 500
_INLIERS_MIN, _INLIERS_SHARE_MIN = 14, 0.3
_RATIO = 0.8
"""Lowe's: the best match must be so much nearer than the second best."""
_REPROJECTION_PX = 4.0


class Fit(NamedTuple):
    """How a picture lies on the reference."""

    match: float
    """Correlation of edges where they should be, -1 to 1."""
    moved: float | None
    """How far the picture's corners have gone, root mean square, as a share of the width; None if nobody can tell."""
    inliers: float
    """Share of the matched features that agree on it; 1 where none had to be matched."""


class Geometry:
    """A reference view, prepared for comparison."""

    def __init__(self, fine: Grey) -> None:
        """``fine``: grey, 640 wide (see ``fine_grey``)."""
        self._edges = edges(small_of(fine))[_LEEWAY_PX:-_LEEWAY_PX, _LEEWAY_PX:-_LEEWAY_PX]
        self._orb = cv2.ORB.create(nfeatures=_FEATURES, fastThreshold=10)
        self._points, self._words = self._features(fine)

    def fit(self, fine: Grey) -> Fit:
        """Lay a picture, grey and 640 wide, on the reference."""
        match = round(agreement(self._edges, edges(small_of(fine))), 3)
        if match >= _SURE:
            return Fit(match, 0.0, 1.0)
        moved, share = self._moved(fine)
        return Fit(match, 0.0 if moved is None and match >= _SAME else moved, share)

    def _features(self, fine: Grey) -> tuple[_Floats, NDArray[np.uint8]]:
        # Stretching the contrast locally lets dusk have features too.
        stretched = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(fine)
        found, words = self._orb.detectAndCompute(stretched, None)
        points = np.array([each.pt for each in found], np.float32).reshape(-1, 2)
        return points, np.empty((0, 32), np.uint8) if words is None else np.asarray(words, np.uint8)

    def _moved(self, fine: Grey) -> tuple[float | None, float]:
        """Return how far the corners have gone as a share of the width, and how many matches agree."""
        points, words = self._features(fine)
        if min(len(words), len(self._words)) < _INLIERS_MIN:
            return None, 0.0
        pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(self._words, words, k=2)
        good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
        if len(good) < _INLIERS_MIN:
            return None, 0.0
        here = self._points[[each.queryIdx for each in good]]
        there = points[[each.trainIdx for each in good]]
        cv2.setRNGSeed(0)  # the same pictures give the same answer
        turn, agrees = cv2.estimateAffinePartial2D(
            here, there, method=cv2.RANSAC, ransacReprojThreshold=_REPROJECTION_PX
        )
        share = round(float(np.mean(agrees)), 3) if turn is not None else 0.0
        if turn is None or not _is_plausible(turn) or share < _INLIERS_SHARE_MIN or np.sum(agrees) < _INLIERS_MIN:
            return None, share
        height, width = fine.shape
        corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float64)
        gone = corners @ turn[:, :2].T + turn[:, 2] - corners
        return round(float(np.sqrt((gone**2).sum(axis=1).mean())) / width, 4), share


def _is_plausible(turn: NDArray[Any]) -> bool:
    """Tell whether a camera may be zoomed so far; chance agrees on views that shrink to a point."""
    return 0.5 <= float(np.hypot(turn[0, 0], turn[1, 0])) <= 2.0


def fine_grey(image: NDArray[np.uint8]) -> Grey:
    """Return a picture, blue green red or grey, as grey and 640 wide."""
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height = round(grey.shape[0] * FINE_WIDTH / grey.shape[1])
    # Averaging costs most where the sizes are no multiples, and is not needed for less than half.
    how = cv2.INTER_AREA if grey.shape[1] >= 2 * FINE_WIDTH else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (FINE_WIDTH, height), interpolation=how), np.uint8)


def small_of(fine: Grey) -> Grey:
    """Return a picture at half the size, 320 wide."""
    size = (fine.shape[1] // 2, fine.shape[0] // 2)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.uint8)


def edges(small: Grey) -> _Floats:
    """Return how strong each pixel's edge is beside its surroundings, so that lit and dark places count alike."""
    across, down = cv2.spatialGradient(cv2.GaussianBlur(small, (3, 3), 0))
    strength = cv2.magnitude(across.astype(np.float32), down.astype(np.float32))
    around = cv2.blur(strength, (31, 31))
    return np.minimum(strength / (around + 8.0), 4.0)


def agreement(inner: _Floats, whole: _Floats) -> float:
    """Return the best correlation of two pictures of edges within the leeway."""
    return float(cv2.matchTemplate(whole, inner, cv2.TM_CCOEFF_NORMED).max())
