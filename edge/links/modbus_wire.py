"""Modbus wires: one request at a time over TCP or a serial line, each with its own answer or none.

pymodbus's client is not used. On a serial line it matches an answer by its unit alone, so that one that comes late is
taken for the next register (3.16, framer/rtu.py and transaction.py); over TCP it throws away the unread part of a frame
after a timeout and reads on in its middle, and a header that is none stops it for good (framer/socket.py). Its serial
transport is used.
"""

import asyncio
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from typing import Literal

from pymodbus.transport.serialtransport import create_serial_connection

from devices.protocols.modbus import (
    RTU_FRAME_MAX,
    FrameError,
    SlaveError,
    TcpFrames,
    answered,
    rtu_answer,
    rtu_frame,
    tcp_frame,
)
from edge.links.modbus_rota import QUIET_S

_CONNECT_S = 5.0
_SILENT_MAX = 4
"""So many requests without one byte of an answer: the connection may be half open, and is made anew."""
_GIVEN_UP_MAX = 64
_GAP_S = 0.002
"""How long a serial line has to be quiet to be free, at the least; more at low speeds."""
_FRAME_BITS = 3.5 * 11

Outcome = Literal["answered", "refused", "silent", "late", "foreign", "garbled", "lost"]
"""``late``: to a request that was given up; ``foreign``: of another unit, function or length than was asked;
``garbled``: bytes that are no frame, or whose check is wrong."""


class SilentError(Exception):
    """A unit did not answer in time; the text says what came instead."""


class LostError(Exception):
    """The connection is gone."""


class Wire(asyncio.Protocol, ABC):
    """One connection to one bus. ``counts`` tells of each unit how its requests ended; unit 0 is nobody's bytes."""

    quiet_s = 0.0
    """How long a unit that did not answer must be left alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[int, Counter[Outcome]] = {}
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[tuple[int, ...]] | None = None
        self._unit, self._request = 0, b""
        self._silent = 0
        self.reason = "not connected yet"
        """Why nothing can be asked, if so."""

    @property
    def is_open(self) -> bool:
        """Whether something can be asked."""
        return self._transport is not None

    @abstractmethod
    async def open(self) -> None:
        """Connect; raise LostError that says why not."""

    def close(self, reason: str = "closed") -> None:
        """Hang up."""
        transport, self._transport = self._transport, None
        self.reason = reason
        if transport is not None:
            transport.abort()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(LostError(reason))

    async def ask(self, unit: int, request: bytes, timeout_s: float, *, is_patient: bool = True) -> tuple[int, ...]:
        """Return what a unit answers: the values that were read, nothing for a write.

        ``is_patient`` allows for a bus that may still be busy with what was given up.

        Raises:
            SlaveError: it refuses.
            SilentError: there is no answer to this request in time.
            LostError: the connection is gone.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            raise LostError(self.reason)
        waiting: asyncio.Future[tuple[int, ...]] = loop.create_future()
        await self._ready()
        if self._transport is None:
            raise LostError(self.reason)
        self._waiting, self._unit, self._request = waiting, unit, request
        self._transport.write(self._framed(unit, request))
        patience_s = 2 * timeout_s if is_patient and self._is_owed else timeout_s
        timer = loop.call_later(patience_s, self._give_up, waiting)
        try:
            values = await waiting
        except SlaveError:
            self._count(unit, "refused")
            raise
        except SilentError:
            self._count(unit, "silent")
            await self._after_silence(timeout_s)
            raise
        except LostError:
            self._count(unit, "lost")
            raise
        finally:
            timer.cancel()
            self._waiting = None
        self._count(unit, "answered")
        return values

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment]  # sockets and serial lines write
        self._silent = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """End: whoever waits is told."""
        if self._transport is not None:
            self.close(f"connection lost: {exc}" if exc else "the other end closed the connection")

    @abstractmethod
    def _framed(self, unit: int, request: bytes) -> bytes:
        """Return a request as it goes over this wire."""

    @property
    def _is_owed(self) -> bool:
        return False

    async def _ready(self) -> None:
        """Wait until the line is free."""

    async def _after_silence(self, timeout_s: float) -> None:
        """Make sure that what was given up is not taken for an answer to what comes next."""

    def _settle(self, unit: int, answer: bytes) -> None:
        """Give a fitting answer to whoever waits; count another one."""
        if self._waiting is None or self._waiting.done():
            return
        try:
            self._waiting.set_result(answered(self._request, answer))
        except SlaveError as error:
            self._waiting.set_exception(error)
        except FrameError:
            self._count(unit, "foreign")

    def _give_up(self, waiting: asyncio.Future[tuple[int, ...]]) -> None:
        if waiting.done():
            return
        self._silent += 1
        waiting.set_exception(SilentError("no answer"))

    def _count(self, unit: int, outcome: Outcome) -> None:
        self.counts.setdefault(unit, Counter())[outcome] += 1


class TcpWire(Wire):
    """Modbus TCP: an answer carries the number of its request."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self._host, self._port = host, port
        self._frames = TcpFrames()
        self._transaction = 0
        self._given_up: dict[int, int] = {}
        """The last requests that were given up, and may yet be answered, with their units."""
        self._is_behind = False

    async def open(self) -> None:
        """Connect; raise LostError that says why not."""
        await _connect(self, self._host, self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin anew: what was sent over an older connection is owed no more."""
        super().connection_made(transport)
        self._frames, self._given_up, self._is_behind = TcpFrames(), {}, False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._silent = 0
        try:
            frames = self._frames.feed(data)
        except FrameError as error:
            self._count(0, "garbled")
            self.close(str(error))
            return
        for transaction, unit, answer in frames:
            if self._waiting is not None and transaction == self._transaction and unit == self._unit:
                self._is_behind = False
                self._settle(unit, answer)
            elif transaction in self._given_up:
                self._count(self._given_up.pop(transaction), "late")
            else:
                self._count(self._unit, "foreign")

    def _framed(self, unit: int, request: bytes) -> bytes:
        self._transaction = self._transaction % 65_535 + 1
        return tcp_frame(self._transaction, unit, request)

    @property
    def _is_owed(self) -> bool:
        # A gateway to a serial bus may still be busy with the one that was given up.
        return self._is_behind

    async def _after_silence(self, timeout_s: float) -> None:  # noqa: ARG002  # the number of a request is enough
        self._is_behind = True
        self._given_up[self._transaction] = self._unit
        if len(self._given_up) > _GIVEN_UP_MAX:
            del self._given_up[next(iter(self._given_up))]
        if self._frames.is_cut:
            self._count(self._unit, "garbled")
            self.close("a frame began and did not end")
        elif self._silent >= _SILENT_MAX:
            self.close("nothing comes any more")


class RtuWire(Wire):
    """Modbus RTU, over a serial line or over TCP as it is; an answer carries only unit and function."""

    quiet_s = QUIET_S

    def __init__(self, name: str, baud: int) -> None:
        super().__init__(name)
        self._gap_s = max(_GAP_S, _FRAME_BITS / baud)
        self._heard_s = 0.0
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._silent = 0
        self._heard_s = time.monotonic()
        if self._waiting is None or self._waiting.done():
            self._count(0, "late")
            return
        self._buffer += data
        del self._buffer[: -2 * RTU_FRAME_MAX]
        while not self._waiting.done() and (found := rtu_answer(bytes(self._buffer), self._unit, self._request)):
            del self._buffer[: found[1]]
            self._settle(self._unit, found[0])

    def _framed(self, unit: int, request: bytes) -> bytes:
        self._buffer.clear()
        return rtu_frame(unit, request)

    async def _ready(self) -> None:
        await self._quiet(time.monotonic() + 1.0)

    async def _after_silence(self, timeout_s: float) -> None:
        if self._buffer:
            is_foreign = self._buffer[0] != self._unit
            self._count(self._unit, "foreign" if is_foreign else "garbled")
        await self._quiet(time.monotonic() + timeout_s)
        self._buffer.clear()

    async def _quiet(self, end_s: float) -> None:
        """Wait until nothing has come for a while, and no longer than until ``end_s``."""
        now_s = time.monotonic()
        while now_s < min(self._heard_s + self._gap_s, end_s):
            await asyncio.sleep(self._heard_s + self._gap_s - now_s)
            now_s = time.monotonic()


class SerialWire(RtuWire):
    """Modbus RTU over a serial line of this machine."""

    def __init__(self, device: str, baud: int, parity: str, stop_bits: int) -> None:
        super().__init__(device, baud)
        self._made: asyncio.Future[None]
        self._device, self._baud, self._parity, self._stop_bits = device, baud, parity, stop_bits

    async def open(self) -> None:
        """Open the line; raise LostError that says why not."""
        loop = asyncio.get_running_loop()
        self._made = loop.create_future()
        try:
            await create_serial_connection(
                loop,
                lambda: self,
                self._device,
                baudrate=self._baud,
                bytesize=8,
                parity=self._parity[0].upper(),
                stopbits=self._stop_bits,
            )
        except (OSError, ValueError) as error:
            raise LostError(f"{self._device} cannot be opened: {error}") from error
        await self._made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._made.set_result(None)


class RtuOverTcpWire(RtuWire):
    """Modbus RTU through a serial server that passes bytes on."""

    def __init__(self, host: str, port: int, baud: int) -> None:
        super().__init__(f"{host}:{port}", baud)
        self._host, self._port = host, port

    async def open(self) -> None:
        """Connect; raise LostError that says why not."""
        await _connect(self, self._host, self._port)

    async def _after_silence(self, timeout_s: float) -> None:
        await super()._after_silence(timeout_s)
        if self._silent >= _SILENT_MAX:
            self.close("nothing comes any more")


async def _connect(wire: Wire, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_S):
            transport, _ = await loop.create_connection(lambda: wire, host, port)
    except TimeoutError as error:
        raise LostError(f"{wire.name} does not answer") from error
    except OSError as error:
        raise LostError(f"{wire.name} cannot be reached: {error.strerror or error}") from error
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
