"""The gate: who is asking, may they, and does the request come from our own page."""

import asyncio
import hmac
import time
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from sqlalchemy import Engine

from ingest.accounts import ABSOLUTE_MS, Role, Session, may, read_session, record
from ingest.config import Centre
from ingest.store.engine import writing

PUBLIC = "public"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
LIVE_HEADER = "x-live"
"""Sent with what a page fetches by itself; it does not count as somebody being there."""
_SAFE = ("GET", "HEAD")
_SUBJECT_MAX = 200


def now_ms() -> int:
    """Return the centre's clock."""
    return time.time_ns() // 1_000_000


def cookie_name(centre: Centre) -> str:
    """Return the name of the session cookie; browsers hold the prefix to HTTPS, this host and no other path."""
    return "__Host-wayside" if centre.is_https else "wayside"


def session_cookie(centre: Centre, token: str) -> Cookie:
    """Return the cookie that carries a session; an empty token takes it away."""
    return Cookie(
        key=cookie_name(centre),
        value=token,
        max_age=ABSOLUTE_MS // 1000 if token else 0,
        secure=centre.is_https,
        httponly=True,
        samesite="lax",
    )


async def admit(connection: ASGIConnection[Any, Any, Any, Any], route_handler: BaseRouteHandler) -> None:
    """Let a request through to a route whose ``opt`` names the role it needs; raise 401 or 403."""
    assert isinstance(connection, Request)  # noqa: S101  # only HTTP routes have this guard
    request: Request[Any, Any, Any] = connection
    if request.method == "OPTIONS":  # Litestar's own answer, which tells the methods and no more
        return
    centre, engine = request.app.state.centre, request.app.state.engine
    needed: Role | str = route_handler.opt["role"]
    token = request.cookies.get(cookie_name(centre), "")
    touch = LIVE_HEADER not in request.headers
    session = None
    if token:
        session = await asyncio.to_thread(read_session, engine, token, now_ms=now_ms(), touch=touch)
    request.state.session = session
    if request.method not in _SAFE:
        _refuse_other_sites(request)
    if needed == PUBLIC:
        return
    if session is None:
        raise NotAuthorizedException("sign in first")
    if request.method not in _SAFE:
        await _check_token(request, session)
    if not may(session.account.role, needed):  # type: ignore[arg-type]  # the route table is checked by a test
        if request.method not in _SAFE:
            await asyncio.to_thread(_note_denied, engine, session, f"{request.method} {request.url.path}", needed)
        raise PermissionDeniedException(f"needs the role {needed}")


def session_of(request: Request[Any, Any, Any]) -> Session:
    """Return the session of a request that the gate let through."""
    session = request.state.session
    assert isinstance(session, Session)  # noqa: S101  # a route that asks for it is never public
    return session


def signed_out(response: Response[Any], centre: Centre) -> Response[Any]:
    """Take the session cookie away with a response."""
    response.set_cookie(session_cookie(centre, ""))
    return response


def _refuse_other_sites(request: Request[Any, Any, Any]) -> None:
    """Refuse what another site's page makes a browser send; a client that is no browser names no site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDeniedException("sent by another site's page")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise PermissionDeniedException("sent by another site's page")


def _note_denied(engine: Engine, session: Session, what: str, needed: str) -> None:
    """Write down who tried to change what his role may not."""
    with writing(engine) as connection:
        body: dict[str, object] = {"needs": needed}
        record(
            connection,
            actor=session.account.name,
            action="denied",
            subject=what[:_SUBJECT_MAX],
            now_ms=now_ms(),
            body=body,
        )


async def _check_token(request: Request[Any, Any, Any], session: Session) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not sent and request.content_type[0] == RequestEncodingType.URL_ENCODED:
        sent = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise PermissionDeniedException("the form's token is missing or of another session")
