"""Spill: what lies on the road after a truck has passed, as the spill detector holds it."""

from wire.holding import Holding


class Spill(Holding, frozen=True, kw_only=True):
    """One spill at one tick; ``label`` is ``truck`` if it is tied to one, else ``debris``."""

    checks: float
    """How many times the road was compared so far, and..."""
    confirmed: float
    """... how many of these found it."""
    is_attributed: bool
    """Only one heavy vehicle can have done it, or it was seen to fall."""
    pieces: float
    area_m2: float
    """Of all pieces, square metres; estimated where the camera is not calibrated."""
