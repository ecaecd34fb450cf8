"""Manifest: what the evidence of one event is, file by file, link by link in the chain of the agent that sealed it."""

import base64
import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wire.clock import ClockState
from wire.event import MediaType, Role
from wire.holding import BoxXywh
from wire.identifiers import Id, Sha256, Uuid7
from wire.values import Count, Label, Name, Pixels, Position, Real, Share, Text, TimeMs

BLOCK_BYTES = 1024
TAG_BYTES = 6
"""48 bits: the 261 120 single bytes that a block is tried with hit a wrong one once in a thousand million blocks."""
MANIFEST_NAME = "manifest.json"
SEAL_NAME = "manifest.sig"

FileName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,40}\.[a-z0-9]{1,8}$(?!\n)")]
"""Cannot name another folder, on any system."""
PublicKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$(?!\n)", description="Ed25519, 32 bytes as Base64.")]


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of the package."""

    name: FileName
    role: Role
    sha256: Sha256
    size: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """Bytes."""
    media_type: MediaType
    time_ms: TimeMs
    copy_of: Sha256 | None = None
    """The untouched original, if this is a working copy."""
    pixels: tuple[Pixels, Pixels] | None = None
    """Width and height of a picture."""
    colour_bits: Count = 0
    """Of one pixel of a picture."""
    tags: Annotated[str, Meta(pattern=r"^([A-Za-z0-9+/]{8})+$(?!\n)")]
    """The first 6 bytes of the SHA-256 of each block of 1024 bytes, one after the other, as Base64."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a seal covers; every field is there, so that one event has one form."""

    format: Literal[1]
    agent: Id
    chain: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)")]
    """Which of the agent's chains: a new one begins only where the memory of the last was lost."""
    number: Annotated[int, Meta(ge=1, le=2**52)]
    """1, 2, 3 ... along the chain."""
    previous: Sha256 | None
    """SHA-256 of the chain's manifest before this one; None for the first."""
    key: PublicKey
    sealed_ms: TimeMs
    event_id: Uuid7
    rule: Id
    kind: Label
    camera: Id
    zone: Id
    label: Label
    confidence: Share
    start_ms: TimeMs
    raised_ms: TimeMs
    end_ms: TimeMs | None
    """When it was last seen to hold; None if it still held when the seal was made."""
    clock: ClockState
    position: Position | None
    bbox: BoxXywh
    size: tuple[Pixels, Pixels]
    facts: Annotated[dict[Name, Real | bool | Text], Meta(max_length=64)]
    expects: tuple[Role, ...]
    files: Annotated[tuple[ManifestFile, ...], Meta(max_length=64)]
    missing: dict[Role, Text]
    """What was expected and is not there, and why."""


class Envelope(msgspec.Struct, frozen=True):
    """How manifest and seal travel: one file of the role ``manifest``; a package has them apart."""

    manifest: msgspec.Raw
    """Its very bytes, which are what is signed."""
    seal: str


class Broken(msgspec.Struct, frozen=True):
    """Where the first broken byte is: between ``first`` and ``last``, both counted from 0."""

    first: int
    last: int
    was: int | None = None
    """What the byte was; None if that cannot be told."""

    @property
    def is_exact(self) -> bool:
        """Whether the byte itself is known."""
        return self.first == self.last


def canonical(value: Any) -> bytes:
    """Return JSON of one form only: RFC 8785 for what manifests hold (keys and numbers of plain shape).

    >>> canonical({"b": 2.0, "a": [0.5, "路"]}).decode()
    '{"a":[0.5,"路"],"b":2}'
    """
    return msgspec.json.encode(_plain(msgspec.to_builtins(value)), order="sorted")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def tag_of(block: bytes) -> bytes:
    """Return the tag of one block."""
    return hashlib.sha256(block).digest()[:TAG_BYTES]


def tags_of(content: bytes) -> str:
    """Return the tags of all blocks of a file.

    >>> tags_of(bytes(1025))
    'X3C/GKCGbjQLnP+z'
    """
    blocks = range(0, len(content), BLOCK_BYTES)
    return base64.b64encode(b"".join(tag_of(content[at : at + BLOCK_BYTES]) for at in blocks)).decode()


def has_tags_for(tags: str, size: int) -> bool:
    """Tell whether there are as many tags as a file of ``size`` bytes has blocks."""
    return len(tags) == 8 * -(-size // BLOCK_BYTES)


def first_broken(content: bytes, size: int, tags: str) -> Broken | None:
    """Return where the first broken byte of a file is, by the tags of its blocks; None if none is broken.

    One broken byte in a block is found by trying all others in its place (Merkle's trees of hashes name the block;
    the last step is a search). More than one in the same block cannot be told apart: then it is somewhere in it.
    """
    known = base64.b64decode(tags)
    whole = min(len(content), size)
    for number, start in enumerate(range(0, size, BLOCK_BYTES)):
        end = min(start + BLOCK_BYTES, size)
        if end > whole:
            break  # cut within this block: the rest of it has no tag of its own
        tag = known[number * TAG_BYTES : (number + 1) * TAG_BYTES]
        if tag_of(content[start:end]) != tag:
            return find_byte(content[start:end], tag, start) or Broken(start, end - 1)
    return None if len(content) == size else Broken(whole, whole)


def find_byte(block: bytes, tag: bytes, start: int) -> Broken | None:
    """Return the one byte whose replacement gives the block its tag again; None if there is none."""
    for position, value in enumerate(block):
        head, tail = hashlib.sha256(block[:position]), block[position + 1 :]
        for other in range(256):
            if other == value:
                continue
            digest = head.copy()
            digest.update(bytes((other,)) + tail)
            if digest.digest()[:TAG_BYTES] == tag:
                return Broken(start + position, start + position, other)
    return None
