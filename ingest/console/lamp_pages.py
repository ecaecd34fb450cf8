"""The lighting pages: lamps as list and map, the step before a switch, and an order while it goes its way."""

from typing import Annotated, Any, get_args

import anyio
import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromQuery, PathParameter, QueryParameter, URLEncodedBody
from litestar.response import Redirect

from devices.guard import DARKENING
from ingest.accounts import may
from ingest.console import progress
from ingest.console.gate import now_ms, session_of
from ingest.console.lamp_api import BODY_BYTES_MAX, agree, give, totals_of
from ingest.console.page import render
from ingest.lighting.orders import MINUTES, Ask, Fault, OrderError, Reason, choose
from ingest.store import command_queries, lamp_queries
from ingest.store.lamp_queries import After, LampFilter, Standing

Anyone = Request[Any, Any, Any]
Word = Annotated[str, QueryParameter(max_length=100)]
CommandId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$")]
SURE_FROM = 10
"""From so many lamps on also light asks once more."""
LEVELS = (80, 70, 60, 50, 40, 30, 20, 10)
SPANS = (15, 30, 60, 120, 240, 480, 720)
RESULTS_SHOWN = 200
_NAMES_SHOWN = 12
_DAY_MS = 86_400_000


class Approved(msgspec.Struct):
    """Why a second person agrees."""

    reason: Reason = ""


@get("/lighting", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def lighting(
    request: Anyone,
    *,
    agent: Word = "",
    area: Word = "",
    circuit: Word = "",
    group: Word = "",
    standing: FromQuery[Standing] = "all",
    text: Word = "",
    view: Annotated[str, QueryParameter(pattern="^(list|map)$")] = "list",
    after: FromQuery[After] = "",
) -> Response[str]:
    """Show the lamps, what they do and what is asked of them."""
    engine = request.app.state.engine
    wanted = LampFilter(agent=agent, area=area, circuit=circuit, group=group, standing=standing, text=text)
    chosen = {"agent": agent, "area": area, "circuit": circuit, "group": group}
    chosen |= {"standing": standing, "text": text, "view": view}
    recent = command_queries.list_commands(engine, rows=8, since_ms=now_ms() - _DAY_MS)
    return render(
        request,
        "lighting.html",
        page=lamp_queries.list_lamps(engine, wanted, now_ms=now_ms(), after=after),
        totals=totals_of(request),
        choices=lamp_queries.choices(engine),
        orders=[each for each in recent if each.state != "waiting"][:5],
        waiting=command_queries.list_commands(engine, state="waiting"),
        chosen=chosen,
        view=view,
        after=after,
        word=progress.word,
        is_filtered=any((agent, area, circuit, group, text, standing != "all")),
        is_operator=may(session_of(request).account.role, "operator"),
    )


@post(
    "/lighting/orders",
    opt={"role": "operator"},
    include_in_schema=False,
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
)
async def switch(request: Anyone) -> Response[Any]:
    """Switch lamps, or ask first where it is dark afterwards or many are meant."""
    form = await request.form()
    return await anyio.to_thread.run_sync(_switch, request, form)


@get("/lighting/orders/{command_id:str}", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def order_page(
    request: Anyone, command_id: CommandId, *, problem: Annotated[str, QueryParameter(pattern="^[a-z]{0,10}$")] = ""
) -> Response[str]:
    """Show an order while it goes its way; ``problem`` is why it was not approved just now."""
    found = command_queries.read_command(request.app.state.engine, command_id)
    if found is None:
        raise NotFoundException(f"no order {command_id}")
    return render(
        request,
        "order.html",
        order=found,
        steps=progress.steps(found),
        lines=[progress.line(each) for each in found.results[:RESULTS_SHOWN]],
        word=progress.word(found),
        problem=problem if problem in get_args(Fault) else "",
        is_operator=may(session_of(request).account.role, "operator"),
    )


@post(
    "/lighting/orders/{command_id:str}/approve",
    opt={"role": "operator"},
    sync_to_thread=True,
    include_in_schema=False,
    status_code=200,
)
def approve(request: Anyone, command_id: CommandId, data: URLEncodedBody[Approved]) -> Response[Any]:
    """Agree to somebody else's order."""
    try:
        agree(request, command_id, data.reason)
    except OrderError as error:
        return Redirect(f"/lighting/orders/{command_id}?problem={error.fault}", status_code=303)
    return Redirect(f"/lighting/orders/{command_id}", status_code=303)


def _switch(request: Anyone, form: FormMultiDict) -> Response[Any]:
    try:
        ask = _ask(form)
    except (msgspec.ValidationError, ValueError) as error:
        raise HTTPException(detail=str(error), status_code=422) from error
    try:
        with request.app.state.engine.connect() as connection:
            lamps = [each.lamp for each in choose(connection, ask.selection)]
    except OrderError as error:
        return _confirm(request, ask, [], error.fault)
    is_sure = bool(form.get("sure"))
    if not is_sure and (ask.action in DARKENING or ask.selection.all or len(lamps) >= SURE_FROM):
        return _confirm(request, ask, lamps)
    try:
        outcome = give(request, ask)
    except OrderError as error:
        return _confirm(request, ask, lamps, error.fault)
    return Redirect(f"/lighting/orders/{outcome.command_id}", status_code=303)


def _ask(form: FormMultiDict) -> Ask:
    """Return what a form asks for: the lamps that are ticked, or everything that fits its filter."""

    def text(name: str) -> str:
        return str(form.get(name, ""))

    where = {name: text(name) for name in ("agent", "area", "circuit", "group")}
    lamps = tuple(dict.fromkeys(str(each) for each in form.getall("lamps", [])))
    selection: dict[str, Any] = {"lamps": lamps}
    if text("whole"):
        selection = where if any(where.values()) else {"all": True}
    ask: dict[str, Any] = {"selection": selection, "action": text("action"), "reason": text("reason")}
    if text("action") == "dim":
        ask["level"] = int(text("level") or LEVELS[3])
    if text("minutes"):
        ask["minutes"] = int(text("minutes"))
    return msgspec.convert(ask, Ask)


def _confirm(request: Anyone, ask: Ask, lamps: list[str], problem: str = "") -> Response[str]:
    spans = [each for each in SPANS if each <= request.app.state.centre.override_minutes_max]
    return render(
        request,
        "confirm.html",
        status_code=422 if problem else 200,
        ask=ask,
        n=len(lamps),
        names=lamps[:_NAMES_SHOWN],
        problem=problem,
        levels=LEVELS,
        spans=spans or [request.app.state.centre.override_minutes_max],
        minutes=ask.minutes or MINUTES,
        is_dark=ask.action in DARKENING,
    )


LAMP_PAGES = (lighting, switch, order_page, approve)
