"""Fix: where a moving device was at one instant."""

from typing import Annotated

import msgspec
from msgspec import Meta

from wire.identifiers import Id
from wire.values import Name, TimeMs


class Fix(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fix", tag_field="type"):
    """One position of a vehicle, WGS-84 degrees."""

    device: Id
    time_ms: TimeMs
    """By the terminal's clock."""
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    is_positioned: bool = True
    speed_km_h: Annotated[float, Meta(ge=0, le=10_000)] | None = None
    course_deg: Annotated[float, Meta(ge=0, le=65_535)] | None = None
    mileage_km: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    flags: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    is_late: bool = False
    """Sent from the terminal's memory after a time without a link."""
