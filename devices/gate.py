"""Gate: which orders a gateway takes. Pure; whose signature it is has been found before.

In this order: for this gateway, not taken before, not kept by the broker, in time, not seen under another id, and not
older than what holds. Whatever is let through once is remembered for longer than it could be sent again; and should the
clock be set back, each lamp still knows the highest version that it was given.
"""

from typing import Literal

import msgspec

from devices.guard import approved
from wire.command import DEADLINE_S_MAX, Approval, Command, Ending, ScheduleOrder

SKEW_MS = 10_000
"""By so much the centre's clock may be ahead of ours."""
_KEPT_MS = 300_000
"""An order that came again after its deadline is refused for that; till then its nonce is known."""
_ORDERS_MAX = 4_096

Order = Command | ScheduleOrder


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that has been here, and what it was answered if it was refused whole."""

    time_ms: int
    nonce: str
    ending: Ending | Literal[""] = ""
    reason: str = ""


class GateState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of orders; it encodes."""

    taken: dict[str, Taken] = {}
    """By id, the oldest first."""
    schedule_version: int = 0
    darkened: tuple[tuple[str, int], ...] = ()
    """Lamps that orders have made darker without a second person, and when; the guard's window of them."""
    time_ms: int = 0
    """When the last order was judged."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway asks of orders."""

    agent: str
    override_s_max: float = 43_200.0


class Admitted(msgspec.Struct, frozen=True):
    """It may be carried out."""


class Refused(msgspec.Struct, frozen=True):
    """It must not; ``is_ours`` says whether its id is that of an order of this gateway."""

    ending: Literal["rejected", "expired"]
    reason: str
    is_ours: bool = True


class Repeated(msgspec.Struct, frozen=True):
    """It has been here: nothing is done, and what was said of it is said again."""

    before: Taken


Verdict = Admitted | Refused | Repeated


def admit(
    state: GateState, order: Order, terms: Terms, *, now_ms: int | None, is_retained: bool = False
) -> tuple[GateState, Verdict]:
    """Return the state and whether an order may be carried out.

    Args:
        state: what is remembered.
        order: what has come, its signature verified.
        terms: of this gateway.
        now_ms: the time by a clock that can be trusted; None if there is none.
        is_retained: whether the broker had kept it.
    """
    if order.agent != terms.agent:
        return state, Refused("rejected", f"is for {order.agent}", is_ours=False)
    if order.id in state.taken:
        return state, Repeated(state.taken[order.id])
    reason = _fault(state, order, terms, is_retained=is_retained)
    if now_ms is None:  # by no time it could be remembered, nor forgotten
        return state, Refused("rejected", reason or "the gateway's clock is not synced, and the centre was not heard")
    state = _forgotten(msgspec.structs.replace(state, time_ms=now_ms), now_ms)
    late_s = (now_ms - order.not_after_ms) / 1000
    if late_s * 1000 > _KEPT_MS:
        # Perhaps it was here and is forgotten: then nothing must be said of it that the centre would take for its end.
        return state, Refused("expired", f"came {late_s:.0f} s after its deadline", is_ours=False)
    reason = reason or _untimely(state, order, now_ms)
    if reason or late_s > 0:
        return refused_whole(
            state, order, "rejected" if reason else "expired", reason or f"came {late_s:.1f} s after its deadline"
        )
    return remembered(state, order, now_ms), Admitted()


def remembered(state: GateState, order: Order, now_ms: int) -> GateState:
    """Return the state with an order that is carried out."""
    return _with(state, order, Taken(time_ms=now_ms, nonce=order.nonce))


def refused_whole(
    state: GateState, order: Order, ending: Literal["rejected", "expired"], reason: str
) -> tuple[GateState, Refused]:
    """Return the state with an order that is not carried out at all, so that it is answered alike if it comes again."""
    taken = Taken(time_ms=state.time_ms, nonce=order.nonce, ending=ending, reason=reason)
    return _with(state, order, taken), Refused(ending, reason)


def _fault(state: GateState, order: Order, terms: Terms, *, is_retained: bool) -> str:
    """Return what is wrong with an order whatever the time is."""
    span_ms = order.not_after_ms - order.issued_ms
    span = f"has {span_ms / 1000:g} s to be carried out; at most {DEADLINE_S_MAX} s are allowed"
    found = [
        (is_retained, "was kept by the broker; orders never are"),
        (not 0 < span_ms <= DEADLINE_S_MAX * 1000, span),
        (any(order.nonce == each.nonce for each in state.taken.values()), "its nonce has been used by another order"),
    ]
    if isinstance(order, ScheduleOrder):
        found.append((order.version <= state.schedule_version, "a later schedule holds"))
    else:
        holds_s = (order.until_ms - order.issued_ms) / 1000 if order.until_ms is not None else 0.0
        too_long = f"is to hold for more than {terms.override_s_max / 60:.0f} minutes"
        found.append((order.action == "dim" and order.level is None, "dims to no level"))
        found.append((holds_s > terms.override_s_max, too_long))
    return next((reason for is_so, reason in found if is_so), "")


def _untimely(state: GateState, order: Order, now_ms: int) -> str:
    if order.issued_ms - now_ms > SKEW_MS:
        return f"was issued {(order.issued_ms - now_ms) / 1000:.0f} s ahead of the gateway's clock"
    return f"more than {_ORDERS_MAX} orders within five minutes" if len(state.taken) >= _ORDERS_MAX else ""


def has_second_person(order: Order) -> bool:
    """Tell whether somebody else has approved an order."""
    approval: Approval | None = order.approval
    return approved(approval, actor=order.actor, issued_ms=order.issued_ms)


def _with(state: GateState, order: Order, taken: Taken) -> GateState:
    return msgspec.structs.replace(state, taken={**state.taken, order.id: taken})


def _forgotten(state: GateState, time_ms: int) -> GateState:
    """Forget orders that are long past their deadline, whatever that was."""
    if not state.taken or time_ms - next(iter(state.taken.values())).time_ms <= _KEPT_MS:
        return state
    kept = {name: each for name, each in state.taken.items() if time_ms - each.time_ms <= _KEPT_MS}
    return msgspec.structs.replace(state, taken=kept)
