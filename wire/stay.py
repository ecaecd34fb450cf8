"""Stay: a vehicle at a place, as the parking detector holds it."""

from wire.holding import Holding


class Stay(Holding, frozen=True, kw_only=True):
    """One vehicle's stay at one tick."""

    in_jam: bool
    """It stands with the traffic; its dwell does not count while so."""
    is_occluded: bool = False
    """Not seen at this tick, and something nearer stands before its place."""
    is_lost: bool = False
    """Not found for a while in plain view, yet its place is not like the empty street: glare, or a weak model."""
    is_confirmed: bool = False
    """The model has found it in the picture of the last seconds, too, from which traffic vanishes."""
    is_doubted: bool = False
    """The model has twice in a row not found it there: what was boxed may have been the traffic."""
