"""Device: what a gateway knows of a device that hangs on it, for the centre's inventory; and what nobody knows yet."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.identifiers import Id
from wire.values import Count, Label, Name, Position, Real, Text, TimeMs

DeviceRole = Literal["lamp", "circuit", "cabinet", "manhole", "level", "vehicle", "weather", "meter", "other"]


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="device", tag_field="type"):
    """One device as its gateway's file names it; sent when the gateway starts and whenever it changes."""

    id: Id
    role: DeviceRole
    name: Text = ""
    profile: Name
    link: Id
    address: Name
    position: Position | None = None
    area: Label = ""
    circuit: Label = ""
    groups: Annotated[tuple[Label, ...], Meta(max_length=16)] = ()
    rated_w: Real | None = None
    component: Name = ""
    """The city's number of the component, if it has one."""
    is_removed: bool = False


class Stranger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="stranger", tag_field="type"):
    """A device that speaks on a link and that no file names: the census queue."""

    link: Id
    address: Name
    first_ms: TimeMs
    last_ms: TimeMs
    count: Count
    sample: Name = ""
    """The head of its last message, hexadecimal."""


class Presence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="presence", tag_field="type"):
    """Whether a device is heard; sent when that changes, and now and then."""

    device: Id
    state: Literal["unheard", "live", "late", "offline"]
    time_ms: TimeMs
    last_ms: TimeMs | None = None
    """When it was last heard."""
    reason: Text = ""
