"""Holding: what a detector holds on to from tick to tick, and what rules watch: a stay, a stall, a spill."""

import msgspec

from wire.identifiers import Id, Uuid7
from wire.values import Real

BoxXywh = tuple[Real, Real, Real, Real]


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What every kind has; times in ``_s`` are the camera's steady clock, in ``_ms`` the wall's."""

    id: Uuid7
    camera: Id
    zone: Id
    time_s: float
    time_ms: int
    start_s: float
    """When it came to be: the vehicle stood, the first thing of the stall lay there, the truck had passed."""
    start_ms: int
    dwell_s: float
    """Seconds that count: seen or hidden behind traffic; blind time, and time in a jam, are not in it."""
    visible_s: float
    occluded_s: float
    blind_s: float
    """Seconds in which nobody watched: camera blind, camera or agent down."""
    visible_share: float
    """visible_s / (visible_s + occluded_s), 0 to 1."""
    unseen_s: float
    """Seconds since it was last seen."""
    is_blind: bool
    """Camera health forbids conclusions at this tick."""
    has_left: bool
    end_s: float | None = None
    """When it was last seen, once it has left."""
    end_ms: int | None = None
    label: str
    confidence: float
    bbox: BoxXywh
    size: tuple[int, int]
    """Width and height of the frame that ``bbox`` is given in, pixels."""
    resumes: Uuid7 | None = None
    """The holding that this one goes on with: the same thing, gone for a moment or moved by less than its length."""
