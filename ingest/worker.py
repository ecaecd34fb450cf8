"""The worker: takes what the broker hands out, commits it, and only then acknowledges it and sends receipts.

One thread does it all in turn, so while the database cannot commit nothing is acknowledged, and the broker's own
limit of unacknowledged messages keeps memory bounded.
"""

import random
import threading
import time
from collections.abc import Sequence
from itertools import islice

import msgspec
import sqlalchemy as sa
import structlog
from paho.mqtt.enums import MQTTProtocolVersion

from ingest import metrics
from ingest.broker import BrokerError, Delivery, Link
from ingest.changes import Changes
from ingest.config import Centre
from ingest.intake import Item, Parcel, Taken
from ingest.sorting import item_of, settings_of, take_all
from ingest.store.commands import forget_results
from ingest.store.dead_letters import DeadLetter
from ingest.store.engine import writing
from ingest.store.fixes import forget_fixes
from ingest.store.observations import forget_observations
from shell.crash_point import crash_point
from shell.log import redact
from shell.systemd import notify
from wire.receipt import Receipt
from wire.topics import receipt_topic

GATHER_S = 0.005
"""How long after its first message a group stays open."""
GROUP_MESSAGES_MAX = 500
GROUP_BYTES_MAX = 1024 * 1024
"""Bounds of one transaction; the second is of compressed payload."""
BACKOFF_MAX_S = 10.0
_MISSING_RUNS_MAX = 100
_FORGET_EVERY_S = 60.0
_FORGET_ROWS = 5_000
_DAY_MS = 86_400_000
_NOTIFY_EVERY_S = 5.0

_log = structlog.get_logger()


class Worker:
    """Runs until it is told to stop.

    Attributes:
        is_connected: whether the broker hands out messages to it.
        progress_s: steady time at which it last went round its loop.
        trouble: why nothing can be taken at the moment; empty if it can.
        has_failed: whether it ended without having been told to.
    """

    def __init__(self, centre: Centre, engine: sa.Engine, changes: Changes) -> None:
        self._centre, self._changes = centre, changes
        self._settings = settings_of(centre, engine)
        self._stopping = threading.Event()
        self._version = MQTTProtocolVersion.MQTTv5
        self._next_forget_s = self._next_notify_s = 0.0
        self.is_connected = False
        self.progress_s = time.monotonic()
        self.trouble = "not connected yet"
        self.has_failed = True

    def stop(self) -> None:
        """Ask it to end after the group at hand."""
        self._stopping.set()

    def run(self) -> None:
        """Connect again and again, and take what comes."""
        attempt = 0
        while not self._stopping.is_set():
            self._beat()
            try:
                link = Link(self._centre, self._version)
            except BrokerError as error:
                if error.is_version:
                    self._version = MQTTProtocolVersion.MQTTv311
                elif self._version != MQTTProtocolVersion.MQTTv5:
                    self._version = MQTTProtocolVersion.MQTTv5
                self.trouble = f"broker: {redact(str(error))}"
                _log.warning("broker", broker=self._centre.broker, problem=str(error))
                self._rest(attempt)
                attempt += 1
                continue
            attempt = 0
            self._serve(link)
        self.has_failed = False

    def _serve(self, link: Link) -> None:
        """Take what one connection brings, for as long as it holds."""
        metrics.connects.inc()
        metrics.is_connected.set(1)
        self.is_connected, self.trouble = True, ""
        _log.info("connected to the broker", broker=self._centre.broker, mqtt=self._version.name)
        failures = 0
        while link.is_up and not self._stopping.is_set():
            self._beat()
            self._gather(link)
            group = _group_of(link)
            try:
                if group:
                    self._take(link, group)
                self._forget()
                failures, self.trouble = 0, ""
            except sa.exc.SQLAlchemyError as error:  # nothing is acknowledged, so nothing is lost
                self.trouble = f"database: {redact(str(getattr(error, 'orig', error)))}"
                metrics.failures.inc()
                _log.error("the database does not commit", problem=self.trouble, waiting=len(link.inbox))
                self._wait_moving(link, _backoff_s(failures))
                failures += 1
        metrics.is_connected.set(0)
        self.is_connected, self.trouble = False, "broker: disconnected"
        link.close()

    def _gather(self, link: Link) -> None:
        """Wait for a message, then a moment for those that follow it."""
        if not link.inbox:
            link.move(0.5)
        deadline = time.monotonic() + GATHER_S
        while link.is_up and link.inbox and len(link.inbox) < GROUP_MESSAGES_MAX:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            link.move(left)

    def _wait_moving(self, link: Link, wait_s: float) -> None:
        """Let time pass without letting the connection die."""
        deadline = time.monotonic() + wait_s
        while link.is_up and not self._stopping.is_set() and (left := deadline - time.monotonic()) > 0:
            self._beat()
            link.move(min(left, 0.5))

    def _take(self, link: Link, group: Sequence[Delivery]) -> None:
        """Commit a group, then acknowledge it and send its receipts; raise sqlalchemy.exc.SQLAlchemyError."""
        started_s = time.monotonic()
        items = [item_of(delivery.topic, delivery.payload) for delivery in group]
        taken = take_all(self._settings, items, int(time.time() * 1000))
        metrics.commit_seconds.observe(time.monotonic() - started_s)
        crash_point("ingest.after-commit")
        for delivery in group:
            link.acknowledge(delivery)
            link.inbox.popleft()
        crash_point("ingest.after-ack")
        now_ms = int(time.time() * 1000)
        for delivery, item in zip(group, items, strict=True):
            if isinstance(item, Parcel) and item.key in taken.cursors:
                receipt = _receipt_of(delivery, item, taken, now_ms)
                link.publish(receipt_topic(receipt.agent), msgspec.json.encode(receipt))
        crash_point("ingest.after-receipt")
        _count(items, taken, now_ms)
        self._changes.tell(taken.changes)

    def _beat(self) -> None:
        self.progress_s = time.monotonic()
        if self.progress_s >= self._next_notify_s:
            self._next_notify_s = self.progress_s + _NOTIFY_EVERY_S
            notify("WATCHDOG=1")

    def _rest(self, attempt: int) -> None:
        """Wait before the next attempt, for all of a city's services start at once after a power cut."""
        deadline = time.monotonic() + _backoff_s(attempt)
        while time.monotonic() < deadline and not self._stopping.wait(0.2):
            self._beat()

    def _forget(self) -> None:
        """Delete a few of the oldest rows, so that no deletion is ever a long one."""
        if time.monotonic() < self._next_forget_s:
            return
        now_ms, centre = int(time.time() * 1000), self._centre
        with writing(self._settings.engine) as connection:
            deleted = (
                forget_observations(connection, now_ms - centre.observations_keep_days * _DAY_MS, _FORGET_ROWS),
                forget_fixes(connection, now_ms - centre.fixes_keep_days * _DAY_MS, _FORGET_ROWS),
                forget_results(connection, now_ms - centre.commands_keep_days * _DAY_MS, _FORGET_ROWS),
            )
        if max(deleted) < _FORGET_ROWS:
            self._next_forget_s = time.monotonic() + _FORGET_EVERY_S


def _group_of(link: Link) -> list[Delivery]:
    """Return the next deliveries that one transaction takes; they stay in the inbox until they are committed."""
    group: list[Delivery] = []
    size_bytes = 0
    for delivery in islice(link.inbox, GROUP_MESSAGES_MAX):
        size_bytes += len(delivery.payload)
        if group and size_bytes > GROUP_BYTES_MAX:
            break
        group.append(delivery)
    return group


def _receipt_of(delivery: Delivery, parcel: Parcel, taken: Taken, now_ms: int) -> Receipt:
    opened = parcel.opened
    cursor = taken.cursors[parcel.key]
    rejected = tuple(
        each for each in taken.rejected.get(parcel.key, ()) if opened.first_seq <= each.seq <= opened.last_seq
    )
    return Receipt(
        agent=opened.agent,
        stream=opened.stream,
        epoch=opened.epoch,
        first_seq=opened.first_seq,
        last_seq=opened.last_seq,
        digest=delivery.digest,
        through_seq=cursor.through_seq,
        missing=cursor.missing()[:_MISSING_RUNS_MAX],
        rejected=rejected,
        time_ms=now_ms,
    )


def _backoff_s(attempt: int) -> float:
    longest_s = min(BACKOFF_MAX_S, 0.2 * 2.0 ** min(attempt, 10))
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311  # no secret


def _count(items: Sequence[Item], taken: Taken, now_ms: int) -> None:
    metrics.last_commit.set(now_ms / 1000)
    for kind, count in taken.messages.items():
        metrics.messages.labels(kind).inc(count)
    metrics.repeated.inc(taken.repeated)
    metrics.rejected.inc(sum(map(len, taken.rejected.values())))
    metrics.unreadable.inc(sum(isinstance(item, DeadLetter) for item in items))
    for item in items:
        if isinstance(item, Parcel):
            metrics.receipts.inc()
            metrics.lag_seconds.observe(max(0.0, (now_ms - item.opened.sent_ms) / 1000))
