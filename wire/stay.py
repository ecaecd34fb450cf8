"""Stay: a vehicle at a place, as a parking detector holds it. Rules watch stays."""

import msgspec

from wire.identifiers import Id, Uuid7
from wire.values import Real

BoxXywh = tuple[Real, Real, Real, Real]


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """One vehicle's stay at one tick; times in ``_s`` are the camera's steady clock, in ``_ms`` the wall's."""

    id: Uuid7
    camera: Id
    zone: Id
    time_s: float
    time_ms: int
    start_s: float
    """When the vehicle came to a stand."""
    start_ms: int
    dwell_s: float
    """Seconds of standing that count: seen or hidden behind traffic; blind and jam time are not in it."""
    visible_s: float
    occluded_s: float
    blind_s: float
    """Seconds of this stay in which nobody watched: camera or agent down."""
    visible_share: float
    """visible_s / (visible_s + occluded_s), 0 to 1."""
    unseen_s: float
    """Seconds since the vehicle was last seen."""
    in_jam: bool
    """It stands with the traffic; its dwell does not count while so."""
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
