"""Spills: what lies on the road after a truck has passed.

IDLE, then ARMED while a heavy vehicle is in a lane, SETTLE while the road behind it is seen clear again, CONFIRM while
it is compared again and again, RAISED by a rule, WATCH until it is cleared. NO_DECISION is an answer, and is counted.
"""

import msgspec

from detectors.quantity import Count, Metres, Ratio, Seconds, Share, Speed, SquareMetres
from detectors.site import Site
from detectors.spill_ledger import SpillLedger
from detectors.spill_turn import Turn
from detectors.tick import Tick
from detectors.wants import Pace, Wants
from wire.spill import Spill

__all__ = ["SpillLedger", "Spills"]


class Spills(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    classes: tuple[str, ...] = ("car", "truck", "bus", "muck_truck")
    """Labels among which heavy vehicles are looked for: small models call a near lorry anything that drives."""
    heavy_classes: tuple[str, ...] = ("truck", "bus")
    """Labels that speak for a heavy vehicle; its size decides."""
    custom_classes: tuple[str, ...] = ("muck_truck",)
    """Labels of a model of one's own that are believed whatever the size."""
    sweeper_classes: tuple[str, ...] = ("sweeper", "sprinkler")
    """Labels of vehicles that change the road as their work: nothing is concluded from their passage."""
    birth_confidence: Share = 0.25
    """A truck is noticed by a box at least this sure."""
    keep_confidence: Share = 0.12
    """... and is followed by boxes at least this sure."""
    tall_ratio: Ratio = 1.4
    """Heights of a car at the same row from which a vehicle is heavy; vans have up to 1.4, lorries 1.6 to 3."""
    track_s: Seconds = 1.0
    """How long a heavy vehicle must be followed for its passage to count: three ticks, at two a second."""
    speed_min_mps: Speed = 1.0
    """... and how fast it must be."""
    lost_s: Seconds = 2.0
    """A vehicle that is not seen for so long has left the lane."""
    beside_m: Metres = 1.2
    """How much wider than the vehicle the strip is at each side."""
    beyond_m: Metres = 3.0
    """How much further than it was seen the strip goes."""
    resolution_max_m: Metres = 0.15
    """Road that one row of the picture covers at most; what is further away cannot be judged."""
    samples_min: Count = 9
    """Clear samples, one a second, that the road needs before it is compared."""
    again_samples_min: Count = 5
    """... and when it is compared again: what was found then must only still be there."""
    settle_max_s: Seconds = 60.0
    """If traffic hides the road for longer, nothing is decided."""
    checks_s: tuple[Seconds, Seconds, Seconds] = (15.0, 45.0, 120.0)
    """When the road is compared again, seconds after the first find."""
    again_min: Count = 2
    """How many of these must find the same pieces."""
    area_min_m2: SquareMetres = 0.05
    """All pieces together; smaller finds are not followed."""
    watch_every_s: Seconds = 60.0
    """How often a spill that is sure is looked for."""
    cleared_after: Count = 2
    """So many times in a row it must be gone to have been cleared."""
    forget_s: Seconds = 3_600.0
    """A spill that could not be looked for so long (as after a restart) is given up."""
    max_gap_s: Seconds = 3.0
    """A longer silence between two ticks counts as blind."""

    def first(self) -> SpillLedger:
        """Return the ledger of a camera that has seen nothing."""
        return SpillLedger()

    def wants(self, ledger: SpillLedger) -> Wants:
        """Return what is asked of the next picture."""
        now_s = ledger.time_s or 0.0
        asked = []
        for passage in ledger.passages:
            truck = ledger.visible(passage.id)
            samples = self.samples_min if passage.phase == "settle" else self.again_samples_min
            want = passage.want(truck.rear if truck else None, samples, now_s)
            if want is not None:
                asked.append(want)
        pace: Pace = "armed" if ledger.passages else "quiet"
        if any(truck.seen_s == ledger.looked_s and truck.is_moving for truck in ledger.trucks):
            pace = "burst"
        return Wants(pace=pace, surfaces=tuple(asked))

    def step(self, ledger: SpillLedger, tick: Tick, site: Site) -> tuple[SpillLedger, list[Spill]]:
        """Return the ledger after a tick, and every spill as it now is; one that is cleared is returned once more.

        A tick that is not later than the one before is passed over.
        """
        dt_s = tick.time_s - ledger.time_s if ledger.time_s is not None else 0.0
        if dt_s <= 0 and ledger.time_s is not None:
            return ledger, []
        lanes = site.of_type("lane")
        if not lanes:
            return SpillLedger(time_s=tick.time_s), []
        turn = Turn(self, ledger, tick)
        if tick.blind or dt_s - tick.watched_s > self.max_gap_s:
            turn.go_blind(dt_s)
        if not tick.blind:
            turn.learn()
            if not tick.regions:
                turn.follow(lanes, site.ground)
            turn.compare()
        return turn.ledger(), turn.spills()
