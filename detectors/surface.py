"""Surface: the road before and after a truck has passed. The eyes compare, the spill detector decides."""

import msgspec

from detectors.geometry import Point
from detectors.ground import Matrix


class SurfaceWant(msgspec.Struct, frozen=True, kw_only=True):
    """Compare this strip of road now; asked until it is answered."""

    id: str
    """Of the passage."""
    strip: tuple[Point, ...]
    """What the truck has swept, pixels."""
    matrix: Matrix
    """Lays the strip flat: from pixels of the frame to a picture of it at 5 cm a pixel, row by row."""
    size: tuple[int, int]
    """Width and height of that picture, pixels."""
    before_s: float
    """The road as it last was before this time ..."""
    after_s: float
    """... is compared with samples from after this time."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One thing that lies there now and did not before."""

    bbox: tuple[float, float, float, float]
    """x, y, width, height, pixels of the frame."""
    area_m2: float
    along_m: float
    across_m: float
    """Where it lies in the strip, metres."""


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one want."""

    id: str
    samples: int
    """How many clear samples since ``after_s`` the least seen part of the strip has."""
    pieces: tuple[Piece, ...]
    refusal: str = ""
    """Why it could not be compared (night, rain ...); empty if it was."""
