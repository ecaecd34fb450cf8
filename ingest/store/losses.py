"""The loss ledger: what agents had to shed, and why."""

from collections.abc import Iterable

import sqlalchemy as sa

from ingest.store.tables import loss
from ingest.store.upsert import insert_into
from wire.loss import LossRecord


def add_losses(connection: sa.Connection, lost: Iterable[tuple[str, LossRecord]]) -> None:
    """Write what will never come, each run once."""
    rows = [
        {name: getattr(each, name) for name in LossRecord.__struct_fields__} | {"agent": agent} for agent, each in lost
    ]
    if rows:
        connection.execute(insert_into(connection, loss).on_conflict_do_nothing(), rows)
