"""Files: evidence as it was stored, whole or in ranges (RFC 9110, 14).

Everybody who may see cases may open working copies. Originals show people and plates as they were: they are for
operators, and each time one is opened is written down.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import anyio
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromQuery, PathParameter
from litestar.response import Stream

from ingest.accounts import may, record
from ingest.console.gate import admit, now_ms, session_of
from ingest.storage import path_of
from ingest.store.engine import writing
from ingest.store.queries import EvidenceRow, read_evidence

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")
_CHUNK_BYTES = 256 * 1024
_ENDINGS = {"image/jpeg": "jpg", "video/mp4": "mp4", "application/json": "json"}
_SAME_VIEW_MS = 10 * 60 * 1000
"""A player asks for a clip in many ranges: within this time they are one opening."""
_OPENINGS_MAX = 10_000

Sha256Path = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}$")]


@get("/api/evidence/{sha256:str}", opt={"role": "viewer"}, guards=[admit])
async def evidence_file(
    request: Request[Any, Any, Any], sha256: Sha256Path, *, download: FromQuery[bool] = False
) -> Response[Any]:
    """Send a file whose hash was right when it arrived; ``Range`` and ``If-None-Match`` are honoured."""
    row = await anyio.to_thread.run_sync(read_evidence, request.app.state.engine, sha256)
    path = path_of(Path(request.app.state.centre.storage), sha256)
    if row is None or not await anyio.Path(path).is_file():
        raise NotFoundException("no such evidence")
    if is_original(row):
        await anyio.to_thread.run_sync(_open_original, request, row)
    headers = {
        # Kept by the browser, shown only after the centre agreed again: a signed-out browser sees nothing.
        "Cache-Control": "private, no-cache",
        "ETag": f'"{sha256}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(row.role, sha256, row.media_type, download=download),
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(b"", status_code=304, headers=headers)
    asked = span_of(request.headers.get("range", ""), row.size)
    if asked is None:
        return Response(b"", status_code=416, headers={**headers, "Content-Range": f"bytes */{row.size}"})
    first, last = asked
    status_code = 200
    if (first, last) != (0, row.size - 1) or "range" in request.headers:
        status_code, headers["Content-Range"] = 206, f"bytes {first}-{last}/{row.size}"
    headers["Content-Length"] = str(last - first + 1)
    return Stream(_read(path, first, last), media_type=row.media_type, status_code=status_code, headers=headers)


def is_original(row: EvidenceRow) -> bool:
    """Tell whether a file shows what the camera saw as it was; a manifest shows nothing."""
    return row.copy_of is None and row.role != "manifest"


class Openings:
    """Who has opened what of late, so that one look at a clip is one line of the audit log."""

    def __init__(self) -> None:
        self._last_ms: dict[tuple[str, str], int] = {}

    def is_news(self, session: str, sha256: str, at_ms: int, *, is_part: bool) -> bool:
        """Tell whether this is to be written down, and remember it; a part of what was just opened is not."""
        last_ms = self._last_ms.pop((session, sha256), None)
        is_same = is_part and last_ms is not None and at_ms - last_ms < _SAME_VIEW_MS
        self._last_ms[session, sha256] = last_ms if is_same and last_ms is not None else at_ms
        if len(self._last_ms) > _OPENINGS_MAX:
            del self._last_ms[next(iter(self._last_ms))]
        return not is_same


def _open_original(request: Request[Any, Any, Any], row: EvidenceRow) -> None:
    """Let operators through, and write it in the audit log; raise 403 for anybody else."""
    session, state = session_of(request), request.app.state
    if not may(session.account.role, "operator"):
        raise PermissionDeniedException("originals are for operators; the marked copy shows the case")
    openings: Openings = state.openings
    at_ms = now_ms()
    is_part = "range" in request.headers
    if not openings.is_news(session.token_sha256, row.sha256, at_ms, is_part=is_part):
        return
    body: dict[str, object] = {"event": row.event_id, "role": row.role}
    with writing(state.engine) as connection:
        record(
            connection,
            actor=session.account.name,
            action="evidence.original",
            subject=row.sha256,
            now_ms=at_ms,
            body=body,
        )


def span_of(header: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte to send; everything without a range we know, None if it lies outside the file.

    >>> span_of("", 100), span_of("bytes=10-19", 100), span_of("bytes=-5", 100), span_of("bytes=100-", 100)
    ((0, 99), (10, 19), (95, 99), None)
    """
    found = _RANGE.match(header.strip())
    if found is None or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:
        wanted = int(found[2])
        return (max(0, size - wanted), size - 1) if wanted else None
    first, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
    return (first, last) if first <= last else None


def disposition(role: str, sha256: str, media_type: str, *, download: bool) -> str:
    """Return how a browser is to take a file; its name is made of what we know ourselves."""
    kind = "attachment" if download or media_type not in _ENDINGS else "inline"
    return f'{kind}; filename="{role}-{sha256[:12]}.{_ENDINGS.get(media_type, "bin")}"'


async def _read(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    left = last - first + 1
    async with await anyio.open_file(path, "rb") as file:
        await file.seek(first)
        while left > 0 and (chunk := await file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
