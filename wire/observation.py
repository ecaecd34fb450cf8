"""Observation: one result, of one property, at one instant, with its quality.

The words are those of OGC SensorThings, so a count of vehicles and a lamp's current are spoken of alike.
"""

from typing import Literal

import msgspec

from wire.identifiers import Id
from wire.values import Name, Real, Text, TimeMs, Unit


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="observation", tag_field="type"):
    """What a sensor, or a detector behind a camera, found.

    >>> Observation(source="cam-3", property="vehicle.count", result=4.0, time_ms=1_700_000_000_000).quality
    'good'
    """

    source: Id
    property: Name
    """Dotted name, for example ``zone.stays``."""
    result: Real | bool | Text
    time_ms: TimeMs
    feature: Name = ""
    """What of the source it is about, for example a zone; empty for the source as a whole."""
    unit: Unit = ""
    """UCUM code; empty for counts and words."""
    quality: Literal["good", "stale", "suspect", "impossible"] = "good"
