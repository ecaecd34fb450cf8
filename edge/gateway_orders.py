"""Gateway orders: what comes as an order is checked, shared out among the lamps, and answered, or refused."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import structlog

from config.document import ConfigError
from devices.gate import (
    Admitted,
    GateState,
    Refused,
    Repeated,
    Terms,
    admit,
    has_second_person,
    refused_whole,
    remembered,
)
from devices.lamp_orders import Fleet, over_limits, share_out
from devices.schedule import Schedule, darker
from edge.centre_time import CentreTime, trusted_ms
from edge.gateway_config import GatewaySetup
from edge.gateway_lamps import Lighting
from edge.gateway_sheet import Sheet
from shell.order_keys import OrderError, read_order
from wire.clock import ClockState
from wire.command import Ack, Command, Ending, ScheduleOrder, Stage
from wire.identifiers import uuid7_of

_LOG = structlog.get_logger()
GATE, SCHEDULE = "orders", "schedule"
"""Under which names they are kept."""
_STRANGE_MAX, _STRANGE_S = 20, 60.0
"""Of what is no order of this gateway so many are told in a minute, so that nobody fills the outbox with them."""


class KeptSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Schedules that the centre has ordered; they hold in place of the file's."""

    content: str
    version: int
    actor: str = ""
    time_ms: int = 0


class Orders:
    """The desk at which all orders for a gateway come in. ``commit`` writes a sheet at once."""

    def __init__(
        self,
        agent: str,
        setup: GatewaySetup,
        lighting: Lighting,
        kept: Mapping[str, bytes],
        *,
        commit: Callable[[Sheet], Coroutine[Any, Any, None]],
        now_ms: Callable[[], int],
        clock: Callable[[], ClockState],
        centre: CentreTime,
    ) -> None:
        self._setup, self._lighting, self._commit = setup, lighting, commit
        self._now_ms, self._clock, self._centre = now_ms, clock, centre
        self._terms = Terms(agent=agent, override_s_max=setup.gateway.override_minutes_max * 60)
        self._limits = setup.gateway.guard.limits
        self._fleet = Fleet(setup.entries, setup.lamps)
        self._state = _gate_state(kept.get(GATE))
        self._strange: list[float] = []
        self._studied: set[str] = set()
        self.refused = 0
        """Orders, and what was none, that were not carried out; since the start."""

    async def take(self, payload: bytes, *, is_retained: bool) -> None:
        """Take what came on the topic of orders; return when what came of it is committed."""
        sheet = Sheet()
        try:
            order = read_order(self._setup.keys, payload)
        except OrderError as error:
            self._tell_strange(payload, str(error), sheet)
        else:
            now_ms = self._now_ms()
            judged_ms = trusted_ms(now_ms, self._clock(), self._centre)
            before = self._state
            self._state, verdict = admit(before, order, self._terms, now_ms=judged_ms, is_retained=is_retained)
            match verdict:
                case Refused(is_ours=False):
                    self._tell_strange(payload, f"{verdict.reason}; order {order.id} of {order.actor}", sheet)
                case Refused():
                    self._refuse(order, verdict.ending, verdict.reason, sheet)
                case Repeated():
                    self._repeat(order, verdict, sheet)
                case Admitted() if isinstance(order, Command):
                    self._share_out(order, now_ms, now_ms - (judged_ms or now_ms), sheet)
                case Admitted():
                    self._state = before
                    if order.id not in self._studied:
                        await self._study(order, now_ms, sheet)
            sheet.states[GATE] = self._state
        if not sheet.is_empty:
            await self._commit(sheet)

    def _share_out(self, order: Command, now_ms: int, ahead_ms: int, sheet: Sheet) -> None:
        """Give an order to its lamps; ``ahead_ms`` is how far this clock is ahead of the centre's."""
        until_ms = now_ms + round(self._setup.gateway.override_minutes * 60_000)
        if order.until_ms is not None:
            until_ms = order.until_ms + ahead_ms
        self._state, shares = share_out(
            self._fleet,
            self._lighting.shadows,
            self._state,
            order,
            limits=self._limits,
            now_ms=now_ms,
            until_ms=until_ms,
        )
        for ack in shares.acks:
            sheet.ack(ack)
            self.refused += ack.stage == "rejected"
        self._lighting.give(shares.given, sheet)
        _LOG.info(
            "an order", id=order.id, action=order.action, lamps=len(order.lamps), given=len(shares.given),
            actor=order.actor, reason=order.reason,
        )  # fmt: skip

    async def _study(self, order: ScheduleOrder, now_ms: int, sheet: Sheet) -> None:
        """Look at schedules for as long as it takes, and remember the order when that is done, with what came of it."""
        self._studied.add(order.id)
        try:
            schedule, names = await asyncio.to_thread(self._darker, order, now_ms)
        except ConfigError as error:
            return self._refuse_whole(order, str(error), sheet)
        finally:
            self._studied.discard(order.id)
        over, state = over_limits(self._fleet, self._state, sorted(names), limits=self._limits, now_ms=now_ms)
        if over and not has_second_person(order):
            return self._refuse_whole(order, f"at night {over}", sheet)
        if order.version <= state.schedule_version:
            return self._refuse_whole(order, "a later schedule holds", sheet)
        state = remembered(state, order, now_ms)
        self._state = msgspec.structs.replace(state, schedule_version=order.version)
        self._lighting.follow(schedule)
        sheet.states[SCHEDULE] = KeptSchedule(
            content=order.schedules, version=order.version, actor=order.actor, time_ms=now_ms
        )
        sheet.ack(Ack(command_id=order.id, lamps=(), stage="accepted", time_ms=now_ms, reason="holds from now on"))
        _LOG.info("schedules ordered", id=order.id, actor=order.actor, reason=order.reason)
        return None

    def _darker(self, order: ScheduleOrder, now_ms: int) -> tuple[Schedule, set[str]]:
        """Return the schedules, checked as a whole, and the lamps that they leave darker; raise ConfigError."""
        lamps = list(self._lighting.entries.values())
        schedule = Schedule(order.schedules.encode(), "the schedules ordered", self._setup.gateway.place)
        schedule.refuse_strangers(lamps)
        return schedule, darker(self._lighting.schedule, schedule, lamps, now_ms)

    def _refuse_whole(self, order: Command | ScheduleOrder, reason: str, sheet: Sheet) -> None:
        self._state, _ = refused_whole(self._state, order, "rejected", reason)
        self._refuse(order, "rejected", reason, sheet)

    def _refuse(self, order: Command | ScheduleOrder, ending: Ending, reason: str, sheet: Sheet) -> None:
        self.refused += 1
        _LOG.warning("an order is refused", id=order.id, actor=order.actor, reason=reason)
        sheet.ack(Ack(command_id=order.id, lamps=(), stage=ending, time_ms=self._now_ms(), reason=reason))

    def _repeat(self, order: Command | ScheduleOrder, verdict: Repeated, sheet: Sheet) -> None:
        """Say once more what was said last; nothing is done."""
        before = verdict.before
        _LOG.info("an order came again", id=order.id)
        if before.ending:
            time_ms, reason = before.time_ms, before.reason
            sheet.ack(Ack(command_id=order.id, lamps=(), stage=before.ending, time_ms=time_ms, reason=reason))
            return
        for name in order.lamps if isinstance(order, Command) else ():
            shadow = self._lighting.shadows.get(name)
            stage: Stage | Ending
            if shadow is not None and shadow.pending is not None and shadow.pending.id == order.id:
                stage, time_ms, reason = shadow.pending.stage, shadow.pending.given_ms, ""
            elif shadow is not None and shadow.told is not None and shadow.told.id == order.id:
                stage, time_ms, reason = shadow.told.stage, shadow.told.time_ms, shadow.told.reason
            else:
                continue  # a later order has taken its place, and that was said
            sheet.ack(Ack(command_id=order.id, lamps=(name,), stage=stage, time_ms=time_ms, reason=reason))

    def _tell_strange(self, payload: bytes, reason: str, sheet: Sheet) -> None:
        """Tell of what is no order of this gateway, under an id that no order has: its own may be forged."""
        self.refused += 1
        now_s = time.monotonic()
        self._strange = [each for each in self._strange if now_s - each < _STRANGE_S]
        _LOG.warning("what came is no order for this gateway", reason=reason[:200])
        if len(self._strange) >= _STRANGE_MAX:
            return
        self._strange.append(now_s)
        now_ms, digest = self._now_ms(), hashlib.sha256(payload).hexdigest()
        reason = f"{reason[:400]}; SHA-256 {digest}"
        ack = Ack(command_id=uuid7_of(now_ms, digest), lamps=(), stage="rejected", time_ms=now_ms, reason=reason)
        sheet.ack(ack)


def kept_schedule(setup: GatewaySetup, kept: Mapping[str, bytes]) -> Schedule | None:
    """Return the schedules that hold after a start: the last that were ordered, else the file's."""
    blob = kept.get(SCHEDULE)
    if blob is None:
        return setup.schedule
    try:
        ordered = msgspec.msgpack.decode(blob, type=KeptSchedule)
        return Schedule(ordered.content.encode(), "the schedules ordered last", setup.gateway.place)
    except (msgspec.DecodeError, ConfigError) as error:
        _LOG.error("the schedules that were ordered cannot be read, the file's hold", reason=str(error))
        return setup.schedule


def _gate_state(kept: bytes | None) -> GateState:
    if kept is not None:
        try:
            return msgspec.msgpack.decode(kept, type=GateState)
        except msgspec.DecodeError as error:
            _LOG.error("what is known of earlier orders cannot be read", reason=str(error))
    return GateState()
