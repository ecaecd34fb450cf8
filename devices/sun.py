"""Sun: when it rises and sets at a place, and whether it is up; also where it does neither for weeks."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from astral import Observer
from astral import sun as astral_sun

SunEvent = Literal["sunrise", "sunset"]
_HORIZON_DEG = -0.833
"""The sun's upper edge on the horizon, with what the air bends."""
_DUSK_DEG = -6.0
"""Civil dusk: from here on a street without lamps is dark."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the lamps are, and whose clock they go by."""

    latitude: float
    longitude: float
    time_zone: str

    @property
    def zone(self) -> ZoneInfo:
        """The IANA time zone."""
        return ZoneInfo(self.time_zone)


@lru_cache(maxsize=4_096)
def sun_event(place: Place, event: SunEvent, day: date) -> datetime | Literal["up", "down"]:
    """Return when the sun rises or sets on a local day, or that it stays up, or down, all that day.

    >>> shanghai = Place(latitude=31.2, longitude=121.5, time_zone="Asia/Shanghai")
    >>> f"{sun_event(shanghai, 'sunset', date(2026, 6, 1)):%H:%M}"
    '18:52'
    >>> sun_event(Place(latitude=69.6, longitude=18.9, time_zone="Europe/Oslo"), "sunset", date(2026, 6, 21))
    'up'
    """
    find = astral_sun.sunset if event == "sunset" else astral_sun.sunrise
    try:
        return find(_observer(place), date=day, tzinfo=place.zone)
    except ValueError:
        # Somewhere between the poles and the circles: whether the sun is up at noon says which of the two it is.
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(hours=place.longitude / 15)
        return "up" if astral_sun.elevation(_observer(place), noon) > _HORIZON_DEG else "down"


def is_up(place: Place, time_ms: int) -> bool:
    """Tell whether the sun is above the horizon."""
    return _elevation_deg(place, time_ms) > _HORIZON_DEG


def is_dark(place: Place, time_ms: int) -> bool:
    """Tell whether it is dark: before civil dawn or after civil dusk."""
    return _elevation_deg(place, time_ms) < _DUSK_DEG


def _elevation_deg(place: Place, time_ms: int) -> float:
    return float(astral_sun.elevation(_observer(place), datetime.fromtimestamp(time_ms / 1000, UTC)))


def _observer(place: Place) -> Observer:
    return Observer(place.latitude, place.longitude)
