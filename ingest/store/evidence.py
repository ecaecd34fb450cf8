"""Evidence: which files show which events, which of them are here, and which cases have all they expect."""

from collections.abc import Collection, Iterable

import msgspec
import sqlalchemy as sa

from ingest.store.tables import case_entry, cases, event, evidence
from ingest.store.upsert import chunks, insert_into
from wire.event import Evidence


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an agent has named and may send."""

    sha256: str
    size: int
    is_stored: bool


def name_evidence(connection: sa.Connection, named: Iterable[tuple[str, Evidence]]) -> None:
    """Write which files agents say they have; one that another event has brought already counts as stored."""
    rows = [
        {name: getattr(each, name) for name in Evidence.__struct_fields__} | {"agent": agent} for agent, each in named
    ]
    if not rows:
        return
    stored: dict[str, int] = {}
    for few in chunks({row["sha256"] for row in rows}):
        query = sa.select(evidence.c.sha256, evidence.c.stored_ms).where(
            evidence.c.sha256.in_(few), evidence.c.stored_ms.is_not(None)
        )
        stored |= {row.sha256: row.stored_ms for row in connection.execute(query)}
    for row in rows:
        row["stored_ms"] = stored.get(row["sha256"])
    insert = insert_into(connection, evidence).on_conflict_do_nothing(index_elements=["event_id", "sha256"])
    connection.execute(insert, rows)


def find_wanted(connection: sa.Connection, agent: str, sha256: str) -> Wanted | None:
    """Return what is known of a file that an agent has named; None if it has not."""
    query = sa.select(evidence.c.size, evidence.c.stored_ms).where(
        evidence.c.agent == agent, evidence.c.sha256 == sha256
    )
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else Wanted(sha256=sha256, size=row.size, is_stored=row.stored_ms is not None)


def unstored(connection: sa.Connection) -> list[tuple[str, Wanted]]:
    """Return the files that are still to come, each with the agent that has it."""
    query = sa.select(evidence.c.agent, evidence.c.sha256, evidence.c.size).where(evidence.c.stored_ms.is_(None))
    return [
        (row.agent, Wanted(sha256=row.sha256, size=row.size, is_stored=False))
        for row in connection.execute(query.distinct())
    ]


def mark_stored(connection: sa.Connection, sha256: str, now_ms: int) -> set[int]:
    """Write that a file is here and its hash is right; return the cases that it belongs to."""
    news = evidence.c.sha256 == sha256, evidence.c.stored_ms.is_(None)
    query = (
        sa.select(event.c.case_id, evidence.c.agent, evidence.c.role, evidence.c.event_id)
        .join(event, event.c.id == evidence.c.event_id)
        .where(*news)
        .distinct()
    )
    shown = connection.execute(query).all()
    connection.execute(sa.update(evidence).where(*news).values(stored_ms=now_ms))
    entries = [
        {
            "case_id": row.case_id,
            "time_ms": now_ms,
            "what": "evidence",
            "actor": row.agent,
            "body": {"event": row.event_id, "role": row.role, "sha256": sha256},
        }
        for row in shown
    ]
    if entries:
        connection.execute(sa.insert(case_entry), entries)
    case_ids = {row.case_id for row in shown}
    note_completeness(connection, case_ids, now_ms)
    return case_ids


def cases_with_evidence(connection: sa.Connection, event_ids: Iterable[str]) -> set[int]:
    """Return the cases of these events for which some file is stored."""
    found: set[int] = set()
    for few in chunks(sorted(set(event_ids))):
        query = (
            sa.select(event.c.case_id)
            .join(evidence, evidence.c.event_id == event.c.id)
            .where(event.c.id.in_(few), evidence.c.stored_ms.is_not(None))
        )
        found |= set(connection.execute(query.distinct()).scalars())
    return found


def note_completeness(connection: sa.Connection, case_ids: Collection[int], now_ms: int) -> None:
    """Write which of these cases have, for every role they expect, a stored original; once complete stays so."""
    for few in chunks(case_ids):
        roles: dict[int, set[str]] = {}
        query = (
            sa.select(event.c.case_id, evidence.c.role)
            .join(evidence, evidence.c.event_id == event.c.id)
            .where(event.c.case_id.in_(few), evidence.c.stored_ms.is_not(None), evidence.c.copy_of.is_(None))
            .distinct()
        )
        for row in connection.execute(query):
            roles.setdefault(row.case_id, set()).add(row.role)
        waiting = sa.select(cases.c.id, cases.c.agent, cases.c.expects).where(
            cases.c.id.in_(roles), cases.c.is_complete.is_(False)
        )
        complete = [row for row in connection.execute(waiting) if set(row.expects) <= roles.get(row.id, set())]
        if not complete:
            continue
        connection.execute(
            sa.update(cases).where(cases.c.id.in_([row.id for row in complete])).values(is_complete=True)
        )
        entry = {"time_ms": now_ms, "what": "complete", "body": {}}
        connection.execute(sa.insert(case_entry), [entry | {"case_id": row.id, "actor": row.agent} for row in complete])
