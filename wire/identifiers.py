"""Identifiers: their patterns, and ids that follow from what they name."""

import hashlib
import uuid
from typing import Annotated

from msgspec import Meta

# "$" alone would also match before a final line break.
Id = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{1,40}$(?!\n)",
        description="Agent, camera, zone or rule: 2 to 41 of a-z, 0-9 and -.",
        examples=["kerb-north-2"],
    ),
]
Uuid7 = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$(?!\n)")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Epoch = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$(?!\n)", description="The life of one outbox file.")]
TraceId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="W3C Trace Context trace-id.")]


def uuid7_of(time_ms: int, *parts: str) -> str:
    """Return the UUIDv7 (RFC 9562, 5.7) of something that began at ``time_ms`` and is named by ``parts``.

    Its random bits are a SHA-256 of the parts, so the same stay has the same id live, replayed and after a restart.

    >>> uuid7_of(1_700_000_000_000, "cam-1", "kerb")
    '018bcfe5-6800-7f70-85ab-33365204ce9b'
    """
    digest = hashlib.sha256("\0".join((str(time_ms), *parts)).encode()).digest()
    random_bits = int.from_bytes(digest[:10], "big")
    value = (time_ms & (2**48 - 1)) << 80 | random_bits
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))
