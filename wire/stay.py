"""Stay: a vehicle at a place, as the parking detector holds it."""

from wire.holding import Holding


class Stay(Holding, frozen=True, kw_only=True):
    """One vehicle's stay at one tick."""

    in_jam: bool
    """It stands with the traffic; its dwell does not count while so."""
