"""Inventory: the devices of a gateway, as its files name them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from wire.device import Device, DeviceRole
from wire.identifiers import Id
from wire.values import Label, Position


class Corridor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way that a vehicle has to keep to: a line and how far from it is still on it."""

    line: Annotated[tuple[Position, ...], Meta(min_length=2, max_length=2_000)]
    """WGS-84 latitude and longitude, degrees."""
    width_m: Annotated[float, Meta(gt=0, le=5_000, extra_json_schema={"unit": "m"})] = 50.0
    """To either side."""


class DeviceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device."""

    id: Id
    role: DeviceRole
    name: str = ""
    profile: str = ""
    """``<vendor>/<model>``; none for vehicles of a JT/T 808 link."""
    link: Id
    address: str
    """As the link knows it: a DevEUI, a terminal's number, a unit of a bus (``12``; ``12/3`` is its third output)."""
    position: Position | None = None
    """WGS-84 latitude and longitude, degrees."""
    area: Label = ""
    circuit: Label = ""
    groups: Annotated[tuple[Label, ...], Meta(max_length=16)] = ()
    component: Label = ""
    """The city's number of the component, if it has one."""
    rated_w: Annotated[float, Meta(gt=0, le=100_000, extra_json_schema={"unit": "W"})] | None = None
    rated_a: Annotated[float, Meta(gt=0, le=1_000, extra_json_schema={"unit": "A"})] | None = None
    """A lamp's current at full light, where it is not that of its profile."""
    period_s: Annotated[float, Meta(gt=0, le=172_800, extra_json_schema={"unit": "s"})] = 600.0
    """How often it speaks when all is well, at the least; after three of them without a word it is offline."""
    deadband: dict[str, Annotated[float, Meta(ge=0)]] = {}
    """By property: a smaller change is not told, until the heartbeat."""
    heartbeat_s: Annotated[float, Meta(gt=0, le=86_400, extra_json_schema={"unit": "s"})] = 900.0
    """What has not changed is told again after so long."""
    parameters: dict[str, float] = {}
    """Of the rules that watch it, where they are others than the rule's own."""
    corridor: Corridor | None = None
    """Where a vehicle may drive; anywhere if left out."""
    conflict: Label = ""
    """A crossing, a tunnel: two neighbouring lamps of one are never switched off together."""

    @property
    def card(self) -> Device:
        """What the centre is told of it."""
        return Device(
            id=self.id,
            role=self.role,
            name=self.name,
            profile=self.profile,
            link=self.link,
            address=self.address,
            position=self.position,
            area=self.area,
            circuit=self.circuit,
            groups=self.groups,
            rated_w=self.rated_w,
            component=self.component,
        )
