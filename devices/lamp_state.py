"""Lamp state: what is known of one lamp, what may happen to it, and what comes of it."""

from itertools import pairwise
from typing import Literal

import msgspec

from devices.header import LampCurve
from devices.report import Report
from wire.command import Ack, Action, Ending, LampState, Stage

ANSWER_MS = 10_000
"""After so long without an answer a lamp that was ordered is unreachable."""
RETRY_MS = 10_000
"""How soon a lamp that does not follow is told again at first."""
PERIODS_MAX = 3
"""After so many of its periods without a word a lamp is not reached any more."""

MISREPORTS_MAX, DOUBTS_MAX = 2, 2
"""One report may have been on its way while the lamp was switched; two in a row are believed."""

Proof = Literal["proven", "warming", "not-proven", "unmeasured", "unknown"]
Fault = Literal["", "dark", "lit-by-day", "over-current", "under-current", "unreachable", "relay-stuck"]


class Lamp(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a lamp beforehand."""

    id: str
    curve: LampCurve | None = None
    """What it should draw; None where nobody knows."""
    has_meter: bool = False
    """Whether its own current is measured."""
    rated_a: float = 0.0
    """Its current at full light."""
    is_dimmable: bool = True
    on_circuit_meter: bool = False
    """Whether its circuit has a meter, which tells of it together with others."""
    period_s: float = 600.0
    heartbeat_s: float = 900.0

    @property
    def is_metered(self) -> bool:
        """Whether its current proves what it does."""
        return self.has_meter and self.curve is not None

    def target(self, level: int) -> int:
        """Return what its controller is to be told for a level."""
        return level if self.is_dimmable else 100 * (level > 0)

    def expected_a(self, level: int) -> float:
        """Return the current that it should draw at a level, once it is warm."""
        if self.curve is None or level <= 0:
            return 0.0
        points = self.curve.points
        share = points[-1][1] if level >= points[-1][0] else points[0][1]
        for (low, low_share), (high, high_share) in pairwise(points):
            if low <= level <= high:
                share = low_share + (high_share - low_share) * (level - low) / (high - low)
        return share * self.rated_a


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was let through."""

    time_ms: int
    id: str
    action: Action
    level: int
    version: int
    until_ms: int
    actor: str = ""
    reason: str = ""


class Heard(msgspec.Struct, frozen=True):
    """The lamp's controller, or its meter, has spoken."""

    report: Report

    @property
    def time_ms(self) -> int:
        """When it was heard."""
        return self.report.received_ms


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The link knows that the controller has what it was told."""

    time_ms: int
    number: int


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The link could not bring it there."""

    time_ms: int
    number: int
    reason: str


class OfCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """What the meter of its circuit says of a switch."""

    time_ms: int
    word: Literal["agrees", "differs", "cannot-tell"]
    reason: str


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed."""

    time_ms: int
    level: int
    """What the schedule wants."""
    why: Literal["schedule", "fail-safe"]
    is_day: bool
    """Whether the sun is up."""


Input = Given | Heard | Sent | Failed | OfCircuit | Tick


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the controller a level; its outcome comes back under the same number."""

    lamp: str
    level: int
    number: int
    patience_ms: int


class Look(msgspec.Struct, frozen=True):
    """Read the lamp soon: it is warm, and its current may prove the switch now."""

    lamp: str


class LampCondition(msgspec.Struct, frozen=True, kw_only=True):
    """What of a lamp a rule may watch; given with everything heard of it, and when something of it changes."""

    lamp: str
    time_ms: int
    since_ms: int
    """Since when what is wrong has been so; ``time_ms`` if nothing is."""
    is_dark: bool | None = None
    """It should burn and draws no current; None where nobody can tell."""
    is_lit_by_day: bool | None = None
    """It burns while the sun is up, and nobody wants it to."""
    is_not_proven: bool | None = None
    """It was switched, and what is measured does not show it."""
    is_stuck: bool | None = None
    """Its relay does not follow."""
    is_over_current: bool | None = None
    is_under_current: bool | None = None
    expected_a: float | None = None
    current_a: float | None = None


Output = Ask | Look | Ack | LampState | LampCondition


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """An order that holds in place of the schedule."""

    id: str
    level: int
    version: int
    until_ms: int
    actor: str = ""
    reason: str = ""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose end has not been told."""

    id: str
    given_ms: int
    stage: Stage = "accepted"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The last word on the latest order."""

    id: str
    stage: Stage | Ending
    time_ms: int
    reason: str = ""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """The last level that the controller is known to have got."""

    level: int
    time_ms: int
    warm_ms: int
    """From then on its current proves something."""
    from_level: int | None = None
    """What it did before, as far as is known."""


class Shadow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is remembered of a lamp; it encodes, and survives a restart."""

    wish: int = 100
    wish_why: Literal["schedule", "fail-safe"] = "fail-safe"
    override: Override | None = None
    version: int = 0
    """The highest of all orders."""
    pending: Pending | None = None
    told: Told | None = None
    number: int = 0
    """Of the last thing that it was asked."""
    asked: int | None = None
    """The level that it is being told; None if nobody is telling it anything."""
    switch: Switch | None = None
    """None while nobody knows what its controller has been told."""
    tries: int = 0
    retry_ms: int = 0
    heard_ms: int | None = None
    reported: int | None = None
    reported_ms: int = 0
    misreports: int = 0
    """Reports in a row, newer than the switch, of another level than it was told."""
    doubts: int = 0
    """Measurements in a row, newer than the switch and its warm-up, that contradict it."""
    proof: Proof = "unknown"
    has_failed: bool = False
    """What the controller itself says of the lamp."""
    current_a: float | None = None
    current_ms: int = 0
    power_w: float | None = None
    energy_kwh: float | None = None
    is_day: bool = False
    is_unreachable: bool = False
    fault: Fault = ""
    fault_ms: int = 0
    shown: LampState | None = None
    """What the centre was told last."""

    @property
    def desired(self) -> int:
        """The level that it should have."""
        return self.override.level if self.override else self.wish


def resumed(shadow: Shadow) -> Shadow:
    """Return the state after a restart: whether what was on its way has arrived, nobody knows."""
    if shadow.asked is None:
        return shadow
    return msgspec.structs.replace(shadow, asked=None, switch=None, number=shadow.number + 1, retry_ms=0)
