"""Slot: a place where a vehicle stands or may come to stand, and the clocks of that place."""

import copy
import math

import msgspec

from detectors.flow import Flow
from detectors.tick import Box, Tick
from wire.identifiers import uuid7_of
from wire.stay import Stay

Corners = tuple[float, float, float, float]

_BOX_MEMORY_S = 10.0
_TRUST_IOU, _TRUST_PER_IOU, _TRUST_MAX = 0.6, 10.0, 4.0
"""Above which overlap a sighting takes doubt away, how much faster than a miss adds it, and at most."""


class Slot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One place; a candidate until it has an id. Detectors change copies only."""

    id: str = ""
    zone: str
    box: Corners
    """Slow mean of the boxes seen here, pixels."""
    anchor: Corners
    """The box when the clock began, against which drift is told."""
    start_s: float
    start_ms: int
    seen_s: float
    seen_ms: int
    visible_s: float = 0.0
    occluded_s: float = 0.0
    hidden_s: float = 0.0
    """Not seen since `seen_s`; becomes `occluded_s` when the vehicle is seen again, and is dropped if it has left."""
    doubt_s: float = 0.0
    """Grows while the place looks empty, and shrinks while a box fits it: a stream of traffic never fits well."""
    misses: int = 0
    """Ticks that found the place empty, since there last was no doubt."""
    blind_s: float = 0.0
    jam_s: float = 0.0
    in_jam: bool = False
    label: str
    label_votes: int = 1
    """Boyer-Moore majority vote."""
    confidence: float
    sightings: int = 1

    def copy(self) -> "Slot":
        """Return a copy that may be changed."""
        return copy.copy(self)

    def see(self, found: Box, tick: Tick, dt_s: float, *, iou: float, whole: bool) -> None:
        """Take note that the vehicle is seen; ``whole`` is False where an occluder cuts its box."""
        self.visible_s += dt_s
        self.occluded_s += self.hidden_s
        self.hidden_s = 0.0
        self.doubt_s = max(0.0, self.doubt_s - dt_s * min(max(_TRUST_PER_IOU * (iou - _TRUST_IOU), 0.0), _TRUST_MAX))
        if not self.doubt_s:
            self.misses = 0
        self.seen_s, self.seen_ms = tick.time_s, tick.time_ms
        self.sightings += 1
        weight = max(1 / self.sightings, min(1.0, dt_s / _BOX_MEMORY_S))
        self.confidence += weight * (found.confidence - self.confidence)
        if found.label == self.label:
            self.label_votes += 1
        elif self.label_votes == 0:
            self.label, self.label_votes = found.label, 1
        else:
            self.label_votes -= 1
        if whole:
            x1, y1, x2, y2 = self.box
            self.box = (
                x1 + weight * (found.x1 - x1),
                y1 + weight * (found.y1 - y1),
                x2 + weight * (found.x2 - x2),
                y2 + weight * (found.y2 - y2),
            )

    def miss(self, dt_s: float, *, covered: bool) -> None:
        """Take note that the vehicle is not seen; ``covered``: something nearer stands before its place."""
        self.hidden_s += dt_s
        if not covered:
            self.doubt_s += dt_s
            self.misses += 1

    def drift(self) -> float:
        """Return how far the base point has moved since the clock began, in diagonals of the box."""
        (ax1, _, ax2, ay2), (x1, y1, x2, y2) = self.anchor, self.box
        moved = math.hypot((x1 + x2 - ax1 - ax2) / 2, y2 - ay2)
        return moved / max(math.hypot(x2 - x1, y2 - y1), 1.0)

    def stand(self, camera: str) -> None:
        """Turn the candidate into a stay: give it its id."""
        self.anchor = self.box
        self.id = uuid7_of(self.start_ms, camera, self.zone, ",".join(str(round(each)) for each in self.box))

    def stay(self, tick: Tick, *, has_left: bool = False) -> Stay:
        """Return what rules see of it."""
        hidden_s = 0.0 if has_left else self.hidden_s
        occluded_s = self.occluded_s + hidden_s
        watched_s = self.visible_s + occluded_s
        x1, y1, x2, y2 = self.box
        return Stay(
            id=self.id,
            camera=tick.camera,
            zone=self.zone,
            time_s=tick.time_s,
            time_ms=tick.time_ms,
            start_s=self.start_s,
            start_ms=self.start_ms,
            dwell_s=watched_s - self.jam_s,
            visible_s=self.visible_s,
            occluded_s=occluded_s,
            blind_s=self.blind_s,
            visible_share=self.visible_s / watched_s if watched_s else 1.0,
            unseen_s=tick.time_s - self.seen_s,
            in_jam=self.in_jam,
            is_blind=bool(tick.blind),
            has_left=has_left,
            end_s=self.seen_s if has_left else None,
            end_ms=self.seen_ms if has_left else None,
            label=self.label,
            confidence=self.confidence,
            bbox=(x1, y1, x2 - x1, y2 - y1),
            size=tick.size,
        )


class Ledger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the parking detector remembers of one camera; it encodes, so that a restart goes on."""

    time_s: float | None = None
    slots: tuple[Slot, ...] = ()
    before: tuple[Corners, ...] = ()
    """The boxes of the tick before, for the flow of the lanes."""
    flows: dict[str, Flow] = {}
    """By zone, for zones with a lane."""
