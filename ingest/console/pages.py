"""The pages that are read: cases, a case, map, fleet, dead letters, accounts, you."""

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect

from ingest.accounts import list_accounts, may
from ingest.console.gate import PUBLIC, session_of
from ingest.console.manifests import assess, manifests_of
from ingest.console.page import render
from ingest.console.timeline import timeline
from ingest.console.viewer import first_pick, views
from ingest.store import device_queries, fleet, queries
from ingest.store.queries import Before, CaseFilter, Standing

Anyone = Request[Any, Any, Any]
Word = Annotated[str, QueryParameter(max_length=100)]


@get("/", opt={"role": "viewer"}, sync_to_thread=False, include_in_schema=False)
def home() -> Redirect:
    """Lead to the cases."""
    return Redirect("/cases")


@get("/sign-in", opt={"role": PUBLIC}, sync_to_thread=True, include_in_schema=False)
def sign_in(request: Anyone, to: FromQuery[str] = "/") -> Response[Any]:
    """Show the form to sign in, or go on if that is done."""
    if request.state.session is not None:
        return Redirect("/")
    return render(request, "sign_in.html", to=to, refused=None)


@get("/cases", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def cases(
    request: Anyone,
    *,
    standing: FromQuery[Standing] = "all",
    kind: Word = "",
    camera: Word = "",
    zone: Word = "",
    device: Word = "",
    text: Word = "",
    day: Annotated[str, QueryParameter(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "",
    tz: Word = "",
    before: FromQuery[Before] = "",
) -> Response[str]:
    """Show a page of cases."""
    engine = request.app.state.engine
    from_ms, to_ms = bounds_of_day(day, tz) if day else (None, None)
    named = {"kind": kind, "camera": camera, "zone": zone, "device": device, "text": text}
    wanted = CaseFilter(standing=standing, from_ms=from_ms, to_ms=to_ms, **named)
    chosen = {"standing": standing, "day": day, "tz": tz} | named
    page = queries.list_cases(engine, wanted, before=before)
    return render(
        request,
        "cases.html",
        page=page,
        device_names=device_queries.names_of(engine, [each.device for each in page.cases if each.device]),
        choices=queries.choices(engine),
        cards=fleet.camera_cards(engine),
        chosen=chosen,
        is_filtered=any(chosen[name] for name in (*named, "day")),
        before=before,
    )


@get("/cases/{case_id:int}", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def case(request: Anyone, case_id: FromPath[int], *, originals: FromQuery[bool] = False) -> Response[str]:
    """Show all of a case; the originals only to operators who ask for them, for each is written in the audit log."""
    found = queries.read_case(request.app.state.engine, case_id)
    if found is None:
        raise NotFoundException(f"no case {case_id}")
    cards = fleet.camera_cards(request.app.state.engine)
    shown = views(found)
    manifests = manifests_of(found, Path(request.app.state.centre.storage))
    is_operator = may(session_of(request).account.role, "operator")
    return render(
        request,
        "case.html",
        case=found,
        views=shown,
        pick=first_pick(shown),
        lines=timeline(found),
        card=cards.get(found.camera or ""),
        device_name=device_queries.names_of(request.app.state.engine, [found.device or ""])[found.device or ""],
        has_evidence=bool(found.expects or found.evidence),
        manifests=[(each, assess(each)) for each in manifests],
        is_operator=is_operator,
        originals=originals and is_operator,
    )


@get("/map", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def map_page(request: Anyone) -> Response[str]:
    """Show where cases stand and cameras look."""
    return render(request, "map.html")


@get("/fleet", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def fleet_page(request: Anyone) -> Response[str]:
    """Show how the agents and their cameras are."""
    return render(
        request,
        "fleet.html",
        agents=fleet.list_agents(request.app.state.engine),
        broker=request.app.state.centre.broker.rpartition("@")[2].rpartition("//")[2],
    )


@get("/dead-letters", opt={"role": "engineer"}, sync_to_thread=True, include_in_schema=False)
def dead_letters(request: Anyone, outcome: Word = "") -> Response[str]:
    """Show what arrived and could not be read."""
    engine = request.app.state.engine
    letters, n = fleet.list_dead_letters(engine), fleet.count_dead_letters(engine)
    return render(request, "dead_letters.html", letters=letters, n=n, outcome=outcome)


@get("/accounts", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False)
def accounts(request: Anyone, *, done: FromQuery[bool] = False) -> Response[str]:
    """Show who may sign in."""
    return render(request, "accounts.html", accounts=list_accounts(request.app.state.engine), problem=None, done=done)


@get("/you", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def you(request: Anyone, *, done: FromQuery[bool] = False) -> Response[str]:
    """Show who is signed in."""
    return render(request, "you.html", account=session_of(request).account, problem=None, done=done)


def bounds_of_day(day: str, tz: str) -> tuple[int, int]:
    """Return begin and end of a day in a time zone, which is UTC when the browser named none that is known.

    >>> begin, end = bounds_of_day("2024-03-31", "Europe/Berlin")
    >>> (end - begin) // 3_600_000
    23
    """
    try:
        zone: dt.tzinfo = zoneinfo.ZoneInfo(tz) if tz else dt.UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        zone = dt.UTC
    try:
        begin = dt.datetime.fromisoformat(day).replace(tzinfo=zone)
        end = (dt.datetime.fromisoformat(day) + dt.timedelta(days=1)).replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise ValidationException(f"no such day: {day}") from error
    return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)


PAGES = (home, sign_in, cases, case, map_page, fleet_page, dead_letters, accounts, you)
