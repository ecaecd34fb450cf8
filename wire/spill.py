"""Spill: what lies on the road after a truck has passed, as the spill detector holds it."""

from wire.holding import Holding


class Spill(Holding, frozen=True, kw_only=True):
    """One spill at one tick; ``label`` is ``truck`` if it is tied to one, else ``debris``."""

    checks: float
    """How many times the road was compared again after the first find, and..."""
    confirmed: float
    """... how many of these found it again in the same place."""
    is_confirmed: bool
    """It was found again often enough; or traffic has cleared it since, but it was seen to fall."""
    is_attributed: bool
    """Only one heavy vehicle can have done it, or it was seen to fall from one."""
    has_cue: bool
    """Small things were seen to fly behind a truck, or what lies there makes a trail along the lane."""
    pieces: float
    area_m2: float
    """Of all pieces, square metres; estimated where the camera is not calibrated."""
