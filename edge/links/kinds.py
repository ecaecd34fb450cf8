"""Kinds of links: all that a gateway's file may name. A new kind is one more member here, and one more case below."""

from collections.abc import Sequence
from pathlib import Path

from devices.inventory import DeviceEntry
from devices.profile import Profile
from edge.links.jt808 import Jt808Link, Jt808Port
from edge.links.link import Known, Link, Take
from edge.links.modbus import ModbusLink, ModbusSerial, ModbusTcp
from edge.links.mqtt import MqttLink
from edge.links.mqtt_config import ChirpStack, MqttJson, TheThingsStack

LinkConfig = ModbusTcp | ModbusSerial | ChirpStack | TheThingsStack | MqttJson | Jt808Link
NEEDS_NO_PROFILE = (Jt808Link,)
"""Links whose devices all speak one language."""


def open_link(
    config: LinkConfig,
    devices: Sequence[tuple[DeviceEntry, Profile | None]],
    take: Take,
    *,
    folder: Path,
    secret: bytes,
) -> Link:
    """Return a link, not yet running; raise Refusal for a device that cannot be one of it.

    ``folder`` is where the files lie that it names, ``secret`` what the codes of terminals follow from.
    """
    known = [Known(entry=entry, profile=profile) for entry, profile in devices if profile is not None]
    match config:
        case ModbusTcp() | ModbusSerial():
            return ModbusLink(config, known, take)
        case ChirpStack() | TheThingsStack() | MqttJson():
            return MqttLink(config, known, take, folder)
        case Jt808Link():
            return Jt808Port(config, take, secret=secret, known=[entry.address for entry, _ in devices])
