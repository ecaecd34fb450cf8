"""The JSON API of lamps: what there is, orders and how far they have come, approvals, schedules."""

import zoneinfo
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from devices.guard import Over
from ingest.changes import Change
from ingest.console.gate import now_ms, session_of
from ingest.lighting.dispatch import Dispatch
from ingest.lighting.orders import Ask, By, Desk, Fault, OrderError, Outcome, Reason, Schedule
from ingest.store import command_queries, lamp_queries
from ingest.store.command_queries import CommandDetail, CommandRow, ScheduleRow
from ingest.store.lamp_queries import After, Choices, LampFilter, LampPage, LampRow, Pin, Standing, Totals

Anyone = Request[Any, Any, Any]
Word = Annotated[str, QueryParameter(max_length=100)]
CommandId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$")]
BODY_BYTES_MAX = 1024 * 1024
_STATUS: dict[Fault, int] = {"busy": 429, "missing": 404, "used": 409, "late": 409, "own": 403}


class Approving(msgspec.Struct, frozen=True, kw_only=True):
    """Why a second person agrees."""

    reason: Reason


class NewSchedules(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule file for a gateway, and why."""

    schedules: Annotated[str, Meta(min_length=1, max_length=65_536)]
    reason: Reason


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order: ``issued``, or ``waiting`` for a second person because of ``over``."""

    command_id: str
    state: str
    lamp_count: int
    over: tuple[Over, ...] = ()


class LampsAnswer(LampPage, frozen=True, kw_only=True):
    """A page of lamps, and all lamps together."""

    totals: Totals


@get("/api/lamps", opt={"role": "viewer"}, sync_to_thread=True)
def list_lamps(
    request: Anyone,
    *,
    agent: Word = "",
    area: Word = "",
    circuit: Word = "",
    group: Word = "",
    standing: FromQuery[Standing] = "all",
    text: Word = "",
    after: FromQuery[After] = "",
    rows: Annotated[int, QueryParameter(ge=1, le=1_000)] = lamp_queries.PAGE_ROWS,
) -> LampsAnswer:
    """Return lamps, those with faults first; ``after`` is the ``next`` of the page before."""
    wanted = LampFilter(agent=agent, area=area, circuit=circuit, group=group, standing=standing, text=text)
    page = lamp_queries.list_lamps(request.app.state.engine, wanted, now_ms=now_ms(), after=after, rows=rows)
    return LampsAnswer(lamps=page.lamps, next=page.next, count=page.count, totals=totals_of(request))


@get("/api/lamps/pins", opt={"role": "viewer"}, sync_to_thread=True)
def pins(
    request: Anyone,
    *,
    area: Word = "",
    circuit: Word = "",
    group: Word = "",
    standing: FromQuery[Standing] = "all",
    text: Word = "",
) -> list[Pin]:
    """Return every lamp that has a position, with its condition."""
    wanted = LampFilter(area=area, circuit=circuit, group=group, standing=standing, text=text)
    return lamp_queries.pins(request.app.state.engine, wanted)


@get("/api/lamps/choices", opt={"role": "viewer"}, sync_to_thread=True)
def choices(request: Anyone) -> Choices:
    """Return the areas, circuits and groups of lamps."""
    return lamp_queries.choices(request.app.state.engine)


@get("/api/lamps/{lamp_id:str}", opt={"role": "viewer"}, sync_to_thread=True)
def read_lamp(request: Anyone, lamp_id: FromPath[str]) -> LampRow:
    """Return one lamp."""
    found = lamp_queries.read_lamp(request.app.state.engine, lamp_id, now_ms=now_ms())
    if found is None:
        raise NotFoundException(f"no lamp {lamp_id}")
    return found


@get("/api/lamps/commands", opt={"role": "viewer"}, sync_to_thread=True)
def list_commands(
    request: Anyone,
    *,
    standing: Annotated[str, QueryParameter(name="state", pattern=r"^(waiting|issued|ended|lapsed)?$")] = "",
    rows: Annotated[int, QueryParameter(ge=1, le=200)] = 20,
) -> list[CommandRow]:
    """Return the orders asked for last."""
    return command_queries.list_commands(request.app.state.engine, rows=rows, state=standing)


@post("/api/lamps/commands", opt={"role": "operator"}, sync_to_thread=True, request_max_body_size=BODY_BYTES_MAX)
def order(request: Anyone, data: JSONBody[Ask]) -> Response[Given]:
    """Switch lamps: 201 when issued; 409 when a second person must agree first, 429 when too many orders were given."""
    try:
        return _given(give(request, data))
    except OrderError as error:
        raise refused(error) from error


@get("/api/lamps/commands/{command_id:str}", opt={"role": "viewer"}, sync_to_thread=True)
def read_command(request: Anyone, command_id: CommandId) -> CommandDetail:
    """Return an order and what each lamp did with it."""
    found = command_queries.read_command(request.app.state.engine, command_id)
    if found is None:
        raise NotFoundException(f"no order {command_id}")
    return found


@post("/api/lamps/commands/{command_id:str}/approve", opt={"role": "operator"}, sync_to_thread=True)
def approve(request: Anyone, command_id: CommandId, data: JSONBody[Approving]) -> Response[Given]:
    """Agree to an order of somebody else, once and within 10 minutes."""
    try:
        return _given(agree(request, command_id, data.reason))
    except OrderError as error:
        raise refused(error) from error


@get("/api/schedules/{agent:str}", opt={"role": "viewer"}, sync_to_thread=True)
def read_schedules(request: Anyone, agent: FromPath[str]) -> ScheduleRow:
    """Return the schedules that a gateway was last given, and whether it has taken them."""
    found = command_queries.read_schedule(request.app.state.engine, agent)
    if found is None:
        raise NotFoundException(f"no schedules were ever given to {agent}")
    return found


@put("/api/schedules/{agent:str}", opt={"role": "engineer"}, sync_to_thread=True, request_max_body_size=BODY_BYTES_MAX)
def put_schedules(request: Anyone, agent: FromPath[str], data: JSONBody[NewSchedules]) -> Response[Given]:
    """Give a gateway other schedules; guarded like switching all its lamps off."""
    desk: Desk = request.app.state.desk
    schedule = Schedule(agent=agent, schedules=data.schedules, reason=data.reason)
    try:
        return _given(_sent(request, desk.order_schedule(schedule, by(request))))
    except OrderError as error:
        raise refused(error) from error


def give(request: Anyone, ask: Ask) -> Outcome:
    """Give an order and publish it; raise OrderError."""
    desk: Desk = request.app.state.desk
    return _sent(request, desk.order(ask, by(request)))


def agree(request: Anyone, command_id: str, reason: str) -> Outcome:
    """Approve an order and publish it; raise OrderError."""
    desk: Desk = request.app.state.desk
    return _sent(request, desk.approve(command_id, reason, by(request)))


def by(request: Anyone) -> By:
    """Return who asks, and when."""
    return By(actor=session_of(request).account.name, now_ms=now_ms())


def totals_of(request: Anyone) -> Totals:
    """Return all lamps together, today where the centre is."""
    zone = zoneinfo.ZoneInfo(request.app.state.centre.time_zone)
    return lamp_queries.totals(request.app.state.engine, lamp_queries.today(now_ms(), zone))


def refused(error: OrderError) -> HTTPException:
    """Return an order's fault as an answer by HTTP."""
    headers = {"Retry-After": "10"} if error.fault == "busy" else None
    extra = {"fault": error.fault}
    return HTTPException(detail=str(error), status_code=_STATUS.get(error.fault, 422), headers=headers, extra=extra)


def _sent(request: Anyone, outcome: Outcome) -> Outcome:
    state = request.app.state
    dispatch: Dispatch | None = state.dispatch
    if dispatch is not None:
        dispatch.send(outcome.outgoing)
    state.changes.tell([Change(kind="command", id=outcome.command_id)])
    return outcome


def _given(outcome: Outcome) -> Response[Given]:
    state = "waiting" if outcome.over else "issued"
    given = Given(command_id=outcome.command_id, state=state, lamp_count=outcome.lamp_count, over=outcome.over)
    return Response(given, status_code=409 if outcome.over else 201)


LAMP_API = (
    list_lamps,
    pins,
    choices,
    list_commands,
    order,
    read_command,
    approve,
    read_lamp,
    read_schedules,
    put_schedules,
)
