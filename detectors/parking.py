"""Parking: vehicles that stand in a zone, their clocks kept by the place and never by a track id.

Silver: `tests/test_roadtrack.py` holds recall, precision and duplicates on six motorway cameras. It knows no
identity: a vehicle that takes the place of another while traffic hides both is taken for the same.
"""

from collections.abc import Iterator

import msgspec
import numpy as np

from detectors import flow
from detectors.flow import Flow
from detectors.geometry import Bools, Floats, areas, as_rows, footprint_shares, overlaps
from detectors.quantity import Seconds, Share
from detectors.site import Place, Site
from detectors.slot import Ledger, Slot
from detectors.tick import Box, Tick
from detectors.wants import Wants
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
    jam_window_s: Seconds = 20.0
    """How far back the flow of a zone's lane is judged."""
    jam_lookback_s: Seconds = 45.0
    """When the lane jams, a stay younger than this is taken to stand with the traffic."""
    jam_release_s: Seconds = 30.0
    """When the lane has flowed for this long, what still stands was parked, and all its time counts."""

    def first(self) -> Ledger:
        """Return the ledger of a camera that has seen nothing."""
        return Ledger()

    def wants(self, ledger: Ledger) -> Wants:
        """Return what is asked of the next picture."""
        return Wants(pace="armed" if ledger.slots else "quiet")

    def step(self, ledger: Ledger, tick: Tick, site: Site) -> tuple[Ledger, list[Stay]]:
        """Return the ledger after a tick, and every stay as it now is; one that has left is returned once more.

        A tick that is not later than the one before is passed over.
        """
        places = site.of_type("no_parking")
        dt_s = tick.time_s - ledger.time_s if ledger.time_s is not None else 0.0
        if dt_s <= 0 and ledger.time_s is not None:
            return ledger, []
        if dt_s > self.resume_s:
            ended = [slot.stay(tick, has_left=True) for slot in ledger.slots if slot.id]
            ledger, stays = self.step(Ledger(), tick, site)
            return ledger, ended + stays
        slots = [slot.copy() for slot in ledger.slots]
        if tick.blind or dt_s > self.max_gap_s:
            slots = [slot for slot in slots if slot.id]
            for slot in slots:
                slot.blind_s += dt_s
            dt_s = 0.0
        if tick.blind:
            return msgspec.structs.replace(ledger, time_s=tick.time_s, slots=tuple(slots)), [
                slot.stay(tick) for slot in slots
            ]
        boxes = _Boxes(self, tick)
        self._match(slots, boxes, tick, dt_s)
        flows = self._judge_flows(ledger, slots, boxes, places, tick.time_s)
        for slot in slots:
            self._hold_in_jam(slot, flows.get(slot.zone), tick.time_s, dt_s)
        standing, stays = self._settle(slots, tick)
        born = tuple(self._born(slots, boxes, tick, places))
        before = tuple(map(tuple, boxes.rows.tolist())) if flows else ()
        return Ledger(time_s=tick.time_s, slots=(*standing, *born), before=before, flows=flows), stays

    def _match(self, slots: list[Slot], boxes: "_Boxes", tick: Tick, dt_s: float) -> None:
        """Give each slot the box that fits it best, and note for the others whether something hides them."""
        if not slots:
            return
        held = as_rows([slot.box for slot in slots])
        common, iou = overlaps(held, boxes.rows)
        in_scene, _ = overlaps(held, boxes.scene)
        nearer = boxes.scene[None, :, 3] > held[:, None, 3]
        is_covered: Bools = np.any(nearer & (in_scene >= self.covered_share * areas(held)[:, None]), axis=1)
        is_whole = iou >= self.keep_iou
        # A box that something nearer cuts short overlaps its place badly, yet lies inside it.
        is_rest = (common >= _CONTAINED * areas(boxes.rows)[None, :]) & (iou >= _REST_IOU)
        is_rest &= is_covered[:, None] & (boxes.rows[None, :, 3] <= held[:, None, 3])
        rows, columns = np.nonzero(is_whole | is_rest)
        stands = np.array([bool(slot.id) for slot in slots])
        order = np.lexsort((columns, rows, -iou[rows, columns], ~stands[rows], ~is_whole[rows, columns]))
        seen: set[int] = set()
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            if row not in seen and boxes.is_free[column]:
                seen.add(row)
                boxes.is_free[column] = False
                fit, whole = float(iou[row, column]), not is_rest[row, column]
                slots[row].see(boxes.boxes[column], tick, dt_s, iou=fit, whole=whole)
        for row, slot in enumerate(slots):
            if row not in seen:
                slot.miss(dt_s, covered=bool(is_covered[row]))

    def _judge_flows(
        self, ledger: Ledger, slots: list[Slot], boxes: "_Boxes", places: tuple[Place, ...], now_s: float
    ) -> dict[str, Flow]:
        """Return how the lanes flow, judged by the vehicles that do not stand in a zone."""
        lanes = {place.id: place.lane for place in places if place.lane}
        if not lanes:
            return {}
        rows, before = boxes.rows, as_rows(ledger.before)
        held = as_rows([slot.box for slot in slots if slot.id])
        if len(held) and len(rows):
            rows = rows[overlaps(rows, held)[1].max(axis=1) < self.keep_iou]
        return {
            zone: flow.step(ledger.flows.get(zone, Flow()), lane, rows, before, now_s=now_s, window_s=self.jam_window_s)
            for zone, lane in lanes.items()
        }

    def _hold_in_jam(self, slot: Slot, lane: Flow | None, now_s: float, dt_s: float) -> None:
        """Freeze the clock of a young slot while its lane is jammed; give the time back when the lane has flowed."""
        if lane is None:
            return
        if lane.is_jam and now_s - slot.start_s < self.jam_lookback_s:
            slot.in_jam = True
        if slot.in_jam:
            slot.jam_s += dt_s
            if not lane.is_jam and now_s - lane.clear_since_s >= self.jam_release_s:
                slot.in_jam, slot.jam_s = False, 0.0

    def _settle(self, slots: list[Slot], tick: Tick) -> tuple[list[Slot], list[Stay]]:
        """Return the slots that go on, and the stays: those that stand and, once, those that have left."""
        kept: list[Slot] = []
        stays: list[Stay] = []
        for slot in slots:
            if slot.id:
                has_left = self._has_left(slot)
                stays.append(slot.stay(tick, has_left=has_left))
                if not has_left:
                    kept.append(slot)
            elif slot.visible_s >= slot.hidden_s and slot.drift() <= _SETTLED_DRIFT:
                if tick.time_s - slot.start_s >= self.settle_s and self._is_steady(slot):
                    slot.stand(tick.camera)
                    stays.append(slot.stay(tick))
                kept.append(slot)
        return kept, stays

    def _is_steady(self, slot: Slot) -> bool:
        return not slot.hidden_s and slot.visible_s >= _SETTLED_SHARE * (slot.visible_s + slot.occluded_s)

    def _has_left(self, slot: Slot) -> bool:
        looks_empty = slot.hidden_s > 0 and slot.misses >= _MISSES_MIN and slot.doubt_s >= self.leave_s
        return looks_empty or slot.hidden_s > self.hidden_max_s or slot.drift() > _LEFT_DRIFT

    def _born(self, slots: list[Slot], boxes: "_Boxes", tick: Tick, places: tuple[Place, ...]) -> Iterator[Slot]:
        """Yield a candidate for every vehicle in a zone that no slot has claimed."""
        fresh = [
            number
            for number, box in enumerate(boxes.boxes)
            if boxes.is_free[number] and box.confidence >= self.birth_confidence
        ]
        if not fresh or not places:
            return
        rows = boxes.rows[fresh]
        shares = np.stack([footprint_shares(rows, place.polygon) for place in places])
        held = as_rows([slot.box for slot in slots if slot.id and not slot.hidden_s])
        is_double: Bools = np.any(overlaps(rows, held)[1] >= _DOUBLE_IOU, axis=1)
        best = shares.argmax(axis=0)
        for column, number in enumerate(fresh):
            if shares[best[column], column] >= self.footprint_share and not is_double[column]:
                box = boxes.boxes[number]
                corners = (box.x1, box.y1, box.x2, box.y2)
                yield Slot(
                    zone=places[best[column]].id,
                    box=corners,
                    anchor=corners,
                    start_s=tick.time_s,
                    start_ms=tick.time_ms,
                    seen_s=tick.time_s,
                    seen_ms=tick.time_ms,
                    label=box.label,
                    confidence=box.confidence,
                )


class _Boxes:
    """The boxes of a tick: all that may hide a vehicle, and the vehicles, each once."""

    def __init__(self, parking: Parking, tick: Tick) -> None:
        scene = [box for box in tick.boxes if box.confidence >= parking.keep_confidence]
        self.scene: Floats = as_rows([(box.x1, box.y1, box.x2, box.y2) for box in scene])
        vehicles = [number for number, box in enumerate(scene) if box.label in parking.classes]
        vehicles.sort(key=lambda number: -scene[number].confidence)
        rows = self.scene[vehicles]
        is_double: Bools = np.any(np.triu(overlaps(rows, rows)[1] >= parking.same_iou, k=1), axis=0)
        once = np.flatnonzero(~is_double).tolist()
        self.rows: Floats = rows[once]
        self.boxes: list[Box] = [scene[vehicles[number]] for number in once]
        self.is_free = [True] * len(once)
