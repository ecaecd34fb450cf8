"""Sighted: the boxes of one tick, and how they overlap with all that is remembered, computed once."""

from collections.abc import Sequence

import numpy as np

from detectors.geometry import Bools, Floats, areas, as_rows, overlaps
from detectors.slot import Slot
from detectors.tick import Box, Tick
from detectors.wants import Corners

_LOOKED_AT_SHARE = 0.9
"""Share of a place that the model must have looked at."""


class Sighted:
    """All that may hide a vehicle, and the vehicles, each once; columns are vehicles, the surest first."""

    def __init__(
        self,
        tick: Tick,
        slots: Sequence[Slot],
        before: Sequence[Corners],
        *,
        classes: tuple[str, ...],
        confidence: float,
        same_iou: float,
    ) -> None:
        vehicles, others = list[Box](), list[Box]()
        for box in tick.boxes:
            if box.confidence >= confidence:
                (vehicles if box.label in classes else others).append(box)
        vehicles.sort(key=lambda box: -box.confidence)
        self.boxes = vehicles
        self.corners: list[Corners] = [(box.x1, box.y1, box.x2, box.y2) for box in vehicles]
        scene = self.corners + [(box.x1, box.y1, box.x2, box.y2) for box in others]
        count, end = len(vehicles), len(scene) + len(slots)
        every = as_rows([*scene, *(slot.box for slot in slots), *before])
        self.scene: Floats = every[: len(scene)]
        self.rows: Floats = every[:count]
        self.held: Floats = every[len(scene) : end]
        self.areas: Floats = areas(every[:end])
        """Of the scene, vehicles first, then of the slots."""
        common, iou = overlaps(every, self.scene)
        is_same: Bools = iou[:count, :count] >= same_iou
        self.is_once: Bools = np.ones(count, dtype=np.bool_)
        if np.count_nonzero(is_same) > count:
            self.is_once = ~np.any(np.triu(is_same, k=1), axis=0)
        self.common: Floats = common[len(scene) : end]
        """Of slots with the whole scene, square pixels."""
        self.iou: Floats = iou[len(scene) : end, :count]
        """Of slots with vehicles."""
        self.prior: Floats = iou[end:, :count]
        """Of the vehicles of the tick before with those of this one."""
        self.owner: list[Slot | None] = [None] * count
        """Whose vehicle each is."""
        self._regions = tick.regions

    def is_free(self, column: int) -> bool:
        """Say whether a vehicle is nobody's."""
        return self.owner[column] is None and bool(self.is_once[column])

    def covers(self, share: float) -> Bools:
        """Return which boxes stand before which slots and hide at least this share of them, [slots, scene]."""
        covers: Bools = self.common >= share * self.areas[len(self.scene) :, None]
        covers &= self.scene[:, 3] > self.held[:, 3, None]
        return covers

    def is_hidden(self, covers: Bools, column: int, same_iou: float) -> bool:
        """Say whether any of the boxes that cover a slot is another than its own vehicle's."""
        others = np.flatnonzero(covers)
        if not len(others):
            return False
        iou = overlaps(self.rows[column : column + 1], self.scene[others])[1][0]
        return bool((iou < same_iou).any())

    def seen_now(self, before: Sequence[Corners]) -> tuple[tuple[Corners, ...], int]:
        """Return the vehicles as far as anybody knows, first those that are nobody's, and how many those are.

        Where the model has not looked they are as they were ``before``.
        """
        free, claimed = list[Corners](), list[Corners]()
        for corners, is_once, owner in zip(self.corners, self.is_once.tolist(), self.owner, strict=True):
            if is_once:
                (claimed if owner else free).append(corners)
        if self._regions and before:
            looked_at = self.looked_at(as_rows(before))
            claimed += [corners for corners, looked in zip(before, looked_at, strict=True) if not looked]
        return (*free, *claimed), len(free)

    def looked_at(self, boxes: Floats) -> list[bool]:
        """Return which boxes, [N, 4], lie in what the model has looked at."""
        if not self._regions:
            return [True] * len(boxes)
        common, _ = overlaps(boxes, as_rows(self._regions))
        seen: Bools = common.max(axis=1) >= _LOOKED_AT_SHARE * areas(boxes)
        answer: list[bool] = seen.tolist()
        return answer
