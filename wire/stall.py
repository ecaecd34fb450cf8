"""Stall: things that occupy a place which should be free, as the stall detector holds them."""

from wire.holding import Holding


class Stall(Holding, frozen=True, kw_only=True):
    """One occupation at one tick; ``label`` is what most of it was taken for."""

    score: float
    """Log-odds that this is an occupation: the sum of the evidence, each term clipped."""
    score_s: float
    """For how many seconds without a break the score has been high enough."""
    has_object: bool
    """There is a thing, not only people."""
    has_vendor: bool
    """Somebody has stayed with it for most of the last minutes."""
    customers: float
    """Separate visits of others within the customers' window."""
    proxies: float
    """Kinds of things that stalls are made of (umbrella, table, crate ...) seen there again and again."""
    is_custom: bool
    """The model has a class of its own for it."""
    area_m2: float
    """Ground that is covered, square metres; estimated from the size of vehicles or people where not calibrated."""
