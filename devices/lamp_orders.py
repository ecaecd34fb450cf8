"""Lamp orders: an order for some lamps of a gateway becomes one for each of them, or is refused. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from devices.gate import GateState, Order, has_second_person, refused_whole
from devices.guard import Limits, neighbours, passed, side_by_side
from devices.inventory import DeviceEntry
from devices.lamp_state import Given, Lamp, Shadow
from wire.command import Ack, Command, Ending

_DARK_BELOW = 30
"""Below this level a lamp counts as dark at a crossing or in a tunnel."""


class Fleet:
    """The lamps of a gateway: which hang on which circuit, and which stand side by side where that matters."""

    def __init__(self, entries: Sequence[DeviceEntry], lamps: Mapping[str, Lamp]) -> None:
        self.lamps = lamps
        self.circuit_of = {entry.id: entry.circuit for entry in entries if entry.id in lamps}
        self.sizes: dict[str, int] = {}
        for circuit in self.circuit_of.values():
            self.sizes[circuit] = self.sizes.get(circuit, 0) + 1
        zones: dict[str, list[tuple[str, tuple[float, float] | None]]] = {}
        for entry in entries:
            if entry.id in lamps and entry.conflict:
                zones.setdefault(entry.conflict, []).append((entry.id, entry.position))
        self.pairs = frozenset(pair for places in zones.values() for pair in neighbours(places))


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """What an order comes to: what each lamp is given, and what is said of those that it does not reach."""

    given: dict[str, Given] = {}
    acks: tuple[Ack, ...] = ()


def share_out(
    fleet: Fleet,
    shadows: Mapping[str, Shadow],
    state: GateState,
    order: Command,
    *,
    limits: Limits,
    now_ms: int,
    until_ms: int,
) -> tuple[GateState, Shares]:
    """Return the state after an order that the gate has let through, and its shares.

    Args:
        fleet: the lamps of this gateway.
        shadows: of all of them.
        state: of the gate.
        order: what is asked.
        limits: of the guard.
        now_ms: the time by the gateway's own clock.
        until_ms: when an override ends, by the same clock.
    """
    level = {"on": 100, "off": 0, "dim": order.level or 0, "resume": 0}[order.action]
    ours, apart = _sorted(fleet, shadows, order, level)
    darker = [each for each in ours if order.action != "resume" and level < shadows[each].desired]
    over = _over(fleet, shadows, state, darker, level=level, limits=limits, now_ms=now_ms)
    if over and not has_second_person(order):
        state, _ = refused_whole(state, order, "rejected", over)
        return state, Shares(acks=(_ack(order, (), "rejected", now_ms, over),))
    if not over:  # what a second person stands behind takes nothing from others
        lately = tuple(each for each in state.darkened if now_ms - each[1] < limits.window_ms)
        state = msgspec.structs.replace(state, darkened=(*lately, *((each, now_ms) for each in darker)))
    given = Given(
        time_ms=now_ms,
        id=order.id,
        action=order.action,
        level=level,
        version=order.version,
        until_ms=until_ms,
        actor=order.actor,
        reason=order.reason,
    )
    acks = tuple(_ack(order, tuple(lamps), ending, now_ms, reason) for (ending, reason), lamps in apart.items())
    return state, Shares(given=dict.fromkeys(ours, given), acks=acks)


def over_limits(
    fleet: Fleet, state: GateState, darker: Sequence[str], *, limits: Limits, now_ms: int
) -> tuple[str, GateState]:
    """Return which limit would be passed if these lamps went darker, in words, and the state if none is."""
    lately = [lamp for lamp, at_ms in state.darkened if now_ms - at_ms < limits.window_ms]
    over = passed(limits, lately=lately, wanted=darker, circuit_of=fleet.circuit_of, sizes=fleet.sizes)
    if over:
        first = over[0]
        where = f"circuit {first.circuit!r}" if first.circuit else "this gateway"
        return (
            f"{first.count} lamps of {where} would go darker within {limits.window_ms // 1000} s where one person may"
            f" order {first.allowed}: a second one must approve"
        ), state
    darkened = tuple(each for each in state.darkened if now_ms - each[1] < limits.window_ms)
    return "", msgspec.structs.replace(state, darkened=(*darkened, *((each, now_ms) for each in darker)))


def _sorted(
    fleet: Fleet, shadows: Mapping[str, Shadow], order: Command, level: int
) -> tuple[list[str], dict[tuple[Ending, str], list[str]]]:
    """Return the lamps that take an order, and the others by what is said of them."""
    ours: list[str] = []
    apart: dict[tuple[Ending, str], list[str]] = {}
    for name in dict.fromkeys(order.lamps):
        lamp = fleet.lamps.get(name)
        if lamp is None:
            apart.setdefault(("rejected", "is no lamp of this gateway"), []).append(name)
        elif order.version <= shadows[name].version:
            apart.setdefault(("superseded", "a later order came before it"), []).append(name)
        elif order.action == "dim" and not lamp.is_dimmable and 0 < level < 100:
            apart.setdefault(("rejected", "cannot be dimmed"), []).append(name)
        else:
            ours.append(name)
    return ours, apart


def _over(
    fleet: Fleet,
    shadows: Mapping[str, Shadow],
    state: GateState,
    darker: Sequence[str],
    *,
    level: int,
    limits: Limits,
    now_ms: int,
) -> str:
    """Return which limit an order would pass; empty if none."""
    reason, _ = over_limits(fleet, state, darker, limits=limits, now_ms=now_ms)
    if reason or level >= _DARK_BELOW or not fleet.pairs:
        return reason
    dark = [name for name, each in shadows.items() if each.override and each.override.level < _DARK_BELOW]
    pair = side_by_side(fleet.pairs, dark=dark, wanted=darker)
    return f"{pair[0]} and {pair[1]} stand side by side where it must not be dark" if pair else ""


def _ack(order: Order, lamps: tuple[str, ...], ending: Ending, time_ms: int, reason: str) -> Ack:
    return Ack(command_id=order.id, lamps=lamps, stage=ending, time_ms=time_ms, reason=reason)
