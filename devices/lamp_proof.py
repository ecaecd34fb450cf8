"""Lamp proof: what a report of a lamp, or of its circuit, says of the level that it was told."""

from collections.abc import Mapping

import msgspec

from devices.lamp_state import (
    DOUBTS_MAX,
    MISREPORTS_MAX,
    RETRY_MS,
    Fault,
    Heard,
    Lamp,
    OfCircuit,
    Output,
    Pending,
    Proof,
    Shadow,
    Switch,
    Told,
)
from devices.reading import Reading
from wire.command import Ack, Ending

_LEVEL_STEP = 2
"""By so much a controller may round a level."""


def heard(lamp: Lamp, shadow: Shadow, said: Heard, outputs: list[Output]) -> Shadow:
    """Return the state after a report."""
    report = said.report
    # What a device keeps for later says nothing of now, and no clock of a device is believed to be ahead of ours.
    time_ms = min(report.time_ms, report.received_ms)
    readings = {each.property: each for each in report.readings if not each.feature and each.at_ms is None}
    if shadow.is_unreachable:
        # A meter proves it anew; where there is none, all that can be known is known again.
        proof: Proof = shadow.proof if lamp.is_metered or shadow.switch is None else "unmeasured"
        retry_ms = min(shadow.retry_ms, report.received_ms + RETRY_MS)
        shadow = msgspec.structs.replace(shadow, proof=proof, retry_ms=retry_ms)
    shadow = msgspec.structs.replace(
        shadow, heard_ms=report.received_ms, is_unreachable=False, **_measured(shadow, readings, time_ms)
    )
    shadow = _reported(lamp, shadow, readings, time_ms, outputs)
    return _proven(lamp, shadow, time_ms, outputs) if "current" in readings else shadow


def judged_by_circuit(lamp: Lamp, shadow: Shadow, said: OfCircuit, outputs: list[Output]) -> Shadow:
    """Return the state of a lamp without a meter after its circuit's meter has spoken; it is only asked of orders."""
    pending, switch = shadow.pending, shadow.switch
    if lamp.is_metered or pending is None or switch is None or pending.stage == "accepted":
        return shadow
    if said.word == "agrees":
        return ended(lamp, shadow, outputs, "proven", time_ms=said.time_ms, reason=said.reason)
    shadow = msgspec.structs.replace(shadow, doubts=shadow.doubts + 1)
    if said.word == "cannot-tell" or shadow.doubts >= DOUBTS_MAX:
        return ended(lamp, shadow, outputs, "reported-not-proven", time_ms=said.time_ms, reason=said.reason)
    return shadow


def ended(
    lamp: Lamp, shadow: Shadow, outputs: list[Output], ending: Ending, *, time_ms: int, reason: str = ""
) -> Shadow:
    """Return the state without the order that was pending, and tell how that ended, if there was one."""
    pending = shadow.pending
    if pending is None:
        return shadow
    ack = Ack(command_id=pending.id, lamps=(lamp.id,), stage=ending, time_ms=time_ms, reason=reason)
    outputs.append(ack)
    told = Told(id=pending.id, stage=ending, time_ms=time_ms, reason=reason)
    return msgspec.structs.replace(shadow, pending=None, told=told)


def fault_of(lamp: Lamp, shadow: Shadow) -> Fault:
    """Return what is wrong with a lamp, the worst of it."""
    if shadow.is_unreachable:
        return "unreachable"
    switch = shadow.switch
    fault: Fault = ""
    if switch is None:
        return fault
    if shadow.doubts >= DOUBTS_MAX and lamp.is_metered and lamp.curve is not None and shadow.current_a is not None:
        if switch.level == 0:
            fault = "lit-by-day" if shadow.is_day else "relay-stuck"
        elif shadow.current_a <= lamp.curve.off_a:
            fault = "dark"
        else:
            fault = "over-current" if shadow.current_a > lamp.expected_a(switch.level) else "under-current"
    elif shadow.misreports >= MISREPORTS_MAX:
        fault = "relay-stuck"
    elif shadow.has_failed and switch.level > 0 and shadow.proof != "proven":
        fault = "dark"
    return fault


def _measured(shadow: Shadow, readings: Mapping[str, Reading], time_ms: int) -> dict[str, float | int | bool | None]:
    """Return what was measured; a value that cannot be believed is not taken."""
    found: dict[str, float | int | bool | None] = {}
    for name, field in (("current", "current_a"), ("power.active", "power_w"), ("energy.active", "energy_kwh")):
        reading = readings.get(name)
        if reading is not None and reading.quality == "good" and _is_number(reading.result):
            found[field] = max(0.0, float(reading.result))
            if name == "current":
                found["current_ms"] = max(time_ms, shadow.current_ms)
    failure = readings.get("lamp.failure")
    if failure is not None and failure.quality == "good":
        found["has_failed"] = bool(failure.result)
    return found


def _reported(
    lamp: Lamp, shadow: Shadow, readings: Mapping[str, Reading], time_ms: int, outputs: list[Output]
) -> Shadow:
    level = _level_of(readings, is_dimmable=lamp.is_dimmable)
    if level is None or time_ms < shadow.reported_ms:
        return shadow
    shadow = msgspec.structs.replace(shadow, reported=level, reported_ms=time_ms)
    switch, pending = shadow.switch, shadow.pending
    if switch is None or time_ms < switch.time_ms or shadow.asked is not None:
        return shadow
    if not _is_same(level, switch.level):
        shadow = msgspec.structs.replace(shadow, misreports=min(shadow.misreports + 1, MISREPORTS_MAX))
        if shadow.misreports >= MISREPORTS_MAX and not lamp.is_metered:
            reason = f"its controller says {level} %"
            return ended(lamp, shadow, outputs, "reported-not-proven", time_ms=time_ms, reason=reason)
        return shadow
    if shadow.misreports:
        shadow = msgspec.structs.replace(shadow, misreports=0, tries=0)
    if pending is not None and pending.stage == "sent":
        outputs.append(Ack(command_id=pending.id, lamps=(lamp.id,), stage="reported", time_ms=time_ms))
        reported = Pending(id=pending.id, given_ms=pending.given_ms, stage="reported")
        shadow = msgspec.structs.replace(shadow, pending=reported)
        if not lamp.is_metered and not lamp.on_circuit_meter:
            return ended(
                lamp,
                shadow,
                outputs,
                "reported-not-proven",
                time_ms=time_ms,
                reason="has no meter, nor has its circuit",
            )
    return shadow


def _proven(lamp: Lamp, shadow: Shadow, time_ms: int, outputs: list[Output]) -> Shadow:
    """Compare the measured current with the curve."""
    switch, current_a = shadow.switch, shadow.current_a
    if switch is None or not lamp.is_metered or current_a is None or shadow.asked is not None:
        return shadow
    if time_ms < switch.time_ms or time_ms < shadow.current_ms:
        return shadow
    fits = _fits(lamp, switch, current_a)
    # Light may be cut off at once, but takes its time to be what it is.
    if time_ms < switch.warm_ms and not (fits and switch.level == 0):
        return shadow
    if fits:
        shadow = msgspec.structs.replace(shadow, doubts=0, proof="proven")
        return ended(lamp, shadow, outputs, "proven", time_ms=time_ms)
    doubts = min(shadow.doubts + 1, DOUBTS_MAX)
    proof: Proof = "not-proven" if doubts >= DOUBTS_MAX else shadow.proof
    shadow = msgspec.structs.replace(shadow, doubts=doubts, proof=proof)
    if doubts < DOUBTS_MAX:
        return shadow
    reason = f"draws {current_a:.3f} A of {lamp.expected_a(switch.level):.3f} A expected"
    return ended(lamp, shadow, outputs, "reported-not-proven", time_ms=time_ms, reason=reason)


def _fits(lamp: Lamp, switch: Switch, current_a: float) -> bool:
    assert lamp.curve is not None  # noqa: S101  # whoever asks has looked
    if switch.level == 0:
        return current_a <= lamp.curve.off_a
    is_near = abs(current_a - lamp.expected_a(switch.level)) <= lamp.curve.tolerance * lamp.rated_a
    return is_near and current_a > lamp.curve.off_a


def _level_of(readings: Mapping[str, Reading], *, is_dimmable: bool) -> int | None:
    """Return the level that a controller says; None if it says none that can be believed."""
    relay, level = readings.get("relay.closed"), readings.get("level")
    if relay is not None and relay.quality == "good" and relay.result is False:
        return 0
    if level is not None and level.quality == "good" and _is_number(level.result):
        return min(100, max(0, round(float(level.result))))
    if relay is not None and relay.quality == "good" and relay.result is True and not is_dimmable:
        return 100
    return None


def _is_same(reported: int, level: int) -> bool:
    return (reported == 0) == (level == 0) and abs(reported - level) <= _LEVEL_STEP


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
