"""What the console and the API ask of the store about cases; both show the same answers."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, false, func, insert, or_, select

from ingest.accounts import record
from ingest.store.engine import writing
from ingest.store.rows import read_row
from ingest.store.tables import case_entry, cases, event, evidence

PAGE_ROWS = 30
NOTE_MAX = 2_000

Standing = Literal["all", "standing", "left"]


class CaseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases are asked for; empty means any."""

    standing: Standing = "all"
    kind: str = ""
    camera: str = ""
    zone: str = ""
    device: str = ""
    text: str = ""
    from_ms: int | None = None
    to_ms: int | None = None


class CaseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A case in a list."""

    id: int
    kind: str
    stage: str
    agent: str
    camera: str | None
    zone: str | None
    device: str | None
    urgent: bool
    rule: str
    label: str
    confidence: float
    start_ms: int
    opened_ms: int
    committed_ms: int
    end_ms: int | None
    latitude: float | None
    longitude: float | None
    is_complete: bool
    still: str | None = None
    """SHA-256 of the picture to show in a list: the working copy of the latest role."""


class EvidenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a case; ``stored_ms`` is None until it is here and its hash is right."""

    event_id: str
    sha256: str
    agent: str
    role: str
    size: int
    media_type: str
    time_ms: int
    copy_of: str | None
    stored_ms: int | None


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a case's history."""

    time_ms: int
    what: str
    actor: str
    body: Any


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a case as it came."""

    id: str
    phase: str
    agent: str
    time_ms: int
    received_ms: int
    body: Any


class CaseDetail(CaseSummary, frozen=True, kw_only=True):
    """Everything the centre knows of a case."""

    bbox: tuple[float, float, float, float] | None
    size: tuple[int, int] | None
    expects: tuple[str, ...]
    facts: dict[str, Any]
    clock: str
    trace_id: str
    missing: tuple[str, ...] = ()
    """Roles of expected evidence that is not here yet."""
    evidence: tuple[EvidenceRow, ...] = ()
    entries: tuple[EntryRow, ...] = ()
    events: tuple[EventRow, ...] = ()


class CasePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of cases, newest first; ``older`` is what to ask for to go on."""

    cases: tuple[CaseSummary, ...]
    older: str | None
    standing_count: int


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to filter by."""

    kinds: tuple[str, ...]
    cameras: tuple[str, ...]
    zones: tuple[str, ...]
    devices: tuple[str, ...]


Before = Annotated[str, Meta(pattern=r"^(\d{1,15}-\d{1,15})?$(?!\n)")]

_SUMMARY = [cases.c[name] for name in CaseSummary.__struct_fields__ if name != "still"]


def list_cases(engine: Engine, wanted: CaseFilter, *, before: str = "", rows: int = PAGE_ROWS) -> CasePage:
    """Return a page of cases; ``before`` is the ``older`` of the page before."""
    query = select(*_SUMMARY).where(*_conditions(wanted)).order_by(cases.c.opened_ms.desc(), cases.c.id.desc())
    if before:
        opened_ms, case_id = (int(part) for part in before.split("-"))
        query = query.where(
            or_(cases.c.opened_ms < opened_ms, and_(cases.c.opened_ms == opened_ms, cases.c.id < case_id))
        )
    with engine.connect() as connection:
        found = _summaries(connection, query.limit(rows + 1))
        standing = connection.scalar(select(func.count()).where(cases.c.end_ms.is_(None))) or 0
    shown = found[:rows]
    older = f"{shown[-1].opened_ms}-{shown[-1].id}" if len(found) > rows else None
    return CasePage(cases=tuple(shown), older=older, standing_count=standing)


def open_cases(engine: Engine, *, rows: int = 500) -> list[CaseSummary]:
    """Return the cases whose vehicle stands now and whose place is known, newest first."""
    query = select(*_SUMMARY).where(cases.c.end_ms.is_(None), cases.c.latitude.is_not(None))
    with engine.connect() as connection:
        return _summaries(connection, query.order_by(cases.c.opened_ms.desc()).limit(rows))


def read_case(engine: Engine, case_id: int) -> CaseDetail | None:
    """Return all of one case."""
    with engine.connect() as connection:
        row = connection.execute(select(cases).where(cases.c.id == case_id)).mappings().first()
        if row is None:
            return None
        files = _evidence_of(connection, [case_id]).get(case_id, ())
        entries = select(case_entry).where(case_entry.c.case_id == case_id).order_by(case_entry.c.id)
        events = select(event).where(event.c.case_id == case_id).order_by(event.c.time_ms)
        return read_row(
            CaseDetail,
            row,
            still=_still_of(files),
            missing=_missing(row["expects"], files),
            evidence=files,
            entries=tuple(read_row(EntryRow, entry) for entry in connection.execute(entries).mappings()),
            events=tuple(read_row(EventRow, each) for each in connection.execute(events).mappings()),
        )


def choices(engine: Engine) -> Choices:
    """Return the kinds, cameras, zones and devices that cases are of."""
    names = ("kind", "camera", "zone", "device")
    with engine.connect() as connection:
        seen = {name: set(connection.scalars(select(cases.c[name]).distinct())) for name in names}
    kinds, cameras, zones, devices = (tuple(sorted(seen[name] - {None})) for name in names)
    return Choices(kinds=kinds, cameras=cameras, zones=zones, devices=devices)


def read_evidence(engine: Engine, sha256: str) -> EvidenceRow | None:
    """Return what a stored file is; None when no case has it or it is not here yet.

    One that is an original anywhere is an original, whatever else was said of the same bytes.
    """
    query = select(evidence).where(evidence.c.sha256 == sha256, evidence.c.stored_ms.is_not(None))
    query = query.order_by(evidence.c.copy_of.is_not(None)).limit(1)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return read_row(EvidenceRow, row) if row else None


def add_note(engine: Engine, case_id: int, *, text: str, actor: str, now_ms: int) -> bool:
    """Add a note to a case's history; return whether there is such a case."""
    row = {"case_id": case_id, "time_ms": now_ms, "what": "note", "actor": actor, "body": {"text": text}}
    with writing(engine) as connection:
        if connection.scalar(select(cases.c.id).where(cases.c.id == case_id)) is None:
            return False
        connection.execute(insert(case_entry).values(row))
        record(connection, actor=actor, action="case.note", subject=str(case_id), now_ms=now_ms, body={})
    return True


def _conditions(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.standing != "all":
        conditions.append(cases.c.end_ms.is_(None) if wanted.standing == "standing" else cases.c.end_ms.is_not(None))
    asked = {name: getattr(wanted, name) for name in ("kind", "camera", "zone", "device")}
    conditions.extend(cases.c[name] == value for name, value in asked.items() if value)
    if wanted.text:
        conditions.append(_mentions(wanted.text.strip()))
    if wanted.from_ms is not None:
        conditions.append(cases.c.opened_ms >= wanted.from_ms)
    if wanted.to_ms is not None:
        conditions.append(cases.c.opened_ms < wanted.to_ms)
    return conditions


def _mentions(text: str) -> ColumnElement[bool]:
    """Return the condition that a case has the text in one of its names, or as its number."""
    names = ("label", "camera", "zone", "device", "agent", "rule", "kind", "trace_id")
    number = text.removeprefix("#")
    by_number = cases.c.id == int(number) if number.isdecimal() and len(number) < 16 else false()
    return or_(by_number, *(cases.c[name].icontains(text, autoescape=True) for name in names))


def _summaries(connection: Connection, query: Select[Any]) -> list[CaseSummary]:
    rows = connection.execute(query).mappings().all()
    files = _evidence_of(connection, [row["id"] for row in rows])
    return [read_row(CaseSummary, row, still=_still_of(files.get(row["id"], ()))) for row in rows]


def _evidence_of(connection: Connection, case_ids: list[int]) -> dict[int, tuple[EvidenceRow, ...]]:
    """Return the files of several cases, in the order in which they were taken."""
    events = select(event.c.id, event.c.case_id).where(event.c.case_id.in_(case_ids)).distinct().subquery()
    query = (
        select(events.c.case_id, evidence)
        .join(evidence, evidence.c.event_id == events.c.id)
        .order_by(evidence.c.time_ms, evidence.c.copy_of.is_not(None), evidence.c.sha256)
    )
    found: dict[int, tuple[EvidenceRow, ...]] = {}
    for row in connection.execute(query).mappings():
        each = read_row(EvidenceRow, row)
        found[row["case_id"]] = (*found.get(row["case_id"], ()), each)
    return found


def _still_of(files: tuple[EvidenceRow, ...]) -> str | None:
    roles = ("before", "arrival", "middle", "limit", "after")
    stills = [each for each in files if each.stored_ms is not None and each.role in roles and each.copy_of is not None]
    best = max(stills, key=lambda each: roles.index(each.role), default=None)
    return best.sha256 if best else None


def _missing(expects: list[str], files: tuple[EvidenceRow, ...]) -> tuple[str, ...]:
    here = {each.role for each in files if each.copy_of is None and each.stored_ms is not None}
    return tuple(role for role in expects if role not in here)
