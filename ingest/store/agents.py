"""What the centre knows of each agent: whether it is there, how it is, when it was last heard."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.accounts import record
from ingest.store.tables import agent
from ingest.store.upsert import chunks, insert_into
from wire.health import Health, Status

_AHEAD_MS = 300_000


class Word(msgspec.Struct, kw_only=True):
    """The newest that one agent has said in a group of messages."""

    sent_ms: int | None = None
    """Its own clock when it sent its last batch; None if it sent none."""
    health: Health | None = None
    status: Status | None = None


def note_agents(connection: sa.Connection, words: Mapping[str, Word], now_ms: int) -> set[str]:
    """Write what agents have said, never older over newer; return those whose state or health changed."""
    known: dict[str, Any] = {}
    for few in chunks(sorted(words)):
        known |= {row.id: row for row in connection.execute(sa.select(agent).where(agent.c.id.in_(few)))}
    rows = []
    changed = set()
    for name, word in words.items():
        old = known.get(name)
        row = _row(name, word, old, now_ms)
        rows.append(row)
        _note_key(connection, name, old, row["status"], now_ms)
        if old is None or word.health or row["state"] != old.state or row["status"] != old.status:
            changed.add(name)
    if rows:
        insert = insert_into(connection, agent)
        columns = {column.name: insert.excluded[column.name] for column in agent.columns if column.name != "id"}
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=columns), rows)
    return changed


def _note_key(connection: sa.Connection, name: str, old: Any, status: dict[str, Any] | None, now_ms: int) -> None:
    """Keep every key an agent has ever sealed with: old packages are checked with old keys."""
    before = (old.status or {}).get("public_key", "") if old is not None else ""
    key = (status or {}).get("public_key", "")
    if key and key != before:
        body: dict[str, object] = {"public_key": key, "before": before}
        record(connection, actor=name, action="agent.key", subject=name, now_ms=now_ms, body=body)


def _row(name: str, word: Word, old: Any, now_ms: int) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "state": "online", "state_ms": now_ms, "seen_ms": now_ms}
    row |= {"skew_ms": None, "status": None, "health": None}
    if old is not None:
        row |= old._asdict()
    if word.sent_ms is not None:
        row |= {"seen_ms": now_ms, "skew_ms": now_ms - word.sent_ms}
    if word.health is not None and word.health.time_ms >= _time_ms(row["health"], now_ms):
        row["health"] = msgspec.to_builtins(word.health)
    # A last will bears the time of its birth: at the same time the later word counts.
    if word.status is not None and word.status.time_ms >= _time_ms(row["status"], now_ms):
        if word.status.state != row["state"]:
            row |= {"state": word.status.state, "state_ms": now_ms}
        row["status"] = msgspec.to_builtins(word.status)
    return row


def _time_ms(said: dict[str, Any] | None, now_ms: int) -> int:
    """Return when something was said; 0 if by a clock that stood in the future, whose word counts no more."""
    time_ms: int = said["time_ms"] if said else 0
    return time_ms if time_ms <= now_ms + _AHEAD_MS else 0
