"""Lamp: one lamp's shadow: what is wanted, what it says, and what its current proves. Pure.

>>> lamp = Lamp(id="lamp-1", is_dimmable=False)
>>> shadow, outputs = step(lamp, Shadow(), Tick(time_ms=0, level=0, why="schedule", is_day=True))
>>> outputs[0]
Ask(lamp='lamp-1', level=0, number=1, patience_ms=60000)
"""

from collections.abc import Callable
from typing import Any

import msgspec

from devices.lamp_proof import ended, fault_of, heard, judged_by_circuit
from devices.lamp_shown import condition_of, is_news, shown
from devices.lamp_state import (
    ANSWER_MS,
    MISREPORTS_MAX,
    PERIODS_MAX,
    RETRY_MS,
    Ask,
    Failed,
    Given,
    Heard,
    Input,
    Lamp,
    Look,
    OfCircuit,
    Output,
    Override,
    Pending,
    Proof,
    Sent,
    Shadow,
    Switch,
    Tick,
)
from wire.command import Ack

_PATIENCE_MS = 60_000
"""For a switch that no person waits for: a slow bus has as many lamps as it likes at sunset."""
_RETRY_MAX_MS = 300_000


def step(lamp: Lamp, shadow: Shadow, happened: Input) -> tuple[Shadow, list[Output]]:
    """Return the state after something has happened, and what comes of it."""
    outputs: list[Output] = []
    take: Callable[[Lamp, Shadow, Any, list[Output]], Shadow] = _TAKES[type(happened)]
    after = take(lamp, shadow, happened, outputs)
    fault = fault_of(lamp, after)
    if fault != after.fault:
        after = msgspec.structs.replace(after, fault=fault, fault_ms=happened.time_ms)
    if isinstance(happened, Heard) or (after.fault, after.proof) != (shadow.fault, shadow.proof):
        outputs.append(condition_of(lamp, after, happened.time_ms))
    return after, outputs


def _given(lamp: Lamp, shadow: Shadow, order: Given, outputs: list[Output]) -> Shadow:
    """Take an order: whatever was pending is superseded, and the controller is told even what it does already."""
    shadow = ended(lamp, shadow, outputs, "superseded", time_ms=order.time_ms, reason="a later order came")
    override = None
    if order.action != "resume":
        override = Override(
            id=order.id,
            level=order.level,
            version=order.version,
            until_ms=order.until_ms,
            actor=order.actor,
            reason=order.reason,
        )
    shadow = msgspec.structs.replace(
        shadow,
        override=override,
        version=order.version,
        pending=Pending(id=order.id, given_ms=order.time_ms),
        tries=0,
    )
    outputs.append(Ack(command_id=order.id, lamps=(lamp.id,), stage="accepted", time_ms=order.time_ms))
    return _ask(lamp, shadow, outputs, ANSWER_MS - 500)


def _sent(lamp: Lamp, shadow: Shadow, done: Sent, outputs: list[Output]) -> Shadow:
    if done.number != shadow.number or shadow.asked is None:
        return shadow
    level, before = shadow.asked, shadow.switch
    if shadow.pending is None and before is not None and before.level == level:
        # Told again, for it does not follow: that it did not is only taken back when it does.
        before = msgspec.structs.replace(before, warm_ms=done.time_ms + _warm_up_ms(lamp))
        return msgspec.structs.replace(
            shadow, asked=None, switch=before, retry_ms=done.time_ms + _pause_ms(shadow), tries=shadow.tries + 1
        )
    # What does already what it is told need not warm up again; yet only a newer measurement proves this order.
    is_same = before is not None and before.level == level and shadow.proof == "proven"
    switch = Switch(
        level=level,
        time_ms=done.time_ms,
        warm_ms=done.time_ms + (0 if is_same else _warm_up_ms(lamp)),
        from_level=before.level if before else shadow.reported,
    )
    proof: Proof = "unmeasured" if not lamp.is_metered else "proven" if is_same else "warming"
    shadow = msgspec.structs.replace(
        shadow, asked=None, switch=switch, tries=0, retry_ms=0, misreports=0, doubts=0, proof=proof
    )
    if shadow.pending is not None:
        pending = msgspec.structs.replace(shadow.pending, stage="sent")
        shadow = msgspec.structs.replace(shadow, pending=pending)
        outputs.append(Ack(command_id=pending.id, lamps=(lamp.id,), stage="sent", time_ms=done.time_ms))
    return shadow


def _failed(lamp: Lamp, shadow: Shadow, done: Failed, outputs: list[Output]) -> Shadow:
    if done.number != shadow.number or shadow.asked is None:
        return shadow
    shadow = msgspec.structs.replace(shadow, asked=None, switch=None, is_unreachable=True, proof="unknown")
    shadow = _given_up(lamp, shadow, outputs, time_ms=done.time_ms, reason=done.reason)
    return msgspec.structs.replace(shadow, tries=shadow.tries + 1, retry_ms=done.time_ms + _pause_ms(shadow))


def _given_up(lamp: Lamp, shadow: Shadow, outputs: list[Output], *, time_ms: int, reason: str) -> Shadow:
    """End an order that did not arrive: whoever was told so must not find it carried out an hour later."""
    pending = shadow.pending
    if pending is None:
        return shadow
    shadow = ended(lamp, shadow, outputs, "unreachable", time_ms=time_ms, reason=reason)
    if shadow.override is not None and shadow.override.id == pending.id:
        shadow = msgspec.structs.replace(shadow, override=None)
    return shadow


def _ticked(lamp: Lamp, shadow: Shadow, tick: Tick, outputs: list[Output]) -> Shadow:
    now_ms = tick.time_ms
    if (tick.level, tick.why, tick.is_day) != (shadow.wish, shadow.wish_why, shadow.is_day):
        shadow = msgspec.structs.replace(shadow, wish=tick.level, wish_why=tick.why, is_day=tick.is_day)
    if shadow.override is not None and shadow.override.until_ms <= now_ms:
        if shadow.pending is not None and shadow.pending.id == shadow.override.id:
            shadow = ended(
                lamp, shadow, outputs, "expired", time_ms=now_ms, reason="its time was over before it was proven"
            )
        shadow = msgspec.structs.replace(shadow, override=None, tries=0, retry_ms=0)
    shadow = _waited(lamp, shadow, now_ms, outputs)
    silent_ms = PERIODS_MAX * lamp.period_s * 1000
    if shadow.heard_ms is not None and now_ms - shadow.heard_ms > silent_ms and not shadow.is_unreachable:
        shadow = msgspec.structs.replace(shadow, is_unreachable=True, proof="unknown")
    if _must_ask(lamp, shadow, now_ms):
        shadow = _ask(lamp, shadow, outputs, _patience_ms(shadow, now_ms))
    if _must_look(shadow, now_ms):
        outputs.append(Look(lamp.id))
    state = shown(lamp, shadow, now_ms)
    if is_news(lamp, shadow.shown, state):
        shadow = msgspec.structs.replace(shadow, shown=state)
        outputs.append(state)
    return shadow


def _waited(lamp: Lamp, shadow: Shadow, now_ms: int, outputs: list[Output]) -> Shadow:
    """End an order that nothing has been heard of for too long."""
    pending, switch = shadow.pending, shadow.switch
    if pending is None:
        return shadow
    if pending.stage == "accepted":
        if now_ms - pending.given_ms < ANSWER_MS:
            return shadow
        # Whatever a link still says of it comes too late.
        shadow = msgspec.structs.replace(
            shadow, asked=None, switch=None, number=shadow.number + 1, is_unreachable=True, proof="unknown"
        )
        return _given_up(lamp, shadow, outputs, time_ms=now_ms, reason=f"no answer within {ANSWER_MS // 1000} s")
    warm_ms = switch.warm_ms if switch else pending.given_ms
    if now_ms - warm_ms <= PERIODS_MAX * lamp.period_s * 1000:
        return shadow
    if pending.stage == "sent":
        return ended(
            lamp, shadow, outputs, "unreachable", time_ms=now_ms, reason="took the order, and was not heard of since"
        )
    return ended(lamp, shadow, outputs, "reported-not-proven", time_ms=now_ms, reason="nothing was measured since")


def _must_ask(lamp: Lamp, shadow: Shadow, now_ms: int) -> bool:
    if shadow.asked is not None or now_ms < shadow.retry_ms:
        return False
    switch = shadow.switch
    return switch is None or switch.level != lamp.target(shadow.desired) or shadow.misreports >= MISREPORTS_MAX


def _must_look(shadow: Shadow, now_ms: int) -> bool:
    switch = shadow.switch
    if switch is None or now_ms < switch.warm_ms:
        return False
    return shadow.proof == "warming" or (shadow.doubts == 1 and shadow.proof != "not-proven")


def _patience_ms(shadow: Shadow, now_ms: int) -> int:
    if shadow.pending is None or shadow.pending.stage != "accepted":
        return _PATIENCE_MS
    return max(shadow.pending.given_ms + ANSWER_MS - 500 - now_ms, 0)


def _ask(lamp: Lamp, shadow: Shadow, outputs: list[Output], patience_ms: int) -> Shadow:
    level, number = lamp.target(shadow.desired), shadow.number + 1
    outputs.append(Ask(lamp=lamp.id, level=level, number=number, patience_ms=patience_ms))
    return msgspec.structs.replace(shadow, asked=level, number=number)


def _warm_up_ms(lamp: Lamp) -> int:
    return 0 if lamp.curve is None else round(lamp.curve.warm_up_s * 1000)


def _pause_ms(shadow: Shadow) -> int:
    """Return how long to wait before a lamp that does not follow is told again: ever longer."""
    return min(RETRY_MS << min(shadow.tries, 10), _RETRY_MAX_MS)


_TAKES: dict[type, Callable[[Lamp, Shadow, Any, list[Output]], Shadow]] = {
    Given: _given,
    Heard: heard,
    Sent: _sent,
    Failed: _failed,
    OfCircuit: judged_by_circuit,
    Tick: _ticked,
}
