"""Evidence by HTTP: an agent asks how far a file has come (HEAD) and sends the next chunk of it (PATCH).

Only files that a committed message of the same agent names are taken, and no byte more of them than it says.
"""

import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Annotated, Any

import anyio
import sqlalchemy as sa
import structlog
from litestar import Request, Response, Router, head, patch
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, Parameter, RawBody

from ingest import metrics
from ingest.changes import Change, Changes
from ingest.config import Centre
from ingest.storage import OffsetError, Storage
from ingest.store.engine import writing
from ingest.store.evidence import Wanted, find_wanted, mark_stored, unstored
from shell.refusal import Refusal

CHUNK_BYTES_MAX = 64 * 1024

_AGENT = re.compile(r"[a-z0-9][a-z0-9-]{1,40}\Z")
_log = structlog.get_logger()

Sha256Path = Annotated[str, Parameter(pattern=r"^[0-9a-f]{64}$")]
AgentHeader = Annotated[str, HeaderParameter(name="X-Agent")]


def is_agent_id(text: str) -> bool:
    """Tell whether this can be the id of an agent."""
    return _AGENT.match(text) is not None


def token_of(secret: bytes, agent: str) -> str:
    """Return what an agent shows to upload: HMAC-SHA256 of its id under the centre's secret, hexadecimal."""
    return hmac.new(secret, agent.encode(), hashlib.sha256).hexdigest()


def read_agent_secret(centre: Centre) -> bytes:
    """Return the secret, or nothing if any agent may upload; raise Refusal if its file is not as expected."""
    if not centre.agent_secret_file:
        return b""
    try:
        secret = Path(centre.agent_secret_file).read_bytes().strip()
    except OSError as error:
        raise Refusal(
            centre.agent_secret_file, f"cannot be read: {error.strerror}", "check agent_secret_file"
        ) from error
    if len(secret) < 16:
        raise Refusal(centre.agent_secret_file, "expected a secret of at least 16 bytes", "try `openssl rand -hex 32`")
    return secret


def evidence_router(centre: Centre) -> Router:
    """Return the routes; raise Refusal if the agents' secret cannot be read."""
    secret = read_agent_secret(centre)

    def admit_agent(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        """Let only agents in that show their token."""
        agent = connection.headers.get("x-agent", "")
        shown = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if not is_agent_id(agent):
            raise NotAuthorizedException("expected the agent's id in X-Agent")
        if secret and not hmac.compare_digest(shown.encode(), token_of(secret, agent).encode()):
            raise NotAuthorizedException("expected the agent's token: see `wayside ingest agent-token`")

    return Router("/api/evidence", route_handlers=[offset, take_chunk], guards=[admit_agent])


# These wait for their thread themselves: the console has a handler at the same path, and Litestar 2.25 wraps a
# handler of sync_to_thread anew each time that another joins its path.
@head("/{sha256:str}")
async def offset(request: Request[Any, Any, Any], sha256: Sha256Path, agent: AgentHeader) -> Response[None]:
    """Say how many bytes of a file are here."""
    return await anyio.to_thread.run_sync(_offset, request.app.state, agent, sha256)


@patch("/{sha256:str}", status_code=204, request_max_body_size=CHUNK_BYTES_MAX)
async def take_chunk(
    request: Request[Any, Any, Any],
    sha256: Sha256Path,
    agent: AgentHeader,
    body: RawBody,
    upload_offset: Annotated[int, HeaderParameter(name="Upload-Offset", ge=0)],
) -> Response[None]:
    """Take the next bytes of a file, 64 KiB at most; with the last one its hash is checked."""
    return await anyio.to_thread.run_sync(_take_chunk, request.app.state, agent, sha256, upload_offset, body)


def _offset(state: State, agent: str, sha256: str) -> Response[None]:
    wanted, storage = _wanted(state, agent, sha256), Storage(Path(state.centre.storage))
    if wanted.is_stored or _heal_one(state.engine, state.changes, storage, agent, wanted):
        return _answer(200, wanted, wanted.size, is_complete=True)
    return _answer(200, wanted, storage.offset_of(agent, sha256))


def _take_chunk(state: State, agent: str, sha256: str, at: int, chunk: bytes) -> Response[None]:
    wanted, storage = _wanted(state, agent, sha256), Storage(Path(state.centre.storage))
    if wanted.is_stored:
        return _answer(204 if at == wanted.size else 409, wanted, wanted.size, is_complete=True)
    if at + len(chunk) > wanted.size:
        return _answer(413, wanted, storage.offset_of(agent, sha256))
    try:
        reached = storage.append(agent, sha256, at, chunk)
    except OffsetError as error:
        return _answer(409, wanted, error.offset)
    metrics.evidence_bytes.inc(len(chunk))
    if reached < wanted.size:
        return _answer(204, wanted, reached)
    if not storage.finish(agent, sha256):
        _log.warning("evidence with the wrong hash", agent=agent, sha256=sha256)
        return _answer(422, wanted, 0)
    note_stored(state.engine, state.changes, sha256)
    return _answer(204, wanted, reached, is_complete=True)


def heal(engine: sa.Engine, changes: Changes, storage: Storage) -> None:
    """Bring files and rows together again after a process that ended between them."""
    with engine.connect() as connection:
        waiting = unstored(connection)
    for agent, wanted in waiting:
        _heal_one(engine, changes, storage, agent, wanted)


def _heal_one(engine: sa.Engine, changes: Changes, storage: Storage, agent: str, wanted: Wanted) -> bool:
    is_whole = storage.offset_of(agent, wanted.sha256) == wanted.size
    if not (storage.has(wanted.sha256) or (is_whole and storage.finish(agent, wanted.sha256))):
        return False
    note_stored(engine, changes, wanted.sha256)
    return True


def note_stored(engine: sa.Engine, changes: Changes, sha256: str) -> None:
    """Write that a file is here, and tell who shows its cases."""
    with writing(engine) as connection:
        case_ids = mark_stored(connection, sha256, int(time.time() * 1000))
    changes.tell(Change(kind="case", id=str(case_id)) for case_id in sorted(case_ids))


def _wanted(state: State, agent: str, sha256: str) -> Wanted:
    with state.engine.connect() as connection:
        wanted = find_wanted(connection, agent, sha256)
    if wanted is None:
        raise NotFoundException("no committed message of this agent names this file")
    return wanted


def _answer(status_code: int, wanted: Wanted, reached: int, *, is_complete: bool = False) -> Response[None]:
    headers = {"Upload-Offset": str(reached), "Upload-Length": str(wanted.size), "Cache-Control": "no-store"}
    if is_complete:
        headers["Upload-Complete"] = "1"
    return Response(None, status_code=status_code, headers=headers)
