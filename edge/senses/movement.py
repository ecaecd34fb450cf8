"""Movement: whether anything moves in a picture, cheaply enough to be asked of every one."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.pace import Pacing
from edge.video import Image

_HEIGHT = 100
_ALL_SHARE = 0.5
"""If more of the picture than this differs, the camera or the light has changed: the average begins anew."""


class Movement:
    """Compares each picture, grey and about 100 pixels high, with a slow average of those before."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._average: NDArray[np.float32] | None = None
        self._time_s = 0.0

    def moved(self, image: Image, time_s: float) -> bool:
        """Tell whether anything moves, in order of time; in doubt, as in the first picture, it does."""
        width = max(1, round(image.shape[1] * _HEIGHT / image.shape[0]))
        small = cv2.cvtColor(cv2.resize(image, (width, _HEIGHT), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        step_s, self._time_s = time_s - self._time_s, time_s
        if self._average is None:
            self._average = small.astype(np.float32)
            return True
        difference = cv2.absdiff(small, cv2.convertScaleAbs(self._average))
        share = np.count_nonzero(difference > self._pacing.difference) / small.size
        if share > _ALL_SHARE:
            self._average = small.astype(np.float32)
        else:
            cv2.accumulateWeighted(small, self._average, 1 - math.exp(-max(step_s, 0.0) / self._pacing.average_s))
        return bool(share > self._pacing.area_min)
