"""Child: a process of the agent's own and the line to it; whatever becomes of it, the agent's loop never waits."""

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from edge.channel import Messages, framed

_SPAWN = multiprocessing.get_context("spawn")
"""A fork would inherit the agent's threads half-way through what they do."""


class _Line(asyncio.Protocol):
    """The agent's end of a channel."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self.hung_up = asyncio.Event()
        self._hear, self._messages = hear, Messages()

    def data_received(self, data: bytes) -> None:
        for body in self._messages.feed(data):
            self._hear(body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.hung_up.set()


class Child:
    """A process that runs; made by `child`."""

    def __init__(self, process: Any, transport: asyncio.WriteTransport, line: _Line) -> None:
        self._process, self._transport = process, transport
        self.hung_up = line.hung_up
        """Set when it has ended, or closed its end."""

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self._process.pid)

    def tell(self, body: bytes) -> None:
        """Send a message; one to a process that has ended is lost."""
        self._transport.write(framed(body))

    def end(self) -> int:
        """Kill it if it runs, and return its exit code; negative for a signal."""
        self._process.kill()
        self._process.join()
        return int(self._process.exitcode)


@asynccontextmanager
async def child(entry: Callable[..., None], *args: object, hear: Callable[[bytes], None]) -> AsyncIterator[Child]:
    """Run ``entry(end, *args)`` in a process, until the context ends; ``hear`` is called with each of its messages.

    ``end`` is the socket that the process makes its `edge.channel.Channel` of.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    process = _SPAWN.Process(target=entry, args=(theirs, *args), daemon=True)
    with ours:
        with theirs:
            process.start()
        try:
            transport, line = await asyncio.get_running_loop().create_unix_connection(lambda: _Line(hear), sock=ours)
            try:
                yield Child(process, transport, line)
            finally:
                transport.abort()
        finally:
            process.kill()
            process.join()
            process.close()
