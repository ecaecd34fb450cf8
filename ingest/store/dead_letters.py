"""Dead letters: what could not be taken, with its reason, kept to be looked at and tried again."""

import hashlib
from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.store.tables import dead_letter
from ingest.store.upsert import insert_into

PAYLOAD_BYTES_MAX = 64 * 1024
_REASON_MAX = 1_000


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A payload, or one message of it made a payload of its own."""

    topic: str
    payload: bytes
    reason: str
    agent: str = ""
    """As the topic says; empty if it says none."""
    seq: int | None = None
    """Number of the message, if it was put aside alone."""


def keep_dead_letter(connection: sa.Connection, letter: DeadLetter, *, now_ms: int, rows_max: int) -> None:
    """Keep a letter; the same one again is only counted, and beyond ``rows_max`` the oldest go."""
    reason = letter.reason.replace("\0", "\\0")[:_REASON_MAX]
    if len(letter.payload) > PAYLOAD_BYTES_MAX:
        reason += f" (kept: {PAYLOAD_BYTES_MAX} of {len(letter.payload)} bytes)"
    row = {
        "digest": hashlib.sha256(letter.topic.encode() + b"\0" + letter.payload).hexdigest(),
        "topic": letter.topic.replace("\0", "\\0"),
        "agent": letter.agent,
        "seq": letter.seq,
        "reason": reason,
        "payload": letter.payload[:PAYLOAD_BYTES_MAX],
        "first_ms": now_ms,
        "last_ms": now_ms,
        "count": 1,
    }
    again = {"last_ms": now_ms, "count": dead_letter.c.count + 1, "reason": reason}
    insert = insert_into(connection, dead_letter).values(row)
    connection.execute(insert.on_conflict_do_update(index_elements=["digest"], set_=again))
    first_too_many = sa.select(dead_letter.c.id).order_by(dead_letter.c.id.desc()).limit(1).offset(rows_max)
    connection.execute(sa.delete(dead_letter).where(dead_letter.c.id <= first_too_many.scalar_subquery()))


def find_dead_letter(connection: sa.Connection, letter_id: int) -> sa.Row[Any] | None:
    """Return the row of a dead letter, or None."""
    return connection.execute(sa.select(dead_letter).where(dead_letter.c.id == letter_id)).one_or_none()


def drop_dead_letter(connection: sa.Connection, letter_id: int) -> None:
    """Forget a dead letter."""
    connection.execute(sa.delete(dead_letter).where(dead_letter.c.id == letter_id))
