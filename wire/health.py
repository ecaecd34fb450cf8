"""Health and status: how an agent is, and whether it is there at all."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.clock import ClockState
from wire.identifiers import Epoch, Id
from wire.streams import Stream
from wire.values import Count, Label, Name, Position, Real, Seconds, Text, TimeMs

CameraState = Literal["starting", "live", "stalled", "unreachable", "ended"]


class CameraHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one camera is; counters since the agent's start."""

    id: Id
    state: CameraState
    reason: Text = ""
    last_frame_age_s: Seconds | None = None
    frames: Count = 0
    ticks: Count = 0
    late_ticks: Count = 0
    """Ticks that were done later than the next picture was due."""
    dropped_frames: Count = 0
    """Pictures that a newer one replaced while they waited to be looked at."""
    still_frames: Count = 0
    """Pictures that were only watched for motion, for nothing moved."""
    decode_errors: Count = 0
    reconnects: Count = 0
    faults: tuple[Name, ...] = ()
    """Why nothing may be concluded from its pictures, worst first: covered, moved, frozen and the like."""
    notes: tuple[Name, ...] = ()
    """What is not as it should be with its pictures, though they can be used."""


class LaneHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one stream waits in the outbox."""

    rows: Count
    bytes: Count
    oldest_s: Real


class LinkHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one link of a gateway is."""

    id: Id
    trouble: Text = ""
    """Why nothing is heard at the moment; empty if something can be."""
    live: Count = 0
    """Devices that were heard within three of their periods."""
    silent: Count = 0


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="health", tag_field="type"):
    """How an agent is, every 30 seconds."""

    time_ms: TimeMs
    uptime_s: Seconds
    clock: ClockState
    rss_bytes: Count
    disk_free_bytes: Count
    lanes: dict[Stream, LaneHealth]
    looking_restarts: Count = 0
    """How often the process that looks at the pictures has been started anew."""
    evidence_files: Count
    """Evidence files that wait for upload."""
    cameras: tuple[CameraHealth, ...] = ()
    links: Annotated[tuple[LinkHealth, ...], Meta(max_length=64)] = ()
    orders_refused: Count = 0
    """What came on the topic of orders and was not carried out; since the agent's start."""
    shed: dict[Stream, Count] = {}
    """Rows shed since the outbox was made."""


class CameraCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the console shows of a camera."""

    id: Id
    name: Text = ""
    position: Position | None = None
    zones: tuple[Id, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="status", tag_field="type"):
    """Birth (retained, at connect) and last will (by the broker, when the agent is gone)."""

    agent: Id
    state: Literal["online", "offline"]
    time_ms: TimeMs
    """When the agent connected, in the last will too: a broker cannot tell when it was lost."""
    epoch: Epoch
    version: Label
    config_sha256: Name = ""
    cameras: tuple[CameraCard, ...] = ()
    public_key: Name = ""
    """Ed25519, Base64: what this agent's manifests are sealed with."""
