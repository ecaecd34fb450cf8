"""JT/T 808 link: a TCP port that vehicles' terminals connect to; each message is answered when it is committed."""

import asyncio
import contextlib
import hashlib
import hmac
import socket
from collections import Counter
from collections.abc import Collection
from typing import Annotated

import structlog
from msgspec import Meta

from devices.protocols.jt808_report import Dialect
from devices.report import Request
from edge.links.jt808_connection import Connection
from edge.links.jt808_counters import Counters
from edge.links.link import Take, Unreachable
from wire.identifiers import Id

_LOG = structlog.get_logger()
_READ_BYTES = 2_048
_KERNEL_BYTES = 16_384
_SWEEP_S = 1.0
_TELL_S = 60.0
_RETRY_S_MAX = 30.0
_STRANGERS_S = 3_600.0


class Jt808Link(Dialect, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="jt808"):
    """A port for the terminals of one fleet."""

    id: Id
    host: str = "0.0.0.0"  # noqa: S104  # terminals come from outside
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 6_808
    """0 takes a free one."""
    connections_max: Annotated[int, Meta(ge=1, le=100_000)] = 6_000
    """When all are taken, the oldest that has not sent a good frame yet makes room for a new one."""
    connections_per_address_max: Annotated[int, Meta(ge=1, le=100_000)] = 256
    """More if terminals come through the address translation of their network."""
    connections_per_s_max: Annotated[int, Meta(ge=1, le=100_000)] = 500
    """New ones, of all together."""
    connections_per_address_s_max: Annotated[int, Meta(ge=1, le=100_000)] = 50
    """New ones, from one address."""
    first_frame_s: Annotated[float, Meta(gt=0, le=3_600, extra_json_schema={"unit": "s"})] = 60.0
    """Who has sent no good frame by then is closed."""
    period_s: Annotated[float, Meta(gt=0, le=86_400, extra_json_schema={"unit": "s"})] = 60.0
    """How often a terminal speaks, at the least; after three of them without a good frame it is closed."""
    part_s: Annotated[float, Meta(gt=0, le=3_600, extra_json_schema={"unit": "s"})] = 60.0
    """How long the parts of a long message are kept for the rest to come."""
    bad_bytes_max: Annotated[int, Meta(ge=16, le=1_000_000)] = 4_096
    """Bytes of no frame since the last good one, after which a connection is closed."""
    bad_frames_max: Annotated[int, Meta(ge=1, le=10_000)] = 16
    """Bad frames since the last good one, after which a connection is closed."""
    strangers_max: Annotated[int, Meta(ge=0, le=100_000)] = 256
    """Terminals that no file names and that are still heard, each hour; further ones are refused."""
    require_checksum: bool = True
    """Whether a frame with a wrong checksum is refused; some terminals compute it wrongly."""
    require_auth: bool = False
    """Whether a terminal must have registered here, and say the code it was given, before it is believed."""


class Jt808Port:
    """The terminals of one link.

    Args:
        settings: the link as the gateway's file has it.
        take: where reports go; what a terminal said is answered when it returns.
        secret: of this gateway; the codes that terminals authenticate with follow from it, so none is stored.
        known: numbers of the terminals that some file names.
    """

    def __init__(self, settings: Jt808Link, take: Take, *, secret: bytes, known: Collection[str] = ()) -> None:
        self.settings = settings
        self.take = take
        self.counters = Counters()
        self.buffer = memoryview(bytearray(_READ_BYTES))
        """Where every connection's bytes arrive: they are taken out before the next connection is read."""
        self.port = 0
        """Where it listens, as soon as it does."""
        self._secret = secret
        self._known = frozenset(known)
        self._strangers: set[str] = set()
        self._strangers_since_s = 0.0
        self._connections: dict[Connection, str] = {}
        self._unproven: dict[Connection, None] = {}
        self._per_address: Counter[str] = Counter()
        self._new_per_address: Counter[str] = Counter()
        self._new = 0
        self._seats: dict[str, Connection] = {}
        self._failure: asyncio.Future[None] | None = None
        self._told = 0
        self._trouble = "not yet open"

    @property
    def id(self) -> str:
        """Its name in the gateway's file."""
        return self.settings.id

    @property
    def trouble(self) -> str:
        """Why nothing is heard at the moment; empty if something can be."""
        return self._trouble

    async def run(self) -> None:
        """Listen for ever; a port that cannot be had is tried again. Whatever ``take`` raises ends it."""
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        wait_s = 1.0
        while True:
            try:
                server = await loop.create_server(
                    lambda: Connection(self), self.settings.host, self.settings.port,
                    backlog=1_024, start_serving=False,
                )  # fmt: skip
            except OSError as error:
                self._trouble = f"cannot listen on port {self.settings.port}: {error.strerror or error}"
                _LOG.warning("a port for terminals cannot be opened", link=self.id, why=self._trouble)
                await asyncio.sleep(wait_s)
                wait_s = min(_RETRY_S_MAX, wait_s * 2)
                continue
            break
        for listening in server.sockets:  # what the kernel keeps for each of thousands of connections is memory, too
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BYTES)
        await server.start_serving()
        self.port, self._trouble = server.sockets[0].getsockname()[1], ""
        try:
            await self._sweep(self._failure)
        finally:
            self._trouble = "closed"
            server.close()
            await self._close_all()

    async def send(self, address: str, request: Request) -> None:
        """Terminals take no commands from a gateway."""
        raise Unreachable(f"{address} is a vehicle's terminal, and takes no {type(request).__name__.lower()}")

    def hurry(self, address: str) -> None:
        """Ask a terminal where it is."""
        if seat := self._seats.get(address):
            seat.ask_location()

    def code_of(self, terminal: str) -> str:
        """Return what a terminal has to authenticate with."""
        return hmac.new(self._secret, terminal.encode(), hashlib.sha256).hexdigest()[:16]

    def is_code(self, terminal: str, token: bytes) -> bool:
        """Return whether it is the code of that terminal."""
        return hmac.compare_digest(self.code_of(terminal).encode(), token)

    def refusal(self, address: str) -> str:
        """Return why no more connections are taken from there now; empty if they are. Counts it as one."""
        settings = self.settings
        self._new += 1
        self._new_per_address[address] += 1
        if self._new > settings.connections_per_s_max:
            return "rate"
        if self._new_per_address[address] > settings.connections_per_address_s_max:
            return "rate"
        if self._per_address[address] >= settings.connections_per_address_max:
            return "address"
        if len(self._connections) >= settings.connections_max:
            oldest = next(iter(self._unproven), None)
            if oldest is None:
                return "full"
            oldest.drop("evicted")
        return ""

    def add(self, connection: Connection, address: str) -> None:
        """Remember a new connection."""
        self._connections[connection] = address
        self._unproven[connection] = None
        self._per_address[address] += 1
        self.counters.accepted += 1
        self.counters.open = len(self._connections)

    def prove(self, connection: Connection) -> None:
        """Remember that a connection has sent a good frame."""
        self._unproven.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        address = self._connections.pop(connection, None)
        if address is None:
            return
        self._unproven.pop(connection, None)
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]
        if self._seats.get(connection.terminal) is connection:
            del self._seats[connection.terminal]
        self.counters.open = len(self._connections)

    def seat(self, connection: Connection, terminal: str) -> Connection | None:
        """Make it the connection of a terminal; return the one that was before: a terminal has but one."""
        before = self._seats.get(terminal)
        self._seats[terminal] = connection
        return before if before is not connection else None

    def is_welcome(self, terminal: str) -> bool:
        """Return whether what it says is taken: of terminals that no file names, only so many are."""
        if terminal in self._known or terminal in self._strangers:
            return True
        if len(self._strangers) >= self.settings.strangers_max:
            return False
        self._strangers.add(terminal)
        return True

    def fail(self, error: BaseException) -> None:
        """End the link: reports cannot be committed any more."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _sweep(self, failure: asyncio.Future[None]) -> None:
        """Close who is silent, now and then, until something fails."""
        loop = asyncio.get_running_loop()
        told_s = self._strangers_since_s = loop.time()
        while True:
            await asyncio.wait([failure], timeout=_SWEEP_S)
            if failure.done():
                failure.result()
            now_s = loop.time()
            self._new = 0
            self._new_per_address.clear()
            if now_s - self._strangers_since_s > _STRANGERS_S:
                self._strangers.clear()
                self._strangers_since_s = now_s
            for connection in list(self._connections):
                connection.sweep(now_s)
            if now_s - told_s > _TELL_S:
                told_s = now_s
                self._tell()

    def _tell(self) -> None:
        """Log what was closed and refused, once a minute at most, whatever comes in."""
        counters = self.counters
        count = counters.refused.total() + counters.dropped.total()
        if count > self._told:
            _LOG.warning(
                "connections of terminals were closed", link=self.id, since_the_last=count - self._told,
                refused=dict(counters.refused), dropped=dict(counters.dropped), bad_bytes=counters.bad_bytes,
            )  # fmt: skip
            self._told = count

    async def _close_all(self) -> None:
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        for connection in list(self._connections):
            connection.close()
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
