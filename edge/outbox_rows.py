"""The rows of an outbox: what one transaction does to them. Only the outbox's own thread comes here."""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import structlog

from edge.outbox_file import Salvage, row_sha256, state_sha256
from wire.batch import MESSAGES_MAX, PAYLOAD_BYTES_MAX, UNPACKED_BYTES_MAX, Batch, Message, encode
from wire.event import Role
from wire.health import LaneHealth
from wire.loss import LossRecord
from wire.receipt import Receipt
from wire.streams import STREAMS, Stream

_LOG = structlog.get_logger()
_DECODER: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_RAW_BYTES_MAX = UNPACKED_BYTES_MAX // 2
_VALID_MS: dict[Stream, int] = {"health": 10 * 60_000, "observations": 24 * 3_600_000}
HEALTH_ROWS_MAX = 5_000
"""Days of health, or each device's going and coming for a while; half of them are shed at once, the oldest."""
_ROWS_AT_ONCE = 100
_SHED_TO = 0.9
"""Share of the quota that shedding goes down to, so that one loss record names many rows."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the centre is to get."""

    sha256: str
    path: str
    event_id: str
    role: Role
    time_ms: int

    @property
    def rank(self) -> int:
        """Stills go before clips."""
        return 1 if self.role == "clip" else 0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A contiguous run of one stream as it is published; a receipt for it names all of these but the payload."""

    stream: Stream
    epoch: str
    first_seq: int
    last_seq: int
    payload: bytes
    digest: str
    """SHA-256 of the payload."""
    raw_bytes: int
    expires_ms: int | None

    @property
    def rows(self) -> int:
        """How many messages it holds."""
        return self.last_seq - self.first_seq + 1


class Rows:
    """The tables, the counts of what waits, and which runs are in flight."""

    def __init__(self, connection: sqlite3.Connection, *, agent: str, bytes_max: int) -> None:
        self._connection, self._agent, self._bytes_max = connection, agent, bytes_max
        self.epoch: str = connection.execute("SELECT epoch FROM life").fetchone()[0]
        self._last_seq: dict[Stream, int] = dict(connection.execute("SELECT name, last_seq FROM stream"))
        self._shed: dict[Stream, int] = dict(connection.execute("SELECT name, shed FROM stream"))
        self._waiting: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        self._bytes: dict[Stream, int] = dict.fromkeys(STREAMS, 0)
        for stream, rows, size in connection.execute(
            "SELECT stream, count(*), sum(length(body)) FROM message GROUP BY stream"
        ):
            self._waiting[stream], self._bytes[stream] = rows, size
        self._flights: dict[Stream, dict[int, Run]] = {stream: {} for stream in STREAMS}
        self.idle: set[Stream] = set()
        """Streams in which nothing was found to be taken, and to which nothing has come since."""

    def insert(
        self,
        messages: Sequence[tuple[Stream, bytes]],
        states: Mapping[str, bytes],
        uploads: Sequence[Upload],
        now_ms: int,
    ) -> None:
        """Write messages under their next numbers, pieces of state and uploads."""
        self._append(messages, now_ms)
        rows = [(name, body, state_sha256(name, body)) for name, body in states.items()]
        self._write("INSERT OR REPLACE INTO state VALUES ", rows)
        self._connection.executemany(
            "INSERT OR IGNORE INTO upload (sha256, path, event_id, role, rank, time_ms) VALUES (?, ?, ?, ?, ?, ?)",
            [(each.sha256, each.path, each.event_id, each.role, each.rank, each.time_ms) for each in uploads],
        )
        self._keep_quota(now_ms)
        self._connection.executemany(
            "UPDATE stream SET last_seq = ?, shed = ? WHERE name = ?",
            [(self._last_seq[stream], self._shed[stream], stream) for stream in STREAMS],
        )

    def take(self, stream: Stream, bytes_max: int, now_ms: int) -> Run | None:
        """Take the first run that is not in flight, and remember that it now is."""
        for first, last in self._between_flights(stream):
            rows = self._read(stream, first, last, min(bytes_max, _RAW_BYTES_MAX), now_ms)
            if rows:
                run = self._pack(stream, rows, now_ms)
                self._flights[stream][run.first_seq] = run
                return run
        self.idle.add(stream)
        return None

    def release(self, run: Run) -> None:
        """Forget that a run is in flight."""
        if self._flights[run.stream].get(run.first_seq) is run:
            self.idle.discard(run.stream)
            del self._flights[run.stream][run.first_seq]

    def settle(self, receipt: Receipt) -> Run | None:
        """Delete the run that the receipt names, if it is in flight."""
        run = self._flights[receipt.stream].get(receipt.first_seq)
        if run is None or (run.epoch, run.last_seq, run.digest) != (receipt.epoch, receipt.last_seq, receipt.digest):
            return None
        self._delete(run.stream, run.first_seq, run.last_seq, run.raw_bytes)
        del self._flights[run.stream][run.first_seq]
        return run

    def state(self, name: str) -> bytes | None:
        """Return a piece of state whose hash is right."""
        row = self._connection.execute("SELECT body, sha256 FROM state WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        if state_sha256(name, row[0]) != row[1]:
            _LOG.error("a piece of state failed its hash and is left out", name=name)
            return None
        return bytes(row[0])

    def states(self, prefix: str) -> dict[str, bytes]:
        """Return the pieces of state whose names begin so and whose hash is right."""
        rows = self._connection.execute(
            "SELECT name, body, sha256 FROM state WHERE name >= ? AND name < ?", (prefix, prefix + "\U0010ffff")
        )
        found = {}
        for name, body, sha256 in rows:
            if state_sha256(name, body) == sha256:
                found[name] = bytes(body)
            else:
                _LOG.error("a piece of state failed its hash and is left out", name=name)
        return found

    def uploads(self) -> list[Upload]:
        """Return what is to be uploaded, stills before clips, oldest first."""
        rows = self._connection.execute(
            "SELECT sha256, path, event_id, role, time_ms FROM upload WHERE is_damaged = 0 ORDER BY rank, time_ms"
        )
        return [Upload(sha256=row[0], path=row[1], event_id=row[2], role=row[3], time_ms=row[4]) for row in rows]

    def upload_done(self, sha256: str) -> None:
        """Delete an upload's row."""
        self._connection.execute("DELETE FROM upload WHERE sha256 = ?", (sha256,))

    def upload_damaged(self, sha256: str) -> None:
        """Mark an upload's row."""
        self._connection.execute("UPDATE upload SET is_damaged = 1 WHERE sha256 = ?", (sha256,))

    def lanes(self, now_ms: int) -> tuple[dict[Stream, LaneHealth], dict[Stream, int]]:
        """Return what waits and what was shed, by stream."""
        oldest = dict(
            self._connection.execute(
                "SELECT stream, time_ms FROM message JOIN (SELECT stream AS lane, min(seq) AS low FROM message"
                " GROUP BY stream) ON stream = lane AND seq = low"
            )
        )
        lanes = {
            stream: LaneHealth(
                rows=self._waiting[stream],
                bytes=self._bytes[stream],
                oldest_s=max(0, now_ms - oldest.get(stream, now_ms)) / 1000,
            )
            for stream in STREAMS
        }
        return lanes, {stream: count for stream, count in self._shed.items() if count}

    def take_over(self, found: Salvage, now_ms: int) -> None:
        """Write what was salvaged of a broken file, and what of its epoch will never come."""
        lost = [
            LossRecord(time_ms=now_ms, stream=name, epoch=found.epoch, first_seq=first, last_seq=last, reason="corrupt")
            for name in STREAMS
            for stream, first, last in found.runs
            if stream == name
        ]
        bodies = list(found.messages)
        bodies += [("events", msgspec.msgpack.encode(record)) for record in lost]
        uploads = []
        for row in found.uploads:
            try:
                uploads.append(msgspec.convert(dict(zip(_UPLOAD_FIELDS, row, strict=True)), Upload))
            except msgspec.ValidationError as error:
                _LOG.error("an upload cannot be salvaged", reason=str(error))
        self.insert(bodies, dict(found.states), uploads, now_ms)

    def _append(self, messages: Sequence[tuple[Stream, bytes]], now_ms: int) -> None:
        rows = []
        for stream, body in messages:
            seq = self._last_seq[stream] = self._last_seq[stream] + 1
            rows.append((stream, seq, now_ms, body, row_sha256(stream, seq, body)))
            self._waiting[stream] += 1
            self._bytes[stream] += len(body)
            self.idle.discard(stream)
        self._write("INSERT INTO message VALUES ", rows)

    def _write(self, verb: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows a hundred at a time: after each statement this thread waits for the interpreter, if it is busy."""
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            few = rows[first : first + _ROWS_AT_ONCE]
            places = ", ".join(["(" + ", ".join("?" * len(few[0])) + ")"] * len(few))
            self._connection.execute(verb + places, [value for row in few for value in row])

    def _delete(self, stream: Stream, first: int, last: int, size: int) -> None:
        gone = self._connection.execute(
            "DELETE FROM message WHERE stream = ? AND seq BETWEEN ? AND ?", (stream, first, last)
        ).rowcount
        self._waiting[stream] -= gone
        self._bytes[stream] -= size

    def _between_flights(self, stream: Stream) -> Iterator[tuple[int, int]]:
        first = 1
        for run in sorted(self._flights[stream].values(), key=lambda each: each.first_seq):
            if first < run.first_seq:
                yield first, run.first_seq - 1
            first = run.last_seq + 1
        yield first, self._last_seq[stream]

    def _read(
        self, stream: Stream, first: int, last: int, bytes_max: int, now_ms: int
    ) -> list[tuple[int, Message, int]]:
        """Return number, message and size of the first contiguous rows; a broken row is taken out and skipped."""
        rows: list[tuple[int, Message, int]] = []
        broken: list[tuple[int, int]] = []
        size = 0
        query = "SELECT seq, body, sha256 FROM message WHERE stream = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
        for seq, body, sha256 in self._connection.execute(query, (stream, first, last, MESSAGES_MAX)):
            message = _open_row(stream, seq, body, sha256)
            if message is None:
                broken.append((seq, len(body)))
            if message is None or (rows and seq != rows[-1][0] + 1) or (rows and size + len(body) > bytes_max):
                if rows:
                    break
                continue
            rows.append((seq, message, len(body)))
            size += len(body)
        if broken:
            self._take_out(stream, broken, now_ms)
        return rows

    def _take_out(self, stream: Stream, broken: Sequence[tuple[int, int]], now_ms: int) -> None:
        """Delete rows that failed their hash, and say so in loss records, in one transaction."""
        _LOG.error("rows failed their hash and are taken out", stream=stream, seqs=[seq for seq, _ in broken])
        self._connection.execute("BEGIN IMMEDIATE")
        for seq, size in broken:
            self._delete(stream, seq, seq, size)
        self.insert([("events", self._loss(stream, seq, seq, "corrupt", now_ms)) for seq, _ in broken], {}, (), now_ms)
        self._connection.execute("COMMIT")

    def _pack(self, stream: Stream, rows: Sequence[tuple[int, Message, int]], now_ms: int) -> Run:
        """Return a run of as many of the rows as fit into one payload."""
        expires_ms = now_ms + _VALID_MS[stream] if stream in _VALID_MS else None
        while True:
            batch = Batch(
                agent=self._agent,
                stream=stream,
                epoch=self.epoch,
                first_seq=rows[0][0],
                sent_ms=now_ms,
                expires_ms=expires_ms,
                messages=tuple(message for _, message, _ in rows),
            )
            payload = encode(batch)
            if len(payload) <= PAYLOAD_BYTES_MAX or len(rows) == 1:
                break
            rows = rows[: len(rows) // 2]
        return Run(
            stream=stream,
            epoch=self.epoch,
            first_seq=batch.first_seq,
            last_seq=batch.last_seq,
            payload=payload,
            digest=hashlib.sha256(payload).hexdigest(),
            raw_bytes=sum(size for _, _, size in rows),
            expires_ms=expires_ms,
        )

    def _keep_quota(self, now_ms: int) -> None:
        if self._waiting["health"] > HEALTH_ROWS_MAX:
            self._drop("health", self._bytes["health"] // 2, now_ms)
        for stream in ("observations", "health"):
            excess = sum(self._bytes.values()) - self._bytes_max
            if excess > 0:
                self._drop(stream, excess + int(self._bytes_max * (1 - _SHED_TO)), now_ms)

    def _drop(self, stream: Literal["observations", "health"], wanted: int, now_ms: int) -> None:
        """Shed the oldest rows, ``wanted`` bytes of them, that are not in flight."""
        runs: list[tuple[int, int, int]] = []
        freed = 0
        for first, last in self._between_flights(stream):
            query = "SELECT seq, length(body) FROM message WHERE stream = ? AND seq BETWEEN ? AND ? ORDER BY seq"
            for seq, size in self._connection.execute(query, (stream, first, last)):
                if freed >= wanted:
                    break
                freed += size
                if runs and runs[-1][1] + 1 == seq:
                    runs[-1] = (runs[-1][0], seq, runs[-1][2] + size)
                else:
                    runs.append((seq, seq, size))
        for first, last, size in runs:
            self._delete(stream, first, last, size)
            self._shed[stream] += last - first + 1
            self._append([("events", self._loss(stream, first, last, "quota", now_ms))], now_ms)
        if runs:
            _LOG.warning("shed for room", stream=stream, rows=sum(last - first + 1 for first, last, _ in runs))

    def _loss(self, stream: Stream, first: int, last: int, reason: Literal["quota", "corrupt"], now_ms: int) -> bytes:
        record = LossRecord(
            time_ms=now_ms, stream=stream, epoch=self.epoch, first_seq=first, last_seq=last, reason=reason
        )
        return msgspec.msgpack.encode(record)


_UPLOAD_FIELDS = ("sha256", "path", "event_id", "role", "time_ms")


def _open_row(stream: Stream, seq: int, body: bytes, sha256: bytes) -> Message | None:
    """Return the message of a row; None if the row is not what was written."""
    if row_sha256(stream, seq, body) != sha256:
        return None
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as error:
        # It was written by a version that allowed what this one, and so the centre, does not.
        _LOG.error("a message does not follow its schema", stream=stream, seq=seq, reason=str(error))
        return None
