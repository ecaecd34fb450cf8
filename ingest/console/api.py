"""The JSON API; it gives the answers that the pages show."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from ingest.accounts import Role
from ingest.console.forms import Note, save_note
from ingest.console.gate import session_of
from ingest.console.live import changes
from ingest.console.package import package
from ingest.store import fleet, queries
from ingest.store.fleet import AgentRow
from ingest.store.queries import Before, CaseDetail, CaseFilter, CasePage, CaseSummary, Standing
from wire.health import CameraCard

Anyone = Request[Any, Any, Any]
Word = Annotated[str, QueryParameter(max_length=100)]


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in; ``csrf_token`` goes into the header ``X-CSRF-Token`` of everything that changes something."""

    name: str
    role: Role
    csrf_token: str


class Pins(msgspec.Struct, frozen=True, kw_only=True):
    """What the map shows."""

    cases: tuple[CaseSummary, ...]
    cameras: tuple[CameraCard, ...]


@get("/api/me", opt={"role": "viewer"}, sync_to_thread=False)
def me(request: Anyone) -> Me:
    """Return who is signed in."""
    session = session_of(request)
    return Me(name=session.account.name, role=session.account.role, csrf_token=session.csrf)


@get("/api/cases", opt={"role": "viewer"}, sync_to_thread=True)
def list_cases(
    request: Anyone,
    *,
    standing: FromQuery[Standing] = "all",
    kind: Word = "",
    camera: Word = "",
    zone: Word = "",
    device: Word = "",
    text: Word = "",
    from_ms: FromQuery[int | None] = None,
    to_ms: FromQuery[int | None] = None,
    before: FromQuery[Before] = "",
    rows: Annotated[int, QueryParameter(ge=1, le=200)] = queries.PAGE_ROWS,
) -> CasePage:
    """Return cases, newest first; ``before`` is the ``older`` of the page before."""
    named = {"kind": kind, "camera": camera, "zone": zone, "device": device, "text": text}
    wanted = CaseFilter(standing=standing, from_ms=from_ms, to_ms=to_ms, **named)
    return queries.list_cases(request.app.state.engine, wanted, before=before, rows=rows)


@get("/api/cases/{case_id:int}", opt={"role": "viewer"}, sync_to_thread=True)
def read_case(request: Anyone, case_id: FromPath[int]) -> CaseDetail:
    """Return all of a case."""
    found = queries.read_case(request.app.state.engine, case_id)
    if found is None:
        raise NotFoundException(f"no case {case_id}")
    return found


@post("/api/cases/{case_id:int}/notes", opt={"role": "operator"}, sync_to_thread=True)
def add_note(request: Anyone, case_id: FromPath[int], data: JSONBody[Note]) -> None:
    """Add a note to a case."""
    save_note(request, case_id, data.text)


@get("/api/agents", opt={"role": "viewer"}, sync_to_thread=True)
def list_agents(request: Anyone) -> list[AgentRow]:
    """Return every agent with its cameras, its last health report and its gaps."""
    return fleet.list_agents(request.app.state.engine)


@get("/api/map", opt={"role": "viewer"}, sync_to_thread=True)
def pins(request: Anyone) -> Pins:
    """Return the cases that stand now and the cameras, those with a position."""
    engine = request.app.state.engine
    cards = sorted(fleet.camera_cards(engine).values(), key=lambda card: card.id)
    return Pins(
        cases=tuple(queries.open_cases(engine)), cameras=tuple(card for card in cards if card.position is not None)
    )


@get("/api/basemap", opt={"role": "viewer"}, sync_to_thread=True)
def basemap(request: Anyone) -> dict[str, Any]:
    """Return the GeoJSON to draw under the pins; empty when the centre has none."""
    name = request.app.state.centre.basemap
    if not name:
        return {"type": "FeatureCollection", "features": []}
    read: dict[str, Any] = json.loads(Path(name).read_bytes())
    return read


API = (me, list_cases, read_case, package, add_note, list_agents, pins, basemap, changes)
