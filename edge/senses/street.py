"""The empty street: learnt at the start without those who pass, then followed without what stands on it."""

import math

import cv2
import numpy as np

from edge.senses.masks import Average, Grey, Mask, both, contour, either, without

_LESSONS_MAX = 16
_KNOWN_SHARE = 0.3
"""A pixel is known when this share of the lessons saw it free of people and vehicles."""
_FOLLOW_S = 300.0
"""Time constant at which the street follows the daylight."""
_REFINE_S = 10.0
"""After learning, the street is refined at least this slowly, then ever more slowly up to `_FOLLOW_S`."""
_BASE, _PER_GREY, _PER_EDGE = 10.0, 0.04, 0.5
"""A pixel differs by more than this sum: noise grows with light, and a shake of half a pixel moves every edge."""
_LIMITS_EVERY_S = 5.0
_GAIN_STEP = 8
"""The gain is the median of every eighth pixel's, in both directions."""
_GAIN_MAX = 3.0
_CHANNELS = 3


class Street:
    """A grey picture of the street without what stands on it, and by how much another must differ to be no street."""

    def __init__(self) -> None:
        self._average: Average = np.empty((0, 0), np.float32)
        self._limits_s = -math.inf
        self._began_s = 0.0
        self._lessons: list[tuple[Grey, Mask]] = []
        self.grey: Grey = np.empty((0, 0), np.uint8)
        self.known: Mask = np.empty((0, 0), np.uint8)
        self._limits: Mask = np.empty((0, 0), np.uint8)

    @property
    def is_known(self) -> bool:
        """The street has been learnt."""
        return self._average.size > 0

    def learn(self, grey: Grey, covered: Mask, time_s: float, learn_s: float) -> None:
        """Take a lesson, ``covered`` being where people and vehicles are; when the time is over, know the street.

        What stands there from the start and is neither person nor vehicle is street.
        """
        if not self._lessons:
            self._began_s = time_s
        share = (time_s - self._began_s) / learn_s
        if share * _LESSONS_MAX >= len(self._lessons):
            self._lessons.append((grey, covered))
        if share < 1:
            return
        free = np.stack([lesson[1] for lesson in self._lessons]) == 0
        greys = np.sort(np.where(free, np.stack([lesson[0] for lesson in self._lessons]), 255), axis=0)
        count = free.sum(axis=0)
        middle = np.maximum(count - 1, 0) // 2
        self.grey = np.take_along_axis(greys, middle[None], axis=0)[0].astype(np.uint8)
        self.known = ((count >= max(2, _KNOWN_SHARE * len(self._lessons))) * np.uint8(255)).astype(np.uint8)
        self._average = self.grey.astype(np.float32)
        self._began_s, self._lessons, self._limits_s = time_s, [], -math.inf

    def gain(self, grey: Grey, usable: Mask) -> float:
        """Return by what a picture must be multiplied to be as bright as the street: the median of its pixels' shares.

        A camera's exposure drifts, lamps are switched: that moves all pixels, and what stands there only few.
        """
        street, now = (each[::_GAIN_STEP, ::_GAIN_STEP] for each in (self.grey, grey))
        free = usable[::_GAIN_STEP, ::_GAIN_STEP] > 0
        ratios = ((street + np.float32(1)) / (now + np.float32(1)))[free]
        if not ratios.size:
            return 1.0
        middle = ratios.size // 2
        return float(min(max(np.partition(ratios, middle)[middle], 1 / _GAIN_MAX), _GAIN_MAX))

    def differs(self, grey: Grey, time_s: float) -> Mask:
        """Return where a picture, its gain taken out, is not street."""
        if time_s - self._limits_s >= _LIMITS_EVERY_S:
            edges = contour(self.grey)
            self._limits = np.asarray(cv2.addWeighted(self.grey, _PER_GREY, edges, _PER_EDGE, _BASE), np.uint8)
            self._limits_s = time_s
        different = cv2.compare(cv2.absdiff(grey, self.grey), self._limits, cv2.CMP_GT)
        return both(np.asarray(different, np.uint8), self.known)

    def follow(self, grey: Grey, free: Mask, differs: Mask, time_s: float, dt_s: float) -> None:
        """Take a picture over where the street is ``free``; where it differs, always as slowly as daylight goes."""
        follow_s = min(max(time_s - self._began_s, _REFINE_S), _FOLLOW_S)
        self.teach(grey, without(free, differs), dt_s, follow_s)
        self.teach(grey, both(free, differs), dt_s, _FOLLOW_S)
        cv2.convertScaleAbs(self._average, self.grey)

    def teach(self, grey: Grey, where: Mask, dt_s: float, taught_s: float) -> None:
        """Take a picture over with a time constant; `follow` makes it seen."""
        cv2.accumulateWeighted(grey, self._average, 1 - math.exp(-dt_s / taught_s), where)

    def adopt(self, grey: Grey, where: Mask) -> None:
        """Take a picture over at once; what it shows there is the street from now on."""
        cv2.copyTo(grey, where, self.grey)
        cv2.copyTo(grey.astype(np.float32), where, self._average)
        self.known = either(self.known, where)

    def save(self, things: Mask) -> bytes:
        """Return the street, what is known of it and what stands on it, as a PNG of three channels."""
        return cv2.imencode(".png", cv2.merge([self.grey, self.known, things]))[1].tobytes()

    def load(self, saved: bytes, time_s: float) -> Mask | None:
        """Take over a saved street, and return what stood on it; None if it cannot be read."""
        if not saved:
            return None
        picture = cv2.imdecode(np.frombuffer(saved, np.uint8), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != _CHANNELS or picture.shape[2] != _CHANNELS or picture.dtype != np.uint8:
            return None
        planes = [np.ascontiguousarray(picture[..., n], np.uint8) for n in range(_CHANNELS)]
        self.grey, self.known, things = planes
        self._average = self.grey.astype(np.float32)
        # Saved long ago or not: it is followed as one that is well known.
        self._began_s, self._limits_s, self._lessons = time_s - _FOLLOW_S, -math.inf, []
        return things
