"""Particles: small things that fly behind a truck, and are elsewhere in the next picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from edge.senses.surface import Grey, Mask

_CONTRAST = 25
"""Grey levels by which a pixel must differ from the bare road."""
_AREA_MIN = 3
_AREA_SHARE = 0.02
"""Of the place behind the truck, that one small thing may cover."""
_SHAKE = np.ones((5, 5), np.uint8)
_NEAR = np.ones((5, 5), np.uint8)
"""What was within two pixels in the picture before is taken for the same thing: it does not fly."""


class Particles:
    """Counts them for one truck; remembers where the road was seen to be bare in the picture before."""

    def __init__(self) -> None:
        self._bare: Mask | None = None

    def count(self, grey: Grey, road: Grey, clear: Mask, rear: Sequence[float]) -> int:
        """Return how many small things are in ``rear`` (corners, pixels) where the road was bare in the picture before.

        ``road`` is the bare road, 0 where it is not known; ``clear`` is False under road users. What a truck uncovers
        as it drives on is not counted: it may have lain there.
        """
        known = (road > 0) & clear
        gain = float(np.median(grey[known][::7])) / max(float(np.median(road[known][::7])), 1.0) if known.any() else 1.0
        scaled = cv2.convertScaleAbs(road, alpha=gain)
        # A picture that shakes by a pixel moves the edges of every marking.
        above = cv2.subtract(grey, cv2.dilate(scaled, _SHAKE))
        below = cv2.subtract(cv2.erode(scaled, _SHAKE), grey)
        differs = ((cv2.max(above, below) > _CONTRAST) & known).astype(np.uint8)
        bare, self._bare = self._bare, cv2.erode((known & (differs == 0)).astype(np.uint8), _NEAR) > 0
        return 0 if bare is None else self._in(rear, differs, bare)

    @staticmethod
    def _in(rear: Sequence[float], differs: Grey, bare: Mask) -> int:
        height, width = differs.shape
        x1, x2 = (round(min(max(each, 0), width)) for each in (rear[0], rear[2]))
        y1, y2 = (round(min(max(each, 0), height)) for each in (rear[1], rear[3]))
        if x2 - x1 < 2 or y2 - y1 < 2:
            return 0
        count, labels, stats, _ = cv2.connectedComponentsWithStats(differs[y1:y2, x1:x2], connectivity=8)
        area_max = _AREA_SHARE * (x2 - x1) * (y2 - y1)
        stood = set(np.unique(labels[~bare[y1:y2, x1:x2]]).tolist())
        return sum(
            _AREA_MIN <= stats[n, cv2.CC_STAT_AREA] <= max(area_max, _AREA_MIN) and n not in stood
            for n in range(1, count)
        )
