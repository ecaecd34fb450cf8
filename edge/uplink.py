"""Uplink: the outbox's runs to the broker, the centre's receipts back to the outbox, its orders to the gateway.

The broker's PUBACK only paces the sender. A run is forgotten when a receipt settles it, and sent again when none comes.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any

import aiomqtt
import msgspec
import structlog

from edge.broker import Broker
from edge.outbox import Outbox, call_in
from edge.outbox_rows import Run
from edge.window import Window
from shell.crash_point import crash_point
from shell.log import redact
from wire.health import Status
from wire.receipt import Receipt
from wire.streams import STREAMS, Stream
from wire.topics import batch_topic, command_topic, receipt_topic, status_topic

_LOG = structlog.get_logger()
_BACKOFF_MAX_S = 30.0
_STEADY_S = 10.0
_WAKE_S = 5.0
_FAREWELL_S = 1.0
_PATIENCE_MAX_S = 300.0
_ATTEMPTS_MAX = 3
"""After so many publishes without a receipt a run is cut anew, and smaller: it may be what the broker drops."""
_RUN_BYTES_MIN = 1024
_ORDERS_MAX = 100


class _Flight(msgspec.Struct):
    """A run that waits for its receipt."""

    run: Run
    sent_s: float
    due_s: float
    attempts: int = 1


class Uplink:
    """Keeps a connection to the broker and empties the outbox through it, the most important stream first.

    ``advanced`` is called whenever the loop has made a round, also while the broker is away; ``heard`` with the time
    that the centre wrote on a receipt; ``order`` with what came on the topic of orders, and whether the broker had kept
    it. Without one that topic is left alone.
    """

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        status: Status,
        *,
        advanced: Callable[[], None],
        heard: Callable[[int], None] | None = None,
        order: Callable[[bytes, bool], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._outbox, self._broker, self._status, self._advanced = outbox, broker, status, advanced
        self._heard, self._order = heard, order
        self._orders_under_way = 0
        self._flights: dict[tuple[Stream, int], _Flight] = {}
        self._window = Window()
        self._ratio: dict[Stream, float] = dict.fromkeys(STREAMS, 2.0)
        """Bytes of messages that become one byte of payload."""
        self._wake = asyncio.Event()
        self._reason = ""

    async def run(self) -> None:
        """Run for ever: a broker that refuses or goes away is tried again after 1 to 30 s, at random."""
        self._outbox.listen(partial(call_in, asyncio.get_running_loop(), self._wake.set))
        failures = 0
        while True:
            self._advanced()
            began_s = time.monotonic()
            # In a task of its own, so that an error of the connection can never swallow the end of the agent.
            session = asyncio.create_task(self._session())
            try:
                await asyncio.wait([session])
            finally:
                # More than once: in Python 3.11 a wait_for() that has its answer swallows the cancellation.
                while not session.done():
                    session.cancel()
                    await asyncio.wait([session], timeout=1.5 * _FAREWELL_S)
            try:
                session.result()
            except* aiomqtt.MqttError as group:
                self._say(group)
            failures = 0 if time.monotonic() - began_s > _STEADY_S else failures + 1
            pause_s = random.uniform(1.0, min(_BACKOFF_MAX_S, 2.0**failures))  # noqa: S311  # jitter, not a secret
            while pause_s > 0:
                self._advanced()
                await asyncio.sleep(min(pause_s, _WAKE_S))
                pause_s -= _WAKE_S

    def _say(self, group: ExceptionGroup[aiomqtt.MqttError]) -> None:
        """Log why there is no connection, once for each reason."""
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        reason = str(self._broker.refusal(error)) if isinstance(error, aiomqtt.MqttError) else str(error)
        if reason != self._reason:
            _LOG.warning("no broker, trying again", reason=redact(reason))
        self._reason = reason

    async def _session(self) -> None:
        """Connect, announce the agent, and send until the connection is lost."""
        now_ms = time.time_ns() // 1_000_000
        birth = msgspec.structs.replace(self._status, state="online", time_ms=now_ms)
        death = msgspec.json.encode(msgspec.structs.replace(birth, state="offline"))
        topic = status_topic(self._status.agent)
        async with self._broker.connected(aiomqtt.Will(topic, death, qos=1, retain=True)) as client:
            try:
                await client.subscribe(receipt_topic(self._status.agent), qos=1)
                if self._order is not None:
                    await client.subscribe(command_topic(self._status.agent), qos=1)
                await client.publish(topic, msgspec.json.encode(birth), qos=1, retain=True)
                _LOG.info("connected", broker=redact(self._broker.url), mqtt=self._broker.version.name)
                self._reason = ""
                self._window = Window()
                for flight in self._flights.values():
                    flight.due_s = 0.0
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(client, tasks))
                    tasks.create_task(self._send(client, tasks))
            except asyncio.CancelledError:
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(topic, death, qos=1, retain=True, timeout=_FAREWELL_S)
                raise

    async def _receive(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        orders = command_topic(self._status.agent)
        async for message in client.messages:
            if message.topic.value == orders:
                self._take_order(message, tasks)
                continue
            try:
                receipt = _receipt_of(message.payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                _LOG.warning("what came is no receipt", reason=str(error))
                continue
            # Many at a time, so that one commit settles them together.
            tasks.create_task(self._settle(receipt, time.monotonic()))

    def _take_order(self, message: aiomqtt.Message, tasks: asyncio.TaskGroup) -> None:
        """Hand an order on; of a flood, which no centre sends, most is left out."""
        if self._order is None or not isinstance(message.payload, bytes | bytearray):
            return
        if self._orders_under_way >= _ORDERS_MAX:
            _LOG.warning("too many orders at once, one is left out")
            return
        self._orders_under_way += 1
        task = tasks.create_task(self._order(bytes(message.payload), message.retain))
        task.add_done_callback(lambda _: self._order_done())

    def _order_done(self) -> None:
        self._orders_under_way -= 1

    async def _settle(self, receipt: Receipt, came_s: float) -> None:
        crash_point("uplink.before-settle")
        run = await asyncio.wrap_future(self._outbox.settle(receipt))
        crash_point("uplink.after-settle")
        if run is None:
            return
        if self._heard is not None:
            self._heard(receipt.time_ms)
        flight = self._flights.pop((run.stream, run.first_seq), None)
        if flight is not None and flight.attempts == 1:  # of a later one nobody knows which publish the receipt answers
            self._window.settled(len(run.payload), came_s - flight.sent_s)
        self._wake.set()

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        """Publish what is overdue, then what is new, then wait for something to change."""
        while True:
            self._advanced()
            self._wake.clear()
            await self._send_again(client, tasks)
            for flight in await self._new_flights():
                tasks.create_task(self._publish(client, flight.run))
            due_s = min((each.due_s for each in self._flights.values()), default=float("inf"))
            pause_s = min(max(due_s - time.monotonic(), 0.0), _WAKE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _new_flights(self) -> list[_Flight]:
        """Take the next run of the most important stream that has one and may still send."""
        for number, stream in enumerate(STREAMS):
            if self._outbox.is_idle(stream):
                continue
            ahead = STREAMS[: number + 1]
            under_way = sum(len(each.run.payload) for each in self._flights.values() if each.run.stream in ahead)
            # Four batches share the window, so that receipts, and thus room, come steadily. Less room than for one is
            # no room: small batches are mostly heads.
            size = max(self._window.size / 4, _RUN_BYTES_MIN)
            if under_way and self._window.size - under_way < size:
                continue
            run = await self._take(stream, max(1, int(size * self._ratio[stream])))
            if run is not None:
                self._ratio[stream] = run.raw_bytes / len(run.payload)
                flight = self._flights[stream, run.first_seq] = _Flight(run, 0.0, 0.0)
                self._set_off(flight)
                self._wake.set()
                return [flight]
        return []

    async def _take(self, stream: Stream, bytes_max: int) -> Run | None:
        future = self._outbox.next_run(stream, bytes_max=bytes_max)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._give_back)
            raise

    def _give_back(self, future: Future[Run | None]) -> None:
        run = future.result()
        if run is not None:
            self._outbox.release(run)

    async def _send_again(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        """Publish overdue runs once more, the same bytes, so that a late receipt for the first still settles them."""
        now_s = time.monotonic()
        for key, flight in sorted(self._flights.items(), key=lambda item: (STREAMS.index(item[0][0]), item[0][1])):
            # While a run was given back, a late receipt may have settled this one.
            if flight.due_s > now_s or self._flights.get(key) is not flight:
                continue
            self._window.lost()
            if flight.attempts >= _ATTEMPTS_MAX:
                del self._flights[key]
                await asyncio.wrap_future(self._outbox.release(flight.run))
                continue
            flight.attempts += 1
            self._set_off(flight)
            tasks.create_task(self._publish(client, flight.run))

    def _set_off(self, flight: _Flight) -> None:
        flight.sent_s = time.monotonic()
        patience_s = min(self._window.patience_s * 2 ** (flight.attempts - 1), _PATIENCE_MAX_S)
        flight.due_s = flight.sent_s + patience_s * random.uniform(1.0, 1.2)  # noqa: S311  # jitter, not a secret

    async def _publish(self, client: aiomqtt.Client, run: Run) -> None:
        """Publish; whether the broker then loses it shows in the receipt that does not come."""
        properties = None
        if run.expires_ms is not None:
            properties = self._broker.expiry(run.expires_ms / 1000 - time.time())
        crash_point("uplink.before-publish")
        topic = batch_topic(self._status.agent, run.stream)
        await client.publish(topic, run.payload, qos=1, properties=properties, timeout=float("inf"))
        crash_point("uplink.after-publish")


def _receipt_of(payload: object) -> Receipt:
    if not isinstance(payload, bytes | bytearray):
        raise msgspec.DecodeError("expected bytes")
    if payload[:1] == b"{":
        return msgspec.json.decode(payload, type=Receipt)
    return msgspec.msgpack.decode(payload, type=Receipt)
