"""Ground: distances on the ground between WGS-84 positions, on a sphere and, near a point, on a plane."""

import math

Place = tuple[float, float]
"""Latitude and longitude, degrees."""
_METRES_PER_DEG = 111_195.0
"""On a sphere of 6,371 km."""


def plane_m(origin: Place, place: Place) -> tuple[float, float]:
    """Return metres to the east and north of an origin; good to a thousandth within some tens of kilometres."""
    east = (place[1] - origin[1] + 180) % 360 - 180
    return (
        east * _METRES_PER_DEG * math.cos(math.radians((origin[0] + place[0]) / 2)),
        (place[0] - origin[0]) * _METRES_PER_DEG,
    )


def distance_m(one: Place, other: Place) -> float:
    """Return the distance of two places.

    >>> round(distance_m((31.2, 121.5), (31.2, 121.51)))
    951
    """
    return math.hypot(*plane_m(one, other))


def from_line_m(place: Place, line: tuple[Place, ...], first: int, last: int) -> tuple[float, int]:
    """Return how far a place is from the pieces ``first`` to ``last`` of a line, and which piece is the nearest.

    >>> line = ((31.2, 121.5), (31.2, 121.51), (31.21, 121.51))
    >>> distance, piece = from_line_m((31.201, 121.505), line, 0, 1)
    >>> round(distance), piece
    (111, 0)
    """
    best, nearest = math.inf, first
    scale = math.cos(math.radians(place[0])) * _METRES_PER_DEG
    for number in range(first, last + 1):
        (lat_a, lon_a), (lat_b, lon_b) = line[number], line[number + 1]
        ax, ay = (lon_a - place[1]) * scale, (lat_a - place[0]) * _METRES_PER_DEG
        dx, dy = (lon_b - lon_a) * scale, (lat_b - lat_a) * _METRES_PER_DEG
        length = dx * dx + dy * dy
        share = min(1.0, max(0.0, -(ax * dx + ay * dy) / length)) if length else 0.0
        far = math.hypot(ax + share * dx, ay + share * dy)
        if far < best:
            best, nearest = far, number
    return best, nearest


def points_along(line: tuple[Place, ...], count_max: int, apart_m: float) -> list[Place]:
    """Return points on a line, ``apart_m`` apart, or further so that they are no more than ``count_max``."""
    lengths = [distance_m(line[number], line[number + 1]) for number in range(len(line) - 1)]
    total = math.fsum(lengths)
    count = max(1, min(count_max, math.ceil(total / apart_m)))
    found, number, before = list[Place](), 0, 0.0
    for step in range(count):
        at = total * (step + 0.5) / count
        while number < len(lengths) - 1 and before + lengths[number] < at:
            before += lengths[number]
            number += 1
        share = (at - before) / lengths[number] if lengths[number] else 0.0
        (lat_a, lon_a), (lat_b, lon_b) = line[number], line[number + 1]
        found.append((lat_a + share * (lat_b - lat_a), lon_a + share * (lon_b - lon_a)))
    return found
