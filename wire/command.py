"""Command: what an operator, a schedule or a rule asks of lamps; signed by the centre, checked by the gateway.

A command is published once, never retained, as ``SignedCommand``: the bytes that were signed travel as they are.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.identifiers import Id, Uuid7
from wire.values import Label, Name, Seq, Text, TimeMs

DEADLINE_S_MAX = 30
Level = Annotated[int, Meta(ge=0, le=100, description="Percent of full light; 0 is off.")]
Action = Literal["on", "off", "dim", "resume"]
"""``resume``: back to the schedule."""
Stage = Literal["accepted", "sent", "reported"]
Ending = Literal["proven", "reported-not-proven", "rejected", "expired", "unreachable", "superseded"]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A second person's word for a switch that is larger than one may order."""

    name: Label
    time_ms: TimeMs


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Switch some lamps of one gateway."""

    id: Uuid7
    """One id for all gateways that take part; a gateway takes each id once, so sending it again changes nothing."""
    agent: Id
    """For which gateway it is."""
    lamps: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=5_000)]
    """Everything named: the centre resolves groups, circuits and areas, so that what is signed is what happens."""
    action: Action
    level: Level | None = None
    """For ``dim``."""
    version: Seq
    """Rising over all commands of the centre: of two for one lamp the higher counts, however they arrive."""
    nonce: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
    issued_ms: TimeMs
    not_after_ms: TimeMs
    """At most 30 s after ``issued_ms``: what arrives later is refused."""
    until_ms: TimeMs | None = None
    """When the override ends and the schedule returns; None only for ``resume``."""
    actor: Label
    reason: Text = ""
    approval: Approval | None = None


class ScheduleOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Replace the gateway's schedules: it counts as a command, is signed like one and guarded like one."""

    id: Uuid7
    agent: Id
    schedules: Annotated[str, Meta(max_length=65_536)]
    """A schedule file, YAML; checked whole before anything of it holds."""
    version: Seq
    nonce: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)")]
    issued_ms: TimeMs
    not_after_ms: TimeMs
    actor: Label
    reason: Text = ""
    approval: Approval | None = None


class SignedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """The signed bytes, which kind of order they hold, and the Ed25519 signature over ``kind``, a NUL, and them."""

    kind: Literal["command", "schedule"]
    body: bytes
    """JSON of a Command or a ScheduleOrder."""
    key: Name
    """Name of the key that signed: the first 16 hexadecimal digits of the SHA-256 of the public key."""
    signature: bytes


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ack", tag_field="type"):
    """How far a command has come for some lamps: a stage on the way, or how it ended."""

    command_id: Uuid7
    lamps: Annotated[tuple[Id, ...], Meta(max_length=5_000)]
    """Empty for an order that was refused whole before its lamps were known."""
    stage: Stage | Ending
    time_ms: TimeMs
    reason: Text = ""


class LampState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lamp", tag_field="type"):
    """A lamp's shadow: what is wanted, what it says, and what its current proves."""

    lamp: Id
    time_ms: TimeMs
    desired: Level
    why: Literal["schedule", "override", "fail-safe"]
    version: Annotated[int, Meta(ge=0, le=2**52)] = 0
    """Of the command that holds; 0 for the schedule."""
    until_ms: TimeMs | None = None
    actor: Label = ""
    reason: Text = ""
    reported: Level | None = None
    """What the lamp's controller says; None while it is not known."""
    proven: Level | None = None
    """What the measured current proves; None while nothing is proven."""
    proof: Literal["proven", "warming", "not-proven", "unmeasured", "unknown"] = "unknown"
    """``unmeasured``: the lamp has no meter of its own, and its circuit's cannot tell one lamp."""
    fault: Label = ""
    """dark | lit-by-day | over-current | under-current | unreachable | relay-stuck, or empty."""
    current_a: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    power_w: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    energy_kwh: Annotated[float, Meta(ge=0, le=1e12)] | None = None
