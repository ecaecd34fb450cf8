"""MQTT link: LoRaWAN devices behind a network server, and devices that publish JSON themselves.

A message of QoS 1 is acknowledged when all that it leads to is committed, in the order of arrival, and the broker keeps
the session while the gateway is away. What is lost is what a network server publishes with QoS 0 (The Things Stack
does) while there is no connection, and what a broker drops because its queue is full.
"""

import asyncio
import random
import re
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiomqtt
import msgspec
import structlog

from devices.reading import DecodeError, Reading
from devices.report import Downlink, Report, Request
from devices.uplink_json import Origin, Uplink, UplinkError, downlink_message, read_uplink
from edge.broker import read_secret
from edge.links.link import Known, Take, Unreachable
from edge.links.mqtt_config import Config, MqttJson
from shell.ending import end
from shell.log import redact
from shell.refusal import Refusal

_LOG = structlog.get_logger()
_ANSWER_S = 10.0
_KEEPALIVE_S = 30
_BACKOFF_MAX_S = 30.0
_STEADY_S = 10.0
_TAKES_MAX = 64
"""Messages that are being committed at once; more wait."""
_QUEUE_MAX = 10_000
"""Messages that have come and wait; one more is left with the broker, which sends it again."""
_MESSAGE_MAX = 256 * 1024
_SAMPLE_BYTES = 32
_AHEAD_MS, _BEHIND_MS = 60_000, 30 * 86_400_000
_EUI = re.compile(r"[0-9a-f]{16}")
Outcome = Literal["taken", "unknown", "unreadable", "retained"]


class _Message(msgspec.Struct):
    """A message between its arrival and its acknowledgement."""

    mid: int
    qos: int
    is_done: bool = False


class MqttLink:
    """Hears devices on a broker, and has them told what they are to do.

    Raises:
        Refusal: a password or CA file cannot be read, or an address is none.
    """

    def __init__(self, config: Config, devices: Iterable[Known], take: Take, folder: Path = Path()) -> None:
        self._config, self._take = config, take
        self._devices = _devices_of(config, devices)
        self._password = read_secret(folder / config.password_file) if config.password_file else None
        self._tls = _trust(folder, config.ca_file) if config.broker.startswith("mqtts:") else None
        self._client: aiomqtt.Client | None = None
        self._origins: dict[str, Origin] = {}
        """Where a device was heard, and can be answered."""
        self._waiting: dict[str, deque[asyncio.Future[bool]]] = {}
        """By device, who waits for word of what was sent to it."""
        self._takes: dict[str, asyncio.Task[None]] = {}
        self._unacknowledged: deque[_Message] = deque()
        self._trouble = "not connected yet"
        self.counts: Counter[Outcome] = Counter()
        """What became of messages."""

    @property
    def id(self) -> str:
        """Its name in the gateway's file."""
        return self._config.id

    @property
    def trouble(self) -> str:
        """Why nothing is heard at the moment; empty if something can be."""
        return self._trouble

    def hurry(self, address: str) -> None:
        """Do nothing: a device on a radio speaks when it does."""

    async def run(self) -> None:
        """Hear for ever; a broker that goes away is tried again after 1 to 30 s, at random."""
        failures = 0
        async with asyncio.TaskGroup() as tasks:
            while True:
                began_s = time.monotonic()
                # In a task of its own, so that an error of the connection can never swallow the end of the link.
                session = asyncio.create_task(self._session(tasks))
                try:
                    await asyncio.wait([session])
                finally:
                    await end(session)
                    self._client = None
                try:
                    session.result()
                except aiomqtt.MqttError as error:
                    self._say(redact(f"{self._config.broker}: {error}"))
                failures = 0 if time.monotonic() - began_s > _STEADY_S else failures + 1
                await asyncio.sleep(random.uniform(1.0, min(_BACKOFF_MAX_S, 2.0**failures)))  # noqa: S311  # jitter

    async def send(self, address: str, request: Request) -> None:
        """Have a device told something; raise Unreachable when it cannot be known to have arrived.

        A device that only listens after it has spoken (class A) is told then, which may be too late.
        """
        if not isinstance(request, Downlink):
            raise Unreachable(f"{self.id} carries bytes, no registers")
        client = self._client
        if client is None:
            raise Unreachable(f"{self.id}: {self._trouble}")
        if isinstance(self._config, MqttJson):
            await self._publish(client, self._config.topic_for(address, request.topic), request.payload)
            return
        wait_for, eui = self._config.wait_for, address.lower()
        topic, content = downlink_message(self._origin_of(eui), eui, request, confirmed=wait_for == "ack")
        word: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(eui, deque())
        if wait_for != "nothing":
            waiting.append(word)
        try:
            await self._publish(client, topic, content)
            if wait_for != "nothing":
                async with asyncio.timeout(self._config.wait_s):
                    is_taken = await word
                if not is_taken:
                    raise Unreachable(f"{address} did not confirm it")
        except TimeoutError as error:
            what = "confirmed" if wait_for == "ack" else "sent"
            raise Unreachable(f"not {what} to {address} within {self._config.wait_s:g} s") from error
        finally:
            if word in waiting:
                waiting.remove(word)

    async def _publish(self, client: aiomqtt.Client, topic: str, content: bytes) -> None:
        try:
            await client.publish(topic, content, qos=1, timeout=_ANSWER_S)
        except aiomqtt.MqttError as error:
            raise Unreachable(f"{self.id}: {error}") from error

    async def _session(self, tasks: asyncio.TaskGroup) -> None:
        """Connect, subscribe and hear until the connection is lost."""
        url = urlsplit(self._config.broker)
        client = aiomqtt.Client(
            url.hostname or "127.0.0.1",
            url.port or (8883 if url.scheme == "mqtts" else 1883),
            username=self._config.user or None,
            password=self._password,
            identifier=self._config.client or f"wayside-{socket.gethostname()[:32]}-{self.id}",
            # All network servers speak 3.1.1, some nothing newer.
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            max_queued_incoming_messages=_QUEUE_MAX,
            tls_context=self._tls,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        client.pending_calls_threshold = _TAKES_MAX
        # aiomqtt 2 has no way of its own to acknowledge later; paho below it has.
        client._client.manual_ack_set(True)  # noqa: SLF001
        self._unacknowledged = deque()
        async with client:
            for topic in self._config.topics:
                await client.subscribe(topic, qos=1)
            self._client = client
            self._say("")
            async for message in client.messages:
                await self._hear(client, message, tasks)

    async def _hear(self, client: aiomqtt.Client, message: aiomqtt.Message, tasks: asyncio.TaskGroup) -> None:
        """Read a message and give on what it says, while others are heard."""
        held = _Message(message.mid, message.qos)
        self._unacknowledged.append(held)
        report = self._report_of(message)
        if report is None:
            self._done(client, held)
            return
        while len(self._takes) >= _TAKES_MAX or report.address in self._takes:
            before = self._takes.get(report.address)
            waited = [before] if before else list(self._takes.values())
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        self._takes[report.address] = tasks.create_task(self._give(client, held, report))

    async def _give(self, client: aiomqtt.Client, held: _Message, report: Report) -> None:
        try:
            await self._take(report)
        finally:
            del self._takes[report.address]
        self._done(client, held)

    def _done(self, client: aiomqtt.Client, held: _Message) -> None:
        """Acknowledge what is committed: in the order of arrival, as brokers expect it."""
        held.is_done = True
        while self._unacknowledged and self._unacknowledged[0].is_done:
            first = self._unacknowledged.popleft()
            if first.qos:
                client._client.ack(first.mid, first.qos)  # noqa: SLF001

    def _report_of(self, message: aiomqtt.Message) -> Report | None:
        """Return what a message says, or none if it says nothing of a device now."""
        topic, payload = str(message.topic), message.payload
        if message.retain:  # it was said before, nobody knows when
            self.counts["retained"] += 1
            return None
        if not isinstance(payload, bytes) or len(payload) > _MESSAGE_MAX:
            self.counts["unreadable"] += 1
            return None
        now_ms = time.time_ns() // 1_000_000
        if isinstance(self._config, MqttJson):
            address = self._config.address_of(topic)
            report = Report(link=self.id, address=address, received_ms=now_ms, time_ms=now_ms)
            return self._decoded(report, payload, None) if address else None
        try:
            uplink = read_uplink(topic, payload)
        except UplinkError as error:
            self.counts["unreadable"] += 1
            _LOG.warning("what came is no word of a network server", link=self.id, topic=topic[:128], reason=str(error))
            return None
        return self._report_of_uplink(uplink, now_ms)

    def _report_of_uplink(self, uplink: Uplink, now_ms: int) -> Report | None:
        eui = uplink.dev_eui
        known = self._devices.get(eui)
        if known is not None:
            self._origins[eui] = uplink.origin
        if uplink.event in ("ack", "txack"):
            self._tell_waiting(uplink)
        if uplink.event not in ("up", "join", "status", "ack"):
            return None  # what a gateway or the server says of itself
        is_time = uplink.time_ms is not None and -_BEHIND_MS <= uplink.time_ms - now_ms <= _AHEAD_MS
        report = Report(
            link=self.id,
            address=known.entry.address if known else eui,
            received_ms=now_ms,
            time_ms=uplink.time_ms if is_time and uplink.time_ms is not None else now_ms,
            facts=uplink.facts,
        )
        if uplink.event == "up":
            return self._decoded(report, uplink.payload, uplink.port) if uplink.payload else report
        battery = uplink.facts.get("battery") if uplink.event == "status" and known else None
        if isinstance(battery, float | int) and not isinstance(battery, bool) and 0 <= battery <= 100:
            return msgspec.structs.replace(report, readings=(Reading("battery.level", float(battery), "%"),))
        return report

    def _decoded(self, report: Report, payload: bytes, port: int | None) -> Report:
        """Add what the payload of a device says; of a device that nobody knows, how it begins."""
        is_radio = not isinstance(self._config, MqttJson)
        known = self._devices.get(report.address.lower() if is_radio else report.address)
        if known is None:
            self.counts["unknown"] += 1
            facts = {**report.facts, "payload": payload[:_SAMPLE_BYTES].hex()}
            return msgspec.structs.replace(report, facts=facts)
        self.counts["taken"] += 1
        try:
            said = known.profile.decoded(payload, port)
        except DecodeError as error:
            return msgspec.structs.replace(report, readings=error.readings, faults=(str(error),))
        return msgspec.structs.replace(report, readings=tuple(said.readings), faults=said.faults)

    def _tell_waiting(self, uplink: Uplink) -> None:
        """Tell who waits longest for word of this device; a confirmation says more than that it was sent."""
        if isinstance(self._config, MqttJson):
            return
        is_awaited = uplink.event == {"ack": "ack", "sent": "txack", "nothing": ""}[self._config.wait_for]
        waiting = self._waiting.get(uplink.dev_eui)
        if is_awaited and waiting:
            word = waiting.popleft()
            if not word.done():
                word.set_result(uplink.event != "ack" or bool(uplink.facts.get("acknowledged", True)))

    def _origin_of(self, eui: str) -> Origin:
        if eui in self._origins:
            return self._origins[eui]
        application = getattr(self._config, "application", "")
        if not application:
            raise Unreachable(f"{eui} has not been heard yet, and nobody knows where it belongs")
        return Origin(network="chirpstack-4", application=application, device=eui)

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _LOG.warning("no broker, trying again", link=self.id, reason=trouble)
        self._trouble = trouble


def _devices_of(config: Config, devices: Iterable[Known]) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for known in devices:
        entry = known.entry
        address = entry.address if isinstance(config, MqttJson) else entry.address.lower()
        spoken = "json" if isinstance(config, MqttJson) else "lorawan"
        if known.profile.protocol != spoken:
            raise Refusal(entry.id, f"{entry.profile} does not speak {spoken}", "check `link` and `profile`")
        if spoken == "lorawan" and not _EUI.fullmatch(address):
            raise Refusal(entry.id, f"{entry.address!r} is no DevEUI", "expected 16 hexadecimal digits")
        if re.search(r"[/+#]", address):
            raise Refusal(entry.id, f"{entry.address!r} is no part of a topic", "expected no /, + or #")
        if address in found:
            raise Refusal(entry.id, f"{entry.address!r} is there twice", "each address is one device")
        found[address] = known
    return found


def _trust(folder: Path, ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(folder / ca_file) if ca_file else None)
    except OSError as error:
        raise Refusal(str(folder / ca_file), f"cannot be used as CA file: {error}", "expected PEM") from error
