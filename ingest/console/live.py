"""Live: word of what changed, by server-sent events, for as long as the session is good."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Request, get
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from ingest.accounts import read_session
from ingest.changes import Changes, Listener
from ingest.config import Centre
from ingest.console.gate import cookie_name, now_ms

HEARTBEAT_S = 15.0
_RETRY_MS = 3_000


@get("/api/changes", opt={"role": "viewer"}, media_type="text/event-stream")
async def changes(request: Request[Any, Any, Any]) -> ServerSentEvent:
    """Stream what changed: events ``change`` with ``kind`` and ``id``; ``ended`` when the session is over."""
    return ServerSentEvent(_stream(request), headers={"Cache-Control": "no-store"})


async def _stream(request: Request[Any, Any, Any]) -> AsyncIterator[ServerSentEventMessage]:
    told: Changes = request.app.state.changes
    centre: Centre = request.app.state.centre
    token = request.cookies.get(cookie_name(centre), "")
    with told.listen() as listener:
        yield ServerSentEventMessage(event="ready", data="{}", retry=_RETRY_MS)
        while True:
            news = await _next(listener)
            if told.is_closing:  # the browser asks again, and finds the next process
                return
            # An open page is nobody at the keyboard: the session is looked at, not prolonged.
            session = await asyncio.to_thread(
                read_session, request.app.state.engine, token, now_ms=now_ms(), touch=False
            )
            if session is None:
                yield ServerSentEventMessage(event="ended", data="{}")
                return
            for message in news:
                yield message


async def _next(listener: Listener) -> list[ServerSentEventMessage]:
    """Return what changed, or a heartbeat when nothing did for a while."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            found = await listener.changes()
    except TimeoutError:
        return [ServerSentEventMessage(event="heartbeat", data="{}")]
    return [ServerSentEventMessage(event="change", data=msgspec.json.encode(each)) for each in found]
