"""Evidence: what one tick says of stalls, sorted once: things, people, what stalls are made of, and what hides them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from detectors.blob import Blob
from detectors.geometry import FOOTPRINT, Point
from detectors.site import Place
from detectors.tick import Box, Tick
from detectors.wants import Corners

CARRIED = frozenset({"handbag", "backpack", "suitcase", "bottle", "cup", "umbrella"})
"""What people have on them; it says nothing while it overlaps a person by half."""
CARGO = frozenset({"bicycle", "motorcycle", "truck", "car"})
"""Vehicles that goods are sold from; models call cargo tricycles so."""
_ON_A_PERSON = 0.5
_OVERHEAD_M = 2.4
"""How far an umbrella or awning may be above what it belongs to."""
_COVERED = 0.6
"""Share of a place that people and vehicles must cover to hide it."""
_FEET_M, DEEP = 1.3, 2.0
"""Height of the part of a stall that people's feet may be hidden behind; a metre of road is seen at about half the
height of an upright one."""
_COLUMNS, _ROWS = (0.1, 0.3, 0.5, 0.7, 0.9), (0.25, 0.75)
"""Points of a footprint that are tried against a zone."""


class Evidence(msgspec.Struct, kw_only=True):
    """One tick, sorted."""

    blobs: list[Blob]
    proxies: list[Box]
    custom: list[Box]
    cargo: list[Box]
    people: list[Box]
    feet: list[Point]
    """Where people stand: the middle of the lower edge."""


def evidence_of(tick: Tick, *, proxies: Sequence[str], custom: Sequence[str], person: float, proxy: float) -> Evidence:
    """Return what a tick says; ``person`` and ``proxy`` are the confidences from which a box counts."""
    found = Evidence(blobs=list(tick.blobs), proxies=[], custom=[], cargo=[], people=[], feet=[])
    for box in tick.boxes:
        label, confidence = box.label, box.confidence
        if label == "person":
            if confidence >= person:
                found.people.append(box)
        elif confidence < proxy:
            continue
        elif label in custom:
            found.custom.append(box)
        elif label in CARGO:
            found.cargo.append(box)
        elif label in proxies:
            found.proxies.append(box)
    if found.proxies:
        found.proxies = [box for box in found.proxies if not _is_carried(box, found.people)]
    found.feet = [((box.x1 + box.x2) / 2, box.y2) for box in found.people]
    return found


class Standing(NamedTuple):
    """Blobs at one place, summed up; means are weighted by area."""

    area_m2: float
    bare_m2: float
    """Of it, what nobody covers."""
    edges: float
    vehicle: float


def standing(blobs: Sequence[Blob], metre: float) -> Standing:
    """Return the sum of blobs where an upright metre has ``metre`` pixels."""
    area = sum(blob.area for blob in blobs)
    if not area:
        return Standing(0.0, 0.0, 0.0, 0.0)
    bare = sum(blob.area * (1 - blob.explained) for blob in blobs)
    edges = sum(blob.area * blob.edges for blob in blobs) / area
    vehicle = sum(blob.area * blob.vehicle for blob in blobs) / area
    return Standing(area / metre**2, bare / metre**2, edges, vehicle)


def corners_of(thing: Blob | Box) -> Corners:
    """Return the corners of a blob or box."""
    return thing.x1, thing.y1, thing.x2, thing.y2


def common(a: Corners, b: Corners) -> float:
    """Return the area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def area_of(box: Corners) -> float:
    """Return a box's area, never zero."""
    return max((box[2] - box[0]) * (box[3] - box[1]), 1e-6)


def united(boxes: Sequence[Corners]) -> Corners:
    """Return the bounds of boxes."""
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def belongs(part: Corners, whole: Corners, reach: float, metre: float) -> bool:
    """Say whether a part is within ``reach`` pixels of a whole, or hangs or stands over it as an umbrella does."""
    if part[0] - whole[2] > reach or whole[0] - part[2] > reach:
        return False
    over = max(whole[1] - part[3], part[1] - whole[3])
    if over <= reach:
        return True
    beside = max(whole[0] - part[2], part[0] - whole[2])
    narrower = min(part[2] - part[0], whole[2] - whole[0])
    return -beside >= narrower / 2 and over <= _OVERHEAD_M * metre


def zone_of(box: Corners, places: Sequence[Place], share_min: float) -> Place | None:
    """Return the first place that holds at least this share of a box's footprint, its lower 35 %."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, (y2 - y1) * FOOTPRINT
    points = [(x1 + column * width, y2 - height + row * height) for row in _ROWS for column in _COLUMNS]
    for place in places:
        hits = sum(_inside(x, y, place.polygon) for x, y in points)
        if hits >= share_min * len(points):
            return place
    return None


def ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to ``low``, 1 from ``high`` on, and a straight line between."""
    return min(max((value - low) / max(high - low, 1e-9), 0.0), 1.0)


def base_of(box: Corners) -> Point:
    """Return the middle of the lower edge."""
    return (box[0] + box[2]) / 2, box[3]


def is_looked_at(box: Corners, regions: Sequence[Corners]) -> bool:
    """Say whether one region holds nearly all of a box."""
    return any(common(box, region) >= 0.9 * area_of(box) for region in regions)


def is_covered(box: Corners, evidence: Evidence) -> bool:
    """Say whether nearer people and vehicles hide a place."""
    hiders = [corners_of(each) for each in (*evidence.people, *evidence.cargo) if each.y2 > box[3] - 1]
    return sum(common(box, each) for each in hiders) >= _COVERED * area_of(box)


def those_near(feet: Sequence[Point], box: Corners, metre: float, reach_m: float) -> list[tuple[float, Point]]:
    """Return the feet within ``reach_m`` of the foot of a stall, each with its distance, metres."""
    x1, y1, x2, y2 = box
    reach = reach_m * metre
    top = max(y1, y2 - _FEET_M * metre)
    left, right, high, low = x1 - reach, x2 + reach, top - reach / DEEP, y2 + reach / DEEP
    found = []
    for foot in feet:
        x, y = foot
        if left <= x <= right and high <= y <= low:
            apart_m = math.hypot(max(x1 - x, x - x2, 0.0), max(top - y, y - y2, 0.0) * DEEP) / metre
            if apart_m <= reach_m:
                found.append((apart_m, foot))
    return found


def _is_carried(box: Box, people: Sequence[Box]) -> bool:
    if box.label not in CARRIED:
        return False
    corners = corners_of(box)
    return any(common(corners, corners_of(person)) >= _ON_A_PERSON * area_of(corners) for person in people)


def _inside(x: float, y: float, polygon: Sequence[Point]) -> bool:
    """Say whether a point lies in a polygon (even-odd rule); `geometry.inside` for one point, without arrays."""
    odd = False
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
        x1, y1 = x2, y2
    return odd
