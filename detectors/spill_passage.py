"""Passage: a heavy vehicle has swept a stretch of a lane; and what is found there afterwards."""

import copy
from collections.abc import Iterable
from typing import Literal

import msgspec

from detectors.spill_strip import Strip
from detectors.surface import Piece, SurfaceWant
from detectors.tick import Tick
from detectors.wants import Corners
from wire.identifiers import uuid7_of
from wire.spill import Spill

Phase = Literal["armed", "settle", "confirm", "watch"]
"""The truck is in the lane; the road is seen afterwards; it is compared again; it is sure, until it is cleared."""

_SAME_SHARE = 0.5
"""Share of the smaller piece that the other must cover to be the same one."""
_TRAIL_PIECES, _TRAIL_LENGTH = 5, 4.0
"""So many pieces that lie as many times further along the lane than across it are a trail."""


class Find(msgspec.Struct, frozen=True, array_like=True):
    """A piece of the first comparison, and how many later ones have found it again."""

    piece: Piece
    again: int = 0


class Passage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One passage. Detectors change copies only."""

    id: str
    lane: str
    phase: Phase = "armed"
    before_s: float
    first_s: float
    heavy: int = 1
    """Heavy vehicles that can have done it: this one, and those that passed between the two looks at the road."""
    is_cued: bool = False
    """Small things were seen to fly behind it ..."""
    has_rival: bool = False
    """... or behind another of them."""
    confidence: float = 0.0
    exit_s: float = 0.0
    exit_ms: int = 0
    strip: Strip | None = None
    after_s: float = 0.0
    due_s: float = 0.0
    """When to compare next."""
    found_s: float = 0.0
    """When the first comparison found something."""
    seen_s: float = 0.0
    seen_ms: int = 0
    """When a comparison last found it."""
    checks: int = 0
    confirmed: int = 0
    unanswered: int = 0
    """Comparisons that traffic did not allow in time."""
    missed: int = 0
    """Comparisons in a row that did not find it, while it is watched."""
    finds: tuple[Find, ...] = ()
    blind_s: float = 0.0

    def copy(self) -> "Passage":
        """Return a copy that may be changed."""
        return copy.copy(self)

    def want(self, rear: Corners | None, samples: int, time_s: float) -> SurfaceWant | None:
        """Return what is asked of the next picture, if anything; ``rear``: the place behind the truck, while seen."""
        if self.phase == "armed" or self.strip is None:
            return SurfaceWant(id=self.id, before_s=self.before_s, rear=rear)
        if time_s < self.due_s:
            return None
        strip = self.strip
        return SurfaceWant(
            id=self.id,
            before_s=self.before_s,
            after_s=self.after_s,
            strip=strip.polygon,
            matrix=strip.matrix,
            size=strip.size,
            samples=samples,
        )

    @property
    def is_attributed(self) -> bool:
        """Tell whether one truck, and no other, can have done it."""
        return self.heavy == 1 or (self.is_cued and not self.has_rival)

    @property
    def has_cue(self) -> bool:
        """Tell whether it was seen to fall from a truck, or lies as if it had."""
        return self.is_cued or self.is_trail

    @property
    def is_trail(self) -> bool:
        """Tell whether the pieces lie in a row along the lane."""
        along = [each.piece.along_m for each in self.finds]
        across = [each.piece.across_m for each in self.finds]
        return len(along) >= _TRAIL_PIECES and max(along) - min(along) > _TRAIL_LENGTH * (max(across) - min(across))

    def sure(self, again_min: int) -> tuple[Piece, ...]:
        """Return the pieces that were found again so many times."""
        return tuple(find.piece for find in self.finds if find.again >= again_min)

    def compare(self, pieces: tuple[Piece, ...], area_min_m2: float) -> bool:
        """Count the pieces that are found again, and return whether that is enough of them."""
        here = [any(is_same(find.piece, piece) for piece in pieces) for find in self.finds]
        self.finds = tuple(Find(find.piece, find.again + again) for find, again in zip(self.finds, here, strict=True))
        found = (find.piece.area_m2 for find, again in zip(self.finds, here, strict=True) if again)
        return sum(found) >= area_min_m2

    def spill(self, tick: Tick, again_min: int, *, has_left: bool = False) -> Spill:
        """Return what rules see of it."""
        pieces = self.sure(again_min) or tuple(find.piece for find in self.finds)
        start_s, start_ms = self.exit_s, self.exit_ms
        return Spill(
            id=uuid7_of(start_ms, tick.camera, self.lane, self.id),
            camera=tick.camera,
            zone=self.lane,
            time_s=tick.time_s,
            time_ms=tick.time_ms,
            start_s=start_s,
            start_ms=start_ms,
            dwell_s=max(tick.time_s - start_s - self.blind_s, 0.0),
            visible_s=max(self.seen_s - start_s, 0.0),
            occluded_s=0.0,
            blind_s=self.blind_s,
            visible_share=1.0,
            unseen_s=tick.time_s - self.seen_s,
            is_blind=bool(tick.blind),
            has_left=has_left,
            end_s=self.seen_s if has_left else None,
            end_ms=self.seen_ms if has_left else None,
            label="truck" if self.is_attributed else "debris",
            confidence=self.confidence,
            bbox=bounds(pieces),
            size=tick.size,
            checks=float(self.checks),
            confirmed=float(self.confirmed),
            is_confirmed=self.phase == "watch",
            is_attributed=self.is_attributed,
            has_cue=self.has_cue,
            pieces=float(len(pieces)),
            area_m2=round(sum(piece.area_m2 for piece in pieces), 3),
        )


def is_same(a: Piece, b: Piece) -> bool:
    """Tell whether two pieces, of two comparisons, are one thing.

    >>> is_same(Piece((0, 0, 10, 10), 0.1, 1, 1), Piece((4, 0, 10, 10), 0.1, 1, 1))
    True
    >>> is_same(Piece((0, 0, 10, 10), 0.1, 1, 1), Piece((6, 0, 10, 10), 0.1, 1, 1))
    False
    """
    (ax, ay, aw, ah), (bx, by, bw, bh) = a.bbox, b.bbox
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    return width > 0 and height > 0 and width * height >= _SAME_SHARE * min(aw * ah, bw * bh)


def bounds(pieces: Iterable[Piece]) -> tuple[float, float, float, float]:
    """Return the box around pieces: x, y, width, height."""
    left, top, right, bottom = zip(
        *((x, y, x + width, y + height) for x, y, width, height in (piece.bbox for piece in pieces)), strict=True
    )
    return min(left), min(top), max(right) - min(left), max(bottom) - min(top)
