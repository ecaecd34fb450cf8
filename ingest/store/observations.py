"""Observations: many, small, written as fast as the database takes them and forgotten after some days."""

from collections.abc import Iterable

import sqlalchemy as sa

from ingest.store.tables import observation
from wire.observation import Observation

_COLUMNS = ", ".join(column.name for column in observation.columns)
_INSERT = f"INSERT INTO observation ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # our own names
_COPY = f"COPY observation ({_COLUMNS}) FROM STDIN"

Row = tuple[str, str, str, str, int, float | None, str | None, str, str, int]


def row_of(agent: str, each: Observation, now_ms: int) -> Row:
    """Return an observation as a row; truth is a number here, 1 or 0."""
    result = each.result
    number, text = (None, result) if isinstance(result, str) else (float(result), None)
    return (
        agent,
        each.source,
        each.property,
        each.feature,
        each.time_ms,
        number,
        text,
        each.unit,
        each.quality,
        now_ms,
    )


def add_observations(connection: sa.Connection, rows: list[Row]) -> None:
    """Insert rows; raise sqlalchemy.exc.DBAPIError as any statement would."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_INSERT, rows)
        return
    _copy(connection, rows)


def _copy(connection: sa.Connection, rows: Iterable[Row]) -> None:
    """Insert by COPY, which takes several times as many rows a second as INSERT does."""
    import psycopg  # noqa: PLC0415  # only where PostgreSQL is used is its driver there

    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  # it is the only driver that Centre.database allows
    try:
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(_COPY, None, error, psycopg.Error) from error


def forget_observations(connection: sa.Connection, before_ms: int, rows_max: int) -> int:
    """Delete about ``rows_max`` of the observations that came before an instant, oldest first; return how many."""
    oldest = (
        sa.select(observation.c.received_ms)
        .where(observation.c.received_ms < before_ms)
        .order_by(observation.c.received_ms)
        .limit(rows_max)
        .subquery()
    )
    until_ms = connection.execute(sa.select(sa.func.max(oldest.c.received_ms))).scalar_one()
    if until_ms is None:
        return 0
    return connection.execute(sa.delete(observation).where(observation.c.received_ms <= until_ms)).rowcount
