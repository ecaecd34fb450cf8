"""Jam: whether a vehicle stands with the traffic, told from how the lane of its zone flows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from detectors.flow import SAME_PLACE_IOU, Flow
from detectors.geometry import base_points, inside
from detectors.sighted import Sighted
from detectors.site import Place
from detectors.slot import Slot


class JamGate(NamedTuple):
    """The fields are those of `Parking`, without the prefix."""

    window_s: float
    ratio: float
    lookback_s: float
    release_s: float
    hold_max_s: float
    keep_iou: float

    def judged(
        self,
        flows: Mapping[str, Flow],
        slots: Sequence[Slot],
        sighted: Sighted,
        places: Sequence[Place],
        now_s: float,
    ) -> dict[str, Flow]:
        """Return how the lanes flow. Traffic is what does not stand in a zone, and what has come to stand there lately.

        So a zone may be the lane itself: vehicles that stop there soon after each other are a queue. One vehicle alone
        is none, wherever it stands.
        """
        lanes = {place.id: place.lane for place in places if place.lane}
        if not lanes:
            return {}
        near = sighted.iou[np.array([slot.stands for slot in slots], dtype=np.bool_)].max(axis=0, initial=0.0)
        is_traffic = sighted.is_once & (near < self.keep_iou)
        is_still = is_traffic & (sighted.prior.max(axis=0, initial=0.0) >= SAME_PLACE_IOU)
        young = [
            column
            for column, slot in enumerate(sighted.owner)
            if slot and slot.stands and (slot.in_jam or now_s - slot.start_s < self.lookback_s)
        ]
        bases, after = base_points(sighted.rows), dict[str, Flow]()
        for zone, lane in lanes.items():
            is_here = inside(bases, lane)
            still = int(np.count_nonzero(is_still & is_here))
            moved = int(np.count_nonzero(is_traffic & is_here)) - still
            stopped = still + int(np.count_nonzero(is_here[young]))
            after[zone] = flows.get(zone, Flow()).after(
                now_s, stopped if stopped > 1 else 0, moved, window_s=self.window_s, ratio=self.ratio
            )
        return after

    def hold(self, slots: Sequence[Slot], flows: Mapping[str, Flow], now_s: float, dt_s: float) -> None:
        """Freeze the clocks of young slots while their lane is jammed; give the time back when it has flowed."""
        for slot in slots:
            lane = flows.get(slot.zone)
            if lane is None or not (lane.is_jam or slot.in_jam):
                continue
            age_s = now_s - slot.start_s
            if lane.is_jam and age_s < self.lookback_s:
                slot.in_jam = True
            if slot.in_jam:
                slot.jam_s += dt_s
                has_flowed = not lane.is_jam and now_s - lane.clear_since_s >= self.release_s
                if has_flowed or age_s >= self.hold_max_s:
                    slot.in_jam, slot.jam_s = False, 0.0
