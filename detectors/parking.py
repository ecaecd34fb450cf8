"""Parking: vehicles that stand in a zone, their clocks kept by the place and never by a track id."""

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0, le=3_600)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Parking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    classes: tuple[str, ...] = ("car", "truck", "bus", "thing")
    """Labels that count as a vehicle; ``thing`` is what the class-free backend says."""
    birth_confidence: Share = 0.25
    """A new stay needs a box at least this sure."""
    keep_confidence: Share = 0.1
    """A stay that is already held is kept by a box at least this sure."""
    settle_s: Seconds = 5.0
    """How long a vehicle must keep its place before it counts as standing."""
    footprint_share: Share = 0.5
    """Share of the lower 35 % of a box that must lie in the zone."""
    leave_s: Seconds = 8.0
    """How long an uncovered place must look empty, at least three times, before the vehicle has left."""
    hidden_max_s: Seconds = 120.0
    """How long traffic may hide a vehicle before it is taken to have left when last seen."""
    max_gap_s: Seconds = 3.0
    """A longer silence between two ticks counts as blind."""
    resume_s: Seconds = 600.0
    """After a longer gap nothing is resumed: what stands there is new, and never back-dated."""
