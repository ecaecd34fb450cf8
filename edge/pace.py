"""Pace: how closely a camera's pictures are looked at; pure, so that live and replay agree.

Things that stand are the target, so a street on which nothing moves is not left alone: it is looked at as a whole every
few seconds, and never believed to be unchanged for longer. As in Frigate's motion gate, but with such a heartbeat.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detectors.quantity import Share
from detectors.wants import Pace

Choice = Literal["whole", "places", "none"]
"""Look at all of the picture; at the places where something stands; only feed what needs every picture."""

_GAP_S = 2.5
"""Between pictures further apart than this anything may have happened."""
_EPSILON_S = 1e-6
_BURST_HOLD_S = 5.0
"""What asks for a burst is looked after for so long after it asked last."""


class Pacing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a picture in which nothing moves is looked at all the same, and what counts as motion."""

    whole_s: Annotated[float, Meta(ge=1, le=25, extra_json_schema={"unit": "s"})] = 10.0
    """The whole picture is looked at so often though nothing moves; with pictures 2.5 s apart that is 30 s at most."""
    armed_s: Annotated[float, Meta(ge=0.1, le=25, extra_json_schema={"unit": "s"})] = 2.0
    """What stands is looked at so often though nothing moves."""
    places_max: Annotated[int, Meta(ge=0, le=9, extra_json_schema={"unit": "1"})] = 9
    """If not more than so many places are waited on, they alone are looked at; 0: always the whole picture."""
    burst_hz: Annotated[float, Meta(ge=1, le=10, extra_json_schema={"unit": "Hz"})] = 5.0
    """Looks a second while a truck passes."""
    difference: Annotated[float, Meta(ge=4, le=100, extra_json_schema={"unit": "1"})] = 20.0
    """Grey levels, of 255, by which a pixel of the small picture must differ from its average to count as motion."""
    area_min: Share = 0.0005
    """Motion is that more than this share of the picture differs: a person at 50 m, not the noise of a sensor."""
    average_s: Annotated[float, Meta(ge=2, le=600, extra_json_schema={"unit": "s"})] = 10.0
    """Time constant of the average: what has stopped counts as motion for up to about twice as long."""


class Watched(msgspec.Struct, frozen=True):
    """When a camera's pictures were taken that were seen last; seconds of its steady clock."""

    picture_s: float
    look_s: float
    whole_s: float


class Sampling(msgspec.Struct, frozen=True):
    """Which pictures a camera is asked for."""

    hz: float
    is_full: bool = False
    """Whether every picture must be decoded, also where key frames would do otherwise."""


def choose(
    pacing: Pacing, watched: Watched | None, *, time_s: float, pace: Pace, has_moved: bool, places: int
) -> tuple[Watched, Choice]:
    """Say how to look at a picture, given how many places could be looked at alone; in doubt at all of it."""
    choice: Choice = "none"
    if watched is None or has_moved or pace in ("busy", "burst") or time_s - watched.picture_s > _GAP_S:
        choice = "whole"
    else:
        # The next picture will be about as far away as the last one was: it must not come too late.
        next_s = 2 * time_s - watched.picture_s - _EPSILON_S
        if next_s - watched.whole_s > pacing.whole_s:
            choice = "whole"
        elif pace == "armed" and next_s - watched.look_s > pacing.armed_s:
            choice = "places" if 0 < places <= pacing.places_max else "whole"
    if watched is None or choice == "whole":
        return Watched(time_s, time_s, time_s), "whole"
    return Watched(time_s, time_s if choice == "places" else watched.look_s, watched.whole_s), choice


def watched_s(tick_s: float, passed_s: float | None) -> float:
    """Return for how long the pictures since a tick were passed over, given when the last such picture was taken."""
    return 0.0 if passed_s is None else max(0.0, passed_s - tick_s)


class Asking:
    """Tells which pictures a camera is asked for, from what its detectors want.

    >>> asking = Asking(2.0, Pacing())
    >>> [asking.sampling(pace, time_s).hz for pace, time_s in (("armed", 0), ("burst", 1), ("quiet", 5), ("quiet", 7))]
    [2.0, 5.0, 5.0, 2.0]
    """

    def __init__(self, tick_hz: float, pacing: Pacing) -> None:
        self._calm, self._burst = Sampling(tick_hz), Sampling(max(tick_hz, pacing.burst_hz), is_full=True)
        self._until_s: float | None = None

    def sampling(self, pace: Pace, time_s: float) -> Sampling:
        """Return what to ask for from now on."""
        if pace == "burst":
            self._until_s = time_s + _BURST_HOLD_S
        return self._burst if self._until_s is not None and time_s < self._until_s else self._calm
