"""Circuit: what one meter tells of the many lamps behind it, and what it cannot tell.

A meter's error and the swing of the mains grow with the current, a single lamp's share of it does not. So on a long
circuit some lamps may fail and nobody sees it; how many is worked out here, and said.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class CircuitMeter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far off the sum of its lamps a circuit's current may be while all is well."""

    tolerance: Annotated[float, Meta(ge=0, le=0.5)] = 0.03
    """Share of the current: the meter's class, and how far lamps and mains swing."""
    noise_a: Annotated[float, Meta(ge=0, le=100, extra_json_schema={"unit": "A"})] = 0.05
    """What is there whatever burns: the meter's resolution, controllers, a shop window on the same cable."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a circuit's current says of a switch."""

    word: Literal["agrees", "differs", "cannot-tell"]
    expected_a: float
    measured_a: float
    unseen: int
    """So many of its lamps may be dark without a difference that can be told."""

    @property
    def reason(self) -> str:
        """The same in words."""
        draws = f"the circuit draws {self.measured_a:.2f} A of {self.expected_a:.2f} A expected"
        if self.word == "cannot-tell":
            return f"has no meter of its own; on its circuit {self.unseen} dark lamps would not show"
        return f"{draws}; {self.unseen} dark lamps would not show" if self.word == "agrees" else draws


def unseen(meter: CircuitMeter, currents_a: Iterable[float]) -> int:
    """Return how many of the lamps that should burn may be dark, the smallest first, before the current shows it.

    >>> unseen(CircuitMeter(), [0.45] * 100)
    3
    >>> unseen(CircuitMeter(), [0.45] * 10)
    0
    """
    currents = sorted(each for each in currents_a if each > 0)
    margin_a = _margin_a(meter, sum(currents))
    count, lost_a = 0, 0.0
    for current_a in currents:
        lost_a += current_a
        if lost_a > margin_a:
            break
        count += 1
    return count


def judge(
    meter: CircuitMeter, *, before_a: float, after_a: Iterable[float], measured_a: float, changed_a: float
) -> Verdict:
    """Return what a measured current says of a switch.

    Args:
        meter: of the circuit.
        before_a: what the circuit drew before, by what its lamps were told.
        after_a: what each of its lamps should draw now.
        measured_a: what is measured.
        changed_a: the sum of what each switched lamp should draw more, or less, than before.
    """
    after = list(after_a)
    expected_a = sum(after)
    margin_a = _margin_a(meter, max(expected_a, before_a))
    if changed_a <= 2 * margin_a:
        word: Literal["agrees", "differs", "cannot-tell"] = "cannot-tell"
    else:
        word = "agrees" if abs(measured_a - expected_a) <= margin_a else "differs"
    return Verdict(word=word, expected_a=expected_a, measured_a=measured_a, unseen=unseen(meter, after))


def _margin_a(meter: CircuitMeter, current_a: float) -> float:
    return meter.tolerance * current_a + meter.noise_a
