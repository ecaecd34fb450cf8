"""Uplinks of LoRaWAN devices as their network servers publish them, and downlinks as they take them.

ChirpStack v3 (JSON, or that of its protobuf, where identifiers are base64), ChirpStack v4, The Things Stack v3. The
last two leave out what is zero: no FPort is FPort 0. What an event is, its topic says; without a topic, its content.
"""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from devices.json_document import read_json, value_at
from devices.reading import DecodeError
from devices.report import Downlink

PAYLOAD_MAX = 512
GATEWAYS_MAX = 64
TEXT_MAX = 128
Event = Literal["up", "join", "ack", "txack", "status", "location", "log", "other"]
Network = Literal["chirpstack-3", "chirpstack-4", "things-stack-3"]
_CHIRPSTACK = re.compile(
    r"application/(?P<application>[^/+#]{1,64})/device/(?P<device>[0-9a-fA-F]{16})/event/(?P<event>\w+)"
)
_THINGS_STACK = re.compile(
    r"v3/(?P<application>[^/+#@]{1,64})(?:@(?P<tenant>[^/+#]{1,64}))?/devices/(?P<device>[^/+#]{1,64})/(?P<event>[\w/]+)"
)
_CHIRPSTACK_EVENTS: dict[str, Event] = {
    "up": "up", "join": "join", "ack": "ack", "txack": "txack", "status": "status", "location": "location",
    "log": "log", "error": "log",
}  # fmt: skip
_THINGS_EVENTS: dict[str, tuple[str, Event]] = {
    "up": ("uplink_message", "up"),
    "join": ("join_accept", "join"),
    "down/ack": ("downlink_ack", "ack"),
    "down/nack": ("downlink_nack", "ack"),
    "down/sent": ("downlink_sent", "txack"),
    "down/queued": ("downlink_queued", "other"),
    "down/failed": ("downlink_failed", "log"),
    "location/solved": ("location_solved", "location"),
}


class UplinkError(ValueError):
    """A message of a network server that cannot be read; the text says why."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device can be answered."""

    network: Network
    application: str
    tenant: str = ""
    device: str
    """Its name at The Things Stack; elsewhere its DevEUI."""


class Uplink(msgspec.Struct, frozen=True, kw_only=True):
    """One event of one device."""

    event: Event
    dev_eui: str
    """16 hexadecimal digits, small."""
    port: int | None = None
    payload: bytes = b""
    time_ms: int | None = None
    """When the network heard it, if it says."""
    facts: dict[str, float | bool | str] = {}
    """What the network says of it: ``rssi`` and ``snr`` at the gateway that heard it best, ``gateways``, counters."""
    origin: Origin


def read_uplink(topic: str, payload: bytes) -> Uplink:
    """Return the event in a message; raise UplinkError."""
    try:
        document = read_json(payload)
    except DecodeError as error:
        raise UplinkError(error.problem) from error
    if not isinstance(document, dict):
        raise UplinkError("expected a JSON object")
    if "end_device_ids" in document:
        return _things_stack(topic, document)
    if isinstance(document.get("payload"), dict) and "devEUI" in document["payload"]:
        # As an HTTP integration wraps it.
        kind = document.get("type")
        return _chirpstack(topic, document["payload"], kind if isinstance(kind, str) else "")
    return _chirpstack(topic, document, "")


def downlink_message(origin: Origin, dev_eui: str, downlink: Downlink, *, confirmed: bool = False) -> tuple[str, bytes]:
    """Return topic and content of a message that has a network server send bytes to a device."""
    content = base64.b64encode(downlink.payload).decode()
    if origin.network == "things-stack-3":
        where = f"{origin.application}@{origin.tenant}" if origin.tenant else origin.application
        one = {"f_port": downlink.port, "frm_payload": content, "priority": "NORMAL", "confirmed": confirmed}
        return f"v3/{where}/devices/{origin.device}/down/push", msgspec.json.encode({"downlinks": [one]})
    body: dict[str, Any] = {"confirmed": confirmed, "fPort": downlink.port, "data": content}
    if origin.network == "chirpstack-4":
        body = {"devEui": dev_eui, **body}
    return f"application/{origin.application}/device/{dev_eui}/command/down", msgspec.json.encode(body)


def _chirpstack(topic: str, document: dict[str, Any], kind: str) -> Uplink:
    """Return an event of ChirpStack, of either version."""
    is_v4 = "deviceInfo" in document
    about = document.get("deviceInfo") if is_v4 else document
    said = value_at(about, "devEui" if is_v4 else "devEUI", str)
    if said is None:
        raise UplinkError("no DevEUI in it")
    dev_eui = _eui(said)
    place = _CHIRPSTACK.fullmatch(topic)
    if place and place["device"].lower() != dev_eui:
        raise UplinkError(f"its topic is of {place['device'].lower()}, its content of {dev_eui}")
    word = place["event"] if place else kind or _chirpstack_kind(document)
    event = _CHIRPSTACK_EVENTS.get(word, "other")
    application = value_at(about, "applicationId" if is_v4 else "applicationID", str) or ""
    facts = _heard(document.get("rxInfo"))
    _add(facts, document, {"fCnt": "frame_count", "fCntDown": "frame_count_down", "dr": "rate", "margin": "margin"})
    _add(facts, document, {"batteryLevel": "battery", "acknowledged": "acknowledged", "confirmedUplink": "confirmed"})
    _add(
        facts, document, {"confirmed": "confirmed", "queueItemId": "queue_item", "description": "text", "error": "text"}
    )
    _add(facts, about, {"deviceName": "name"})
    _add(facts, document.get("txInfo"), {"frequency": "frequency_hz"})
    has_payload = event == "up"
    return Uplink(
        event=event,
        dev_eui=dev_eui,
        port=_port(document.get("fPort")) if has_payload else None,
        payload=_bytes(document.get("data")) if has_payload else b"",
        time_ms=_chirpstack_time(document),
        facts=facts,
        origin=Origin(
            network="chirpstack-4" if is_v4 else "chirpstack-3",
            application=place["application"] if place else _plain(application),
            device=dev_eui,
        ),
    )


def _chirpstack_kind(document: dict[str, Any]) -> str:
    """Return which event a message without a topic is."""
    for key, kind in (("acknowledged", "ack"), ("batteryLevel", "status"), ("location", "location"), ("level", "log")):
        if key in document:
            return kind
    if "rxInfo" in document:
        return "up"
    return (
        "txack" if "gatewayId" in document or "gatewayID" in document else "join" if "devAddr" in document else "other"
    )


def _chirpstack_time(document: dict[str, Any]) -> int | None:
    """Return when something happened: v4 says it, v3 by its gateways, when it was published, or in nanoseconds."""
    heard = document.get("rxInfo")
    entries = heard[:GATEWAYS_MAX] if isinstance(heard, list) else []
    times = [value_at(document, "time", str), *(value_at(entry, "time", str) for entry in entries)]
    for said in (*times, value_at(document, "publishedAt", str)):
        if said is not None and (time_ms := _time_ms(said)) is not None:
            return time_ms
    since = value_at(document, "timestamp", int)
    return since // 1_000_000 if since is not None and 0 <= since < 2**63 else None


def _things_stack(topic: str, document: dict[str, Any]) -> Uplink:
    """Return an event of The Things Stack."""
    said = value_at(document, "end_device_ids.dev_eui", str)
    if said is None:
        raise UplinkError("no DevEUI in it")
    device = value_at(document, "end_device_ids.device_id", str) or ""
    application = value_at(document, "end_device_ids.application_ids.application_id", str) or ""
    place = _THINGS_STACK.fullmatch(topic)
    if place and (place["device"] != device or place["application"] != application):
        raise UplinkError(f"its topic is of {place['device']}, its content of {device[:TEXT_MAX]}")
    key, event = _things_event(place["event"] if place else "", document)
    inner = document.get(key)
    facts = _heard(value_at(inner, "rx_metadata", list))
    _add(facts, inner, {"f_cnt": "frame_count", "confirmed": "confirmed", "consumed_airtime": "airtime"})
    _add(facts, value_at(inner, "settings", dict), {"data_rate_index": "rate"})
    frequency = value_at(inner, "settings.frequency", str)
    if frequency is not None and frequency.isdecimal() and len(frequency) <= 12:
        facts["frequency_hz"] = float(frequency)
    if event == "ack":
        facts["acknowledged"] = key == "downlink_ack"
    facts["name"] = device[:TEXT_MAX]
    has_payload = event == "up"
    heard_ms = _time_ms(value_at(inner, "received_at", str) or value_at(document, "received_at", str) or "")
    return Uplink(
        event=event,
        dev_eui=_eui(said),
        port=_port(value_at(inner, "f_port", (int, float, str, bool))) if has_payload else None,
        payload=_bytes(value_at(inner, "frm_payload", (int, str))) if has_payload else b"",
        time_ms=heard_ms,
        facts=facts,
        origin=Origin(
            network="things-stack-3",
            application=_plain(application),
            tenant=(place["tenant"] or "") if place else "",
            device=_plain(device),
        ),
    )


def _things_event(word: str, document: dict[str, Any]) -> tuple[str, Event]:
    """Return where the content of an event stands, and which it is."""
    if word in _THINGS_EVENTS:
        return _THINGS_EVENTS[word]
    for key, event in _THINGS_EVENTS.values():
        if not word and key in document:
            return key, event
    return "", "other"


def _heard(entries: Any) -> dict[str, float | bool | str]:
    """Return what the gateway says that heard a device best, and how many did."""
    best: tuple[float, dict[str, float | bool | str]] | None = None
    listed = entries[:GATEWAYS_MAX] if isinstance(entries, list) else []
    for entry in listed:
        rssi = value_at(entry, "rssi", (int, float))
        if rssi is None or not -1_000 < rssi < 1_000 or (best is not None and rssi <= best[0]):
            continue
        facts: dict[str, float | bool | str] = {"rssi": float(rssi), "gateways": float(len(listed))}
        for key in ("snr", "loRaSNR"):
            _add(facts, entry, {key: "snr"})
        gateway = [
            value_at(entry, path, str)
            for path in ("gatewayId", "gatewayID", "gateway_ids.eui", "gateway_ids.gateway_id")
        ]
        named = next(filter(None, gateway), "")
        facts["gateway"] = _gateway(named)
        best = (rssi, facts)
    return best[1] if best else {}


def _add(facts: dict[str, float | bool | str], document: Any, names: dict[str, str]) -> None:
    """Add what a message says under some keys, each under our name for it."""
    for key, name in names.items():
        said = value_at(document, key, (int, float, str, bool))
        if isinstance(said, bool):
            facts[name] = said
        elif isinstance(said, str):
            facts[name] = "".join(sign for sign in said[:TEXT_MAX] if sign.isprintable())
        elif said is not None and -1e15 < said < 1e15:
            facts[name] = float(said)


def _eui(said: str) -> str:
    """Return an EUI as 16 small hexadecimal digits, however it is written."""
    if re.fullmatch(r"[0-9a-fA-F]{16}", said):
        return said.lower()
    try:
        raw = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 8:
        raise UplinkError(f"expected a DevEUI of 16 hexadecimal digits, or base64 of 8 bytes, got {said[:40]!r}")
    return raw.hex()


def _gateway(said: str) -> str:
    try:
        return _eui(said)
    except UplinkError:
        return "".join(sign for sign in said[:TEXT_MAX] if sign.isprintable())


def _port(said: Any) -> int:
    """Return an FPort; none is 0, because zeros are left out."""
    if said is None:
        return 0
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= 255:
        raise UplinkError(f"expected an FPort from 0 to 255, got {str(said)[:40]}")
    return said


def _bytes(said: Any) -> bytes:
    """Return what is written in base64; nothing is no bytes."""
    if said is None:
        return b""
    if not isinstance(said, str) or len(said) > PAYLOAD_MAX * 2:
        raise UplinkError(f"expected a payload of at most {PAYLOAD_MAX} bytes in base64")
    try:
        raw = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UplinkError(f"expected base64, got {said[:40]!r}") from error
    if len(raw) > PAYLOAD_MAX:
        raise UplinkError(f"expected a payload of at most {PAYLOAD_MAX} bytes, got {len(raw)}")
    return raw


def _time_ms(said: str) -> int | None:
    """Return an instant as RFC 3339 writes it, in milliseconds since 1970; none if it is none, or before that."""
    if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", said) or len(said) > 40:
        return None
    try:
        instant = datetime.fromisoformat(said)
    except ValueError:
        return None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    time_ms = int(instant.timestamp() * 1000)
    return time_ms if time_ms >= 0 else None


def _plain(name: str) -> str:
    """Return a name that can stand in a topic; raise UplinkError."""
    if not re.fullmatch(r"[^/+#\0\s]{0,64}", name):
        raise UplinkError(f"a name that cannot stand in a topic: {name[:40]!r}")
    return name
