"""Modbus TCP server of the simulators, on pymodbus's frames and requests.

pymodbus's own server keeps only the last request of a connection (3.16, server/requesthandler.py): when a unit answers
slowly its answer goes out under the number of the next request, a fault that no master can see. A slow unit here
answers late, and under its own number.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Protocol, Self

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusIOException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

_BUFFER_MAX = 64 * 1024


class Registers(Protocol):
    """What stands behind a server: units with registers."""

    def read(self, unit: int, function: int, address: int, count: int) -> Sequence[int] | None:
        """Return coils or registers; none where there are none."""

    def write(self, unit: int, function: int, address: int, values: Sequence[int]) -> bool:
        """Set coils or registers; tell whether there are such."""

    def delay_s(self, unit: int) -> float | None:
        """Return after how long a unit answers; none if it does not."""


class ModbusServer:
    """Listens on one port; ``async with`` starts and stops it."""

    def __init__(self, registers: Registers, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._registers = registers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self._registers, self._open), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()

    def hang_up(self) -> None:
        """Cut every connection, as a gateway that restarts does."""
        for transport in list(self._open):
            transport.abort()


class _Connection(asyncio.Protocol):
    """One master."""

    def __init__(self, registers: Registers, connections: set[asyncio.Transport]) -> None:
        self._registers, self._connections = registers, connections
        self._framer = FramerSocket(DecodePDU(is_server=True))
        self._unread = b""
        self._transport: asyncio.Transport
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # create_server() makes no other
        self._transport = transport
        self._connections.add(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # there is nothing to be said of it
        self._connections.discard(self._transport)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while self._unread:
            try:
                size, request = self._framer.handleFrame(self._unread, 0, 0)
            except ModbusIOException:
                self._transport.abort()  # it is not Modbus, or a request that there is not
                return
            if not size:
                if len(self._unread) > _BUFFER_MAX:
                    self._transport.abort()
                return
            self._unread = self._unread[size:]
            if request is not None:
                self._begin(request)

    def _begin(self, request: ModbusPDU) -> None:
        delay_s = self._registers.delay_s(request.dev_id)
        if delay_s is None:
            return
        task = asyncio.get_running_loop().create_task(self._answer(request, delay_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: ModbusPDU, delay_s: float) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
        store: Any = _Store(self._registers)
        answer = await request.datastore_update(store, request.dev_id)
        answer.transaction_id, answer.dev_id = request.transaction_id, request.dev_id
        self._transport.write(self._framer.buildFrame(answer))


class _Store:
    """The registers as pymodbus's requests ask for them."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    async def async_getValues(  # noqa: N802  # pymodbus's name
        self, unit: int, function: int, address: int, count: int = 1
    ) -> list[int] | ExcCodes:
        found = self._registers.read(unit, function, address, count)
        return ExcCodes.ILLEGAL_ADDRESS if found is None else list(found)

    async def async_setValues(  # noqa: N802
        self, unit: int, function: int, address: int, values: list[int]
    ) -> ExcCodes | None:
        is_done = self._registers.write(unit, function, address, values)
        return None if is_done else ExcCodes.ILLEGAL_ADDRESS
