"""Trucks: heavy vehicles that pass along a lane, followed by where their box should be next.

Only a hint: a vehicle that is lost and found counts as two, which costs its spill the attribution and never gives it a
wrong one.
"""

import copy
import math
from typing import Literal, NamedTuple

import msgspec

from detectors.geometry import Point
from detectors.ground import Ground
from detectors.tick import Box
from detectors.wants import Corners

_NEAR = 0.7
"""Diagonals of its box within which a vehicle is looked for where it should be."""
_SIZE_CHANGE_MAX = 2.0
_SAME_COVER = 0.6
"""Share of the smaller of two boxes in the other from which they are one lorry, boxed twice."""
_PATH_MAX = 60
_RATIOS_MAX = 15
_BEHIND = 0.75
"""The place right behind a truck is its box, moved against its way by this share of its sides."""
_STANDS = 0.15
"""Heights of its box a second below which a vehicle stands or crawls."""

Base = tuple[float, float, float]
"""Left and right end and row of a box's lower edge, pixels."""


Kind = Literal["", "heavy", "custom", "sweeper"]
"""What the model's label says of a vehicle."""


class Seen(NamedTuple):
    """One vehicle in one tick."""

    box: Box
    ratio: float
    """Its height in heights of a car at the same row; 0 while nobody knows."""
    lane: str
    kind: Kind


class Truck(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One vehicle on a lane that is larger than a car. Detectors change copies only."""

    number: int
    lane: str
    box: Corners
    first_s: float
    first_ms: int
    seen_s: float
    seen_ms: int
    sightings: int = 0
    speed: Point = (0.0, 0.0)
    """Of the middle of its box, pixels a second."""
    ratios: tuple[float, ...] = ()
    """Heights of its boxes in heights of a car at the same row."""
    named: int = 0
    """Sightings in which the model called it a heavy vehicle."""
    is_custom: bool = False
    is_sweeper: bool = False
    confidence: float = 0.0
    path: tuple[Base, ...] = ()
    particle_ticks: int = 0
    """Pictures in which several small things flew behind it."""
    passage: str = ""

    def copy(self) -> "Truck":
        """Return a copy that may be changed."""
        return copy.copy(self)

    @property
    def ratio(self) -> float:
        """Return how many times as high as a car it is, by its upper third: small models often box only the cab."""
        return sorted(self.ratios)[len(self.ratios) * 2 // 3] if self.ratios else 0.0

    @property
    def is_moving(self) -> bool:
        """Tell whether it drives, as seen in the picture."""
        return math.hypot(*self.speed) > _STANDS * (self.box[3] - self.box[1])

    @property
    def rear(self) -> Corners:
        """Return the place right behind it."""
        x1, y1, x2, y2 = self.box
        length = max(math.hypot(*self.speed), 1e-6)
        dx = -self.speed[0] / length * _BEHIND * (x2 - x1)
        dy = -self.speed[1] / length * _BEHIND * (y2 - y1)
        return round(x1 + dx, 1), round(y1 + dy, 1), round(x2 + dx, 1), round(y2 + dy, 1)

    def distance(self, box: Box, time_s: float) -> float:
        """Return how far a box is from where this one should be, in diagonals; infinite if it is of another size."""
        x1, y1, x2, y2 = self.box
        high = (box.y2 - box.y1) / max(y2 - y1, 1.0)
        if not 1 / _SIZE_CHANGE_MAX <= high <= _SIZE_CHANGE_MAX:
            return math.inf
        dt_s = time_s - self.seen_s
        dx = (box.x1 + box.x2 - x1 - x2) / 2 - self.speed[0] * dt_s
        dy = (box.y1 + box.y2 - y1 - y2) / 2 - self.speed[1] * dt_s
        return math.hypot(dx, dy) / math.hypot(x2 - x1, y2 - y1)

    def see(self, seen: Seen, time_s: float, time_ms: int) -> None:
        """Take note that it is seen."""
        x1, y1, x2, y2 = self.box
        box, dt_s = seen.box, time_s - self.seen_s
        if dt_s > 0:
            self.speed = (
                round((box.x1 + box.x2 - x1 - x2) / 2 / dt_s, 1),
                round((box.y1 + box.y2 - y1 - y2) / 2 / dt_s, 1),
            )
        self.box = (box.x1, box.y1, box.x2, box.y2)
        self.seen_s, self.seen_ms, self.lane = time_s, time_ms, seen.lane
        self.note(seen)

    def note(self, seen: Seen) -> None:
        """Keep what a sighting says of size, kind and way."""
        box = seen.box
        self.sightings += 1
        self.ratios = (*self.ratios[1 - _RATIOS_MAX :], round(seen.ratio, 2))
        self.confidence = max(self.confidence, box.confidence)
        self.named += seen.kind == "heavy"
        self.is_custom |= seen.kind == "custom"
        self.is_sweeper |= seen.kind == "sweeper"
        # Once it is long, every second base is dropped: the way stays whole.
        path = self.path if len(self.path) < _PATH_MAX else self.path[::2]
        self.path = (*path, (box.x1, box.x2, box.y2))

    def way(self) -> Point:
        """Return where it has moved since it was first seen, pixels."""
        (left, right, row), (left_now, right_now, row_now) = self.path[0], self.path[-1]
        return (left_now + right_now - left - right) / 2, row_now - row

    def speed_mps(self, ground: Ground) -> float:
        """Return how fast it was between its first and its last sighting, metres a second."""
        if self.seen_s <= self.first_s:
            return 0.0
        (x1, y1), (x2, y2) = base_metres((self.path[0], self.path[-1]), ground)
        return math.hypot(x2 - x1, y2 - y1) / (self.seen_s - self.first_s)


def base_metres(bases: tuple[Base, ...], ground: Ground) -> list[tuple[float, float]]:
    """Return where the middles of lower edges lie, metres."""
    matrix, found = ground.matrix, []
    for left, right, row in bases:
        x = (left + right) / 2
        depth = matrix[6] * x + matrix[7] * row + matrix[8]
        found.append(
            (
                (matrix[0] * x + matrix[1] * row + matrix[2]) / depth,
                (matrix[3] * x + matrix[4] * row + matrix[5]) / depth,
            )
        )
    return found


def follow(trucks: list[Truck], seen: list[Seen], time_s: float, time_ms: int) -> list[Seen]:
    """Give each truck the box that fits it best, and return those that fit none."""
    pairs = sorted(
        (distance, row, column)
        for row, truck in enumerate(trucks)
        for column, each in enumerate(seen)
        if (distance := truck.distance(each.box, time_s)) <= _NEAR
    )
    taken: set[int] = set()
    matched: set[int] = set()
    for _, row, column in pairs:
        if row not in matched and column not in taken:
            matched.add(row)
            taken.add(column)
            trucks[row].see(seen[column], time_s, time_ms)
    return [each for column, each in enumerate(seen) if column not in taken]


def contains(polygon: tuple[Point, ...], point: Point) -> bool:
    """Tell whether a point lies in a polygon (even-odd rule); for one point faster than `geometry.inside`.

    >>> contains(((0, 0), (2, 0), (2, 2), (0, 2)), (1, 1)), contains(((0, 0), (2, 0), (2, 2), (0, 2)), (3, 1))
    (True, False)
    """
    x, y = point
    is_in, (x1, y1) = False, polygon[-1]
    for x2, y2 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            is_in = not is_in
        x1, y1 = x2, y2
    return is_in


def once(boxes: list[Box]) -> list[Box]:
    """Return boxes without the doubles of surer ones; a lorry is often boxed twice, or its cab apart."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda each: -each.confidence):
        if all(_cover(box, other) < _SAME_COVER for other in kept):
            kept.append(box)
    return kept


def _cover(a: Box, b: Box) -> float:
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a.x2 - a.x1) * (a.y2 - a.y1), (b.x2 - b.x1) * (b.y2 - b.y1))
    return width * height / max(smaller, 1e-6)
