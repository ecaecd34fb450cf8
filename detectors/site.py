"""Site: what a camera looks at, as detectors see it: places, and where they lie on the road."""

from typing import Literal

import msgspec

from detectors.geometry import Point
from detectors.ground import Ground

PlaceType = Literal["no_parking", "stall", "storefront", "lane"]


class Place(msgspec.Struct, frozen=True):
    """A zone: polygons in pixels."""

    id: str
    polygon: tuple[Point, ...]
    lane: tuple[Point, ...] | None = None
    """The carriageway beside the zone, whose flow tells a jam from a stay."""
    type: PlaceType = "no_parking"
    direction: Point | None = None
    """Of a lane's traffic, in the picture."""


class Site(msgspec.Struct, frozen=True):
    """All places of one camera, in the order of its configuration."""

    places: tuple[Place, ...]
    ground: Ground | None = None
    """None where the camera is not calibrated."""

    def of_type(self, *types: PlaceType) -> tuple[Place, ...]:
        """Return the places of these types."""
        return tuple(place for place in self.places if place.type in types)
