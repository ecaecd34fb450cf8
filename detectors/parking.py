"""Parking: vehicles that stand in a zone, their clocks kept by the place and never by a track id.

Silver: `tests/test_roadtrack.py` holds recall, precision and duplicates on six motorway cameras. It knows no
identity: what comes back after a while out of sight is the same vehicle if it looks the same, or if nobody can tell.
"""

from collections.abc import Iterator
from copy import copy

import msgspec
import numpy as np

from detectors.geometry import Bools, as_rows, footprint_shares, overlaps
from detectors.jam import JamGate
from detectors.likeness import is_alike, is_street
from detectors.moves import Reach, follow, note_passage, resumed, widths_m
from detectors.quantity import Metres, Seconds, Share
from detectors.sighted import Sighted
from detectors.site import Site
from detectors.slot import Ledger, Slot, candidate
from detectors.tick import Tick
from detectors.wants import Look, Wants
from wire.stay import Stay

__all__ = ["Ledger", "Parking", "Slot"]

_CONTAINED = 0.9
"""Share of a box that must lie in a place for it to be the rest that an occluder left."""
_REST_IOU = 0.3
_DOUBLE_IOU = 0.4
"""Overlap with a vehicle that stands and is seen, from which another box there is taken for its double."""
_MISSES_MIN = 3
_SETTLED_SHARE = 0.75
"""A vehicle that settles must be seen for this share of the time."""
_SETTLED_DRIFT = 0.15
"""Diagonals of the box that it may move while it settles."""
_LEFT_DRIFT = 0.6
"""Diagonals of the box beyond which a standing vehicle has driven off, however slowly."""
_SLOTS_MAX, _GONE_MAX, _LOOKS_MAX, _PLACES_MAX = 64, 8, 16, 9
_LOOK_AGAIN_S = 60.0
"""How old a slot's look may grow: the light changes."""
_REFUSALS_MAX = 3
"""Looks in a row that must show something else before the vehicle counts as swapped for another."""
_RETRY_S = 20.0
"""After a second opinion against a stay the next one is due so soon."""
_SHOWN_MIN_S = 15.0
"""A stay must have been seen for this long of the last 20 s for a second opinion against it to count."""
_NOISE_PX = 2.0
"""Boxes tell a place no better than this, pixels."""


class Parking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    classes: tuple[str, ...] = ("car", "truck", "bus", "thing")
    """Labels that count as a vehicle; ``thing`` is what the class-free backend says."""
    birth_confidence: Share = 0.25
    """A new stay needs a box at least this sure."""
    keep_confidence: Share = 0.1
    """A stay that is already held is kept by a box at least this sure."""
    keep_iou: Share = 0.4
    """Overlap with its place at which a box is taken for the vehicle that stands there."""
    same_iou: Share = 0.7
    """Boxes of any label that overlap more than this are one vehicle; lorries are often boxed twice."""
    covered_share: Share = 0.25
    """Share of a place that a nearer box must cover to hide the vehicle."""
    settle_s: Seconds = 5.0
    """How long a vehicle must keep its place before it counts as standing."""
    footprint_share: Share = 0.5
    """Share of the lower 35 % of a box that must lie in the zone."""
    leave_s: Seconds = 8.0
    """How long an uncovered place must look empty, at least three times, before the vehicle has left."""
    hidden_max_s: Seconds = 120.0
    """How long traffic may hide a vehicle before it is taken to have left when last seen."""
    max_gap_s: Seconds = 3.0
    """A longer silence between two ticks counts as blind."""
    resume_s: Seconds = 600.0
    """After a longer gap nothing is resumed: what stands there is new, and never back-dated."""
    reappear_s: Seconds = 3.0
    """A vehicle that was out of sight for longer than this must look as before when it is seen again."""
    lost_max_s: Seconds = 60.0
    """How long a vehicle that is not found in plain view is kept while its place does not look like the street."""
    shuffle_s: Seconds = 300.0
    """How long after it was last seen a stay may go on with a vehicle that has made room, or was overlooked."""
    shuffle_m: Metres = 3.0
    """How far such a vehicle may have moved; its own size in the picture where the camera is not calibrated."""
    settle_m: Metres = 0.4
    """How far a vehicle may move while it settles, beside what a box wavers; only where the camera is calibrated."""
    vehicle_min_m: Metres = 0.8
    """What is boxed smaller than this, in width or height, is no vehicle; only where the camera is calibrated."""
    check_first_s: Seconds = 20.0
    """How long after the stop the first second opinion is asked for: the model on a picture without traffic."""
    check_every_s: Seconds = 300.0
    """How often it is asked again while the vehicle stands."""
    jam_window_s: Seconds = 20.0
    """How far back the flow of a zone's lane is judged."""
    jam_ratio: Share = 0.5
    """A lane is jammed when at least this share of its vehicles stood, over the window."""
    jam_lookback_s: Seconds = 45.0
    """When the lane jams, a stay younger than this is taken to stand with the traffic."""
    jam_release_s: Seconds = 30.0
    """When the lane has flowed for this long, what still stands was parked, and all its time counts."""
    jam_hold_max_s: Seconds = 600.0
    """A vehicle that has not moved its length for so long is no part of a queue, and all its time counts."""

    @property
    def _jam_gate(self) -> JamGate:
        return JamGate(
            window_s=self.jam_window_s,
            ratio=self.jam_ratio,
            lookback_s=self.jam_lookback_s,
            release_s=self.jam_release_s,
            hold_max_s=self.jam_hold_max_s,
            keep_iou=self.keep_iou,
        )

    def first(self) -> Ledger:
        """Return the ledger of a camera that has seen nothing."""
        return Ledger()

    def wants(self, ledger: Ledger) -> Wants:
        """Return what is asked of the next picture."""
        now_s = ledger.time_s or 0.0
        standing = [slot for slot in ledger.slots if slot.stands]
        is_busy = len(standing) < len(ledger.slots) or any(slot.hidden_s and not slot.is_covered for slot in standing)
        asking = sorted((slot for slot in ledger.slots if self._needs_look(slot, now_s)), key=lambda each: each.seen_s)
        unseen_first = sorted(standing, key=lambda each: each.seen_s)
        return Wants(
            pace="busy" if is_busy else "armed" if standing else "quiet",
            looks={slot.name: slot.box for slot in asking[:_LOOKS_MAX]},
            places=tuple(slot.box for slot in unseen_first[:_PLACES_MAX]),
            steady=any(now_s >= slot.check_s and not slot.hidden_s for slot in standing),
        )

    def _needs_look(self, slot: Slot, now_s: float) -> bool:
        if not slot.stands:
            return now_s - slot.start_s >= self.settle_s / 2
        is_due = slot.look is None or now_s - slot.look_s >= _LOOK_AGAIN_S
        return is_due or slot.hidden_s > 0 or slot.is_unproven

    def step(self, ledger: Ledger, tick: Tick, site: Site) -> tuple[Ledger, list[Stay]]:
        """Return the ledger after a tick, and every stay as it now is; one that has left is returned once more.

        A tick that is not later than the one before is passed over.
        """
        elapsed_s = tick.time_s - ledger.time_s if ledger.time_s is not None else 0.0
        if elapsed_s <= 0 and ledger.time_s is not None:
            return ledger, []
        gap_s = elapsed_s - min(tick.watched_s, elapsed_s)
        if gap_s > self.resume_s:
            ended = [slot.stay(tick, has_left=True) for slot in ledger.slots if slot.stands]
            ledger, stays = self.step(Ledger(), tick, site)
            return ledger, ended + stays
        slots = [copy(slot) for slot in ledger.slots]
        if tick.blind or gap_s > self.max_gap_s:
            slots = _blinded(slots, elapsed_s if tick.blind else gap_s)
            ledger = msgspec.structs.replace(ledger, before=(), nobodys=0)
            elapsed_s -= gap_s
        if tick.blind:
            after = msgspec.structs.replace(ledger, time_s=tick.time_s, time_ms=tick.time_ms, slots=tuple(slots))
            return after, [slot.stay(tick) for slot in slots]
        return self._look(ledger, slots, tick, site, elapsed_s)

    def _look(
        self, ledger: Ledger, slots: list[Slot], tick: Tick, site: Site, dt_s: float
    ) -> tuple[Ledger, list[Stay]]:
        """Return ledger and stays after a tick that shows something; ``slots`` are copies, ``dt_s`` may be counted."""
        gone = tuple(copy(slot) for slot in ledger.gone if tick.time_s - slot.seen_s <= self.shuffle_s)
        before = ledger.before
        sighted = Sighted(
            tick, slots, before, classes=self.classes, confidence=self.keep_confidence, same_iou=self.same_iou
        )
        swapped = self._match(slots, sighted, tick, dt_s) if slots else []
        reach = Reach(site.ground, self.shuffle_m)
        away = [slot for slot in slots if slot.stands and slot.hidden_s]
        if away or gone:
            follow((*away, *gone), sighted, before, tick.time_s, reach)
        if gone:
            note_passage(gone, sighted, self.keep_iou)
        if tick.steady is not None:
            self._take_opinion(slots, tick)
        flows = ledger.flows
        if not tick.regions:
            flows = self._jam_gate.judged(flows, slots, sighted, site.of_type("no_parking"), tick.time_s)
        if flows:
            self._jam_gate.hold(slots, flows, tick.time_s, dt_s)
        standing, ended, stays = self._settle(slots, gone, tick, reach)
        born = self._born(ledger, slots, sighted, site, tick) if len(standing) < _SLOTS_MAX else ()
        seen, nobodys = sighted.seen_now(before)
        after = Ledger(
            time_s=tick.time_s,
            time_ms=tick.time_ms,
            slots=(*standing, *swapped, *born)[:_SLOTS_MAX],
            gone=ended,
            before=seen,
            nobodys=nobodys,
            flows=flows,
        )
        return after, stays

    def _match(self, slots: list[Slot], sighted: Sighted, tick: Tick, dt_s: float) -> list[Slot]:
        """Give each slot the box that fits it best, and note for the others whether something hides them.

        Return a candidate for each vehicle that has been found to stand in another's stead.
        """
        covers = sighted.covers(self.covered_share)
        is_covered: Bools = np.any(covers, axis=1)
        is_whole = sighted.iou >= self.keep_iou
        is_fit, is_rest = is_whole, np.zeros_like(is_whole)
        if is_covered.any():
            # A box that something nearer cuts short overlaps its place badly, yet lies inside it.
            count = len(sighted.boxes)
            is_rest = sighted.common[:, :count] >= _CONTAINED * sighted.areas[:count]
            is_rest &= sighted.iou >= _REST_IOU
            is_rest &= is_covered[:, None] & (sighted.rows[:, 3] <= sighted.held[:, 3, None])
            is_fit = is_whole | is_rest
        pairs = [
            (not whole, not slots[row].stands, -iou, row, column, part)
            for row, column, iou, whole, part in zip(
                *(each.tolist() for each in np.nonzero(is_fit)),
                *(each[is_fit].tolist() for each in (sighted.iou, is_whole, is_rest)),
                strict=True,
            )
        ]
        pairs.sort()
        looks = {look.id: look for look in tick.looks}
        seen, swapped = set[int](), list[Slot]()
        for _, _, less, row, column, is_part in pairs:
            if row not in seen and sighted.is_free(column):
                seen.add(row)
                slot = slots[row]
                sighted.owner[column] = slot
                look = looks.get(slot.name) if looks else None
                if look and (is_part or sighted.is_hidden(covers[row], column, self.same_iou)):
                    look = None
                if slot.look is None or self._is_proven(slot, slot.look, look, tick):
                    slot.see(sighted.boxes[column], tick, dt_s, iou=-less, whole=not is_part)
                    if look:
                        slot.look, slot.look_s = look, tick.time_s
                elif slot.refusals < _REFUSALS_MAX:
                    slot.wait(tick, dt_s)
                else:
                    sighted.owner[column] = other = _other(slot, sighted, column, look, tick)
                    swapped.append(other)
        if len(seen) < len(slots):
            missed = [(slot, bool(is_covered[row])) for row, slot in enumerate(slots) if row not in seen]
            self._miss(missed, sighted, looks, dt_s)
        return swapped

    def _is_proven(self, slot: Slot, known: Look, look: Look | None, tick: Tick) -> bool:
        """Say whether what stands in a slot may be taken for what stood there before, as far as anybody can tell."""
        if not slot.stands:
            return True
        if slot.hidden_s <= self.reappear_s and not slot.is_unproven and slot.back_s is None:
            return True
        if look is None:
            return slot.back_s is not None and tick.time_s - slot.back_s >= self.reappear_s
        if is_alike(known, look):
            return True
        slot.refusals += 1
        return False

    def _miss(self, missed: list[tuple[Slot, bool]], sighted: Sighted, looks: dict[str, Look], dt_s: float) -> None:
        """Note for the slots that got no box, each with whether it is covered, what that means."""
        is_looked_at = sighted.looked_at(as_rows([slot.box for slot, _ in missed]))
        for (slot, is_covered), looked in zip(missed, is_looked_at, strict=True):
            if not looked:
                slot.owed_s += dt_s
                continue
            slot.miss(dt_s, covered=is_covered)
            look = looks.get(slot.name)
            is_there = look is not None and is_street(look) is False
            slot.is_lost = (
                is_there and self._looks_empty(slot) and not slot.drove_off and slot.doubt_s < self.lost_max_s
            )

    def _take_opinion(self, slots: list[Slot], tick: Tick) -> None:
        """Compare what stands with what the model finds in the picture of the last seconds."""
        standing = [slot for slot in slots if slot.stands]
        found = [
            (box.x1, box.y1, box.x2, box.y2)
            for box in tick.steady or ()
            if box.label in self.classes and box.confidence >= self.keep_confidence
        ]
        best = overlaps(as_rows([slot.box for slot in standing]), as_rows(found))[1].max(axis=1, initial=0.0)
        for slot, iou in zip(standing, best.tolist(), strict=True):
            if iou >= self.keep_iou:
                slot.verdict, slot.check_s = 1, tick.time_s + self.check_every_s
            elif slot.shown_s >= _SHOWN_MIN_S:
                slot.verdict, slot.check_s = min(slot.verdict, 0) - 1, tick.time_s + _RETRY_S

    def _settle(
        self, slots: list[Slot], gone: tuple[Slot, ...], tick: Tick, reach: Reach
    ) -> tuple[list[Slot], tuple[Slot, ...], list[Stay]]:
        """Return the slots that go on, the stays that have ended lately, and the stays: those that left come first."""
        left = [slot for slot in slots if slot.stands and self._has_left(slot)]
        stays = [slot.stay(tick, has_left=True) for slot in left]
        old, ended = [*gone, *left], {slot.id for slot in left}
        kept = [
            slot for slot in slots if (slot.id not in ended if slot.stands else self._is_settling(slot, tick, reach))
        ]
        for slot in [slot for slot in kept if not slot.stands and self._has_settled(slot, tick)]:
            slot.stand(tick.camera)
            slot.check_s = slot.start_s + self.check_first_s
            away = [each for each in kept if each.stands and each.hidden_s and each is not slot]
            before = resumed(slot, [*old, *away], tick.time_s, reach, vanished_s=self.lost_max_s)
            if before is None:
                continue
            if any(each is before for each in away):
                stays.append(before.stay(tick, has_left=True))
            slot.go_on_with(before, same_place=reach.holds(before.origin or before.box, slot.box))
            kept, old = ([each for each in some if each is not before] for some in (kept, old))
        stays += [slot.stay(tick) for slot in kept if slot.stands]
        return kept, tuple(old[-_GONE_MAX:]), stays

    def _is_settling(self, slot: Slot, tick: Tick, reach: Reach) -> bool:
        """Say whether a candidate is seen and keeps its place; in metres where the road has been measured."""
        if slot.visible_s + slot.owed_s < slot.hidden_s or slot.has_moved(_SETTLED_DRIFT):
            return False
        if reach.ground is None or tick.time_s - slot.start_s < self.settle_s:
            return True
        x1, _, x2, y2 = slot.box
        noise_m = _NOISE_PX * reach.ground.metres_per_pixel(((x1 + x2) / 2, y2))
        # The mean of the boxes of a vehicle that rolls on lies half way back.
        moved_m = min(2 * (reach.moved_m(slot.anchor, slot.box) or 0.0), reach.moved_m(slot.anchor, slot.last) or 0.0)
        return moved_m <= self.settle_m + noise_m

    def _has_settled(self, slot: Slot, tick: Tick) -> bool:
        """Say whether a candidate that keeps its place has stood for long enough, and was seen for most of it."""
        if tick.time_s - slot.start_s < self.settle_s or slot.hidden_s or slot.owed_s:
            return False
        return slot.visible_s >= _SETTLED_SHARE * (slot.visible_s + slot.occluded_s)

    def _looks_empty(self, slot: Slot) -> bool:
        return slot.hidden_s > 0 and slot.misses >= _MISSES_MIN and slot.doubt_s >= self.leave_s

    def _has_left(self, slot: Slot) -> bool:
        if slot.refusals >= _REFUSALS_MAX or slot.hidden_s > self.hidden_max_s:
            return True
        if slot.has_moved(_LEFT_DRIFT) or slot.has_rolled(_LEFT_DRIFT):
            return True
        return self._looks_empty(slot) and not slot.is_lost

    def _born(
        self,
        ledger: Ledger,
        slots: list[Slot],
        sighted: Sighted,
        site: Site,
        tick: Tick,
    ) -> Iterator[Slot]:
        """Yield a candidate for every vehicle in a zone that no slot has claimed and that kept its place for a tick."""
        prior, places, ground = sighted.prior[: ledger.nobodys], site.of_type("no_parking"), site.ground
        fresh = [
            column
            for column in np.flatnonzero(prior.max(axis=0, initial=0.0) >= self.keep_iou).tolist()
            if sighted.boxes[column].confidence >= self.birth_confidence
            and sighted.is_free(column)
            and (ground is None or min(widths_m(ground, sighted.corners[column])) >= self.vehicle_min_m)
        ]
        if not fresh or not places or ledger.time_s is None:
            return
        # Of a vehicle that stands and is seen, another box that overlaps it is a double.
        seen = [slot.stands and not slot.hidden_s for slot in slots]
        double = sighted.iou[seen][:, fresh].max(axis=0, initial=0.0).tolist()
        shares = np.stack([footprint_shares(sighted.rows[fresh], place.polygon) for place in places])
        best = shares.argmax(axis=0).tolist()
        share = shares.max(axis=0).tolist()
        for number, column in enumerate(fresh):
            if share[number] >= self.footprint_share and double[number] < _DOUBLE_IOU:
                zone = places[best[number]].id
                first = ledger.before[int(prior[:, column].argmax())]
                slot = candidate(zone, first, sighted.boxes[column], ledger.time_s, ledger.time_ms)
                slot.see(sighted.boxes[column], tick, tick.time_s - ledger.time_s, iou=1.0, whole=True)
                yield slot


def _blinded(slots: list[Slot], gap_s: float) -> list[Slot]:
    """Return the slots that outlast a time in which nobody watched."""
    standing = [slot for slot in slots if slot.stands]
    for slot in standing:
        slot.blind_s += gap_s
        slot.is_unproven = True
    return standing


def _other(slot: Slot, sighted: Sighted, column: int, look: Look | None, tick: Tick) -> Slot:
    """Return a candidate for the vehicle that stands where another was, since it was first seen there."""
    back_s, back_ms = (tick.time_s, tick.time_ms) if slot.back_s is None else (slot.back_s, slot.back_ms)
    slot.drove_off = True
    other = candidate(slot.zone, sighted.corners[column], sighted.boxes[column], back_s, back_ms)
    other.see(sighted.boxes[column], tick, tick.time_s - back_s, iou=1.0, whole=True)
    other.look, other.look_s = look, tick.time_s
    return other
