"""Ledger of the spill detector: the trucks in the lanes, the passages that are looked at, and what was decided."""

import msgspec

from detectors.scale import Scale
from detectors.spill_passage import Passage
from detectors.spill_truck import Truck


class SpillLedger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the spill detector remembers of one camera; it encodes, so that a restart goes on."""

    time_s: float | None = None
    looked_s: float = 0.0
    """When the model last looked at all of the picture."""
    learnt_s: float | None = None
    """When cars were last measured."""
    scale: Scale = Scale()
    trucks: tuple[Truck, ...] = ()
    number: int = 0
    """Of the next truck."""
    passages: tuple[Passage, ...] = ()
    decided: int = 0
    """Passages after which the road could be compared, whatever came of it."""
    undecided: dict[str, int] = {}
    """NO_DECISION: passages after which it could not, by reason."""

    def visible(self, passage: str) -> Truck | None:
        """Return the truck of a passage, if the last look at the picture has found it."""
        found = (truck for truck in self.trucks if truck.passage == passage and truck.seen_s == self.looked_s)
        return next(found, None)
