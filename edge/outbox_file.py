"""The outbox's file: its tables, how it is opened, and what becomes of one that cannot be read any more."""

import contextlib
import hashlib
import secrets
import sqlite3
import time
from pathlib import Path

import structlog

from shell.disk import sync
from shell.refusal import Refusal
from wire.streams import STREAMS, Stream

_LOG = structlog.get_logger()
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE life (epoch TEXT NOT NULL) STRICT;
CREATE TABLE stream (name TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, shed INTEGER NOT NULL) STRICT;
CREATE TABLE message (
    stream TEXT NOT NULL, seq INTEGER NOT NULL, time_ms INTEGER NOT NULL, body BLOB NOT NULL, sha256 BLOB NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT;
CREATE TABLE state (name TEXT PRIMARY KEY, body BLOB NOT NULL, sha256 BLOB NOT NULL) STRICT;
CREATE TABLE upload (
    sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, event_id TEXT NOT NULL, role TEXT NOT NULL, rank INTEGER NOT NULL,
    time_ms INTEGER NOT NULL, is_damaged INTEGER NOT NULL DEFAULT 0
) STRICT;
"""
KEPT: tuple[Stream, ...] = ("events", "acks")
"""What is never shed, and salvaged from a broken file."""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def row_sha256(stream: str, seq: int, body: bytes) -> bytes:
    """Return the hash a row carries; SQLite itself does not notice a flipped bit in a body."""
    return hashlib.sha256(b"%s/%d/" % (stream.encode(), seq) + body).digest()


def state_sha256(name: str, body: bytes) -> bytes:
    """Return the hash that a piece of state carries."""
    return hashlib.sha256(name.encode() + b"/" + body).digest()


def open_file(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Return the opened file and, if a broken one had to be put aside for it, where that now lies.

    Raises:
        Refusal: the file cannot be opened for another reason: in use, not writable, of a later version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(path), None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in _BROKEN:
            raise _refusal(path, error) from error
        _LOG.error("the outbox is broken, a new one is begun", path=str(path), reason=str(error))
    except OSError as error:
        raise Refusal(str(path), f"cannot be opened: {error.strerror}") from error
    aside = _put_aside(path)
    return _open(path), aside


def _refusal(path: Path, error: sqlite3.DatabaseError) -> Refusal:
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return Refusal(str(path), "is in use by another process", "one agent a storage folder; is it running already?")
    return Refusal(str(path), f"cannot be opened: {error}", "the folder must be writable and on a local disk")


def _open(path: Path) -> sqlite3.Connection:
    """Return a connection that owns the file alone, in WAL with synchronous=FULL, its tables made and checked."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
    try:
        # Whoever holds an exclusive WAL needs no shared memory file, and a second agent is refused at once.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        _make(connection, path)
        connection.execute("COMMIT")
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        epoch = connection.execute("SELECT epoch FROM life").fetchone()
    except BaseException:
        connection.close()
        raise
    if found != "ok" or epoch is None:
        connection.close()
        error = sqlite3.DatabaseError(f"quick_check: {found}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return connection


def _make(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file; refuse a file that a later version wrote."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise Refusal(str(path), f"was written by a later version (schema {version})", "update Wayside")
    if version == _SCHEMA_VERSION:
        _add_streams(connection)  # a stream may be younger than the file
        return
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO life (epoch) VALUES (?)", (secrets.token_hex(8),))
    _add_streams(connection)
    connection.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")


def _add_streams(connection: sqlite3.Connection) -> None:
    connection.executemany("INSERT OR IGNORE INTO stream VALUES (?, 0, 0)", [(stream,) for stream in STREAMS])


def _put_aside(path: Path) -> Path:
    aside = path.with_name(
        f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"
    )
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    sync(path.parent)
    return aside


class Salvage:
    """What a broken file still gives: rows with a good hash. Whatever cannot be read is left where it lies."""

    def __init__(self, path: Path) -> None:
        self.messages: list[tuple[Stream, bytes]] = []
        """Of the streams that are never shed."""
        self.states: list[tuple[str, bytes]] = []
        self.uploads: list[tuple[str, str, str, str, int]] = []
        self.epoch = ""
        self.runs: list[tuple[str, int, int]] = []
        """Per stream the first and last number that lay in the broken file: in that epoch they will never come."""
        for read in (self._read_life, self._read_states, self._read_uploads, self._read_messages):
            with contextlib.suppress(sqlite3.DatabaseError):
                connection = sqlite3.connect(path)
                try:
                    read(connection)
                finally:
                    connection.close()

    def _read_life(self, connection: sqlite3.Connection) -> None:
        life = connection.execute("SELECT epoch FROM life").fetchone()
        if life is None:
            return  # of which life the numbers were, nobody can say any more
        self.epoch = life[0]
        self.runs = connection.execute(
            "SELECT stream, min(seq), last_seq FROM message JOIN stream ON name = stream GROUP BY stream"
        ).fetchall()

    def _read_states(self, connection: sqlite3.Connection) -> None:
        for name, body, sha256 in connection.execute("SELECT name, body, sha256 FROM state"):
            if state_sha256(name, body) == sha256:
                self.states.append((name, body))

    def _read_uploads(self, connection: sqlite3.Connection) -> None:
        columns = "sha256, path, event_id, role, time_ms"
        for row in connection.execute(f"SELECT {columns} FROM upload WHERE is_damaged = 0"):  # noqa: S608  # our names
            self.uploads.append(row)

    def _read_messages(self, connection: sqlite3.Connection) -> None:
        for stream in KEPT:
            rows = connection.execute("SELECT seq, body, sha256 FROM message WHERE stream = ? ORDER BY seq", (stream,))
            for seq, body, sha256 in rows:
                if row_sha256(stream, seq, body) == sha256:
                    self.messages.append((stream, body))
