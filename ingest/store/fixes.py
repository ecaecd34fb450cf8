"""Fixes: where vehicles were, kept for some days and played back as tracks."""

from collections.abc import Sequence

import sqlalchemy as sa

from ingest.store.tables import fix
from ingest.store.upsert import insert_into
from wire.fix import Fix


def add_fixes(connection: sa.Connection, fixes: Sequence[Fix], now_ms: int) -> None:
    """Insert fixes, of each vehicle one at an instant."""
    rows = [{name: getattr(each, name) for name in Fix.__struct_fields__} | {"received_ms": now_ms} for each in fixes]
    if rows:
        connection.execute(insert_into(connection, fix).on_conflict_do_nothing(), rows)


def forget_fixes(connection: sa.Connection, before_ms: int, rows_max: int) -> int:
    """Delete about ``rows_max`` of the fixes that came before an instant, oldest first; return how many."""
    oldest = sa.select(fix.c.received_ms).where(fix.c.received_ms < before_ms)
    oldest = oldest.order_by(fix.c.received_ms).limit(rows_max)
    until_ms = connection.execute(sa.select(sa.func.max(oldest.subquery().c.received_ms))).scalar_one()
    if until_ms is None:
        return 0
    return connection.execute(sa.delete(fix).where(fix.c.received_ms <= until_ms)).rowcount
