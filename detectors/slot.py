"""Slot: a place where a vehicle stands or may come to stand, and the clocks of that place."""

import msgspec

from detectors.flow import Flow
from detectors.tick import Box, Tick
from detectors.wants import Corners, Look
from wire.identifiers import uuid7_of
from wire.stay import Stay

_BOX_MEMORY_S = 10.0
_TRUST_IOU, _TRUST_PER_IOU, _TRUST_MAX = 0.6, 10.0, 4.0
"""Above which overlap a sighting takes doubt away, how much faster than a miss adds it, and at most."""
_ROLL_MEMORY_S, _ROLL_SHARE = 30.0, 0.3
"""How long a move is remembered, and the share of its box that one vehicle may move from one sighting to the next."""
_SHOWN_MAX_S = 20.0
_CONFIRMED_GAIN, _DOUBTED_SHARE = 0.25, 0.5
"""What a second opinion is worth: so much of what is missing to certainty is added, or so much is left."""
DOUBTS = 2
"""How many second opinions in a row must speak against a stay."""


class Slot(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One place; a candidate until it stands. Detectors change copies only."""

    id: str = ""
    """Of the stay; empty while it is a candidate."""
    zone: str
    box: Corners
    """Slow mean of the boxes seen here, pixels."""
    anchor: Corners
    """The box when the clock began, against which drift is told."""
    origin: Corners | None = None
    """Where the first stay stood whose time this one goes on counting; None if it is the first."""
    last: Corners
    """The last box seen; followed for a moment when the vehicle moves off."""
    followed_s: float
    """When `last` was seen."""
    rolled: tuple[float, float] = (0.0, 0.0)
    """How far the boxes seen here have rolled on lately, right and down, pixels: far where a slow queue rolls by."""
    drove_off: bool = False
    """It was seen to drive further than a vehicle that only makes room."""
    start_s: float
    start_ms: int
    seen_s: float
    seen_ms: int
    visible_s: float = 0.0
    occluded_s: float = 0.0
    hidden_s: float = 0.0
    """Not seen since `seen_s`; becomes `occluded_s` when the vehicle is seen again, and is dropped if it has left."""
    owed_s: float = 0.0
    """Time in which the model looked elsewhere; what it finds here when it looks again decides whose it is."""
    doubt_s: float = 0.0
    """Grows while the place looks empty, and shrinks while a box fits it: a stream of traffic never fits well."""
    misses: int = 0
    """Ticks that found the place empty, since there last was no doubt."""
    is_covered: bool = False
    is_lost: bool = False
    blind_s: float = 0.0
    jam_s: float = 0.0
    in_jam: bool = False
    label: str
    label_votes: int = 1
    """Boyer-Moore majority vote."""
    confidence: float
    sightings: int = 1
    look: Look | None = None
    """What stands here looks like: its last look in plain view."""
    look_s: float = 0.0
    is_unproven: bool = False
    """Nobody watched for a while: whatever stands here now must look like what stood here before."""
    back_s: float | None = None
    back_ms: int = 0
    """Since when something stands here again that has not been proven to be the same."""
    refusals: int = 0
    """How many looks in a row have shown something else."""
    shown_s: float = 0.0
    """For about how long of the last 20 s it was seen."""
    check_s: float = 0.0
    """When a second opinion is due."""
    verdict: int = 0
    """Of second opinions: 1 for it, or how many in a row against it, negative."""
    resumes: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it is a stay, and no candidate any more."""
        return bool(self.id)

    @property
    def name(self) -> str:
        """Under which its looks are asked for."""
        return self.id or f"{self.start_ms}/{self.anchor[0]:.0f}/{self.anchor[1]:.0f}"

    def stand(self, camera: str) -> None:
        """Turn the candidate into a stay: its id is the same live, replayed and after a restart."""
        self.anchor = self.box
        self.id = uuid7_of(self.start_ms, camera, self.zone, ",".join(str(round(each)) for each in self.box))

    def see(self, found: Box, tick: Tick, dt_s: float, *, iou: float, whole: bool) -> None:
        """Take note that the vehicle is seen; ``whole`` is False where an occluder cuts its box."""
        self.visible_s += dt_s
        if self.hidden_s or self.owed_s or self.is_unproven:
            self._be_back()
        if self.doubt_s:
            trust = min(max(_TRUST_PER_IOU * (iou - _TRUST_IOU), 0.0), _TRUST_MAX)
            self.doubt_s = max(0.0, self.doubt_s - dt_s * trust)
        if not self.doubt_s:
            self.misses = 0
        self.seen_s = self.followed_s = tick.time_s
        self.seen_ms = tick.time_ms
        if self.shown_s < _SHOWN_MAX_S:
            self.shown_s += dt_s
        self.sightings += 1
        weight = dt_s / _BOX_MEMORY_S if dt_s < _BOX_MEMORY_S else 1.0
        if weight * self.sightings < 1:
            weight = 1 / self.sightings
        self.confidence += weight * (found.confidence - self.confidence)
        if found.label == self.label:
            self.label_votes += 1
        elif self.label_votes == 0:
            self.label, self.label_votes = found.label, 1
        else:
            self.label_votes -= 1
        if whole:
            self._move((found.x1, found.y1, found.x2, found.y2), dt_s, weight)

    def _be_back(self) -> None:
        """Settle what was open while the vehicle was not seen."""
        self.visible_s += self.owed_s
        self.occluded_s += self.hidden_s
        self.hidden_s = self.owed_s = 0.0
        self.back_s, self.refusals = None, 0
        self.is_covered = self.is_lost = self.is_unproven = self.drove_off = False

    def _move(self, found: Corners, dt_s: float, weight: float) -> None:
        """Let the place follow the box slowly, and add what the box has moved as a whole since it was last seen."""
        fx1, fy1, fx2, fy2 = found
        lx1, ly1, lx2, ly2 = self.last
        x1, y1, x2, y2 = self.box
        self.last = found
        self.box = (
            x1 + weight * (fx1 - x1),
            y1 + weight * (fy1 - y1),
            x2 + weight * (fx2 - x2),
            y2 + weight * (fy2 - y2),
        )
        dx, dy, other_x, other_y = fx1 - lx1, fy1 - ly1, fx2 - lx2, fy2 - ly2
        # Of two opposite edges the one that moved less tells: an occluder moves only one of them.
        dx = 0.0 if dx * other_x <= 0 else dx if abs(dx) < abs(other_x) else other_x
        dy = 0.0 if dy * other_y <= 0 else dy if abs(dy) < abs(other_y) else other_y
        right, down = self.rolled
        fades = 1 - dt_s / _ROLL_MEMORY_S if dt_s < _ROLL_MEMORY_S else 0.0
        if abs(dx) <= _ROLL_SHARE * (fx2 - fx1) and abs(dy) <= _ROLL_SHARE * (fy2 - fy1):
            self.rolled = right * fades + dx, down * fades + dy
        else:  # it jumps: that is another vehicle
            self.rolled = right * fades, down * fades

    def miss(self, dt_s: float, *, covered: bool) -> None:
        """Take note that the vehicle is not seen; ``covered``: something nearer stands before its place."""
        self.hidden_s += dt_s + self.owed_s
        self.owed_s = 0.0
        self.is_covered = covered
        self.shown_s = max(self.shown_s - dt_s, 0.0)
        if not covered:
            self.doubt_s += dt_s
            self.misses += 1

    def wait(self, tick: Tick, dt_s: float) -> None:
        """Take note that something stands here which is yet to be proven the same."""
        self.hidden_s += dt_s + self.owed_s
        self.owed_s = 0.0
        if self.back_s is None:
            self.back_s, self.back_ms = tick.time_s, tick.time_ms

    def has_moved(self, diagonals: float) -> bool:
        """Say whether the base point has moved by more than this since the clock began, in diagonals of the box."""
        ax1, _, ax2, ay2 = self.anchor
        x1, y1, x2, y2 = self.box
        right, down, width, height = (x1 + x2 - ax1 - ax2) / 2, y2 - ay2, x2 - x1, y2 - y1
        return right * right + down * down > diagonals * diagonals * (width * width + height * height)

    def has_rolled(self, diagonals: float) -> bool:
        """Say whether vehicles have rolled through here by more than this lately, in diagonals of the box."""
        right, down = self.rolled
        x1, y1, x2, y2 = self.box
        width, height = x2 - x1, y2 - y1
        return right * right + down * down > diagonals * diagonals * (width * width + height * height)

    def go_on_with(self, old: "Slot", *, same_place: bool) -> None:
        """Take note of the stay that this one goes on with, and at the same place take over its clocks.

        The time between them does not count. Whoever rolls on and on is one event, yet its time at each place is short.
        """
        self.resumes = old.id
        if not same_place:
            return
        self.origin = old.origin or old.box
        self.start_s, self.start_ms = old.start_s, old.start_ms
        self.visible_s += old.visible_s
        self.occluded_s += old.occluded_s
        self.blind_s += old.blind_s
        self.jam_s += old.jam_s
        self.verdict = old.verdict

    def stay(self, tick: Tick, *, has_left: bool = False) -> Stay:
        """Return what rules see of it."""
        occluded_s = self.occluded_s if has_left else self.occluded_s + self.hidden_s
        watched_s = self.visible_s + occluded_s
        confidence = self.confidence
        if self.verdict > 0:
            confidence += _CONFIRMED_GAIN * (1 - confidence)
        elif self.verdict <= -DOUBTS:
            confidence *= _DOUBTED_SHARE
        x1, y1, x2, y2 = self.box
        return Stay(
            id=self.id,
            camera=tick.camera,
            zone=self.zone,
            time_s=tick.time_s,
            time_ms=tick.time_ms,
            start_s=self.start_s,
            start_ms=self.start_ms,
            dwell_s=max(watched_s - self.jam_s, 0.0),
            visible_s=self.visible_s,
            occluded_s=occluded_s,
            blind_s=self.blind_s,
            visible_share=self.visible_s / watched_s if watched_s else 1.0,
            unseen_s=tick.time_s - self.seen_s,
            in_jam=self.in_jam,
            is_blind=bool(tick.blind),
            is_occluded=self.is_covered,
            is_lost=self.is_lost,
            is_confirmed=self.verdict > 0,
            is_doubted=self.verdict <= -DOUBTS,
            has_left=has_left,
            end_s=self.seen_s if has_left else None,
            end_ms=self.seen_ms if has_left else None,
            label=self.label,
            confidence=confidence,
            bbox=(x1, y1, x2 - x1, y2 - y1),
            size=tick.size,
            resumes=self.resumes,
        )


def candidate(zone: str, box: Corners, found: Box, time_s: float, time_ms: int) -> Slot:
    """Return the slot of a vehicle that was in this box at that time."""
    return Slot(
        zone=zone,
        box=box,
        anchor=box,
        last=box,
        followed_s=time_s,
        start_s=time_s,
        start_ms=time_ms,
        seen_s=time_s,
        seen_ms=time_ms,
        label=found.label,
        confidence=found.confidence,
    )


class Ledger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the parking detector remembers of one camera; it encodes, so that a restart goes on."""

    time_s: float | None = None
    time_ms: int = 0
    slots: tuple[Slot, ...] = ()
    """At most 64; each takes about 0.5 KB, and 2.6 KB more once it has been looked at."""
    gone: tuple[Slot, ...] = ()
    """Stays that have ended and may yet go on, at most 8: the vehicle made room, or was lost for a while."""
    before: tuple[Corners, ...] = ()
    """The vehicles of the tick before, first those that were nobody's."""
    nobodys: int = 0
    """How many of them were."""
    flows: dict[str, Flow] = {}
    """By zone, for zones with a lane."""

    @property
    def jammed(self) -> tuple[str, ...]:
        """The zones whose lane is jammed now."""
        return tuple(zone for zone, flow in self.flows.items() if flow.is_jam)
