"""Surface: the road before and after a truck has passed. The eyes compare, the spill detector decides."""

import msgspec

from detectors.geometry import Point
from detectors.ground import Matrix

CELL_M = 0.05
"""A strip is laid flat at this many metres a pixel."""


class SurfaceWant(msgspec.Struct, frozen=True, kw_only=True):
    """Keep the road as it was, and compare this strip of it with what it is now; asked until it is answered.

    The first want under an id makes the eyes keep the road as of ``before_s``; only samples from memory are left of
    that time, so it is asked as soon as a truck comes, when strip and ``after_s`` are not known yet.
    """

    id: str
    """Of the passage."""
    before_s: float
    """The road as it last was before this time ..."""
    after_s: float | None = None
    """... is compared with samples from after this time; None while there is nothing to compare yet."""
    strip: tuple[Point, ...] = ()
    """What the truck has swept, pixels."""
    matrix: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    """Lays the strip flat: from pixels of the frame to a picture of it at `CELL_M` a pixel, row by row; x of that
    picture goes across the lane, y along."""
    size: tuple[int, int] = (0, 0)
    """Width and height of that picture, pixels."""
    samples: int = 9
    """It is compared only once the least seen part of the strip has as many clear samples."""
    rear: tuple[float, float, float, float] | None = None
    """Corners, pixels, of the place right behind a truck: whatever small flies there is counted in this picture."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One thing that lies there now and did not before."""

    bbox: tuple[float, float, float, float]
    """x, y, width, height, pixels of the frame."""
    area_m2: float
    along_m: float
    across_m: float
    """Where it lies in the strip, metres."""


class Surface(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one want; there is none in a picture that brings nothing new."""

    id: str
    samples: int = 0
    """How many clear samples since ``after_s`` the least seen part of the strip has."""
    pieces: tuple[Piece, ...] | None = None
    """What lies there now; None while too little of the road was seen to compare it."""
    refusal: str = ""
    """Why it cannot be compared (night, rain, the road before was not seen ...); empty if it can."""
    particles: int = 0
    """How many small things flew in the want's ``rear``."""
