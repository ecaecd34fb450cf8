"""Spills: what lies on the road after a truck has passed."""

import msgspec

from detectors.site import Site
from detectors.tick import Tick
from detectors.wants import Wants
from wire.spill import Spill


class SpillLedger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the spill detector remembers of one camera."""

    time_s: float | None = None


class Spills(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    def first(self) -> SpillLedger:
        """Return the ledger of a camera that has seen nothing."""
        return SpillLedger()

    def wants(self, ledger: SpillLedger) -> Wants:  # noqa: ARG002
        """Return what is asked of the next picture."""
        return Wants(pace="quiet")

    def step(self, ledger: SpillLedger, tick: Tick, site: Site) -> tuple[SpillLedger, list[Spill]]:  # noqa: ARG002
        """Return the ledger after a tick, and every spill as it now is; one that is cleared is returned once more."""
        return SpillLedger(time_s=tick.time_s), []
