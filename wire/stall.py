"""Stall: things that occupy a place which should be free, as the stall detector holds them."""

from wire.holding import Holding


class Stall(Holding, frozen=True, kw_only=True):
    """One occupation at one tick; ``label`` is mobile_vendor, goods_pile or storefront, ``confidence`` its odds."""

    phase: str
    """set_up; packing while less than half is left; left when it is returned for the last time."""
    score: float
    """Log-odds that this is an occupation: the sum of the evidence, each term clipped."""
    score_s: float
    """For how many seconds without a break the score has been high enough."""
    has_object: bool
    """There is a thing, not only people or a vehicle."""
    has_vendor: bool
    """Somebody has stayed with it for most of the last minutes."""
    customers: float
    """Separate visits of others within the customers' window."""
    proxies: float
    """Kinds of things that stalls are made of (umbrella, table, chair ...) seen there again and again."""
    is_custom: bool
    """The model has a class of its own for it."""
    is_trade: bool
    """Somebody sells there. Once said it is not taken back, so that one occupation never becomes two kinds of event."""
    trade_dwell_s: float
    """`dwell_s` when that was first said; 0 until then."""
    area_m2: float
    """What can be seen of it, upright square metres, from the size of people or cars where not calibrated."""
