"""Changes: word from the threads that commit to the pages that show, within one process.

A listener that is slow is told less, never late: what it has not yet fetched is kept once each, and beyond a bound
only that something changed.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

Kind = Literal["agent", "case", "device", "vehicle", "lamp", "command", "everything"]

WAITING_MAX = 1_000


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was committed; ``id`` names it, and is empty for ``everything`` and for many of a kind."""

    kind: Kind
    id: str = ""


_EVERYTHING = Change(kind="everything")


class Listener:
    """What one page has still to fetch."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: dict[Change, None] = {}

    def tell(self, changes: Iterable[Change]) -> None:
        """Add changes, from any thread."""
        with self._lock:
            was_empty = not self._waiting
            self._waiting.update(dict.fromkeys(changes))
            if len(self._waiting) > WAITING_MAX:
                self._waiting = {_EVERYTHING: None}
        if was_empty and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def changes(self) -> tuple[Change, ...]:
        """Return what changed since the last call, at least one; wait for it if need be."""
        await self._arrived.wait()
        with self._lock:
            self._arrived.clear()
            waiting, self._waiting = tuple(self._waiting), {}
        return waiting


class Changes:
    """Where those who commit and those who show meet."""

    def __init__(self) -> None:
        self.is_closing = False
        """The process is about to end: whoever streams says goodbye now, or its browser would hold the process."""
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Give the running event loop a listener for as long as the block runs."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def close(self) -> None:
        """Wake every listener for the last time."""
        self.is_closing = True
        self.tell([_EVERYTHING])

    def tell(self, changes: Iterable[Change]) -> None:
        """Tell every listener; call it after the commit, from any thread."""
        changes = tuple(changes)
        if not changes:
            return
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.tell(changes)
