"""Broker: how an agent reaches it, in MQTT 5 where that is spoken and in 3.1.1 elsewhere."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import Agent
from shell.refusal import Refusal

_KEEPALIVE_S = 30
_ANSWER_S = 10.0
_INFLIGHT_MAX = 200
_UNSUPPORTED_VERSION = 132
_BAD_LOGIN = (4, 5, 134, 135)


class Broker:
    """Where the broker is and how to sign in; remembers which version of MQTT it speaks.

    Raises:
        Refusal: the password or CA file cannot be read.
    """

    def __init__(self, agent: Agent, folder: Path) -> None:
        url = urlsplit(agent.broker)
        self.url = agent.broker
        self.version = ProtocolVersion.V5
        self._is_older = False
        self._agent = agent.id
        self._host = url.hostname or "127.0.0.1"
        self._port = url.port or (8883 if url.scheme == "mqtts" else 1883)
        self._user = agent.broker_user or url.username or None
        self._password = url.password
        if agent.broker_password_file:
            self._user = self._user or agent.id
            self._password = read_secret(folder / agent.broker_password_file)
        self._tls = tls_context(agent, folder) if url.scheme == "mqtts" else None

    @asynccontextmanager
    async def connected(
        self, will: aiomqtt.Will | None = None, *, identifier: str = ""
    ) -> AsyncIterator[aiomqtt.Client]:
        """Connect, as the agent or under another ``identifier``, give the client, and disconnect.

        Raises:
            aiomqtt.MqttError: the broker refuses, does not answer, or goes away.
        """
        try:
            client = await self._client(will, identifier).__aenter__()
        except aiomqtt.MqttError as error:
            if not self._must_speak_older(error):
                raise
            client = await self._client(will, identifier).__aenter__()
        try:
            yield client
        finally:
            if not self._is_older:
                self.version = ProtocolVersion.V5
            await client.__aexit__(None, None, None)

    def expiry(self, seconds: float) -> Properties | None:
        """Return the properties of a message that a broker may drop after so long, where it speaks of such things."""
        if self.version != ProtocolVersion.V5 or seconds < 1:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own
        properties.MessageExpiryInterval = int(seconds)
        return properties

    def refusal(self, error: aiomqtt.MqttError) -> Refusal:
        """Put an error into the user's words."""
        text = str(error)
        if _code(error) in _BAD_LOGIN:
            return Refusal(
                self.url,
                f"the broker refuses the sign-in of {self._user or 'a nameless agent'!r}",
                "check broker_user and broker_password_file",
            )
        if "refused" in text and _code(error) is None:
            return Refusal(self.url, "connection refused", "is the broker running, and is the port right?")
        if "timed out" in text:
            return Refusal(self.url, f"no answer within {_ANSWER_S:g} s", "check the address and the network")
        return Refusal(self.url, f"the broker cannot be used: {text}")

    def _must_speak_older(self, error: aiomqtt.MqttError) -> bool:
        """Say whether to try again in 3.1.1 at once, and choose the version for the attempt after this one."""
        if _code(error) == _UNSUPPORTED_VERSION and not self._is_older:
            self._is_older, self.version = True, ProtocolVersion.V311
            return True
        if "timed out" in str(error) and not self._is_older:
            # Some brokers close on a version that they do not speak, without a word; others are only slow.
            is_newest = self.version == ProtocolVersion.V5
            self.version = ProtocolVersion.V311 if is_newest else ProtocolVersion.V5
        return False

    def _client(self, will: aiomqtt.Will | None, identifier: str) -> aiomqtt.Client:
        client = aiomqtt.Client(
            self._host,
            self._port,
            username=self._user,
            password=self._password,
            identifier=identifier or self._agent,
            protocol=self.version,
            # All that matters is in the outbox; a session at the broker would only bring what is settled by now.
            clean_session=True if self.version == ProtocolVersion.V311 else None,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            max_inflight_messages=_INFLIGHT_MAX,
            will=will,
            tls_context=self._tls,
            # With Nagle's algorithm and delayed acknowledgements each exchange would take 40 ms.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        client.pending_calls_threshold = _INFLIGHT_MAX  # it would warn of more than ten
        return client


def read_secret(path: Path) -> str:
    """Return the one line of a secret's file; raise Refusal."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise Refusal(str(path), f"cannot be read: {error.strerror}", "it should hold the secret alone") from error


def tls_context(agent: Agent, folder: Path) -> ssl.SSLContext:
    """Return what decides whom to trust: the agent's CA file, or else the system's; raise Refusal."""
    try:
        return ssl.create_default_context(cafile=str(folder / agent.ca_file) if agent.ca_file else None)
    except OSError as error:
        raise Refusal(str(folder / agent.ca_file), f"cannot be used as CA file: {error}", "expected PEM") from error


def _code(error: aiomqtt.MqttError) -> int | None:
    rc = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    return rc.value if isinstance(rc, ReasonCode) else rc
