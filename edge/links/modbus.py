"""Modbus link: the units of one bus, polled in turn; commands overtake polls, and silent units delay nobody."""

import asyncio
import contextlib
import random
import struct
import time
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from devices.protocols.modbus import ACKNOWLEDGED, BUSY, GATEWAY, SlaveError, read_request, write_request
from devices.reading import DecodeError, Reading
from devices.report import Report, Request
from edge.links.link import Known, Take, Unreachable
from edge.links.modbus_rota import Rota
from edge.links.modbus_units import Unit, units_of
from edge.links.modbus_wire import LostError, Outcome, RtuOverTcpWire, SerialWire, SilentError, TcpWire, Wire
from wire.identifiers import Id

_LOG = structlog.get_logger()
_BACKOFF_MAX_S = 30.0
_STEADY_S = 10.0
_BUSY_S = 0.1
_BUSY_MAX = 5
_ORDERS_MAX = 2_000
_TAKES_MAX = 64
"""Reports that are being committed at once; the bus waits if there would be more."""

Period = Annotated[float, Meta(ge=0.1, le=3_600, extra_json_schema={"unit": "s"})]
Patience = Annotated[float, Meta(ge=0.02, le=30, extra_json_schema={"unit": "s"})]
Baud = Annotated[int, Meta(ge=300, le=4_000_000)]


class ModbusTcp(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="modbus-tcp"
):
    """A slave on TCP, or a gateway to a serial bus."""

    id: Id
    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    framing: Literal["tcp", "rtu"] = "tcp"
    """``rtu`` for a serial server that passes bytes on as they are."""
    baud: Baud = 9_600
    """Of the serial line behind a server with ``framing: rtu``."""
    period_s: Period = 10.0
    """How often each unit is read."""
    timeout_s: Patience = 0.5
    """How long a unit may take to answer. More than what a gateway itself grants a unit, if it is one."""

    def wire(self) -> Wire:
        """Return the connection, not yet open."""
        if self.framing == "rtu":
            return RtuOverTcpWire(self.host, self.port, self.baud)
        return TcpWire(self.host, self.port)


class ModbusSerial(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="modbus-rtu"
):
    """A serial bus of this machine, usually RS-485."""

    id: Id
    device: str
    """``/dev/ttyUSB0``, or better a name below ``/dev/serial/by-id/``."""
    baud: Baud = 9_600
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    period_s: Period = 10.0
    """How often each unit is read."""
    timeout_s: Patience = 0.5
    """How long a unit may take to answer."""

    def wire(self) -> Wire:
        """Return the line, not yet open."""
        return SerialWire(self.device, self.baud, self.parity, self.stop_bits)


class _Order(msgspec.Struct):
    """Writes that somebody waits for."""

    unit: int
    feature: str
    requests: tuple[bytes, ...]
    done: asyncio.Future[None]
    attempts: int = 0


class ModbusLink:
    """Polls the devices of one bus and writes what they are told.

    Raises:
        Refusal: an address is no unit of a bus, or names an output that its profile does not have.
    """

    def __init__(self, config: ModbusTcp | ModbusSerial, devices: Iterable[Known], take: Take) -> None:
        self._config, self._take = config, take
        self._wire = config.wire()
        self._units: dict[int, Unit] = units_of(devices)
        self._rota = Rota(
            self._units,
            period_s=config.period_s,
            timeout_s=config.timeout_s,
            quiet_s=max(self._wire.quiet_s, 2 * config.timeout_s) if self._wire.quiet_s else 0.0,
            now_s=time.monotonic(),
            phase=random.random(),  # noqa: S311  # so that many buses do not all ask at the same instant
        )
        self._orders: list[_Order] = []
        self._hurried: dict[int, set[str]] = {}
        """By unit, which of its outputs are to be read at once."""
        self._wake = asyncio.Event()
        self._takes: dict[int, asyncio.Task[None]] = {}
        self._trouble = "not connected yet"

    @property
    def id(self) -> str:
        """Its name in the gateway's file."""
        return self._config.id

    @property
    def trouble(self) -> str:
        """Why nothing is heard at the moment; empty if something can be."""
        return self._trouble

    @property
    def counts(self) -> dict[int, Counter[Outcome]]:
        """By unit, how its requests ended; 0 stands for bytes that are nobody's."""
        return self._wire.counts

    def hurry(self, address: str) -> None:
        """Read this device as soon as possible."""
        unit, feature = _place(address)
        if unit in self._units:
            self._hurried.setdefault(unit, set()).add(feature)
            self._rota.hurry(unit)
            self._wake.set()

    async def send(self, address: str, request: Request) -> None:
        """Write, and have the unit read right after; raise Unreachable when it cannot be known to have arrived."""
        unit, feature = _place(address)
        if unit not in self._units or not isinstance(request, tuple):
            raise Unreachable(f"{self.id} has no unit for {address!r} that takes writes")
        if not self._wire.is_open:
            raise Unreachable(f"{self.id}: {self._wire.reason}")
        if len(self._orders) >= _ORDERS_MAX:
            raise Unreachable(f"{self.id} has {_ORDERS_MAX} commands waiting")
        try:
            requests = tuple(write_request(write) for write in request)
        except (struct.error, IndexError) as error:
            raise Unreachable(f"{self.id}: {request} cannot be written: {error}") from error
        order = _Order(unit, feature, requests, asyncio.get_running_loop().create_future())
        self._orders.append(order)
        self._wake.set()
        await order.done

    async def run(self) -> None:
        """Poll and write for ever; a connection that fails is made again after 0.2 to 30 s, at random."""
        failures = 0
        async with asyncio.TaskGroup() as tasks:
            while True:
                began_s = time.monotonic()
                try:
                    await self._wire.open()
                    self._say("")
                    await self._serve(tasks)
                except LostError as error:
                    self._say(str(error))
                finally:
                    self._wire.close()
                self._fail_orders()
                failures = 0 if time.monotonic() - began_s > _STEADY_S else failures + 1
                await asyncio.sleep(random.uniform(0.2, min(_BACKOFF_MAX_S, 0.5 * 2.0**failures)))  # noqa: S311  # jitter

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        """Do what is due until the connection is lost."""
        while True:
            self._wake.clear()
            if await self._obey():
                continue
            unit = self._rota.next(time.monotonic())
            if unit is not None:
                await self._poll(unit, tasks)
                continue
            now_s = time.monotonic()
            held = [self._rota.quiet_until_s(order.unit) - now_s for order in self._orders]
            wait_s = max(min([self._rota.wait_s(now_s), *held]), 0.001)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _poll(self, unit: int, tasks: asyncio.TaskGroup) -> None:
        """Read a unit and report what it says; of a unit that fails there is nothing to report."""
        known, features = self._units[unit], self._hurried.pop(unit, set())
        blocks = known.blocks_of(features) if features else known.blocks(self._rota.polls(unit))
        readings: list[Reading] = []
        faults: list[str] = []
        is_heard, spent_s = False, 0.0
        for block in blocks:
            while await self._obey():
                pass
            asked_s = time.monotonic()
            try:
                values = await self._ask(unit, read_request(block.function, block.address, block.count))
                is_heard = True
                said = known.profile.readings(block.function, block.address, values)
                readings += said.readings
                faults += said.faults
            except SilentError:
                is_heard = False
                break
            except SlaveError as error:
                is_heard = True
                if error.code == BUSY:
                    self._rota.put_off(unit, time.monotonic() + _BUSY_S)
                    return
                faults.append(f"function {block.function} at {block.address}: {error}")
            except DecodeError as error:
                readings += error.readings
                faults.append(str(error))
            finally:
                spent_s += time.monotonic() - asked_s
        self._rota.done(unit, is_heard=is_heard, now_s=time.monotonic(), took_s=spent_s, is_whole=not features)
        if is_heard:
            await self._report(unit, known.reports(self.id, readings, faults, _now_ms()), tasks)

    async def _ask(self, unit: int, request: bytes) -> tuple[int, ...]:
        """Return what a unit answers. A gateway that gets no answer from it is a unit that does not answer."""
        try:
            return await self._wire.ask(unit, request, self._config.timeout_s, is_patient=self._rota.polls(unit) > 0)
        except SlaveError as error:
            if error.code in GATEWAY:
                raise SilentError(str(error)) from error
            raise

    async def _report(self, unit: int, reports: list[Report], tasks: asyncio.TaskGroup) -> None:
        """Give reports on, those of one unit one after the other, while the bus goes on."""
        before = self._takes.get(unit)
        if before is not None:
            await asyncio.wait([before])
        while len(self._takes) >= _TAKES_MAX:
            await asyncio.wait(self._takes.values(), return_when=asyncio.FIRST_COMPLETED)
        task = tasks.create_task(self._give(unit, reports))
        self._takes[unit] = task

    async def _give(self, unit: int, reports: list[Report]) -> None:
        try:
            for report in reports:
                await self._take(report)
        finally:
            self._takes.pop(unit, None)

    async def _obey(self) -> bool:
        """Carry out the order whose turn it is; tell whether there was one."""
        order = self._next_order()
        if order is None:
            return False
        if order.done.done():  # whoever gave it has gone
            return True
        asked_s = time.monotonic()
        try:
            for request in order.requests:
                await self._write(order.unit, request)
        except SilentError as error:
            now_s = time.monotonic()
            self._rota.done(order.unit, is_heard=False, now_s=now_s, took_s=now_s - asked_s)
            _fail(order, f"unit {order.unit} of {self.id}: {error}")
        except LostError as error:
            _fail(order, f"{self.id}: {error}")
            raise
        except SlaveError as error:
            order.attempts += 1
            if error.code == BUSY and order.attempts < _BUSY_MAX:
                self._rota.put_off(order.unit, time.monotonic() + _BUSY_S)
                self._orders.insert(0, order)
            else:
                _fail(order, f"unit {order.unit} of {self.id}: {error}")
        else:
            if not order.done.done():
                order.done.set_result(None)
            self._rota.heard(order.unit)
            self._hurried.setdefault(order.unit, set()).add(order.feature)
            self._rota.hurry(order.unit)
        return True

    async def _write(self, unit: int, request: bytes) -> None:
        try:
            await self._ask(unit, request)
        except SlaveError as error:
            if error.code != ACKNOWLEDGED:
                raise

    def _next_order(self) -> _Order | None:
        """Return the first order of a unit that may be told something now; those of one unit keep their order.

        Units that are silent come last: each may cost a whole timeout.
        """
        now_s = time.monotonic()
        for is_silent in (False, True):
            held: set[int] = set()
            for number, order in enumerate(self._orders):
                unit = order.unit
                if self._rota.is_silent(unit) != is_silent or unit in held:
                    continue
                if self._rota.quiet_until_s(unit) <= now_s:
                    return self._orders.pop(number)
                held.add(unit)
        return None

    def _fail_orders(self) -> None:
        while self._orders:
            _fail(self._orders.pop(), f"{self.id}: {self._wire.reason}")

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _LOG.warning("no bus, trying again", link=self.id, reason=trouble)
        self._trouble = trouble


def _place(address: str) -> tuple[int, str]:
    """Return unit and output of an address."""
    number, _, feature = address.partition("/")
    return (int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else -1), feature


def _fail(order: _Order, reason: str) -> None:
    if not order.done.done():
        order.done.set_exception(Unreachable(reason))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
