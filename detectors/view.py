"""View: what a picture as a whole is like, measured; camera health is told from it."""

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One picture's measures: numbers only. None is what could not be measured, which is no fault."""

    luminance: float
    """Mean grey level, 0 to 255."""
    dark: float = 0.0
    """Share of pixels below grey level 24."""
    bright: float = 0.0
    """Share of pixels at 250 or above: clipped, for all that can be told."""
    blank: float = 0.0
    """Share of the picture, in cells of a sixteenth of its width, in which nothing can be seen but noise."""
    lost: float | None = None
    """Of the cells in which something could be seen before: the share in which it no longer can."""
    sharpness: float | None = None
    """How steep edges are beside the contrast around them, against the same places before: 1 is as ever."""
    change: float | None = None
    """Grey levels by which that part of the picture which changed most differs from the most similar one of the last
    seconds; 0 is a copy. Sensor noise alone gives about 1."""
    shift: tuple[float, float] | None = None
    """How far the picture has gone since the one before, right and down, as shares of its width."""
    reference: str = ""
    """Which reference view it is compared with: begins the file's SHA-256; empty while there is none."""
    match: float | None = None
    """How well its edges lie on those of the reference, -1 to 1; as found last, in the last 10 seconds."""
    moved: float | None = None
    """How far its corners lie from the reference's, as a share of the width; None if nobody can tell."""
    is_comparable: bool = False
    """Whether its light is like the reference's, so that what cannot be found again is not there."""
