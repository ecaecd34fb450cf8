"""Sealing: the manifest of an event, signed, and linked to the one that the agent sealed before it."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from edge.evidence import upload_of, write_file
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.signing import SigningKey
from shell.crash_point import crash_point
from wire.event import Event, Evidence, Role
from wire.manifest import Envelope, Manifest, ManifestFile, canonical, tags_of
from wire.seal import Seal, write_seal

_LOG = structlog.get_logger()
_STATE = "chain"
_UNKNOWN = "it could not be taken, or not be kept"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an agent's chain; committed with each manifest."""

    chain: str
    number: int = 0
    previous: str | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event whose manifest is still to be made."""

    event: Event
    """Its start."""
    ready_s: float
    """From when it may be sealed, the camera's steady clock: a later picture of the limit may still come."""
    files: tuple[ManifestFile, ...] = ()
    missing: dict[Role, str] = {}
    end_ms: int | None = None
    is_over: bool = False

    def with_files(self, *files: ManifestFile) -> "Draft":
        """Return the draft with more files, each under a name of its own."""
        taken = {each.name for each in self.files}
        for each in files:
            stem, _, suffix = each.name.rpartition(".")
            names = (each.name, *(f"{stem}-{number}.{suffix}" for number in range(2, 64)))
            name = next(name for name in names if name not in taken)
            taken.add(name)
            self = msgspec.structs.replace(self, files=(*self.files, msgspec.structs.replace(each, name=name)))  # noqa: PLW0642
        return self


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be committed together with the state of the camera whose draft this was."""

    message: Evidence
    upload: Upload
    states: dict[str, bytes]


def manifest_file(message: Evidence, content: bytes, suffix: str) -> ManifestFile:
    """Return what a manifest says of a file."""
    size = picture_size(content) if message.media_type == "image/jpeg" else None
    return ManifestFile(
        name=f"{message.role}{'-marked' if message.copy_of else ''}{suffix}",
        role=message.role,
        sha256=message.sha256,
        size=message.size,
        media_type=message.media_type,
        time_ms=message.time_ms,
        copy_of=message.copy_of,
        pixels=size[:2] if size else None,
        colour_bits=size[2] if size else 0,
        tags=tags_of(content),
    )


def picture_size(content: bytes) -> tuple[int, int, int] | None:
    """Return width, height and bits of a pixel of a JPEG, from its frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 10 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(content[at + each : at + each + 2], "big") for each in (5, 7))
            return (width, height, content[at + 4] * content[at + 9]) if width and height else None
        at += 2 + length
    return None


class Sealer:
    """Seals one draft at a time, whatever camera it comes from; so the chain has one end."""

    def __init__(self, agent: str, key: SigningKey, head: Head, folder: Path) -> None:
        self.public_key = key.public
        self._agent, self._key, self._head, self._folder = agent, key, head, folder
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def link(self, draft: Draft, sealed_ms: int) -> AsyncIterator[Sealed]:
        """Give what is to be committed; the block must hand it to the outbox before it ends. Raise OSError.

        The outbox commits in the order in which it is asked, so the next link may be made before this one is on disk:
        a kill leaves both, the first, or none.
        """
        async with self._turn:
            content, head = self._envelope(draft, sealed_ms)
            file = await asyncio.to_thread(write_file, self._folder, content, ".json")
            message = Evidence(
                event_id=draft.event.id,
                role="manifest",
                sha256=file.sha256,
                size=file.size,
                media_type="application/json",
                time_ms=sealed_ms,
            )
            crash_point("seal.after-write")
            yield Sealed(
                message=message,
                upload=upload_of(message, ".json"),
                states={_STATE: msgspec.msgpack.encode(head)},
            )
            self._head = head

    def _envelope(self, draft: Draft, sealed_ms: int) -> tuple[bytes, Head]:
        manifest = canonical(manifest_of(draft, self._agent, self._key.public, self._head, sealed_ms))
        sha256 = hashlib.sha256(manifest).hexdigest()
        seal = Seal(
            key=self._key.public,
            signature=self._key.sign(manifest),
            sha256=sha256,
            size=len(manifest),
            tags=tags_of(manifest),
        )
        envelope = Envelope(msgspec.Raw(manifest), write_seal(seal).decode())
        head = msgspec.structs.replace(self._head, number=self._head.number + 1, previous=sha256)
        return msgspec.json.encode(envelope), head


def manifest_of(draft: Draft, agent: str, key: str, head: Head, sealed_ms: int) -> Manifest:
    """Return the manifest that a draft becomes as the next link after ``head``."""
    event = draft.event
    here = {each.role for each in draft.files}
    return Manifest(
        format=1,
        agent=agent,
        chain=head.chain,
        number=head.number + 1,
        previous=head.previous,
        key=key,
        sealed_ms=sealed_ms,
        event_id=event.id,
        rule=event.rule,
        kind=event.kind,
        camera=event.seen.camera,
        zone=event.seen.zone,
        label=event.label,
        confidence=event.confidence,
        start_ms=event.start_ms,
        raised_ms=event.time_ms,
        end_ms=draft.end_ms,
        clock=event.clock,
        position=event.position,
        bbox=event.seen.bbox,
        size=event.seen.size,
        facts=event.facts,
        expects=event.expects,
        files=draft.files,
        missing={
            role: draft.missing.get(role, _UNKNOWN) for role in event.expects if role not in here and role != "manifest"
        },
    )


async def open_chain(outbox: Outbox) -> Head:
    """Return the end of the agent's chain; where its memory is lost, the beginning of a new one, committed."""
    blob = None if outbox.is_salvaged else await asyncio.wrap_future(outbox.state(_STATE))
    if blob is not None:
        try:
            return msgspec.msgpack.decode(blob, type=Head)
        except msgspec.DecodeError as error:
            _LOG.error("the end of the chain cannot be read, a new chain begins", reason=str(error))
    head = Head(chain=secrets.token_hex(8))
    await asyncio.wrap_future(outbox.put(states={_STATE: msgspec.msgpack.encode(head)}))
    return head
