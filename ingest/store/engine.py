"""The database of the centre: SQLite that survives a power cut, or PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_S = 15
"""How long a writer of SQLite waits for another one."""
_IS_WRITING = "wayside_is_writing"


def open_engine(url: str) -> sa.Engine:
    """Return an engine; nothing is connected yet. JSON columns take msgspec structs as they are."""
    common: dict[str, Any] = {
        "json_serializer": lambda value: msgspec.json.encode(value).decode(),
        "json_deserializer": msgspec.json.decode,
        "pool_size": 5,
        "max_overflow": 10,
    }
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_S}, **common)
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, **common)


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection inside a transaction that is going to write; committed at the end, undone on an error.

    SQLite must know beforehand: one that reads first and writes later can find that another was faster.
    """
    with engine.connect().execution_options(**{_IS_WRITING: True}) as connection, connection.begin():
        yield connection


def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101  # the engine was made for it just above
    connection.isolation_level = None  # the driver's own idea of when to begin is in the way
    for setting in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_S * 1000}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_writing = connection.get_execution_options().get(_IS_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
