"""Guard: how many lamps one person may switch off or dim within a minute; light is never refused.

The gateway holds its own orders to it, and the centre holds all of them to it once more.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import cos, dist, radians
from typing import Annotated

import msgspec
from msgspec import Meta

from wire.command import Action, Approval

DARKENING: frozenset[Action] = frozenset(("off", "dim"))
"""What is limited."""
APPROVAL_MS = 10 * 60_000
"""For so long a second person's word holds."""
_SKEW_MS = 10_000
_METRES_PER_DEGREE = 111_320.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of lamps within a rolling window; one lamp may always be switched."""

    share_of_all: Annotated[float, Meta(gt=0, le=1)] = 0.05
    share_of_circuit: Annotated[float, Meta(gt=0, le=1)] = 0.10
    window_ms: Annotated[int, Meta(ge=1_000)] = 60_000


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that would be passed: ``count`` lamps within the window where ``allowed`` may be."""

    circuit: str
    """Empty for all lamps together."""
    count: int
    allowed: int


def passed(
    limits: Limits,
    *,
    lately: Collection[str],
    wanted: Collection[str],
    circuit_of: Mapping[str, str],
    sizes: Mapping[str, int],
) -> tuple[Over, ...]:
    """Return the limits that a darkening would pass.

    Args:
        limits: how much is allowed.
        lately: lamps darkened within the window.
        wanted: lamps to be darkened now.
        circuit_of: the circuit of each of these lamps.
        sizes: lamps of each circuit.

    >>> passed(Limits(), lately=["a"], wanted=["b"], circuit_of={"a": "1", "b": "1"}, sizes={"1": 20, "2": 20})
    ()
    >>> passed(Limits(), lately=["a"], wanted=["b"], circuit_of={"a": "1", "b": "1"}, sizes={"1": 19, "2": 21})
    (Over(circuit='1', count=2, allowed=1),)
    """
    dark = {*lately, *wanted}
    found = []
    if wanted and len(dark) > (allowed := _allowed(limits.share_of_all, sum(sizes.values()))):
        found.append(Over(circuit="", count=len(dark), allowed=allowed))
    asked = {circuit_of[lamp] for lamp in wanted}
    counts = Counter(circuit_of[lamp] for lamp in dark if lamp in circuit_of)
    for circuit in sorted(asked):
        allowed = _allowed(limits.share_of_circuit, sizes.get(circuit, 0))
        if counts[circuit] > allowed:
            found.append(Over(circuit=circuit, count=counts[circuit], allowed=allowed))
    return tuple(found)


def neighbours(places: Sequence[tuple[str, tuple[float, float] | None]]) -> set[frozenset[str]]:
    """Return which lamps of one crossing or tunnel stand side by side: no third one is nearer to both of them.

    Without all positions, those that follow each other in the file are taken for neighbours.

    >>> road = [("a", (31.0, 121.0)), ("c", (31.0, 121.002)), ("b", (31.0, 121.001))]
    >>> sorted(sorted(pair) for pair in neighbours(road))
    [['a', 'b'], ['b', 'c']]
    """
    if any(position is None for _, position in places):
        return {frozenset((one, other)) for (one, _), (other, _) in itertools.pairwise(places)}
    points = {lamp: _metres(position) for lamp, position in places if position is not None}
    found = set()
    names = list(points)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            apart = dist(points[one], points[other])
            between = (max(dist(points[one], at), dist(points[other], at)) for at in points.values())
            if all(each >= apart for each in between):
                found.add(frozenset((one, other)))
    return found


def side_by_side(pairs: Iterable[frozenset[str]], *, dark: Collection[str], wanted: Collection[str]) -> tuple[str, ...]:
    """Return two neighbours of which one is to go dark while the other is, or goes with it; nothing if there are none.

    >>> side_by_side([frozenset(("a", "b"))], dark=["a"], wanted=["b"])
    ('a', 'b')
    """
    together = {*dark, *wanted}
    found = sorted(tuple(sorted(pair)) for pair in pairs if pair <= together and not pair.isdisjoint(wanted))
    return found[0] if found else ()


def approved(approval: Approval | None, *, actor: str, issued_ms: int) -> bool:
    """Tell whether a second person stands behind an order, and has said so not long before.

    >>> approved(Approval(name="lin", time_ms=5), actor="wang", issued_ms=9)
    True
    >>> approved(Approval(name="Wang ", time_ms=5), actor="wang", issued_ms=9)
    False
    """
    if approval is None or not approval.name.strip():
        return False
    is_other = approval.name.strip().casefold() != actor.strip().casefold()
    return is_other and -_SKEW_MS <= issued_ms - approval.time_ms <= APPROVAL_MS


def _metres(position: tuple[float, float]) -> tuple[float, float]:
    latitude, longitude = position
    return latitude * _METRES_PER_DEGREE, longitude * _METRES_PER_DEGREE * cos(radians(latitude))


def _allowed(share: float, size: int) -> int:
    return max(1, int(share * size + 1e-9))
