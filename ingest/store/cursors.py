"""How far each stream of each agent has come."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from ingest.cursor import Cursor
from ingest.store.tables import cursor
from ingest.store.upsert import chunks, insert_into

StreamKey = tuple[str, str, str]
"""Agent, epoch, stream."""

_KEY = sa.tuple_(cursor.c.agent, cursor.c.epoch, cursor.c.stream)


def lock_cursors(connection: sa.Connection, keys: Iterable[StreamKey], now_ms: int) -> dict[StreamKey, Cursor]:
    """Return the cursors of some streams, held against other workers until the transaction ends."""
    wanted = sorted(set(keys))  # always in one order, or two workers could wait for each other
    found = _lock(connection, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:  # a row must be there to be locked
        fresh = [
            {"agent": agent, "epoch": epoch, "stream": stream, "through_seq": 0, "above": (), "time_ms": now_ms}
            for agent, epoch, stream in missing
        ]
        connection.execute(insert_into(connection, cursor).on_conflict_do_nothing(), fresh)
        found |= _lock(connection, missing)
    return found


def _lock(connection: sa.Connection, keys: Sequence[StreamKey]) -> dict[StreamKey, Cursor]:
    found: dict[StreamKey, Cursor] = {}
    for few in chunks(keys):
        query = sa.select(cursor).where(_KEY.in_(few)).order_by(cursor.c.agent, cursor.c.epoch, cursor.c.stream)
        for row in connection.execute(query.with_for_update()):
            runs = tuple((first, last) for first, last in row.above)
            found[row.agent, row.epoch, row.stream] = Cursor(row.through_seq, runs)
    return found


def save_cursors(connection: sa.Connection, changed: Mapping[StreamKey, Cursor], now_ms: int) -> None:
    """Write cursors that were locked before."""
    if not changed:
        return
    query = (
        sa.update(cursor)
        .where(
            cursor.c.agent == sa.bindparam("of_agent"),
            cursor.c.epoch == sa.bindparam("of_epoch"),
            cursor.c.stream == sa.bindparam("of_stream"),
        )
        .values(through_seq=sa.bindparam("through"), above=sa.bindparam("runs"), time_ms=now_ms)
    )
    rows = [
        {"of_agent": agent, "of_epoch": epoch, "of_stream": stream, "through": each.through_seq, "runs": each.above}
        for (agent, epoch, stream), each in changed.items()
    ]
    connection.execute(query, rows)
