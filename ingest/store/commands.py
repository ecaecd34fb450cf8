"""Commands in the store: asked, approved, issued; and what is given up when no word comes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.store.acks import GIVEN_UP, RANKS, end_commands
from ingest.store.tables import command, command_lamp, command_part, device, device_group, lighting
from ingest.store.upsert import chunks

APPROVAL_MS = 10 * 60_000
"""How long a second person may agree."""
PROOF_MS = 20 * 60_000
"""How long a gateway that has accepted a command may take to say how it ended: lamps warm up slowly."""
GRACE_MS = 1_000
"""What a gateway says at its deadline may take so long to arrive."""


class Chosen(msgspec.Struct, frozen=True):
    """A lamp that a selection names."""

    lamp: str
    agent: str
    circuit: str

    @property
    def section(self) -> str:
        """Its circuit among those of all gateways."""
        return f"{self.agent}/{self.circuit}"


def hold_lighting(connection: sa.Connection) -> int:
    """Let nobody else order lamps until the transaction ends; return the version of the last order."""
    connection.execute(sa.update(lighting).values(version=lighting.c.version))
    return int(connection.execute(sa.select(lighting.c.version)).scalar_one())


def save_version(connection: sa.Connection, version: int) -> None:
    """Write the version of the last order."""
    connection.execute(sa.update(lighting).values(version=version))


def choose_lamps(
    connection: sa.Connection, *, lamps: Collection[str], group: str, where: Mapping[str, str]
) -> list[Chosen]:
    """Return the lamps that fit everything given, by id; all of them if nothing is given."""
    query = sa.select(device.c.id, device.c.agent, device.c.circuit).where(
        device.c.role == "lamp", ~device.c.is_removed
    )
    query = query.where(*(device.c[name] == value for name, value in where.items() if value)).order_by(device.c.id)
    if group:
        members = sa.select(device_group.c.device).where(device_group.c.name == group)
        query = query.where(device.c.id.in_(members))
    if not lamps:
        return [Chosen(*row) for row in connection.execute(query)]
    return [
        Chosen(*row)
        for few in chunks(sorted(set(lamps)))
        for row in connection.execute(query.where(device.c.id.in_(few)))
    ]


def section_sizes(connection: sa.Connection) -> dict[str, int]:
    """Return how many lamps each circuit has."""
    query = sa.select(device.c.agent, device.c.circuit, sa.func.count()).where(
        device.c.role == "lamp", ~device.c.is_removed
    )
    found = connection.execute(query.group_by(device.c.agent, device.c.circuit))
    return {Chosen("", agent, circuit).section: count for agent, circuit, count in found}


def darkened_since(connection: sa.Connection, since_ms: int, actions: Collection[str]) -> list[Chosen]:
    """Return the lamps that orders issued after an instant darken."""
    query = (
        sa.select(command_lamp.c.lamp, device.c.agent, device.c.circuit)
        .join(command, command.c.id == command_lamp.c.command_id)
        .join(device, device.c.id == command_lamp.c.lamp)
        .where(command.c.issued_ms > since_ms, command.c.action.in_(actions))
    )
    return [Chosen(*row) for row in connection.execute(query.distinct())]


def asked_since(connection: sa.Connection, actor: str, since_ms: int) -> int:
    """Return how many orders somebody has given since an instant."""
    query = sa.select(sa.func.count()).where(command.c.actor == actor, command.c.asked_ms > since_ms)
    return connection.execute(query).scalar_one()


def add_command(
    connection: sa.Connection, row: Mapping[str, Any], lamps: Sequence[Chosen], agents: Sequence[str]
) -> None:
    """Write an order as it is asked for; nothing of it is issued yet."""
    empty = {"approved_by": "", "approval_reason": "", "state": "waiting"}
    connection.execute(sa.insert(command).values(**empty, **row))
    stage = {"command_id": row["id"], "stage": "waiting", "rank": 0, "time_ms": row["asked_ms"], "reason": ""}
    connection.execute(sa.insert(command_part), [stage | {"agent": agent, "publishes": 0} for agent in agents])
    if lamps:
        connection.execute(
            sa.insert(command_lamp), [stage | {"lamp": each.lamp, "agent": each.agent} for each in lamps]
        )


def read_command(connection: sa.Connection, command_id: str) -> Any:
    """Return the row of an order, or None."""
    return connection.execute(sa.select(command).where(command.c.id == command_id)).one_or_none()


def lamps_of(connection: sa.Connection, command_id: str) -> dict[str, list[str]]:
    """Return the lamps of an order by gateway; every gateway of it, also one without lamps."""
    agents = sa.select(command_part.c.agent).where(command_part.c.command_id == command_id)
    found: dict[str, list[str]] = {agent: [] for agent in connection.execute(agents.order_by("agent")).scalars()}
    lamps = sa.select(command_lamp.c.agent, command_lamp.c.lamp).where(command_lamp.c.command_id == command_id)
    for agent, lamp in connection.execute(lamps.order_by(command_lamp.c.lamp)):
        found[agent].append(lamp)
    return found


def note_approval(connection: sa.Connection, command_id: str, name: str, reason: str, now_ms: int) -> None:
    """Write who agreed to an order."""
    values = {"approved_by": name, "approved_ms": now_ms, "approval_reason": reason}
    connection.execute(sa.update(command).where(command.c.id == command_id).values(**values))


def mark_issued(
    connection: sa.Connection, command_id: str, values: Mapping[str, Any], payloads: Mapping[str, bytes], now_ms: int
) -> None:
    """Write an order as signed."""
    stage = {"stage": "issued", "rank": RANKS["issued"], "time_ms": now_ms}
    connection.execute(sa.update(command).where(command.c.id == command_id).values(state="issued", **values))
    connection.execute(sa.update(command_lamp).where(command_lamp.c.command_id == command_id).values(**stage))
    part = sa.update(command_part).where(
        command_part.c.command_id == command_id, command_part.c.agent == sa.bindparam("of_agent")
    )
    rows = [{"of_agent": agent, "signed": payload} for agent, payload in payloads.items()]
    connection.execute(part.values(payload=sa.bindparam("signed"), **stage), rows)


def unheard(connection: sa.Connection, command_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return the parts of these orders of which no gateway has said a word."""
    query = sa.select(command_part.c.command_id, command_part.c.agent).where(
        command_part.c.command_id.in_(command_ids), command_part.c.heard_ms.is_(None)
    )
    return {(row[0], row[1]) for row in connection.execute(query)}


def note_published(connection: sa.Connection, published: Mapping[tuple[str, str], int], now_ms: int) -> None:
    """Write how often each part was published."""
    query = sa.update(command_part).where(
        command_part.c.command_id == sa.bindparam("of_command"), command_part.c.agent == sa.bindparam("of_agent")
    )
    rows = [{"of_command": key[0], "of_agent": key[1], "n": count} for key, count in published.items()]
    connection.execute(query.values(publishes=sa.bindparam("n"), published_ms=now_ms), rows)


def overdue(connection: sa.Connection, now_ms: int) -> list[str]:
    """Return the orders that must be looked at: past their deadline, or never approved."""
    late = sa.and_(command.c.state == "issued", command.c.not_after_ms < now_ms - GRACE_MS)
    lapsed = sa.and_(command.c.state == "waiting", command.c.asked_ms < now_ms - APPROVAL_MS)
    return list(connection.execute(sa.select(command.c.id).where(late | lapsed)).scalars())


def give_up(connection: sa.Connection, command_ids: Sequence[str], now_ms: int) -> set[str]:
    """Bring an end to what has had its time without a word; return the orders that changed."""
    changed: set[str] = set()
    for few in chunks(command_ids):
        changed |= _lapse(connection, few, now_ms)
        for table in (command_lamp, command_part):
            changed |= _end(connection, table, few, now_ms)
        end_commands(connection, few, now_ms)
    return changed


def _lapse(connection: sa.Connection, command_ids: Sequence[str], now_ms: int) -> set[str]:
    query = sa.select(command.c.id).where(command.c.id.in_(command_ids), command.c.state == "waiting")
    found = set(connection.execute(query.where(command.c.asked_ms < now_ms - APPROVAL_MS)).scalars())
    if found:
        connection.execute(sa.update(command).where(command.c.id.in_(found)).values(state="lapsed", ended_ms=now_ms))
        ended = {"stage": "expired", "rank": GIVEN_UP, "time_ms": now_ms, "reason": "nobody approved it"}
        for table in (command_lamp, command_part):
            connection.execute(sa.update(table).where(table.c.command_id.in_(found)).values(**ended))
    return found


def _end(connection: sa.Connection, table: sa.Table, command_ids: Sequence[str], now_ms: int) -> set[str]:
    changed: set[str] = set()
    late = sa.select(command.c.id).where(command.c.id.in_(command_ids), command.c.state == "issued")
    reported = RANKS["reported"]
    for wait_ms, lowest, highest, stage, reason in (
        (GRACE_MS, 0, RANKS["issued"], "unreachable", "no word from the gateway"),
        (PROOF_MS, RANKS["accepted"], RANKS["sent"], "unreachable", "no word from the lamp"),
        (PROOF_MS, reported, reported, "reported-not-proven", "no proof came"),
    ):
        if table is command_part and highest > RANKS["issued"]:
            continue  # a gateway that has accepted an order as a whole has said what it has to say
        which = sa.and_(
            table.c.command_id.in_(late.where(command.c.not_after_ms < now_ms - wait_ms)),
            table.c.rank.between(lowest, highest),
        )
        if table is command_part:
            which = sa.and_(which, table.c.heard_ms.is_(None))
        found = set(connection.execute(sa.select(table.c.command_id).where(which).distinct()).scalars())
        if not found:
            continue
        changed |= found
        values: dict[str, Any] = {"stage": stage, "rank": GIVEN_UP, "time_ms": now_ms, "reason": reason}
        if table is command_lamp:
            values["ended_ms"] = now_ms
        connection.execute(sa.update(table).where(which).values(**values))
    return changed


def forget_results(connection: sa.Connection, before_ms: int, rows_max: int) -> int:
    """Delete about ``rows_max`` of what lamps did with the oldest orders; who ordered what stays."""
    old = sa.select(command_lamp.c.command_id).join(command, command.c.id == command_lamp.c.command_id)
    old = old.where(command.c.asked_ms < before_ms).limit(rows_max)
    ids = set(connection.execute(old).scalars())
    if not ids:
        return 0
    connection.execute(sa.delete(command_part).where(command_part.c.command_id.in_(ids)))
    return connection.execute(sa.delete(command_lamp).where(command_lamp.c.command_id.in_(ids))).rowcount
