"""Datum: from the shifted coordinates of Chinese maps, GCJ-02, to those of a receiver, WGS-84, and back.

The shift is secret by law and known in public: constants and polynomial as in https://github.com/googollee/eviltransform
(MIT) at 03ba58d. It has no inverse in closed form; fixed-point iteration gives one to well below a millimetre.
"""

import math
from typing import Literal

Datum = Literal["wgs84", "gcj02"]

_AXIS_M = 6_378_245.0  # Krasovsky 1940
_ECCENTRICITY_2 = 0.00669342162296594323
_TURNS_MAX = 12
_CLOSE_DEG = 1e-10  # some hundredths of a millimetre


def is_shifted(latitude: float, longitude: float) -> bool:
    """Return whether GCJ-02 differs from WGS-84 there: in a rectangle around China, as everybody draws it."""
    return 0.8293 < latitude < 55.8271 and 72.004 < longitude < 137.8347


def gcj02_of(latitude: float, longitude: float) -> tuple[float, float]:
    """Return GCJ-02 latitude and longitude of a WGS-84 position, degrees; outside of China the same."""
    if not is_shifted(latitude, longitude):
        return latitude, longitude
    north, east = _shift(latitude, longitude)
    return latitude + north, longitude + east


def wgs84_of(latitude: float, longitude: float) -> tuple[float, float]:
    """Return WGS-84 latitude and longitude of a GCJ-02 position, degrees; outside of China the same.

    >>> [round(degrees, 6) for degrees in wgs84_of(39.913345, 116.384047)]
    [39.911954, 116.377817]
    """
    if not is_shifted(latitude, longitude):
        return latitude, longitude
    found_latitude, found_longitude = latitude, longitude
    for _ in range(_TURNS_MAX):
        north, east = _shift(found_latitude, found_longitude)
        off_north, off_east = latitude - north - found_latitude, longitude - east - found_longitude
        found_latitude += off_north
        found_longitude += off_east
        if abs(off_north) < _CLOSE_DEG and abs(off_east) < _CLOSE_DEG:
            break
    return found_latitude, found_longitude


def _shift(latitude: float, longitude: float) -> tuple[float, float]:
    """Return by how many degrees GCJ-02 lies to the north and to the east of WGS-84."""
    x, y = longitude - 105.0, latitude - 35.0
    root = 0.1 * math.sqrt(abs(x))
    waves = 20.0 * math.sin(6.0 * math.pi * x) + 20.0 * math.sin(2.0 * math.pi * x)
    north_m = (
        -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 2.0 * root
        + 2.0
        / 3.0
        * (
            waves
            + 20.0 * math.sin(math.pi * y)
            + 40.0 * math.sin(math.pi * y / 3.0)
            + 160.0 * math.sin(math.pi * y / 12.0)
            + 320.0 * math.sin(math.pi * y / 30.0)
        )
    )
    east_m = (
        300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + root
        + 2.0
        / 3.0
        * (
            waves
            + 20.0 * math.sin(math.pi * x)
            + 40.0 * math.sin(math.pi * x / 3.0)
            + 150.0 * math.sin(math.pi * x / 12.0)
            + 300.0 * math.sin(math.pi * x / 30.0)
        )
    )
    radians = math.radians(latitude)
    squared = 1.0 - _ECCENTRICITY_2 * math.sin(radians) ** 2
    along = _AXIS_M * (1.0 - _ECCENTRICITY_2) / (squared * math.sqrt(squared))
    across = _AXIS_M / math.sqrt(squared) * math.cos(radians)
    return math.degrees(north_m / along), math.degrees(east_m / across)
