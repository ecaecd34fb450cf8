"""Files: evidence as it was stored, whole or in ranges (RFC 9110, 14)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import anyio
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery, PathParameter
from litestar.response import Stream

from ingest.console.gate import admit
from ingest.storage import path_of
from ingest.store.queries import read_evidence

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")
_CHUNK_BYTES = 256 * 1024
_ENDINGS = {"image/jpeg": "jpg", "video/mp4": "mp4"}

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
