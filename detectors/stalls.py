"""Stalls: things that occupy a place which should be free, told by what they are made of and by who stays with them."""

import msgspec

from detectors.site import Site
from detectors.tick import Tick
from detectors.wants import Wants
from wire.stall import Stall


class StallLedger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the stall detector remembers of one camera."""

    time_s: float | None = None


class Stalls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    def first(self) -> StallLedger:
        """Return the ledger of a camera that has seen nothing."""
        return StallLedger()

    def wants(self, ledger: StallLedger) -> Wants:  # noqa: ARG002
        """Return what is asked of the next picture."""
        return Wants(pace="quiet")

    def step(self, ledger: StallLedger, tick: Tick, site: Site) -> tuple[StallLedger, list[Stall]]:  # noqa: ARG002
        """Return the ledger after a tick, and every stall as it now is; one that has gone is returned once more."""
        return StallLedger(time_s=tick.time_s), []
