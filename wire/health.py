"""Health and status: how an agent is, and whether it is there at all."""

from typing import Literal

import msgspec

from wire.clock import ClockState
from wire.identifiers import Epoch, Id
from wire.streams import Stream

CameraState = Literal["starting", "live", "stalled", "unreachable", "ended"]


class CameraHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one camera is; counters since the agent's start."""

    id: Id
    state: CameraState
    reason: str = ""
    last_frame_age_s: float | None = None
    frames: int = 0
    ticks: int = 0
    late_ticks: int = 0
    decode_errors: int = 0
    reconnects: int = 0


class LaneHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one stream waits in the outbox."""

    rows: int
    bytes: int
    oldest_s: float


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="health", tag_field="type"):
    """How an agent is, every 30 seconds."""

    time_ms: int
    uptime_s: float
    clock: ClockState
    rss_bytes: int
    disk_free_bytes: int
    lanes: dict[Stream, LaneHealth]
    evidence_files: int
    """Evidence files that wait for upload."""
    cameras: tuple[CameraHealth, ...] = ()
    shed: dict[Stream, int] = {}
    """Rows shed since the outbox was made."""


class CameraCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the console shows of a camera."""

    id: Id
    name: str = ""
    position: tuple[float, float] | None = None
    zones: tuple[Id, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="status", tag_field="type"):
    """Birth (retained, at connect) and last will (by the broker, when the agent is gone)."""

    agent: Id
    state: Literal["online", "offline"]
    time_ms: int
    """When the agent connected, in the last will too: a broker cannot tell when it was lost."""
    epoch: Epoch
    version: str
    config_sha256: str = ""
    cameras: tuple[CameraCard, ...] = ()
