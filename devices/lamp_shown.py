"""Lamp shown: what the centre is told of a lamp's shadow, and what a rule may watch of it."""

import msgspec

from devices.lamp_state import DOUBTS_MAX, Lamp, LampCondition, Shadow
from wire.command import LampState

_CURRENT_STEP = 0.05
"""A current that changes by less than this share of that at full light is no news until the heartbeat."""
_REASON_MAX = 2_000


def shown(lamp: Lamp, shadow: Shadow, time_ms: int) -> LampState:
    """Return what is to be said of a lamp now."""
    override = shadow.override
    return LampState(
        lamp=lamp.id,
        time_ms=time_ms,
        desired=shadow.desired,
        why="override" if override else shadow.wish_why,
        version=override.version if override else 0,
        until_ms=override.until_ms if override else None,
        actor=override.actor if override else "",
        reason=override.reason[:_REASON_MAX] if override else "",
        reported=shadow.reported,
        proven=_proven(lamp, shadow),
        # While it is told another level, what was proven is that of before.
        proof="warming" if shadow.asked is not None and shadow.proof == "proven" else shadow.proof,
        fault=shadow.fault,
        current_a=shadow.current_a,
        power_w=shadow.power_w,
        energy_kwh=shadow.energy_kwh,
    )


def is_news(lamp: Lamp, before: LampState | None, now: LampState) -> bool:
    """Tell whether a state differs from the last one told by something that somebody would want to know."""
    if before is None or is_changed(before, now) or now.time_ms - before.time_ms >= lamp.heartbeat_s * 1000:
        return True
    if now.current_a is None or before.current_a is None:
        return now.current_a is not before.current_a
    return abs(now.current_a - before.current_a) > _CURRENT_STEP * max(lamp.rated_a, 0.1)


def is_changed(before: LampState | None, now: LampState) -> bool:
    """Tell whether more has changed than what is measured."""
    if before is None:
        return True
    quiet = {name: getattr(before, name) for name in ("time_ms", "current_a", "power_w", "energy_kwh")}
    return msgspec.structs.replace(now, **quiet) != before


def condition_of(lamp: Lamp, shadow: Shadow, time_ms: int) -> LampCondition:
    """Return what a rule may watch; what a lamp that is not heard, or not measured, does, nobody can tell."""
    fault, switch = shadow.fault, shadow.switch
    is_known = fault != "unreachable" and switch is not None
    is_measured = is_known and lamp.is_metered and shadow.current_ms > 0
    # A lamp that warms up has done neither; what it was found to do before does not count any more.
    is_judged = is_measured and (shadow.proof in ("proven", "not-proven") or shadow.doubts >= DOUBTS_MAX)
    is_told = is_known and shadow.reported is not None
    return LampCondition(
        lamp=lamp.id,
        time_ms=time_ms,
        since_ms=shadow.fault_ms if fault else time_ms,
        is_dark=fault == "dark" if is_judged or (is_known and shadow.has_failed) else None,
        is_lit_by_day=fault == "lit-by-day" if is_judged else None,
        is_not_proven=shadow.proof == "not-proven" if is_judged else None,
        is_stuck=fault == "relay-stuck" if is_told or is_judged else None,
        is_over_current=fault == "over-current" if is_judged else None,
        is_under_current=fault == "under-current" if is_judged else None,
        expected_a=lamp.expected_a(switch.level) if switch is not None and is_measured else None,
        current_a=shadow.current_a,
    )


def _proven(lamp: Lamp, shadow: Shadow) -> int | None:
    """Return the level that the measured current proves: also darkness, where light was wanted."""
    switch, curve = shadow.switch, lamp.curve
    if switch is None or curve is None or not lamp.is_metered or shadow.current_a is None:
        return None
    if shadow.proof == "proven":
        return switch.level
    return 0 if shadow.proof == "not-proven" and shadow.current_a <= curve.off_a else None
