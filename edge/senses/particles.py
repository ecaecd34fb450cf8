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
_NEAR = 5
"""Pixels within which a thing of the picture before is taken for the same one: it does not fly."""


class Particles:
    """Counts them; remembers what differed from the road in the picture before."""

    def __init__(self) -> None:
        self._before: Grey | None = None

    def count(self, grey: Grey, road: Grey, clear: Mask, rears: Sequence[Sequence[float]]) -> tuple[int, ...]:
        """Return how many small things are in each rear (corners, pixels) that were not there in the picture before.

        ``road`` is the bare road, 0 where it is not known; ``clear`` is False under road users.
        """
        known = (road > 0) & clear
        gain = float(np.median(grey[known][::7])) / max(float(np.median(road[known][::7])), 1.0) if known.any() else 1.0
        bare = cv2.convertScaleAbs(road, alpha=gain)
        differs = ((cv2.absdiff(grey, bare) > _CONTRAST) & known).astype(np.uint8)
        before = self._before if self._before is not None and self._before.shape == differs.shape else None
        self._before = cv2.dilate(differs, np.ones((2 * _NEAR + 1,) * 2, np.uint8))
        if before is None:
            return tuple(0 for _ in rears)
        return tuple(self._in(rear, differs, before) for rear in rears)

    @staticmethod
    def _in(rear: Sequence[float], differs: Grey, before: Grey) -> int:
        height, width = differs.shape
        x1, x2 = (round(min(max(each, 0), width)) for each in (rear[0], rear[2]))
        y1, y2 = (round(min(max(each, 0), height)) for each in (rear[1], rear[3]))
        if x2 - x1 < 2 or y2 - y1 < 2:
            return 0
        count, labels, stats, _ = cv2.connectedComponentsWithStats(differs[y1:y2, x1:x2], connectivity=8)
        area_max = _AREA_SHARE * (x2 - x1) * (y2 - y1)
        stood = set(np.unique(labels[before[y1:y2, x1:x2] > 0]).tolist())
        return sum(
            _AREA_MIN <= stats[n, cv2.CC_STAT_AREA] <= max(area_max, _AREA_MIN) and n not in stood
            for n in range(1, count)
        )
