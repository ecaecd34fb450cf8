"""Observation: one result, of one property, at one instant, with its quality.

The words are those of OGC SensorThings, so a count of vehicles and a lamp's current are spoken of alike.
"""

from typing import Literal

import msgspec

from wire.identifiers import Id


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="observation", tag_field="type"):
    """What a sensor, or a detector behind a camera, found.

    >>> Observation(source="cam-3", property="vehicle.count", result=4.0, time_ms=1_700_000_000_000).quality
    'good'
    """

    source: Id
    property: str
    """Dotted name, for example ``zone.stays``."""
    result: float | bool | str
    time_ms: int
    feature: str = ""
    """What of the source it is about, for example a zone; empty for the source as a whole."""
    unit: str = ""
    """UCUM code; empty for counts and words."""
    quality: Literal["good", "stale", "suspect", "impossible"] = "good"
