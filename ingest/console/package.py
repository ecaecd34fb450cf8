"""Package: all stored evidence of a case as one ZIP, as `wayside evidence verify` takes it; sent as it is made."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Stream

from ingest.accounts import record
from ingest.console.gate import now_ms, session_of
from ingest.console.manifests import envelope_of, manifest_in
from ingest.storage import path_of
from ingest.store import queries
from ingest.store.engine import writing
from ingest.store.queries import CaseDetail, EvidenceRow
from wire.manifest import MANIFEST_NAME, SEAL_NAME, Envelope

_CHUNK_BYTES = 256 * 1024
_SUFFIXES = {"image/jpeg": ".jpg", "video/mp4": ".mp4", "application/json": ".json"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the package: its content, or where it lies."""

    name: str
    time_ms: int
    size: int
    source: Path | bytes


@get("/api/cases/{case_id:int}/package", opt={"role": "operator"}, sync_to_thread=True)
def package(request: Request[Any, Any, Any], case_id: FromPath[int]) -> Stream:
    """Send the ZIP, originals too, and write in the audit log who asked for it."""
    state = request.app.state
    case = queries.read_case(state.engine, case_id)
    if case is None:
        raise NotFoundException(f"no case {case_id}")
    entries = entries_of(case, Path(state.centre.storage))
    if not entries:
        raise NotFoundException(f"nothing of case {case_id} is here yet")
    actor = session_of(request).account.name
    with writing(state.engine) as connection:
        body: dict[str, object] = {"files": [each.name for each in entries]}
        record(connection, actor=actor, action="evidence.package", subject=str(case_id), now_ms=now_ms(), body=body)
    headers = {"Content-Disposition": f'attachment; filename="case-{case_id}.zip"'}
    return Stream(zip_of(entries), media_type="application/zip", headers=headers)


def entries_of(case: CaseDetail, storage: Path) -> list[Entry]:
    """Return the files of a case; a case of several events has a folder for each of them."""
    here = [each for each in case.evidence if each.stored_ms is not None]
    event_ids = list(dict.fromkeys(each.id for each in case.events))
    entries: list[Entry] = []
    for number, event_id in enumerate(event_ids, 1):
        prefix = f"event-{number}/" if len(event_ids) > 1 else ""
        entries += _event_entries([each for each in here if each.event_id == event_id], prefix, storage)
    return entries


def _event_entries(rows: list[EvidenceRow], prefix: str, storage: Path) -> list[Entry]:
    sealed = next((each for each in rows if each.role == "manifest"), None)
    envelope = envelope_of(storage, sealed.sha256) if sealed else None
    entries = _manifest_entries(envelope, sealed.time_ms, prefix) if envelope and sealed else []
    manifest = manifest_in(envelope) if envelope else None
    names = {each.sha256: each.name for each in manifest.files} if manifest else {}
    taken: set[str] = set()
    for row in rows:
        if row is sealed and envelope:
            continue
        path = path_of(storage, row.sha256)
        name = names.get(row.sha256) or f"{row.role}-{row.sha256[:12]}{_SUFFIXES.get(row.media_type, '.bin')}"
        if name not in taken and path.is_file():
            taken.add(name)
            entries.append(Entry(name=prefix + name, time_ms=row.time_ms, size=path.stat().st_size, source=path))
    return entries


def _manifest_entries(envelope: Envelope, time_ms: int, prefix: str) -> list[Entry]:
    parts = {MANIFEST_NAME: bytes(envelope.manifest), SEAL_NAME: envelope.seal.encode()}
    return [
        Entry(name=prefix + name, time_ms=time_ms, size=len(content), source=content) for name, content in parts.items()
    ]


def zip_of(entries: list[Entry]) -> Iterator[bytes]:
    """Yield a ZIP piece by piece; pictures and video do not pack, so they are stored as they are."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            head = zipfile.ZipInfo(entry.name, _dos_time(entry.time_ms))
            head.external_attr = 0o100644 << 16
            head.file_size = entry.size
            with archive.open(head, "w") as file:
                for chunk in _chunks(entry.source):
                    file.write(chunk)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _dos_time(time_ms: int) -> tuple[int, int, int, int, int, int]:
    """Return a time in UTC as a ZIP can hold it: from 1980 to 2107."""
    at = datetime.fromtimestamp(min(max(time_ms / 1000, 315_532_800), 4_354_819_199), UTC)
    return at.year, at.month, at.day, at.hour, at.minute, at.second


class _Sink(io.RawIOBase):
    """What a ZIP is written to: it cannot be gone back in, and gives away what it has."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        """Say so."""
        return True

    def write(self, content: Any) -> int:
        """Keep bytes until they are taken."""
        self._waiting += content
        return len(content)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken
