"""Presence: whether a device is heard, and for how long it has not been; pure.

Silence is counted only while the gateway listens: after a restart, or when its clock was set, a device has its periods
anew before anybody says that it is gone.
"""

from typing import Literal

import msgspec

from devices.inventory import DeviceEntry
from devices.seen import PERIODS_MAX
from wire.device import Presence

_LISTENS_MS = 120_000
"""Between two ticks that are further apart nobody has listened."""
_LATE_PERIODS = 1.5
_AGAIN_MS = 3_600_000
"""After so long the same is said again."""


class Hearing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of when a device was heard; by the gateway's clock."""

    time_ms: int = -1
    """Of the last report or tick."""
    last_ms: int | None = None
    """When it was heard last."""
    silent_ms: int = 0
    """For how long it was not heard while somebody listened, since then or since the first tick."""
    listened_ms: int = 0
    """For how long somebody has listened between the last two."""
    told: str = ""
    told_ms: int = 0

    @property
    def silent_s(self) -> float:
        """The same in seconds."""
        return self.silent_ms / 1000


def step(
    state: Hearing, entry: DeviceEntry, time_ms: int, *, is_heard: bool, trouble: str = ""
) -> tuple[Hearing, Presence | None]:
    """Return the state after a report or a tick, and what is to be said, if it has changed or was not said for long.

    Args:
        state: before it.
        entry: the device.
        time_ms: by the gateway's clock.
        is_heard: whether it is a report.
        trouble: what is wrong with the wire, if the link says so.
    """
    passed_ms = time_ms - state.time_ms
    listened_ms = passed_ms if state.time_ms >= 0 and 0 <= passed_ms <= _LISTENS_MS else 0
    after = msgspec.structs.replace(
        state,
        time_ms=time_ms,
        last_ms=time_ms if is_heard else state.last_ms,
        silent_ms=0 if is_heard else state.silent_ms + listened_ms,
        listened_ms=listened_ms,
    )
    now = _state(after, entry)
    if now == state.told and 0 <= time_ms - state.told_ms < _AGAIN_MS:
        return after, None
    reason = trouble if now in ("late", "offline", "unheard") else ""
    told = Presence(device=entry.id, state=now, time_ms=time_ms, last_ms=after.last_ms, reason=reason[:200])
    return msgspec.structs.replace(after, told=now, told_ms=time_ms), told


def _state(hearing: Hearing, entry: DeviceEntry) -> Literal["unheard", "live", "late", "offline"]:
    periods = hearing.silent_s / entry.period_s
    if periods >= PERIODS_MAX:
        return "offline"
    if hearing.last_ms is None:
        return "unheard"
    return "late" if periods >= _LATE_PERIODS else "live"
