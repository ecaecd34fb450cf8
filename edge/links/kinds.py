"""Kinds of links: all that a gateway's file may name. A new kind is one more member here, and one more case below."""

from collections.abc import Sequence

from devices.inventory import DeviceEntry
from devices.profile import Profile
from edge.links.jt808 import Jt808Link, Jt808Port
from edge.links.link import Known, Link, Take
from edge.links.modbus import ModbusLink, ModbusSerial, ModbusTcp

LinkConfig = ModbusTcp | ModbusSerial | Jt808Link
NEEDS_NO_PROFILE = (Jt808Link,)
"""Links whose devices all speak one language."""


def open_link(
    config: LinkConfig, devices: Sequence[tuple[DeviceEntry, Profile | None]], take: Take, *, secret: bytes
) -> Link:
    """Return a link, not yet running; raise Refusal for a device that cannot be one of it."""
    known = [Known(entry=entry, profile=profile) for entry, profile in devices if profile is not None]
    match config:
        case ModbusTcp() | ModbusSerial():
            return ModbusLink(config, known, take)
        case Jt808Link():
            return Jt808Port(config, take, secret=secret, known=[entry.address for entry, _ in devices])
