"""Wants: what detectors ask of the next picture. The answers stand in its tick, so a replay needs no picture."""

from typing import Literal

import msgspec

from detectors.surface import SurfaceWant

Corners = tuple[float, float, float, float]
Pace = Literal["quiet", "armed", "busy", "burst"]
"""How closely a camera must be watched: nothing is held; what is held stands; something changes; a truck passes."""


class Wants(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Asked before the picture is taken; a function of the detectors' states alone."""

    pace: Pace = "busy"
    looks: dict[str, Corners] = {}
    """Describe these places, by the id of who asks."""
    places: tuple[Corners, ...] = ()
    """Where something stands: on a quiet street the model may look at these alone, up to nine in one picture."""
    steady: bool = False
    """Run the model on the picture of the last seconds, in which traffic vanishes and what stands remains."""
    surfaces: tuple[SurfaceWant, ...] = ()


class Look(msgspec.Struct, frozen=True, array_like=True):
    """What a place looks like: enough to say later whether the same thing stands there."""

    id: str
    """Of who asked."""
    luma: bytes
    """48 x 48 grey levels of the place, row by row."""
    hues: bytes
    """16 x 16 counts of hue and saturation, scaled so that the largest is 255."""
    street: float
    """Correlation (NCC) of its grey levels with the empty street there, -1 to 1; 0 while the street is not known."""
