"""View: the measures of a camera's pictures that tell its health; the detector of it sees these alone."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.view import View
from edge.reference import Reference
from edge.senses.geometry import Fit, Geometry, fine_grey, small_of
from edge.senses.lessons import Lessons
from edge.senses.stillness import Stillness
from edge.senses.texture import Cells, TextureMemory, blank_of, changed_of, contrast_of, texture_of
from edge.video import Frame, Image

Grey = NDArray[np.uint8]

_MIN_S = 0.35
"""Pictures that come faster are not measured: a burst at 5 a second costs what 2 a second do."""
_SHARPNESS_EVERY_S = 2.0
_FIT_EVERY_S, _DOUBT_EVERY_S = 10.0, 4.0
_SURE = 0.45
"""Correlation with the reference that leaves no doubt."""
_RECOGNISED = 0.25
"""Correlation from which on what is seen is the street, not a bus: the memory follows it sooner."""
_DARK, _BRIGHT = 24, 250
_GREYISH = 4.0
"""Mean colour, grey levels, below which a picture is taken for infrared."""
_LIKE = (0.6, 1.6)
"""Ratios of luminance within which two pictures have been taken in like light."""
_USUAL_S = 60.0
"""Time constant at which daylight becomes the usual one."""
_OTHER_LIGHT_S = 8.0
"""For so long the light must be another before it is believed."""
_SAME_VIEW = (0.35, 0.6)
"""Edges that fit so well, and detail lost that is less: another light on the same view."""
_CHANGED = 0.6
"""Share of what can be seen that a camera which is pushed changes at once, and traffic does not."""
_RESPONSE_MIN = 0.05
"""Phase correlation that answers with less has found nothing."""


class Light(NamedTuple):
    """What lights a picture: mean grey level, and mean spread of the colours."""

    luminance: float
    colour: float

    def is_like(self, other: "Light") -> bool:
        """Tell whether neither brightness nor the kind of light is another."""
        ratio = (self.luminance + 1) / (other.luminance + 1)
        return _LIKE[0] <= ratio <= _LIKE[1] and (self.colour < _GREYISH) == (other.colour < _GREYISH)


class _Known(NamedTuple):
    """A reference view, and what is to be known of it."""

    name: str
    fine: Grey
    geometry: Geometry
    light: Light


class ViewSense:
    """Measures one camera's pictures, in order of time, from one thread at a time."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._known: _Known | None = None
        self._is_new, self._is_relearning = True, False
        self._stillness, self._lessons = Stillness(), Lessons()
        self._memory: TextureMemory | None = None
        self._usual: Light | None = None
        self._fit: Fit | None = None
        self._sharpness: float | None = None
        self._before: tuple[NDArray[np.float32], Cells] | None = None
        self._window: NDArray[np.float32] | None = None
        self._last_s = self._fit_s = self._sharpness_s = self._unlike_s = -math.inf

    def look(self, frame: Frame) -> View | None:
        """Return a picture's measures; None for one that comes too soon after the last."""
        if frame.time_s - self._last_s < _MIN_S:
            return None
        step_s, self._last_s = min(frame.time_s - self._last_s, _FIT_EVERY_S), frame.time_s
        fine = fine_grey(frame.image)
        small = small_of(fine)
        light, contrast = Light(float(small.mean()), _colour(frame.image)), contrast_of(small)
        if self._is_new or self._reference.has_changed():
            self._take_reference(light)
        lost = self._memory.lost(contrast) if self._memory else None
        self._see_light(light, fine, frame.time_s, lost, step_s)
        if frame.time_s - self._sharpness_s >= _SHARPNESS_EVERY_S:
            self._look_closely(small, fine, frame.time_s, lost)
        self._lay_on_reference(fine, frame.time_s)
        view = View(
            luminance=round(light.luminance, 2),
            dark=round(float(np.count_nonzero(small < _DARK)) / small.size, 3),
            bright=round(float(np.count_nonzero(small >= _BRIGHT)) / small.size, 3),
            blank=blank_of(contrast),
            lost=lost,
            sharpness=self._sharpness,
            change=self._stillness.change(frame.image),
            shift=self._shift(small, contrast),
            reference=self._known.name if self._known else "",
            match=self._fit.match if self._fit else None,
            moved=self._fit.moved if self._fit else None,
            is_comparable=self._known is not None and light.is_like(self._known.light),
        )
        if self._known is None or self._memory is None or self._is_relearning:
            self._learn(view, frame, light)
        return view

    def _take_reference(self, light: Light) -> None:
        """Begin with the stored view, if there is one; its texture serves if it was taken in like light."""
        self._is_new, self._memory, self._fit = False, None, None
        self._lessons, self._sharpness, self._is_relearning = Lessons(), None, False
        found = self._reference.load()
        self._known = None if found is None else self._know(*found)
        if self._known is not None and light.is_like(self._known.light):
            self._memory = TextureMemory(texture_of(small_of(self._known.fine), self._known.fine))

    def _know(self, picture: Image, name: str) -> _Known:
        fine = fine_grey(picture)
        self._fit_s = -math.inf
        return _Known(name, fine, Geometry(fine), Light(float(fine.mean()), _colour(picture)))

    def _see_light(self, light: Light, fine: Grey, time_s: float, lost: float | None, step_s: float) -> None:
        """Follow the daylight; where lamps or infrared were switched on the same view, learn its texture anew.

        A lorry that makes the camera adjust goes before anything is learnt; until it is, the old memory judges.
        """
        if self._usual is None or self._memory is None:
            self._usual, self._unlike_s = light, time_s
        elif light.is_like(self._usual):
            share, self._unlike_s = 1 - math.exp(-step_s / _USUAL_S), time_s
            self._usual = Light(*(old + share * (new - old) for old, new in zip(self._usual, light, strict=True)))
            self._is_relearning = False
        elif time_s - self._unlike_s >= _OTHER_LIGHT_S and not self._is_relearning:
            self._unlike_s, self._fit_s = time_s, -math.inf
            self._lay_on_reference(fine, time_s)
            is_same = self._fit is not None and self._fit.match >= _SAME_VIEW[0] and (lost or 0.0) < _SAME_VIEW[1]
            self._is_relearning, self._lessons = is_same, Lessons()

    def _look_closely(self, small: Grey, fine: Grey, time_s: float, lost: float | None) -> None:
        """Measure the sharpness, and let the memory of the texture follow."""
        step_s, self._sharpness_s = min(time_s - self._sharpness_s, _FIT_EVERY_S), time_s
        if self._memory is not None:
            texture = texture_of(small, fine)
            self._sharpness = self._memory.sharpness(texture)
            is_street = self._fit is None or self._fit.match >= _RECOGNISED
            self._memory.follow(texture, step_s, lost=lost, sharpness=self._sharpness, is_street=is_street)

    def _lay_on_reference(self, fine: Grey, time_s: float) -> None:
        is_sure = self._fit is None or self._fit.match >= _SURE
        if self._known is not None and time_s - self._fit_s >= (_FIT_EVERY_S if is_sure else _DOUBT_EVERY_S):
            self._fit, self._fit_s = self._known.geometry.fit(fine), time_s

    def _shift(self, small: Grey, contrast: Cells) -> tuple[float, float] | None:
        """Return the shift against the picture before, as shares of the width: none where most of it is as it was."""
        size = (small.shape[1] // 2, small.shape[0] // 2)
        tiny = cv2.resize(small, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, (tiny, contrast)
        if before is None or before[0].shape != tiny.shape:
            return None
        changed = changed_of(before[0], tiny, before[1], contrast)
        if changed is None:
            return None
        if changed < _CHANGED:
            return 0.0, 0.0
        if self._window is None or self._window.shape != tiny.shape:
            self._window = np.asarray(cv2.createHanningWindow(size, cv2.CV_32F), np.float32)
        (right, down), response = cv2.phaseCorrelate(before[0], tiny, self._window)
        return (round(right / size[0], 4), round(down / size[0], 4)) if response >= _RESPONSE_MIN else None

    def _learn(self, view: View, frame: Frame, light: Light) -> None:
        """Take a good picture for a lesson; after enough of them know the texture, and the view if none was stored."""
        picture = self._lessons.take(frame.image, view, frame.time_s)
        if picture is None:
            return
        if self._known is None:
            self._known = self._know(picture, self._reference.keep(picture))
        fine = fine_grey(picture)
        self._memory = TextureMemory(texture_of(small_of(fine), fine))
        self._usual, self._is_relearning, self._lessons = light, False, Lessons()


def _colour(image: Image) -> float:
    """Return how far the colours lie apart, grey levels, on average; infrared gives none."""
    blue, green, red = cv2.split(image[::8, ::8])
    highest, lowest = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
    return float(cv2.subtract(highest, lowest).mean())
