"""INSERT ... ON CONFLICT, which SQLite and PostgreSQL write alike and SQLAlchemy keeps in two places."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

_VALUES_MAX = 5_000
"""Most values of one IN; both databases take more, but not without end."""


def insert_into(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return the insert of this connection's database."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def chunks(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield values in runs that fit into one statement."""
    every = list(values)
    for first in range(0, len(every), _VALUES_MAX):
        yield every[first : first + _VALUES_MAX]
