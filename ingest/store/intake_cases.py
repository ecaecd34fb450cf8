"""Events become cases: what is known is read, rules.case decides, what changed is written."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.store.tables import case_entry, cases, event
from ingest.store.upsert import chunks, insert_into
from rules.case import Case, Entry, step
from wire.event import Event

_Place = tuple[str, str | None, str | None, str]
"""Agent, camera or device, kind: what cases may merge within."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """An event and who sent it."""

    agent: str
    event: Event


class _Filed(msgspec.Struct, kw_only=True):
    """A case while a group of events is taken."""

    case: Case
    id: int | None = None
    """Its row; None until it has one."""
    entries: list[Entry] = []


class Known(msgspec.Struct, frozen=True):
    """A phase of an event that is stored."""

    id: str
    phase: str
    agent: str
    case_id: int


def known_events(connection: sa.Connection, event_ids: Iterable[str]) -> list[Known]:
    """Return what is stored of these events."""
    known: list[Known] = []
    for few in chunks(sorted(set(event_ids))):
        query = sa.select(event.c.id, event.c.phase, event.c.agent, event.c.case_id).where(event.c.id.in_(few))
        known += [Known(*row) for row in connection.execute(query)]
    return known


def take_events(
    connection: sa.Connection, received: Sequence[Received], known: Sequence[Known], now_ms: int
) -> dict[str, int]:
    """Put events into cases, each phase of each event once; return the case of every event that was new.

    ``known`` is what is stored of these events, and perhaps of others.
    """
    fresh = _without_known(received, known)
    if not fresh:
        return {}
    book = _open_book(connection, fresh, known)
    by_event = {event_id: filed for filed in book for event_id in filed.case.event_ids}
    by_place: dict[_Place, list[_Filed]] = {}
    for filed in book:
        by_place.setdefault(_place_of(filed.case), []).append(filed)
    placed: list[tuple[Received, _Filed]] = []
    for each in fresh:
        holder = by_event.get(each.event.id) or by_event.get(each.event.resumes or "")
        here = by_place.setdefault((each.agent, each.event.camera, each.event.device, each.event.kind), [])
        candidates = [holder] if holder else here
        case, entries = step((filed.case for filed in candidates), each.agent, each.event)
        target = next((filed for filed in candidates if filed.case.merge_key == case.merge_key), None)
        if target is None:
            target = _Filed(case=case)
            here.append(target)
        target.case = case
        target.entries.extend(entries)
        by_event[each.event.id] = target
        placed.append((each, target))
    touched = list({id(filed): filed for _, filed in placed}.values())
    _write_cases(connection, touched, now_ms)
    _write_events(connection, placed, now_ms)
    return {each.event.id: _number(filed) for each, filed in placed}


def _without_known(received: Sequence[Received], known: Sequence[Known]) -> list[Received]:
    """Return the events whose phase is not stored yet, each once."""
    seen = {(each.id, each.phase) for each in known}
    fresh = []
    for each in received:
        key = (each.event.id, each.event.phase)
        if key not in seen:
            seen.add(key)
            fresh.append(each)
    return fresh


def _open_book(connection: sa.Connection, fresh: Sequence[Received], known: Sequence[Known]) -> list[_Filed]:
    """Return the cases that hold one of these events, and those of their cameras and devices that have not ended."""
    rows: dict[int, Any] = {}
    for some in chunks(sorted({each.case_id for each in known})):
        rows |= {row.id: row for row in connection.execute(sa.select(cases).where(cases.c.id.in_(some)))}
    for column in (cases.c.camera, cases.c.device):
        names = {getattr(each.event, column.name) for each in fresh if each.event.phase == "start"}
        for few in chunks(sorted(names - {None})):
            query = sa.select(cases).where(column.in_(few), cases.c.end_ms.is_(None))
            rows |= {row.id: row for row in connection.execute(query)}
    event_ids: dict[int, set[str]] = {}
    for some in chunks(rows):
        query = sa.select(event.c.id, event.c.case_id).where(event.c.case_id.in_(some))
        for row in connection.execute(query):
            event_ids.setdefault(row.case_id, set()).add(row.id)
    return [
        _Filed(case=_case_of(row, frozenset(event_ids.get(case_id, ()))), id=case_id) for case_id, row in rows.items()
    ]


def _case_of(row: Any, event_ids: frozenset[str]) -> Case:
    fields = {name: getattr(row, name) for name in Case.__struct_fields__ if name not in ("event_ids", "position")}
    position = None if row.latitude is None else (row.latitude, row.longitude)
    for name in ("bbox", "size", "expects"):
        fields[name] = None if fields[name] is None else tuple(fields[name])
    return Case(event_ids=event_ids, position=position, **fields)


def _place_of(case: Case) -> _Place:
    return case.agent, case.camera, case.device, case.kind


def _row_of(case: Case) -> dict[str, Any]:
    """Return the columns of a case that its events decide."""
    row = {name: getattr(case, name) for name in Case.__struct_fields__ if name not in ("event_ids", "position")}
    row["latitude"], row["longitude"] = case.position or (None, None)
    return row


def _write_cases(connection: sa.Connection, touched: Sequence[_Filed], now_ms: int) -> None:
    new = [filed for filed in touched if filed.id is None]
    old = [filed for filed in touched if filed.id is not None]
    if new:
        _open_cases(connection, new, now_ms)
    if old:
        rows = [{"of_case": each.id} | {f"new_{name}": getattr(each.case, name) for name in _CHANGING} for each in old]
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _CHANGING}
        connection.execute(sa.update(cases).where(cases.c.id == sa.bindparam("of_case")).values(values), rows)
    entries = [
        {
            "case_id": filed.id,
            "time_ms": entry.time_ms,
            "what": entry.what,
            "actor": filed.case.agent,
            "body": {"event": entry.event_id},
        }
        for filed in touched
        for entry in filed.entries
    ]
    if entries:
        connection.execute(sa.insert(case_entry), entries)


def _open_cases(connection: sa.Connection, new: Sequence[_Filed], now_ms: int) -> None:
    """Insert cases and learn their numbers."""
    rows = [
        _row_of(filed.case) | {"committed_ms": now_ms, "is_complete": _expects_nothing(filed.case)} for filed in new
    ]
    # The unique merge key decides if two workers open the same case at once.
    connection.execute(insert_into(connection, cases).on_conflict_do_nothing(index_elements=["merge_key"]), rows)
    numbers: dict[str, int] = {}
    for few in chunks(filed.case.merge_key for filed in new):
        query = sa.select(cases.c.id, cases.c.merge_key).where(cases.c.merge_key.in_(few))
        numbers |= {row.merge_key: row.id for row in connection.execute(query)}
    for filed in new:
        filed.id = numbers[filed.case.merge_key]


def _expects_nothing(case: Case) -> bool:
    """Tell whether a case is complete as it opens; one opened by an end has its expectations still to come."""
    return case.end_ms is None and not case.expects


_CHANGING = ("start_ms", "opened_ms", "end_ms", "expects", "facts", "bbox")
"""What a later event may change in a case."""


def _write_events(connection: sa.Connection, placed: Sequence[tuple[Received, _Filed]], now_ms: int) -> None:
    rows = [
        {
            "id": each.event.id,
            "phase": each.event.phase,
            "agent": each.agent,
            "case_id": _number(filed),
            "time_ms": each.event.time_ms,
            "received_ms": now_ms,
            "body": each.event,
        }
        for each, filed in placed
    ]
    connection.execute(sa.insert(event), rows)


def _number(filed: _Filed) -> int:
    assert filed.id is not None  # noqa: S101  # every case has its row by now
    return filed.id
