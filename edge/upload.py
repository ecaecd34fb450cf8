"""Upload: evidence files to the centre by HTTP, in chunks, from where the centre says it has got to."""

import asyncio
import contextlib
import hashlib
import random
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import structlog

from edge.broker import read_secret, tls_context
from edge.config import Agent
from edge.outbox import Outbox, call_in
from edge.outbox_rows import Upload
from shell.crash_point import crash_point
from shell.log import redact

_LOG = structlog.get_logger()
CHUNK_BYTES = 64 * 1024
_TIMEOUT = httpx.Timeout(10, read=60, write=60)
_LATER_MAX_S = 60.0
_BACKOFF_MAX_S = 30.0
_WAKE_S = 5.0
_TRIES_MAX = 2
_CONFLICTS_MAX = 3

Fate = Literal["done", "later", "damaged"]


class CentreError(Exception):
    """The centre answers otherwise than agreed; the text says how."""


def centre_client(agent: Agent, folder: Path) -> httpx.AsyncClient:
    """Return a client of the centre that shows the agent's token; raise Refusal if a file cannot be read."""
    headers = {"X-Agent": agent.id}
    if agent.evidence_token_file:
        headers["Authorization"] = f"Bearer {read_secret(folder / agent.evidence_token_file)}"
    verify = tls_context(agent, folder) if agent.centre.startswith("https://") else True
    return httpx.AsyncClient(base_url=agent.centre, headers=headers, timeout=_TIMEOUT, verify=verify)


class Uploader:
    """Sends what waits for upload, stills before clips; a file is deleted when the centre holds all of it.

    ``folder`` holds the files; those that turn out damaged are kept aside in ``folder/damaged``.
    """

    def __init__(
        self, outbox: Outbox, client: httpx.AsyncClient, folder: Path, *, advanced: Callable[[], None]
    ) -> None:
        self._outbox, self._client, self._folder, self._advanced = outbox, client, folder, advanced
        self._wake = asyncio.Event()
        self._not_before_s: dict[str, tuple[float, float]] = {}
        """By hash: when to ask for it again, and how long was waited before."""
        self._reason = ""

    async def run(self) -> None:
        """Run for ever; a centre that is away is tried again after 1 to 30 s, at random."""
        self._outbox.listen(partial(call_in, asyncio.get_running_loop(), self._wake.set))
        failures = 0
        while True:
            self._advanced()
            self._wake.clear()
            upload = await self._next()
            if upload is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._idle_s()):
                        await self._wake.wait()
                continue
            try:
                fate = await self._while_alive(self._send(upload))
            except OSError as error:
                _LOG.error("an evidence file cannot be read", path=upload.path, reason=error.strerror)
                fate = "damaged"
            except (httpx.HTTPError, CentreError) as error:
                self._say(error)
                if isinstance(error, CentreError):  # of this file, perhaps: let the others pass
                    self._not_before_s[upload.sha256] = (time.monotonic() + _WAKE_S, _WAKE_S)
                failures += 1
                await self._rest(random.uniform(1.0, min(_BACKOFF_MAX_S, 2.0**failures)))  # noqa: S311  # jitter
                continue
            failures, self._reason = 0, ""
            await self._conclude(upload, fate)

    async def _while_alive(self, sending: Coroutine[Any, Any, Fate]) -> Fate:
        """Await it and go on telling that this loop moves: a slow link, or a centre that hangs, is no fault of ours."""
        task = asyncio.create_task(sending)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_WAKE_S)
                self._advanced()
        finally:
            task.cancel()
        return task.result()

    async def _next(self) -> Upload | None:
        waiting = await asyncio.wrap_future(self._outbox.uploads())
        now_s = time.monotonic()
        for upload in waiting:
            if self._not_before_s.get(upload.sha256, (0.0, 0.0))[0] <= now_s:
                return upload
        return None

    async def _send(self, upload: Upload) -> Fate:
        """Bring one file to its end at the centre; raise httpx.HTTPError or CentreError."""
        for _ in range(_TRIES_MAX):
            answer = await self._client.head(f"/api/evidence/{upload.sha256}")
            if answer.status_code == 404:
                return "later"  # the message that names it has not been committed yet
            if answer.status_code != 200:
                raise CentreError(_words(answer))
            if answer.headers.get("Upload-Complete") == "1":
                return "done"
            path = self._folder / upload.path
            if not await asyncio.to_thread(_is_whole, path, upload.sha256):
                return "damaged"
            if await self._send_from(path, upload.sha256, _offset(answer)):
                return "done"
        return "damaged"

    async def _send_from(self, path: Path, sha256: str, offset: int) -> bool:
        """Send chunk after chunk; say whether the centre holds the file, or found its hash wrong and dropped it."""
        conflicts = 0
        while True:
            chunk = await asyncio.to_thread(_read, path, offset)
            headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            answer = await self._client.patch(f"/api/evidence/{sha256}", content=chunk, headers=headers)
            self._advanced()
            crash_point("upload.after-chunk")
            if answer.status_code == 422:
                return False
            if answer.status_code not in (204, 409):
                raise CentreError(_words(answer))
            if answer.headers.get("Upload-Complete") == "1":
                return True
            conflicts = conflicts + 1 if answer.status_code == 409 else 0
            reached = _offset(answer)
            if reached == offset or conflicts > _CONFLICTS_MAX:
                raise CentreError(f"the centre stays at byte {reached} of {path.name}")
            offset = reached

    async def _conclude(self, upload: Upload, fate: Fate) -> None:
        path = self._folder / upload.path
        if fate == "later":
            _, waited_s = self._not_before_s.get(upload.sha256, (0.0, 0.25))
            pause_s = min(2 * waited_s, _LATER_MAX_S)
            self._not_before_s[upload.sha256] = (time.monotonic() + pause_s, pause_s)
            return
        self._not_before_s.pop(upload.sha256, None)
        if fate == "done":
            # First the row: a file without a row is swept up at the next start, a row without a file is not.
            await asyncio.wrap_future(self._outbox.upload_done(upload.sha256))
            path.unlink(missing_ok=True)
            return
        _LOG.error("an evidence file is not what it was", file=upload.path, event_id=upload.event_id, role=upload.role)
        await asyncio.wrap_future(self._outbox.upload_damaged(upload.sha256))
        if path.exists():
            (self._folder / "damaged").mkdir(exist_ok=True)
            path.replace(self._folder / "damaged" / path.name)

    def _say(self, error: Exception) -> None:
        """Log why nothing can be uploaded, once for each reason."""
        reason = redact(f"{self._client.base_url}: {error or type(error).__name__}")
        if reason != self._reason:
            _LOG.warning("the centre takes no evidence, trying again", reason=reason)
        self._reason = reason

    def _idle_s(self) -> float:
        """Return how long nothing is due."""
        due_s = min((until_s for until_s, _ in self._not_before_s.values()), default=float("inf"))
        return min(max(due_s - time.monotonic(), 0.05), _WAKE_S)

    async def _rest(self, pause_s: float) -> None:
        while pause_s > 0:
            self._advanced()
            await asyncio.sleep(min(pause_s, _WAKE_S))
            pause_s -= _WAKE_S


def _is_whole(path: Path, sha256: str) -> bool:
    """Tell whether a file is there and has its hash."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as error:
        _LOG.error("an evidence file cannot be read", file=str(path), reason=error.strerror)
        return False


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(CHUNK_BYTES)


def _offset(answer: httpx.Response) -> int:
    try:
        offset = int(answer.headers["Upload-Offset"])
    except (KeyError, ValueError) as error:
        raise CentreError("the centre's answer has no Upload-Offset: is this the ingest service?") from error
    if offset < 0:
        raise CentreError(f"the centre's Upload-Offset is {offset}")
    return offset


def _words(answer: httpx.Response) -> str:
    if answer.status_code in (401, 403):
        return "the centre refuses the token: check evidence_token_file and `wayside ingest agent-token`"
    return f"the centre answers {answer.status_code} {answer.reason_phrase} to {answer.request.method}"
