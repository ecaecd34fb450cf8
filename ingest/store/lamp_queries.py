"""What the console and the API ask of the store about lamps."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from ingest.store.rows import read_row
from ingest.store.tables import agent, command, command_lamp, device, device_group, lamp

PAGE_ROWS = 60
PINS_MAX = 20_000
_LATELY_MS = 86_400_000

Standing = Literal["all", "faults"]
Condition = Literal["fault", "not-proven", "offline", "unknown", "warming", "lit", "off"]
After = Annotated[str, Meta(pattern=r"^([0-9]-[a-z0-9-]{2,41})?$(?!\n)")]


class LampFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which lamps are asked for; empty means any."""

    agent: str = ""
    area: str = ""
    circuit: str = ""
    group: str = ""
    standing: Standing = "all"
    text: str = ""


class LampOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The last order that named a lamp, and how far it has come there."""

    id: str
    action: str
    level: int | None
    stage: str
    reason: str
    actor: str
    asked_ms: int
    time_ms: int


class LampRow(msgspec.Struct, frozen=True, kw_only=True):
    """A lamp: its card, whether it is heard, what it is to do, says and is proven to do."""

    id: str
    agent: str
    name: str
    area: str
    circuit: str
    groups: tuple[str, ...] = ()
    latitude: float | None
    longitude: float | None
    rated_w: float | None
    presence: str
    heard_ms: int | None
    is_gateway_online: bool
    time_ms: int | None
    """When its state was last told; None if it never was, and then so is all that follows."""
    desired: int | None
    why: str | None
    until_ms: int | None
    actor: str | None
    reason: str | None
    reported: int | None
    proven: int | None
    proof: str | None
    fault: str | None
    current_a: float | None
    power_w: float | None
    energy_kwh: float | None
    order: LampOrder | None = None

    @property
    def condition(self) -> Condition:
        """The one word for how it is."""
        if self.fault:
            return "fault"
        if self.presence == "offline" or not self.is_gateway_online:
            return "offline"
        if self.proof == "not-proven":
            return "not-proven"
        if self.time_ms is None or (self.proven is None and self.reported is None):
            return "warming" if self.proof == "warming" else "unknown"
        if self.proof == "warming":
            return "warming"
        return "lit" if self.shown else "off"

    @property
    def shown(self) -> int | None:
        """The level to show: what is proven, else what the lamp says."""
        return self.reported if self.proven is None else self.proven


class LampPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of lamps, those with faults first; ``next`` is what to ask for to go on."""

    lamps: tuple[LampRow, ...]
    next: str | None
    count: int
    """Lamps that fit the filter, on all pages."""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """All lamps together."""

    lamps: int
    faults: int
    not_proven: int
    offline: int
    lit: int
    power_w: float
    kwh: float
    kwh_today: float


class Choice(msgspec.Struct, frozen=True):
    """A name to choose by, and how many lamps have it."""

    name: str
    lamps: int


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to choose lamps by."""

    areas: tuple[Choice, ...]
    circuits: tuple[Choice, ...]
    groups: tuple[Choice, ...]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A lamp on the map."""

    id: str
    name: str
    position: tuple[float, float]
    condition: Condition
    level: int | None


_STATE = [column for column in lamp.columns if column.name not in ("device", "seq", "version", "day", "day_kwh")]
_CARD_NAMES = ("id", "agent", "name", "area", "circuit", "latitude", "longitude", "rated_w", "presence", "heard_ms")
_COLUMNS = [*(device.c[name] for name in _CARD_NAMES), *_STATE, (agent.c.state == "online").label("is_gateway_online")]
_IS_FAULTY = sa.func.coalesce(lamp.c.fault, "") != ""
_IS_OFFLINE = sa.or_(device.c.presence == "offline", sa.func.coalesce(agent.c.state, "offline") == "offline")
_IS_NOT_PROVEN = sa.func.coalesce(lamp.c.proof, "") == "not-proven"
_RANK = sa.case((_IS_FAULTY, 0), (_IS_NOT_PROVEN, 1), (_IS_OFFLINE, 2), else_=3)
_FROM = device.outerjoin(lamp, lamp.c.device == device.c.id).outerjoin(agent, agent.c.id == device.c.agent)
_ARE_LAMPS = sa.and_(device.c.role == "lamp", ~device.c.is_removed)


def list_lamps(
    engine: sa.Engine, wanted: LampFilter, *, now_ms: int, after: str = "", rows: int = PAGE_ROWS
) -> LampPage:
    """Return a page of lamps; ``after`` is the ``next`` of the page before."""
    conditions = _conditions(wanted)
    query = sa.select(*_COLUMNS, _RANK.label("rank")).select_from(_FROM).where(*conditions)
    if after:
        rank, _, last = after.partition("-")
        query = query.where(sa.tuple_(_RANK, device.c.id) > sa.tuple_(sa.literal(int(rank)), sa.literal(last)))
    with engine.connect() as connection:
        found = connection.execute(query.order_by(_RANK, device.c.id).limit(rows + 1)).mappings().all()
        count = connection.scalar(sa.select(sa.func.count()).select_from(_FROM).where(*conditions)) or 0
        shown = _rows(connection, found[:rows], now_ms)
    following = f"{found[rows - 1]['rank']}-{found[rows - 1]['id']}" if len(found) > rows else None
    return LampPage(lamps=tuple(shown), next=following, count=count)


def read_lamp(engine: sa.Engine, lamp_id: str, *, now_ms: int) -> LampRow | None:
    """Return one lamp."""
    with engine.connect() as connection:
        query = sa.select(*_COLUMNS).select_from(_FROM).where(_ARE_LAMPS, device.c.id == lamp_id)
        return next(iter(_rows(connection, connection.execute(query).mappings().all(), now_ms)), None)


def totals(engine: sa.Engine, day: str) -> Totals:
    """Return all lamps together; ``day`` is today where the centre is."""

    def count(condition: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    shown = sa.func.coalesce(lamp.c.proven, lamp.c.reported, 0)
    today = sa.case((lamp.c.day == day, lamp.c.energy_kwh - lamp.c.day_kwh), else_=0.0)
    query = sa.select(
        sa.func.count().label("lamps"),
        count(_IS_FAULTY).label("faults"),
        count(_IS_NOT_PROVEN).label("not_proven"),
        count(_IS_OFFLINE).label("offline"),
        count(shown > 0).label("lit"),
        sa.func.coalesce(sa.func.sum(lamp.c.power_w), 0.0).label("power_w"),
        sa.func.coalesce(sa.func.sum(lamp.c.energy_kwh), 0.0).label("kwh"),
        sa.func.coalesce(sa.func.sum(today), 0.0).label("kwh_today"),
    )
    with engine.connect() as connection:
        return read_row(Totals, connection.execute(query.select_from(_FROM).where(_ARE_LAMPS)).mappings().one())


def choices(engine: sa.Engine) -> Choices:
    """Return the areas, circuits and groups of lamps."""
    with engine.connect() as connection:
        named = {
            name: _count(connection, sa.select(device.c[name], sa.func.count()).where(_ARE_LAMPS), device.c[name])
            for name in ("area", "circuit")
        }
        groups = sa.select(device_group.c.name, sa.func.count()).join(device, device.c.id == device_group.c.device)
        grouped = _count(connection, groups.where(_ARE_LAMPS), device_group.c.name)
    return Choices(areas=named["area"], circuits=named["circuit"], groups=grouped)


def pins(engine: sa.Engine, wanted: LampFilter) -> list[Pin]:
    """Return the lamps that have a position."""
    query = sa.select(*_COLUMNS).select_from(_FROM).where(*_conditions(wanted), device.c.latitude.is_not(None))
    with engine.connect() as connection:
        found = connection.execute(query.order_by(device.c.id).limit(PINS_MAX)).mappings().all()
    lamps = [read_row(LampRow, row, is_gateway_online=bool(row["is_gateway_online"])) for row in found]
    return [
        Pin(id=each.id, name=each.name, position=_place(each), condition=each.condition, level=each.shown)
        for each in lamps
    ]


def today(now_ms: int, zone: dt.tzinfo) -> str:
    """Return the day that it is in a time zone."""
    return dt.datetime.fromtimestamp(now_ms / 1000, zone).date().isoformat()


def _place(row: LampRow) -> tuple[float, float]:
    return row.latitude or 0.0, row.longitude or 0.0


def _count(connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any]) -> tuple[Choice, ...]:
    found = connection.execute(query.where(column != "").group_by(column).order_by(column))
    return tuple(Choice(*row) for row in found)


def _conditions(wanted: LampFilter) -> list[Any]:
    conditions: list[Any] = [_ARE_LAMPS]
    asked = {"agent": wanted.agent, "area": wanted.area, "circuit": wanted.circuit}
    conditions += [device.c[name] == value for name, value in asked.items() if value]
    if wanted.group:
        members = sa.select(device_group.c.device).where(device_group.c.name == wanted.group)
        conditions.append(device.c.id.in_(members))
    if wanted.standing == "faults":
        conditions.append(sa.or_(_IS_FAULTY, _IS_NOT_PROVEN, _IS_OFFLINE))
    if wanted.text:
        names = ("id", "name", "area", "circuit", "address", "component")
        text = wanted.text.strip()
        conditions.append(sa.or_(*(device.c[name].icontains(text, autoescape=True) for name in names)))
    return conditions


def _rows(connection: sa.Connection, found: Any, now_ms: int) -> list[LampRow]:
    ids = [row["id"] for row in found]
    groups: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(sa.select(device_group).where(device_group.c.device.in_(ids)).order_by("name")):
        groups[row.device] = (*groups.get(row.device, ()), row.name)
    orders = _orders(connection, ids, now_ms)
    return [
        read_row(
            LampRow,
            row,
            groups=groups.get(row["id"], ()),
            order=orders.get(row["id"]),
            is_gateway_online=bool(row["is_gateway_online"]),
        )
        for row in found
    ]


def _orders(connection: sa.Connection, ids: list[str], now_ms: int) -> dict[str, LampOrder]:
    """Return the last order of each lamp within a day."""
    names = ("stage", "reason", "time_ms")
    query = (
        sa.select(
            command_lamp.c.lamp,
            command.c.id,
            command.c.action,
            command.c.level,
            command.c.actor,
            command.c.asked_ms,
            *(command_lamp.c[name] for name in names),
        )
        .join(command, command.c.id == command_lamp.c.command_id)
        .where(command_lamp.c.lamp.in_(ids), command.c.asked_ms > now_ms - _LATELY_MS)
        .order_by(command.c.asked_ms, command.c.id)
    )
    return {row["lamp"]: read_row(LampOrder, row) for row in connection.execute(query).mappings()}
