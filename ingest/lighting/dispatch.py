"""Dispatch: brings signed orders to their gateways, twice more if no word comes, and ends what nobody answers.

A connection of its own, with its own thread, so that no order waits behind the messages that come in.
"""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ingest import metrics
from ingest.changes import Change, Changes
from ingest.config import Centre
from ingest.lighting.orders import Outgoing
from ingest.store.commands import give_up, note_published, overdue, unheard
from ingest.store.engine import writing
from wire.topics import command_topic

PUBLISHES_MAX = 3
_ROUND_S = 0.25
_SWEEP_S = 1.0
_KEEPALIVE_S = 30

_log = structlog.get_logger()
_Key = tuple[str, str]


class _Flight(msgspec.Struct):
    """An order that no gateway has answered yet."""

    outgoing: Outgoing
    publishes: int = 0
    due_s: float = 0.0
    """Steady time of the next publish."""
    pause_s: float = 1.0


class Dispatch:
    """Publishes at once from whatever thread asks; a thread of its own does the rest, until it is stopped.

    Attributes:
        progress_s: steady time at which that thread last went round its loop.
    """

    def __init__(self, centre: Centre, engine: sa.Engine, changes: Changes) -> None:
        self._centre, self._engine, self._changes = centre, engine, changes
        self._flights: dict[_Key, _Flight] = {}
        self._noted: dict[_Key, int] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatch")
        self._client = _client_of(centre)
        self._next_sweep_s = 0.0
        self.progress_s = time.monotonic()

    def start(self) -> None:
        """Begin; the broker may come later."""
        url = urlsplit(self._centre.broker)
        port = url.port or (8883 if url.scheme == "mqtts" else 1883)
        self._client.connect_async(url.hostname or "127.0.0.1", port, _KEEPALIVE_S)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        """End after the round at hand."""
        self._stopping.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_connected(self) -> bool:
        """Whether an order would go out now."""
        return bool(self._client.is_connected())

    def send(self, outgoing: tuple[Outgoing, ...]) -> None:
        """Publish orders now, and again later if need be."""
        for each in outgoing:
            pause_s = max(0.5, (each.not_after_ms / 1000 - time.time()) / PUBLISHES_MAX)
            flight = _Flight(outgoing=each, pause_s=pause_s)
            self._publish(flight)
            with self._lock:
                self._flights[each.command_id, each.agent] = flight
        metrics.orders.inc(len(outgoing))

    def _publish(self, flight: _Flight) -> None:
        if not self._client.is_connected():  # nothing may wait in the client: it would go out whenever it reconnects
            flight.due_s = time.monotonic() + _ROUND_S
            return
        topic = command_topic(flight.outgoing.agent)
        sent = self._client.publish(topic, flight.outgoing.payload, qos=1, retain=False)
        if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            flight.publishes += 1
            flight.due_s = time.monotonic() + flight.pause_s

    def _run(self) -> None:
        while not self._stopping.wait(_ROUND_S):
            self.progress_s = time.monotonic()
            try:
                self._retry()
                if time.monotonic() >= self._next_sweep_s:
                    self._next_sweep_s = time.monotonic() + _SWEEP_S
                    self.sweep(time.time_ns() // 1_000_000)
            except sa.exc.SQLAlchemyError as error:  # the next round tries again
                _log.error("orders cannot be followed", problem=str(getattr(error, "orig", error)))

    def _retry(self) -> None:
        """Publish again what has had no word, and forget what has."""
        with self._lock:
            flights = dict(self._flights)
        if not flights:
            return
        with self._engine.connect() as connection:
            silent = unheard(connection, {key[0] for key in flights})
        now_ms, fresh = time.time() * 1000, {}
        for key, flight in flights.items():
            is_over = key not in silent or now_ms >= flight.outgoing.not_after_ms
            if not is_over and flight.publishes < PUBLISHES_MAX and time.monotonic() >= flight.due_s:
                self._publish(flight)
            if flight.publishes:
                fresh[key] = flight.publishes
            if is_over:
                with self._lock:
                    del self._flights[key]
        self._note(fresh)

    def _note(self, counts: dict[_Key, int]) -> None:
        news = {key: count for key, count in counts.items() if self._noted.get(key) != count}
        if news:
            with writing(self._engine) as connection:
                note_published(connection, news, time.time_ns() // 1_000_000)
        self._noted = {key: count for key, count in (self._noted | news).items() if key in self._flights}

    def sweep(self, now_ms: int) -> None:
        """End what has had its time."""
        with self._engine.connect() as connection:
            late = overdue(connection, now_ms)
        if not late:
            return
        with writing(self._engine) as connection:
            changed = give_up(connection, late, now_ms)
        self._changes.tell(Change(kind="command", id=each) for each in sorted(changed))


def _client_of(centre: Centre) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"wayside-{centre.broker_user}-orders-{os.getpid()}",
        protocol=MQTTProtocolVersion.MQTTv311,
        clean_session=True,
    )
    client.reconnect_delay_set(1, 5)
    url = urlsplit(centre.broker)
    if centre.broker_password_file:
        client.username_pw_set(centre.broker_user, Path(centre.broker_password_file).read_text().strip())
    elif url.username:
        client.username_pw_set(url.username, url.password)
    if url.scheme == "mqtts":
        client.tls_set(ca_certs=centre.ca_file or None)
    client.on_socket_open = _without_delay
    return client


def _without_delay(_client: Client, _userdata: Any, connection: Any) -> None:
    """Send small packets at once: with Nagle's algorithm an answer takes 40 ms longer."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
