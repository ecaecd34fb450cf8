"""Orders: what somebody asks of lamps becomes a numbered, limited and signed command for each gateway.

Who orders holds the one row of ``lighting`` until his transaction ends, so a thousand orders at once are counted one
after the other, in however many processes.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from config.document import ConfigError
from devices.guard import DARKENING, Limits, Over, passed
from devices.schedule import Schedule as Schedules
from devices.sun import Place
from ingest.accounts import record
from ingest.config import Centre
from ingest.lighting.key import CommandKey
from ingest.store.commands import (
    APPROVAL_MS,
    Chosen,
    add_command,
    asked_since,
    choose_lamps,
    darkened_since,
    hold_lighting,
    lamps_of,
    mark_issued,
    note_approval,
    read_command,
    save_version,
    section_sizes,
)
from ingest.store.engine import writing
from wire.command import Action, Approval, Command, Level, ScheduleOrder
from wire.identifiers import Id, uuid7_of
from wire.values import Label

LAMPS_MAX = 5_000
"""Most lamps of one gateway in one order, as the wire has it."""
ORDERS_A_MINUTE = 30
MINUTES = 60
REASON_MAX = 500
_MINUTE_MS = 60_000
_NOWHERE = Place(latitude=0.0, longitude=0.0, time_zone="UTC")
"""Schedules are checked here and carried out at their gateway, which knows where it is."""

Reason = Annotated[str, Meta(max_length=REASON_MAX, pattern=r"^[^\x00]*$")]
Fault = Literal[
    "nothing", "unknown", "many", "level", "minutes", "reason", "busy", "missing", "used", "late", "own", "schedule"
]
_SENTENCES: dict[Fault, str] = {
    "nothing": "no lamp is selected",
    "unknown": "no such lamp",
    "many": f"an order takes at most {LAMPS_MAX} lamps of one gateway",
    "level": "dim needs a level of 1 to 100",
    "minutes": "an override lasts at least a minute and at most what the centre allows",
    "reason": "say why",
    "busy": f"at most {ORDERS_A_MINUTE} orders a minute; wait a little",
    "missing": "there is no such order",
    "used": "this order does not wait for an approval any more",
    "late": "the time to approve this order is over; it must be given anew",
    "own": "somebody else must approve what you ask for",
    "schedule": "these are no schedules",
}


class OrderError(ValueError):
    """An order that cannot be given or approved; ``fault`` is the word the console has a sentence for."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        self.fault, self.detail = fault, detail
        super().__init__(_SENTENCES[fault] + (f": {detail}" if detail else ""))


class Selection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which lamps: by id, or those that every given word fits, or all."""

    lamps: Annotated[tuple[Id, ...], Meta(max_length=20_000)] = ()
    agent: Label = ""
    area: Label = ""
    circuit: Label = ""
    group: Label = ""
    all: bool = False


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants of some lamps."""

    selection: Selection
    action: Action
    level: Level | None = None
    """For ``dim``, percent."""
    minutes: int | None = None
    """How long until the schedule returns; 60 if left out."""
    reason: Reason = ""
    """Must be given to switch off or dim."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A signed order on its way to one gateway."""

    command_id: str
    agent: str
    payload: bytes
    not_after_ms: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order: it is issued, or waits for a second person because of ``over``."""

    command_id: str
    lamp_count: int
    over: tuple[Over, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Other schedules for a gateway."""

    agent: str
    schedules: str
    reason: str


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who orders, and when."""

    actor: str
    now_ms: int


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log is to say."""

    action: str
    subject: str = ""
    body: dict[str, Any]


class Desk:
    """Takes orders for one centre."""

    def __init__(self, centre: Centre, engine: sa.Engine, key: CommandKey, limits: Limits | None = None) -> None:
        self._centre, self._engine, self._key = centre, engine, key
        self._limits = limits or Limits()

    def order(self, ask: Ask, by: By) -> Outcome:
        """Give an order; raise OrderError. What is refused is written in the audit log as well."""
        note = _Note(action="lamp.order", body={"order": msgspec.to_builtins(ask)})
        return self._audited(note, by, lambda connection: self._order(connection, ask, by))

    def order_schedule(self, schedule: Schedule, by: By) -> Outcome:
        """Give a gateway other schedules; guarded as if all its lamps were to go out. Raise OrderError."""
        note = _Note(action="lamp.schedule", subject=schedule.agent, body={"reason": schedule.reason})
        return self._audited(note, by, lambda connection: self._order_schedule(connection, schedule, by))

    def approve(self, command_id: str, reason: str, by: By) -> Outcome:
        """Let an order go that waits for a second person; raise OrderError."""
        note = _Note(action="lamp.approve", subject=command_id, body={"reason": reason})
        return self._audited(note, by, lambda connection: self._approve(connection, command_id, reason, by))

    def _audited(self, note: _Note, by: By, act: Callable[[sa.Connection], Outcome]) -> Outcome:
        try:
            with writing(self._engine) as connection:
                outcome = act(connection)
                body = note.body | {"lamps": outcome.lamp_count, "over": msgspec.to_builtins(outcome.over)}
                _record(connection, note, by, outcome.command_id, body)
            return outcome
        except OrderError as error:
            with writing(self._engine) as connection:
                _record(connection, note, by, note.subject, note.body | {"refused": str(error)})
            raise

    def _order(self, connection: sa.Connection, ask: Ask, by: By) -> Outcome:
        self._check(ask)
        hold_lighting(connection)
        chosen = choose(connection, ask.selection)
        is_emergency = ask.selection.all and ask.action in ("on", "resume")
        if not is_emergency and asked_since(connection, by.actor, by.now_ms - _MINUTE_MS) >= ORDERS_A_MINUTE:
            raise OrderError("busy")
        over = self._over(connection, chosen, by.now_ms) if ask.action in DARKENING else ()
        row = {
            "kind": "command",
            "action": ask.action,
            "level": ask.level if ask.action == "dim" else None,
            "minutes": None if ask.action == "resume" else ask.minutes or MINUTES,
            "selection": ask.selection,
            "schedules": "",
            "reason": ask.reason.strip(),
        }
        return self._file(connection, row, chosen, over, by)

    def _order_schedule(self, connection: sa.Connection, schedule: Schedule, by: By) -> Outcome:
        if not schedule.reason.strip():
            raise OrderError("reason")
        try:
            Schedules(schedule.schedules.encode(), "schedules", _NOWHERE)
        except ConfigError as error:
            raise OrderError("schedule", str(error)) from error
        hold_lighting(connection)
        if asked_since(connection, by.actor, by.now_ms - _MINUTE_MS) >= ORDERS_A_MINUTE:
            raise OrderError("busy")
        lamps = choose_lamps(connection, lamps=(), group="", where={"agent": schedule.agent})
        over = self._over(connection, lamps, by.now_ms)
        row = {
            "kind": "schedule",
            "action": "schedule",
            "level": None,
            "minutes": None,
            "selection": {"agent": schedule.agent},
            "schedules": schedule.schedules,
            "reason": schedule.reason.strip(),
        }
        return self._file(connection, row, (), over, by)

    def _check(self, ask: Ask) -> None:
        if ask.action == "dim" and not ask.level:
            raise OrderError("level")
        if ask.minutes is not None and not 1 <= ask.minutes <= self._centre.override_minutes_max:
            raise OrderError("minutes", f"1 to {self._centre.override_minutes_max}")
        if ask.action in DARKENING and not ask.reason.strip():
            raise OrderError("reason")

    def _over(self, connection: sa.Connection, wanted: Sequence[Chosen], now_ms: int) -> tuple[Over, ...]:
        lately = darkened_since(connection, now_ms - self._limits.window_ms, DARKENING)
        return passed(
            self._limits,
            lately=[each.lamp for each in lately],
            wanted=[each.lamp for each in wanted],
            circuit_of={each.lamp: each.section for each in (*lately, *wanted)},
            sizes=section_sizes(connection),
        )

    def _file(
        self, connection: sa.Connection, row: dict[str, Any], chosen: Sequence[Chosen], over: tuple[Over, ...], by: By
    ) -> Outcome:
        command_id = uuid7_of(by.now_ms, secrets.token_hex(16))
        agents = sorted({each.agent for each in chosen}) or [row["selection"]["agent"]]
        row |= {"id": command_id, "actor": by.actor, "asked_ms": by.now_ms, "over": over, "lamp_count": len(chosen)}
        add_command(connection, row, chosen, agents)
        outgoing = () if over else self._issue(connection, command_id, by.now_ms)
        return Outcome(command_id=command_id, lamp_count=len(chosen), over=over, outgoing=outgoing)

    def _approve(self, connection: sa.Connection, command_id: str, reason: str, by: By) -> Outcome:
        if not reason.strip():
            raise OrderError("reason")
        hold_lighting(connection)
        row = read_command(connection, command_id)
        if row is None:
            raise OrderError("missing")
        if row.actor == by.actor:
            raise OrderError("own")
        if row.state == "lapsed" or (row.state == "waiting" and row.asked_ms < by.now_ms - APPROVAL_MS):
            raise OrderError("late")
        if row.state != "waiting":
            raise OrderError("used")
        note_approval(connection, command_id, by.actor, reason.strip(), by.now_ms)
        outgoing = self._issue(connection, command_id, by.now_ms)
        return Outcome(command_id=command_id, lamp_count=row.lamp_count, outgoing=outgoing)

    def _issue(self, connection: sa.Connection, command_id: str, now_ms: int) -> tuple[Outgoing, ...]:
        """Number and sign an order; the row of ``lighting`` is held."""
        row = read_command(connection, command_id)
        approval = Approval(name=row.approved_by, time_ms=row.approved_ms) if row.approved_by else None
        # By the clock where that is higher, so that a centre whose database was lost is not ignored for ever.
        version = max(hold_lighting(connection) + 1, now_ms)
        save_version(connection, version)
        not_after_ms = now_ms + self._centre.command_deadline_s * 1000
        until_ms = None if row.minutes is None else now_ms + row.minutes * _MINUTE_MS
        common = {
            "id": command_id,
            "version": version,
            "issued_ms": now_ms,
            "not_after_ms": not_after_ms,
            "actor": row.actor,
            "reason": row.reason,
            "approval": approval,
        }
        payloads = {}
        for agent, lamps in lamps_of(connection, command_id).items():
            own = common | {"agent": agent, "nonce": secrets.token_hex(16)}
            order: Command | ScheduleOrder
            if row.kind == "schedule":
                order = ScheduleOrder(schedules=row.schedules, **own)
            else:
                order = Command(lamps=tuple(lamps), action=row.action, level=row.level, until_ms=until_ms, **own)
            payloads[agent] = self._key.sign(order)
        values = {name: common[name] for name in ("version", "issued_ms", "not_after_ms")} | {"until_ms": until_ms}
        mark_issued(connection, command_id, values, payloads, now_ms)
        return tuple(
            Outgoing(command_id=command_id, agent=agent, payload=payload, not_after_ms=not_after_ms)
            for agent, payload in payloads.items()
        )


def _record(connection: sa.Connection, note: _Note, by: By, subject: str, body: dict[str, Any]) -> None:
    record(connection, actor=by.actor, action=note.action, subject=subject, now_ms=by.now_ms, body=body)


def choose(connection: sa.Connection, selection: Selection) -> list[Chosen]:
    """Return the lamps of a selection, by id; raise OrderError if it selects none."""
    where = {name: getattr(selection, name) for name in ("agent", "area", "circuit")}
    if not (selection.lamps or selection.all or selection.group or any(where.values())):
        raise OrderError("nothing")
    chosen = choose_lamps(connection, lamps=selection.lamps, group=selection.group, where=where)
    missing = sorted(set(selection.lamps) - {each.lamp for each in chosen})
    if missing:
        raise OrderError("unknown", ", ".join(missing[:5]))
    if not chosen:
        raise OrderError("nothing")
    counts: dict[str, int] = {}
    for each in chosen:
        counts[each.agent] = counts.get(each.agent, 0) + 1
    if max(counts.values()) > LAMPS_MAX:
        raise OrderError("many")
    return chosen
