"""Evidence: stills and clips as files named by their hash, and the messages that name them.

A still's original is never touched; what is drawn or hidden is so on a copy, which is evidence of its own.
"""

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
import structlog

from edge.outbox_rows import Upload
from shell.crash_point import crash_point
from shell.disk import sync
from wire.event import Event, Evidence, MediaType, Role

_LOG = structlog.get_logger()
_TEMPORARY = ".part"
_PRE_ROLL_S = 10.0
_POST_ROLL_S = 5.0
_LATE_S = 10.0
_MEDIA_TYPES: dict[str, MediaType] = {".jpg": "image/jpeg", ".mp4": "video/mp4", ".json": "application/json"}


class File(msgspec.Struct, frozen=True):
    """A file in the evidence folder."""

    sha256: str
    size: int
    suffix: str

    @property
    def name(self) -> str:
        """Its name: its hash."""
        return f"{self.sha256}{self.suffix}"


class Still(msgspec.Struct, frozen=True):
    """One moment of a stay: the picture as the camera gave it, and the copy that explains itself."""

    role: Role
    time_ms: int
    original: File
    copy: File


class PendingClip(msgspec.Struct, frozen=True):
    """A clip that is cut when its end has passed; times are the camera's steady clock."""

    event_id: str
    start_s: float
    end_s: float
    tries: int = 1
    """After the first it no longer shows the time around the limit, but the vehicle that still stands."""
    failed: str = ""
    """Why there will never be one; the event's end says so."""

    @property
    def temporary_name(self) -> str:
        """Where it is written before its hash is known."""
        return f"{self.event_id}{_TEMPORARY}.mp4"


def pending_clip(event: Event, time_s: float, ring_s: float) -> PendingClip:
    """Return the clip that an event should have: from 10 s before the vehicle stood to 5 s after the event.

    It is never longer than the ring: what happened before is no longer there.
    """
    end_s = time_s + _POST_ROLL_S
    stood_s = time_s - max(0, event.time_ms - event.start_ms) / 1000
    return PendingClip(event.id, max(stood_s - _PRE_ROLL_S, end_s - ring_s, 0.0), end_s)


def late_clip(clip: PendingClip, time_s: float) -> PendingClip:
    """Return the clip to cut instead of one whose time is not in the ring: the seconds that come now.

    After a restart this is the best that can honestly be had. Its own time is in its message, so nobody takes it for
    the moment of the limit.
    """
    return msgspec.structs.replace(clip, start_s=time_s, end_s=time_s + _LATE_S, tries=clip.tries + 1)


def write_file(folder: Path, content: bytes, suffix: str) -> File:
    """Write a file that is whole or not there at all, under its hash; raise OSError."""
    sha256 = hashlib.sha256(content).hexdigest()
    temporary = folder / f"{sha256}{_TEMPORARY}{suffix}"
    temporary.write_bytes(content)
    return _settle(folder, temporary, sha256, len(content), suffix)


def adopt_file(folder: Path, temporary: Path, suffix: str) -> File:
    """Give a file that was written elsewhere in ``folder`` its name; raise OSError."""
    with temporary.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return _settle(folder, temporary, sha256, temporary.stat().st_size, suffix)


def still_messages(event_id: str, still: Still) -> tuple[Evidence, Evidence]:
    """Return the messages for a still's original and its copy."""
    original = _message(event_id, still.role, still.original, still.time_ms)
    copy = _message(event_id, still.role, still.copy, still.time_ms)
    return original, msgspec.structs.replace(copy, copy_of=still.original.sha256)


def clip_message(event_id: str, file: File, time_ms: int) -> Evidence:
    """Return the message for a clip whose first picture was taken at ``time_ms``."""
    return _message(event_id, "clip", file, time_ms)


def upload_of(message: Evidence, suffix: str) -> Upload:
    """Return what is to be uploaded for a message."""
    return Upload(
        sha256=message.sha256,
        path=f"{message.sha256}{suffix}",
        event_id=message.event_id,
        role=message.role,
        time_ms=message.time_ms,
    )


def names_of(stills: Iterable[Still]) -> set[str]:
    """Return the names of the files of stills."""
    return {file.name for still in stills for file in (still.original, still.copy)}


def sweep(folder: Path, keep: Collection[str]) -> int:
    """Delete what nothing speaks of, a kill's leavings; return how many files."""
    folder.mkdir(parents=True, exist_ok=True)
    orphans = [path for path in folder.iterdir() if path.is_file() and path.name not in keep]
    for path in orphans:
        path.unlink()
    if orphans:
        _LOG.info("evidence files that nothing spoke of are deleted", files=len(orphans))
    return len(orphans)


def _settle(folder: Path, temporary: Path, sha256: str, size: int, suffix: str) -> File:
    """Bring a file to the disk, then to its name, then the name to the disk."""
    file = File(sha256, size, suffix)
    sync(temporary)
    temporary.rename(folder / file.name)
    sync(folder)
    crash_point("evidence.after-write")
    return file


def _message(event_id: str, role: Role, file: File, time_ms: int) -> Evidence:
    return Evidence(
        event_id=event_id,
        role=role,
        sha256=file.sha256,
        size=file.size,
        media_type=_MEDIA_TYPES[file.suffix],
        time_ms=time_ms,
    )
