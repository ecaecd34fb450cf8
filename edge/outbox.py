"""Outbox: what the agent has to tell, kept until the centre says that it has committed it.

One thread owns the file. Writes of up to 50 ms, or 100 rows, are one commit; whoever asked gets a future that is done
after it. What is read out to be sent has been committed before, so a sequence number never stands for two things.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from edge.outbox_file import Salvage, open_file
from edge.outbox_rows import Rows, Run, Upload
from shell.crash_point import crash_point
from wire.batch import PAYLOAD_BYTES_MAX, Message
from wire.health import LaneHealth
from wire.receipt import Receipt
from wire.streams import Stream

_LOG = structlog.get_logger()
_GATHER_S = 0.05
_GATHER_ROWS = 100
_MESSAGE_BYTES_MAX = PAYLOAD_BYTES_MAX // 2


class _Job(msgspec.Struct, frozen=True):
    work: Callable[[], Any]
    done: Future[Any]
    rows: int
    """How many rows it writes; 0 for a job that is run on its own after the commit."""
    is_urgent: bool = False
    """Whether the commit waits for no others; of a job that reads, whether it does not even wait for the commit."""


class Outbox:
    """Messages, state and uploads of one agent in one SQLite file.

    ``bytes_max`` limits the bodies of the messages that wait: observations are shed first, then health, never events,
    nor what lamps were ordered and did.

    Raises:
        Refusal: the file cannot be opened; a broken one is put aside instead and a new one begun.
    """

    def __init__(self, path: Path, *, agent: str, bytes_max: int) -> None:
        self._connection, aside = open_file(path)
        self._rows = Rows(self._connection, agent=agent, bytes_max=bytes_max)
        self.epoch: str = self._rows.epoch
        self.is_salvaged = aside is not None
        """Whether a broken file was put aside; what it knew of the evidence folder may be lost."""
        self.strange_receipts = 0
        """Receipts that named no batch in flight, or had the wrong digest; they settled nothing."""
        self._failure: sqlite3.Error | None = None
        self._listeners: list[Callable[[], None]] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="outbox", daemon=True)
        self._thread.start()
        if aside is not None:
            self._take_over(Salvage(aside), aside)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call ``callback``, in the outbox's own thread, after every commit that brought messages or uploads."""
        self._listeners.append(callback)

    def put(
        self,
        messages: Sequence[tuple[Stream, Message]] = (),
        states: Mapping[str, bytes] | None = None,
        uploads: Sequence[Upload] = (),
        *,
        is_urgent: bool = False,
    ) -> Future[None]:
        """Write all of it in one transaction; the future is done when it has been committed.

        What is urgent is committed at once, together with what waits already.
        """
        bodies = [(stream, msgspec.msgpack.encode(message)) for stream, message in messages]
        if any(len(body) > _MESSAGE_BYTES_MAX for _, body in bodies):
            raise ValueError(f"a message of more than {_MESSAGE_BYTES_MAX} bytes does not fit a batch")
        now_ms = time.time_ns() // 1_000_000
        rows = max(1, len(bodies) + len(states or ()) + len(uploads))
        work = partial(self._rows.insert, bodies, states or {}, uploads, now_ms)
        return self._ask(work, rows=rows, is_urgent=is_urgent)

    def is_idle(self, stream: Stream) -> bool:
        """Tell at once that ``next_run`` would give nothing; if it is not sure, it must be asked."""
        return stream in self._rows.idle

    def next_run(self, stream: Stream, *, bytes_max: int) -> Future[Run | None]:
        """Take the first contiguous run that is not in flight, ready to publish; None when nothing waits.

        ``bytes_max`` is about the most bytes that its messages should have together, before they are compressed; one
        message is always taken. The run is in flight until it is settled or released.
        """
        work = partial(self._take, stream, bytes_max)
        return self._ask(work, rows=0, is_urgent=True)

    def release(self, run: Run) -> Future[None]:
        """Give a run back: it is not in flight any more, and may be cut differently when it is taken again."""
        return self._ask(lambda: self._rows.release(run), rows=0)

    def settle(self, receipt: Receipt) -> Future[Run | None]:
        """Delete exactly the batch that the receipt names, and return it; if it names none, delete nothing."""
        return self._ask(lambda: self._settle(receipt), rows=1)

    def state(self, name: str) -> Future[bytes | None]:
        """Return a piece of state; None if there is none or its hash is wrong."""
        return self._ask(lambda: self._rows.state(name), rows=0)

    def states(self, prefix: str) -> Future[dict[str, bytes]]:
        """Return all pieces of state whose names begin so, without those whose hash is wrong."""
        return self._ask(lambda: self._rows.states(prefix), rows=0)

    def uploads(self) -> Future[list[Upload]]:
        """Return what waits for upload, most important first, without what is damaged."""
        return self._ask(self._rows.uploads, rows=0)

    def upload_done(self, sha256: str) -> Future[None]:
        """Forget an upload that the centre holds completely."""
        return self._ask(lambda: self._rows.upload_done(sha256), rows=1)

    def upload_damaged(self, sha256: str) -> Future[None]:
        """Remember that a file is not what it was; it is not tried again."""
        return self._ask(lambda: self._rows.upload_damaged(sha256), rows=1)

    def lanes(self) -> Future[tuple[dict[Stream, LaneHealth], dict[Stream, int]]]:
        """Return what waits in each stream, and how many rows each has shed since the file was made."""
        return self._ask(lambda: self._rows.lanes(time.time_ns() // 1_000_000), rows=0)

    def close(self) -> None:
        """Commit what was asked for, and close the file."""
        self._jobs.put(None)
        self._thread.join()

    def _ask(self, work: Callable[[], Any], *, rows: int, is_urgent: bool = False) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_running_or_notify_cancel()  # who stops waiting does not stop the commit
        self._jobs.put(_Job(work, done, rows, is_urgent))
        return done

    def _take(self, stream: Stream, bytes_max: int) -> Run | None:
        return self._rows.take(stream, bytes_max, time.time_ns() // 1_000_000)

    def _settle(self, receipt: Receipt) -> Run | None:
        run = self._rows.settle(receipt)
        if run is None:
            self.strange_receipts += 1
            _LOG.warning(
                "a receipt that names no batch in flight", stream=receipt.stream, first_seq=receipt.first_seq,
                last_seq=receipt.last_seq, count=self.strange_receipts,
            )  # fmt: skip
            return None
        for each in receipt.rejected:
            _LOG.error("the centre rejected a message", stream=receipt.stream, seq=each.seq, reason=each.reason)
        return run

    def _take_over(self, found: Salvage, aside: Path) -> None:
        """Continue with what a broken file still gave; what it did not is named in loss records."""
        rows = len(found.messages)
        _LOG.error("salvaged from the broken outbox", aside=str(aside), messages=rows, uploads=len(found.uploads))
        now_ms = time.time_ns() // 1_000_000
        self._ask(lambda: self._rows.take_over(found, now_ms), rows=1).result()

    def _write(self) -> None:
        """Run jobs for ever: gather writes, commit them together, and answer what only reads."""
        while True:
            group, last = self._gather()
            writes, reads = [job for job in group if job.rows], [job for job in group if not job.rows]
            for job in reads:
                if job.is_urgent:  # what it reads was committed before
                    self._answer(job)
            if writes:
                self._commit(writes)
            for job in reads:
                if not job.is_urgent:
                    self._answer(job)
            if last:
                break
        self._connection.close()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Return the jobs of one group, and whether they are the last; one that reads, or is urgent, ends it."""
        group: list[_Job] = []
        rows, until = 0, 0.0
        while rows < _GATHER_ROWS:
            try:
                job = self._jobs.get(timeout=max(0.0, until - time.monotonic()) if group else None)
            except queue.Empty:
                break
            if job is None:
                return group, True
            if not group:
                until = time.monotonic() + _GATHER_S
            group.append(job)
            rows += job.rows
            if not job.rows or job.is_urgent:
                break
        return group, False

    def _commit(self, jobs: list[_Job]) -> None:
        results = []
        try:
            if self._failure is not None:
                raise self._failure
            self._connection.execute("BEGIN IMMEDIATE")
            results = [job.work() for job in jobs]
            crash_point("outbox.before-commit")
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # A failed fsync may have lost pages that a second try would call written: nothing is promised any more.
            self._failure = error
            for job in jobs:
                job.done.set_exception(error)
            return
        crash_point("outbox.after-commit")
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)
        for callback in self._listeners:
            callback()

    def _answer(self, job: _Job) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            job.done.set_result(job.work())
        except sqlite3.Error as error:
            self._failure = error
            job.done.set_exception(error)


def call_in(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Call back in the loop, from another thread; the loop may have ended before the outbox has."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
