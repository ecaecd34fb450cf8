"""Coverage: how much of a planned line a sweeper has passed in one local day, in any order and also told later."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import msgspec

from devices.ground import Place, distance_m, points_along

_APART_M = 50.0
_POINTS_MAX = 1_000
_TOGETHER_MS, _TOGETHER_M = 90_000, 500.0
"""Between two fixes no further apart the vehicle is believed to have driven straight."""
_CELL_DEG = 0.001


class Coverage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was passed on one day."""

    day: int = 0
    """Proleptic day of the local date."""
    count: int = 0
    """Points on the line."""
    passed: bytes = b""
    """One bit for each."""
    time_ms: int = 0
    latitude: float = 0.0
    longitude: float = 0.0
    """The last fix, if there is a time."""


def first_coverage() -> Coverage:
    """Return that of a sweeper that was never heard."""
    return Coverage()


def share_of(coverage: Coverage | None) -> float | None:
    """Return the share of the line that was passed; unknown if there was no fix on that day."""
    if coverage is None or not coverage.count:
        return None
    return round(sum(each.bit_count() for each in coverage.passed) / coverage.count, 4)


def covered(
    coverage: Coverage, now: datetime, fixes: Iterable[tuple[int, Place]], *, line: tuple[Place, ...], width_m: float
) -> Coverage:
    """Return the coverage after some fixes; those of another local day than that of ``now`` count for nothing."""
    day = now.date().toordinal()
    if coverage.day != day:
        coverage = Coverage(day=day)
    for time_ms, place in fixes:
        if datetime.fromtimestamp(time_ms / 1000, now.tzinfo).date().toordinal() != day:
            continue
        points, cells = _points(line)
        count = len(points)
        same_line = coverage.count == count
        passed = bytearray(coverage.passed if same_line else bytes((count + 7) // 8))
        for step in _way(coverage, time_ms, place):
            for number in _near(cells, step, width_m):
                if not passed[number >> 3] >> (number & 7) & 1 and distance_m(points[number], step) <= width_m:
                    passed[number >> 3] |= 1 << (number & 7)
        coverage = Coverage(
            day=day, count=count, passed=bytes(passed), time_ms=time_ms, latitude=place[0], longitude=place[1]
        )
    return coverage


def _way(coverage: Coverage, time_ms: int, place: Place) -> list[Place]:
    """Return points on the way from the last fix, close enough together to touch all that lies between."""
    last = (coverage.latitude, coverage.longitude)
    if not coverage.time_ms or abs(time_ms - coverage.time_ms) > _TOGETHER_MS:
        return [place]
    far_m = distance_m(last, place)
    if far_m > _TOGETHER_M:
        return [place]
    count = int(far_m / 10) + 1
    return [
        (last[0] + (place[0] - last[0]) * step / count, last[1] + (place[1] - last[1]) * step / count)
        for step in range(1, count + 1)
    ]


@lru_cache(maxsize=512)
def _points(line: tuple[Place, ...]) -> tuple[list[Place], dict[tuple[int, int], list[int]]]:
    """Return the points of a line, and which of them lie in which cell of a grid; the same for all of a day."""
    points = points_along(line, _POINTS_MAX, _APART_M)
    cells: dict[tuple[int, int], list[int]] = {}
    for number, (latitude, longitude) in enumerate(points):
        cells.setdefault((int(latitude // _CELL_DEG), int(longitude // _CELL_DEG)), []).append(number)
    return points, cells


def _near(cells: dict[tuple[int, int], list[int]], place: Place, width_m: float) -> list[int]:
    reach = int(width_m / 50) + 1
    row, column = int(place[0] // _CELL_DEG), int(place[1] // _CELL_DEG)
    found = list[int]()
    for near_row in range(row - reach, row + reach + 1):
        for near_column in range(column - reach, column + reach + 1):
            found += cells.get((near_row, near_column), ())
    return found
