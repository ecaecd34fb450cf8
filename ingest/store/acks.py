"""Acks: how far each command has come at each lamp, in whatever order the gateways' words arrive."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.store.tables import command, command_lamp, command_part
from ingest.store.upsert import chunks
from wire.command import Ack

RANKS = {"waiting": 0, "issued": 1, "accepted": 2, "sent": 3, "reported": 4}
"""Stages in their order; the first two are the centre's own."""
GIVEN_UP = 5
"""The centre's own ending, when no word came; a gateway's word still counts afterwards."""
ENDED = 6
_TIMES = ("accepted_ms", "sent_ms", "reported_ms", "ended_ms")

_REASON_MAX = 400

PartKey = tuple[str, str]
"""Command and gateway."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of commands that a group of acks speaks of, and those lamps of them that it names."""

    parts: dict[PartKey, Any]
    lamps: dict[PartKey, dict[str, Any]]

    def refusal(self, agent: str, ack: Ack) -> str:
        """Return why an agent may not say this, or an empty string."""
        key = (ack.command_id, agent)
        if key not in self.parts:
            # So a gateway also tells of what somebody else would have had it do.
            return f"no order of this centre for this agent: {ack.stage}: {ack.reason[:_REASON_MAX]}"
        foreign = next((lamp for lamp in ack.lamps if lamp not in self.lamps.get(key, {})), None)
        return "" if foreign is None else f"order {ack.command_id} names no lamp {foreign}"


def open_ledger(connection: sa.Connection, acks: Sequence[tuple[str, Ack]]) -> Ledger:
    """Return what is known of the commands that some acks speak of."""
    parts: dict[PartKey, Any] = {}
    for few in chunks(sorted({each.command_id for _, each in acks})):
        query = sa.select(command_part, command.c.kind).join(command, command.c.id == command_part.c.command_id)
        query = query.where(command_part.c.command_id.in_(few), command_part.c.payload.is_not(None))
        parts |= {
            (row["command_id"], row["agent"]): row
            for row in connection.execute(query.with_for_update(of=command_part)).mappings()
        }
    named: dict[PartKey, set[str]] = {}
    whole: set[PartKey] = set()
    for agent, each in acks:
        key = (each.command_id, agent)
        if key in parts:
            named.setdefault(key, set()).update(each.lamps)
            if not each.lamps:
                whole.add(key)
    lamps: dict[PartKey, dict[str, Any]] = {}
    for (command_id, agent), names in named.items():
        held = sa.select(command_lamp).where(command_lamp.c.command_id == command_id, command_lamp.c.agent == agent)
        found = lamps.setdefault((command_id, agent), {})
        if (command_id, agent) in whole:
            found |= {row["lamp"]: row for row in connection.execute(held).mappings()}
            continue
        for few in chunks(sorted(names)):
            found |= {
                row["lamp"]: row for row in connection.execute(held.where(command_lamp.c.lamp.in_(few))).mappings()
            }
    return Ledger(parts=parts, lamps=lamps)


def take_acks(connection: sa.Connection, ledger: Ledger, acks: Sequence[tuple[str, Ack]], now_ms: int) -> set[str]:
    """Write how far lamps have come; return the commands that went on."""
    changed: dict[tuple[str, str], dict[str, Any]] = {}
    parts: dict[PartKey, dict[str, Any]] = {}
    touched: set[str] = set()
    for agent, ack in acks:
        key = (ack.command_id, agent)
        part = parts.setdefault(key, dict(ledger.parts[key]))
        part["heard_ms"] = part["heard_ms"] or now_ms
        if not ack.lamps:
            _advance(part, ack)
        touched.add(ack.command_id)
        rows = ledger.lamps.get(key, {})
        for name in ack.lamps or rows:
            row = changed.setdefault((ack.command_id, name), dict(rows[name]))
            _advance(row, ack)
    _write(connection, command_lamp, ("command_id", "lamp"), ("stage", "rank", "time_ms", "reason", *_TIMES), changed)
    _write(connection, command_part, ("command_id", "agent"), ("stage", "rank", "time_ms", "reason", "heard_ms"), parts)
    end_commands(connection, touched, now_ms)
    return touched


def _advance(row: dict[str, Any], ack: Ack) -> None:
    """Let a stage count if it is a later one; of two endings, the later."""
    rank = RANKS.get(ack.stage, ENDED)
    column = f"{ack.stage}_ms" if rank < ENDED else "ended_ms"
    if column in row:
        held = row[column]
        is_first = (
            held is None or row["rank"] == GIVEN_UP or (ack.time_ms < held if rank < ENDED else ack.time_ms > held)
        )
        row[column] = ack.time_ms if is_first else held
    if (rank, ack.time_ms, ack.stage) > (row["rank"], row["time_ms"], row["stage"]):
        row |= {"stage": ack.stage, "rank": rank, "time_ms": ack.time_ms, "reason": ack.reason}


def _write(
    connection: sa.Connection,
    table: sa.Table,
    keys: tuple[str, str],
    names: tuple[str, ...],
    changed: dict[Any, dict[str, Any]],
) -> None:
    if not changed:
        return
    query = sa.update(table).where(*(table.c[key] == sa.bindparam(f"of_{key}") for key in keys))
    query = query.values({name: sa.bindparam(f"new_{name}") for name in names})
    rows = [
        {f"of_{key}": row[key] for key in keys} | {f"new_{name}": row[name] for name in names}
        for row in changed.values()
    ]
    connection.execute(query, rows)


def end_commands(connection: sa.Connection, command_ids: Iterable[str], now_ms: int) -> None:
    """Write which commands have come to an end at every lamp; a schedule, when its gateway took or refused it."""
    for few in chunks(sorted(command_ids)):
        is_open = sa.exists().where(command_lamp.c.command_id == command.c.id, command_lamp.c.rank < GIVEN_UP)
        is_open_part = sa.exists().where(
            command_part.c.command_id == command.c.id, command_part.c.rank < RANKS["accepted"]
        )
        done = sa.case((command.c.kind == "schedule", ~is_open_part), else_=~is_open)
        query = sa.update(command).where(command.c.id.in_(few), command.c.state == "issued", done)
        connection.execute(query.values(state="ended", ended_ms=now_ms))
