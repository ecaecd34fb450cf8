"""One connection to the broker, moved along by the thread that uses it; nothing is acknowledged on its own."""

import hashlib
import os
import select
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.config import Centre
from wire.topics import UP_ALL, up_topic

UNACKED_MAX = 200
"""Most messages that a broker of MQTT 5 hands out before they are acknowledged; older ones have their own limit."""
_SESSION_S = 7 * 86_400
_KEEPALIVE_S = 60
_ANSWER_S = 10.0
_UNSUPPORTED_VERSION = 132


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for its acknowledgement."""

    topic: str
    payload: bytes
    digest: str
    """SHA-256 of the payload."""
    mid: int
    qos: int


class BrokerError(Exception):
    """The broker cannot be used; the text says why.

    Attributes:
        is_version: another version of MQTT may help.
    """

    def __init__(self, reason: str, *, is_version: bool = False) -> None:
        self.is_version = is_version
        super().__init__(reason)


def probe(centre: Centre) -> str:
    """Return which MQTT the broker speaks with us, leaving nothing behind; raise BrokerError."""
    for version in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        try:
            Link(centre, version, is_guest=True).close()
        except BrokerError as error:
            if error.is_version:
                continue
            raise
        return version.name
    raise BrokerError("speaks neither MQTT 5 nor MQTT 3.1.1")


class Link:
    """A connection with a session that the broker keeps; deliveries gather in ``inbox``."""

    def __init__(self, centre: Centre, version: MQTTProtocolVersion, *, is_guest: bool = False) -> None:
        """Connect and subscribe; raise BrokerError. A guest has a session of its own, which ends with the link."""
        self.inbox: deque[Delivery] = deque()
        self.is_up = False
        self._reason = ""
        self._is_answered = False
        self._is_guest = is_guest
        self._topics = [up_topic(agent) for agent in centre.agents] or [UP_ALL]
        try:
            self._client = self._new_client(centre, version)
            self._connect(centre, version)
        except (OSError, ValueError) as error:
            raise BrokerError(str(error)) from error
        deadline = time.monotonic() + _ANSWER_S
        while not self.is_up and not self._reason and time.monotonic() < deadline:
            self.move(0.2)
        if not self.is_up:
            self.close()
            # Some brokers close on a version that they do not speak, without a word.
            is_version = version == MQTTProtocolVersion.MQTTv5 and not self._is_answered
            raise BrokerError(self._reason or f"no answer within {_ANSWER_S:g} s", is_version=is_version)

    def move(self, wait_s: float) -> None:
        """Read and write what can be; return after the first news, or after ``wait_s``."""
        connection = self._client.socket()
        if connection is None:
            self.is_up = False
            self._reason = self._reason or "the connection is closed"
            return
        poll = select.poll()
        poll.register(connection, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        pending = getattr(connection, "pending", None)  # TLS may hold bytes that poll() does not see
        ready = poll.poll(0 if pending and pending() else wait_s * 1000)
        events = ready[0][1] if ready else 0
        if events & ~select.POLLOUT or (pending and pending()):
            self._client.loop_read()
        if events & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that it may forget a message; call it in the order of arrival."""
        if delivery.qos:
            self._client.ack(delivery.mid, delivery.qos)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send once; if it does not arrive, its sender asks again by sending its batch again."""
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Leave; the session stays with the broker."""
        self._client.disconnect()
        self.is_up = False

    def _new_client(self, centre: Centre, version: MQTTProtocolVersion) -> Client:
        is_old = version != MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"wayside-{centre.broker_user}" + (f"-check-{os.getpid()}" if self._is_guest else ""),
            protocol=version,
            clean_session=self._is_guest if is_old else None,
            manual_ack=True,
        )
        client.max_inflight_messages_set(1_000)
        client.max_queued_messages_set(10_000)
        url = urlsplit(centre.broker)
        if centre.broker_password_file:
            client.username_pw_set(centre.broker_user, Path(centre.broker_password_file).read_text().strip())
        elif url.username:
            client.username_pw_set(url.username, url.password)
        if url.scheme == "mqtts":
            client.tls_set(ca_certs=centre.ca_file or None)
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _connect(self, centre: Centre, version: MQTTProtocolVersion) -> None:
        url = urlsplit(centre.broker)
        port = url.port or (8883 if url.scheme == "mqtts" else 1883)
        host = url.hostname or "127.0.0.1"
        if version != MQTTProtocolVersion.MQTTv5:
            self._client.connect(host, port, _KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own
        properties.SessionExpiryInterval = 0 if self._is_guest else _SESSION_S
        properties.ReceiveMaximum = UNACKED_MAX
        self._client.connect(host, port, _KEEPALIVE_S, clean_start=self._is_guest, properties=properties)

    def _on_connect(
        self, client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._is_answered = not (reason.is_failure and reason.value == _UNSUPPORTED_VERSION)
        if reason.is_failure:
            self._reason = f"refused: {reason}"
        else:  # whatever session there is: a broker may have lost it
            client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._reason = f"may not subscribe to {self._topics[0]}: {reasons[0]}"
        else:
            self.is_up = True

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self.is_up = False
        self._reason = self._reason or f"disconnected: {reason}"

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        digest = hashlib.sha256(payload).hexdigest()
        self.inbox.append(
            Delivery(topic=message.topic, payload=payload, digest=digest, mid=message.mid, qos=message.qos)
        )


def _without_delay(_client: Client, _userdata: Any, connection: Any) -> None:
    """Send small packets at once: with Nagle's algorithm an answer takes 40 ms longer."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
