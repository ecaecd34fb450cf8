"""Guard: how many lamps may be switched off or dimmed within a minute before a second person must agree."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from wire.command import Action

DARKENING: frozenset[Action] = frozenset(("off", "dim"))
"""What is limited; light is never refused."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of lamps within a rolling window; one lamp may always be switched."""

    share_of_all: Annotated[float, Meta(gt=0, le=1)] = 0.05
    share_of_circuit: Annotated[float, Meta(gt=0, le=1)] = 0.10
    window_ms: Annotated[int, Meta(ge=1_000)] = 60_000


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that would be passed: ``count`` lamps within the window where ``allowed`` may be."""

    circuit: str
    """Empty for the city as a whole."""
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
    total = sum(sizes.values())
    found = []
    if wanted and len(dark) > (allowed := _allowed(limits.share_of_all, total)):
        found.append(Over(circuit="", count=len(dark), allowed=allowed))
    asked = {circuit_of[lamp] for lamp in wanted}
    counts = Counter(circuit_of[lamp] for lamp in dark if lamp in circuit_of)
    for circuit in sorted(asked):
        allowed = _allowed(limits.share_of_circuit, sizes.get(circuit, 0))
        if counts[circuit] > allowed:
            found.append(Over(circuit=circuit, count=counts[circuit], allowed=allowed))
    return tuple(found)


def _allowed(share: float, size: int) -> int:
    return max(1, int(share * size + 1e-9))
