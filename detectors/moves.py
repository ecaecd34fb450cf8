"""Moves: a vehicle that makes room or rolls on by less than its length is followed, and its stay goes on."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from detectors.geometry import Floats, as_rows, overlaps
from detectors.ground import Ground
from detectors.likeness import is_alike
from detectors.sighted import Sighted
from detectors.slot import Slot
from detectors.wants import Corners

_FOLLOW_IOU = 0.3
"""Overlap with its last box at which a vehicle that moves off is taken for the same one."""
_FOLLOW_S = 3.0
"""For how long a vehicle that moves may be out of sight and still be followed."""
_ARRIVED_IOU = 0.5
_SIZES = (0.6, 1.6)
"""Heights of one vehicle's boxes before and after a move, one over the other."""


class Reach:
    """How far a vehicle may move and still be at the same place: metres, or its own size where nobody has measured."""

    def __init__(self, ground: Ground | None, metres: float) -> None:
        self.ground, self.metres = ground, metres

    def moved_m(self, one: Corners, other: Corners) -> float | None:
        """Return how far apart two boxes stand on the road, metres; None if the camera is not calibrated."""
        if self.ground is None:
            return None
        x, y = np.diff(self.ground.metres(np.array((_base(one), _base(other)))), axis=0)[0].tolist()
        return math.hypot(x, y)

    def holds(self, one: Corners, other: Corners) -> bool:
        """Say whether two boxes are near enough."""
        moved_m = self.moved_m(one, other)
        if moved_m is not None:
            return moved_m <= self.metres
        (x, y), (other_x, other_y) = _base(one), _base(other)
        return math.hypot(other_x - x, other_y - y) <= math.hypot(one[2] - one[0], one[3] - one[1])


def follow(slots: Iterable[Slot], sighted: Sighted, before: Sequence[Corners], now_s: float, reach: Reach) -> None:
    """Look after the vehicles that have just left their place: where are they now?

    A box is taken for such a vehicle only if no other box of the tick before fits it better: whoever drives past a
    place has come from somewhere.
    """
    for slot in slots:
        if slot.drove_off or now_s - slot.followed_s > _FOLLOW_S or not sighted.boxes:
            continue
        iou = overlaps(as_rows([slot.last]), sighted.rows)[1][0]
        others = [number for number, corners in enumerate(before) if corners != slot.last]
        fits = iou >= np.maximum(sighted.prior[others].max(axis=0, initial=0.0), _FOLLOW_IOU)
        for column in np.flatnonzero(fits)[np.argsort(-iou[fits], kind="stable")].tolist():
            owner = sighted.owner[column]
            if sighted.is_once[column] and (owner is None or not owner.stands):
                slot.last, slot.followed_s = sighted.corners[column], now_s
                slot.drove_off = not reach.holds(slot.box, slot.last)
                break


def note_passage(gone: Sequence[Slot], sighted: Sighted, keep_iou: float) -> None:
    """Note through whose place somebody drives: what stood there is not there any more."""
    if not sighted.boxes:
        return
    iou = overlaps(as_rows([slot.box for slot in gone]), sighted.rows)[1]
    prior = sighted.prior.max(axis=0, initial=0.0)
    # A box that has been nowhere before may be that of the vehicle itself, found again.
    is_passed = np.any(iou[:, (prior > 0) & (prior < keep_iou)] >= keep_iou, axis=1)
    for slot, passed in zip(gone, is_passed.tolist(), strict=True):
        slot.drove_off |= passed and slot.followed_s == slot.seen_s


def resumed(slot: Slot, old: Iterable[Slot], now_s: float, reach: Reach, *, vanished_s: float) -> Slot | None:
    """Return the old stay that a vehicle which has just come to a stand goes on with, if there is one.

    Args:
        slot: the vehicle.
        old: stays that have ended, and those that are not seen at their place.
        now_s: the camera's clock.
        reach: how far it may have moved.
        vanished_s: for how long a vehicle may have been overlooked in plain view.
    """
    fits = [each for each in old if _goes_on(slot, each, now_s, vanished_s) and reach.holds(each.box, slot.box)]
    return min(fits, key=lambda each: (_distance(each.last, slot.box), each.id), default=None)


def _goes_on(slot: Slot, old: Slot, now_s: float, vanished_s: float) -> bool:
    if old.zone != slot.zone or old.drove_off or old.in_jam or slot.start_s < old.seen_s:
        return False
    if not _SIZES[0] <= (slot.box[3] - slot.box[1]) / max(old.box[3] - old.box[1], 1.0) <= _SIZES[1]:
        return False
    is_seen_move = (
        old.followed_s > old.seen_s and now_s - old.followed_s <= _FOLLOW_S and _iou(old.last, slot.box) >= _ARRIVED_IOU
    )
    if old.look and slot.look:
        # In a place that is only hidden the old vehicle may well stand still.
        return is_alike(old.look, slot.look) and (is_seen_move or not old.is_covered)
    # What was not seen to drive off, in plain view, and is found at the very same place again had been overlooked.
    is_overlooked = slot.start_s - old.seen_s <= vanished_s and not old.is_covered and old.followed_s == old.seen_s
    return is_seen_move or (is_overlooked and _iou(old.box, slot.box) >= _ARRIVED_IOU)


def _base(box: Corners) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3]


def _distance(one: Corners, other: Corners) -> float:
    (x, y), (other_x, other_y) = _base(one), _base(other)
    return math.hypot(other_x - x, other_y - y)


def _iou(one: Corners, other: Corners) -> float:
    return float(overlaps(as_rows([one]), as_rows([other]))[1][0, 0])


def widths_m(ground: Ground, box: Corners) -> tuple[float, float]:
    """Return about how wide and how high what is boxed is, metres: both by the road's scale along its lower edge."""
    edge: Floats = ground.metres(np.array(((box[0], box[3]), (box[2], box[3]))))
    width_m = math.hypot(*(edge[1] - edge[0]).tolist())
    return width_m, width_m * (box[3] - box[1]) / max(box[2] - box[0], 1.0)
