"""MQTT links in a gateway's file: a LoRaWAN network server, or devices that publish JSON themselves."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.identifiers import Id

BrokerUrl = Annotated[str, Meta(pattern=r"^mqtts?://[^/\s]+$(?!\n)", examples=["mqtt://10.0.0.5:1883"])]
Topics = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(min_length=1, max_length=16)]
Wait = Annotated[float, Meta(ge=1, le=600, extra_json_schema={"unit": "s"})]
ADDRESS = "{address}"


class _Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is, and how to sign in."""

    id: Id
    broker: BrokerUrl
    """``mqtt://host:1883``, or ``mqtts://`` with TLS."""
    user: str = ""
    password_file: str = ""
    """Holds the password alone; taken from the folder of the gateway's file."""
    ca_file: str = ""
    """PEM; the system's own if left out."""
    client: Annotated[str, Meta(max_length=64)] = ""
    """The session's name at the broker, unlike any other's; made from this machine's name if left out."""


class ChirpStack(_Account, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="chirpstack"):
    """ChirpStack, version 3 or 4: which it is, each message says."""

    topics: Topics = ("application/+/device/+/event/+",)
    application: Annotated[str, Meta(max_length=64)] = ""
    """Of devices that are to be told something before they have been heard; version 4."""
    wait_for: Literal["nothing", "sent", "ack"] = "sent"
    """When a command counts as delivered: when the broker has it, when a gateway has sent it, or when the device has
    confirmed it."""
    wait_s: Wait = 20.0


class TheThingsStack(
    _Account, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="the-things-stack"
):
    """The Things Stack, version 3."""

    topics: Topics = ("v3/+/devices/+/up", "v3/+/devices/+/join", "v3/+/devices/+/down/+")
    wait_for: Literal["nothing", "sent", "ack"] = "sent"
    """When a command counts as delivered: when the broker has it, when a gateway has sent it, or when the device has
    confirmed it."""
    wait_s: Wait = 20.0


class MqttJson(_Account, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt-json"):
    """Devices that publish JSON on a broker themselves."""

    topic: Annotated[
        str,
        Meta(
            pattern=r"^([^+#{}\n]*)\{address\}([^+#{}\n]*)$(?!\n)", max_length=256, examples=["meters/{address}/state"]
        ),
    ]
    """What a device publishes on: ``{address}`` stands for its address, one level or a part of one."""
    command_topic: Annotated[str, Meta(pattern=r"^([^+#{}\n]*)\{address\}([^+#{}\n]*)$(?!\n)", max_length=256)] = ""
    """A device's own topic, under which the topics of commands are; that of ``topic`` if left out."""

    @property
    def topics(self) -> Topics:
        """What to subscribe to: a wildcard stands for a whole level."""
        levels = ["+" if ADDRESS in level else level for level in self.topic.split("/")]
        return ("/".join(levels),)

    def address_of(self, topic: str) -> str:
        """Return whose topic it is, or an empty string."""
        before, _, after = self.topic.partition(ADDRESS)
        found = re.fullmatch(f"{re.escape(before)}([^/]+){re.escape(after)}", topic)
        return found[1] if found else ""

    def topic_for(self, address: str, below: str) -> str:
        """Return where a command to a device goes."""
        own = (self.command_topic or self.topic).replace(ADDRESS, address)
        return f"{own}/{below}" if below else own


NetworkServer = ChirpStack | TheThingsStack
Config = ChirpStack | TheThingsStack | MqttJson
