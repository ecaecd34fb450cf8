"""What the console and the API ask of the store about orders and schedules."""

from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.store.acks import GIVEN_UP
from ingest.store.rows import read_row
from ingest.store.tables import command, command_lamp, command_part

_WELL = ("proven",)
RESULTS_MAX = 5_000


class CommandRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order and how far it has come; ``stages`` counts its lamps by stage or ending."""

    id: str
    kind: str
    action: str
    level: int | None
    minutes: int | None
    selection: dict[str, Any]
    lamp_count: int
    actor: str
    reason: str
    asked_ms: int
    state: str
    over: list[dict[str, Any]]
    approved_by: str
    approved_ms: int | None
    approval_reason: str
    version: int | None
    issued_ms: int | None
    not_after_ms: int | None
    until_ms: int | None
    ended_ms: int | None
    stages: dict[str, int]

    @property
    def is_well(self) -> bool:
        """Whether every lamp is proven, or every gateway has taken the schedule."""
        wanted = ("accepted", "proven") if self.kind == "schedule" else _WELL
        return self.state == "ended" and bool(self.stages) and all(stage in wanted for stage in self.stages)


class LampResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one lamp did with an order; each stage with its time by the gateway's clock."""

    lamp: str
    agent: str
    stage: str
    reason: str
    time_ms: int
    accepted_ms: int | None
    sent_ms: int | None
    reported_ms: int | None
    ended_ms: int | None
    is_ended: bool


class PartRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway was sent and said of an order as a whole."""

    agent: str
    stage: str
    reason: str
    publishes: int
    published_ms: int | None
    heard_ms: int | None


class CommandDetail(CommandRow, frozen=True, kw_only=True):
    """An order with every lamp's result, those that went wrong first."""

    schedules: str
    parts: tuple[PartRow, ...]
    results: tuple[LampResult, ...]


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """The schedules that a gateway was last given, and whether it has taken them."""

    agent: str
    schedules: str
    command_id: str
    actor: str
    reason: str
    asked_ms: int
    stage: str
    stage_reason: str


def list_commands(engine: sa.Engine, *, rows: int = 20, state: str = "", since_ms: int = 0) -> list[CommandRow]:
    """Return the orders asked for last."""
    query = sa.select(command).where(command.c.asked_ms >= since_ms).order_by(command.c.asked_ms.desc(), command.c.id)
    if state:
        query = query.where(command.c.state == state)
    with engine.connect() as connection:
        found = connection.execute(query.limit(rows)).mappings().all()
        stages = _stages(connection, [row["id"] for row in found])
    return [read_row(CommandRow, row, stages=stages.get(row["id"], {})) for row in found]


def read_command(engine: sa.Engine, command_id: str, *, rows: int = RESULTS_MAX) -> CommandDetail | None:
    """Return one order."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(command).where(command.c.id == command_id)).mappings().first()
        if row is None:
            return None
        parts = sa.select(command_part).where(command_part.c.command_id == command_id).order_by(command_part.c.agent)
        is_well = sa.case((command_lamp.c.stage.in_(_WELL), 1), else_=0)
        lamps = sa.select(command_lamp).where(command_lamp.c.command_id == command_id)
        lamps = lamps.order_by(is_well, command_lamp.c.rank.desc(), command_lamp.c.lamp).limit(rows)
        results = tuple(
            read_row(LampResult, each, is_ended=each["rank"] >= GIVEN_UP)
            for each in connection.execute(lamps).mappings()
        )
        return read_row(
            CommandDetail,
            row,
            stages=_stages(connection, [command_id]).get(command_id, {}),
            parts=tuple(read_row(PartRow, each) for each in connection.execute(parts).mappings()),
            results=results,
        )


def read_schedule(engine: sa.Engine, agent: str) -> ScheduleRow | None:
    """Return the schedules that a gateway was last given; those that were never approved do not count."""
    query = (
        sa.select(command, command_part.c.stage, command_part.c.reason.label("stage_reason"), command_part.c.agent)
        .join(command_part, command_part.c.command_id == command.c.id)
        .where(command.c.kind == "schedule", command_part.c.agent == agent, command.c.issued_ms.is_not(None))
        .order_by(command.c.version.desc())
    )
    with engine.connect() as connection:
        row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else read_row(ScheduleRow, row, command_id=row["id"])


def _stages(connection: sa.Connection, ids: list[str]) -> dict[str, dict[str, int]]:
    """Return how many lamps stand where, those that came furthest last; of schedules, how many gateways."""
    found: dict[str, dict[str, int]] = {}
    for table, kind in ((command_lamp, "command"), (command_part, "schedule")):
        counted = sa.select(table.c.command_id, table.c.stage, sa.func.count(), sa.func.min(table.c.rank).label("rank"))
        counted = counted.join(command, command.c.id == table.c.command_id)
        counted = counted.where(command.c.kind == kind, table.c.command_id.in_(ids))
        counted = counted.group_by(table.c.command_id, table.c.stage).order_by("rank", table.c.stage)
        for command_id, stage, count, _ in connection.execute(counted):
            found.setdefault(command_id, {})[stage] = count
    return found
