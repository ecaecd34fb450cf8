"""What the console and the API ask of the store about devices, what they measure, and where vehicles are and were."""

from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from ingest.store.rows import read_row
from ingest.store.tables import agent, device, device_group, fix, observation, stranger

PAGE_ROWS = 100
SERIES_MAX = 5_000
TRACK_MAX = 10_000

After = Annotated[str, Meta(pattern=r"^([0-9]-[a-z0-9-]{2,41})?$(?!\n)")]
PresenceWord = Literal["", "unheard", "live", "late", "offline"]


class DeviceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which devices are asked for; empty means any."""

    agent: str = ""
    role: str = ""
    presence: str = ""
    text: str = ""


class DeviceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the inventory."""

    id: str
    agent: str
    role: str
    name: str
    profile: str
    link: str
    address: str
    area: str
    circuit: str
    component: str
    rated_w: float | None
    latitude: float | None
    longitude: float | None
    presence: str
    presence_ms: int
    presence_reason: str
    heard_ms: int | None
    is_gateway_online: bool
    groups: tuple[str, ...] = ()
    values: tuple["Value", ...] = ()


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """The last result of one property of a device."""

    property: str
    feature: str
    result: float | str
    unit: str
    quality: str
    time_ms: int


class DevicePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of devices, those that are not heard first; ``next`` is what to ask for to go on."""

    devices: tuple[DeviceRow, ...]
    next: str | None
    count: int


class StrangerRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks on a link and is named in no file."""

    agent: str
    link: str
    address: str
    first_ms: int
    last_ms: int
    count: int
    sample: str


class VehicleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle and where it was last."""

    id: str
    name: str
    agent: str
    presence: str
    fix: "Place | None"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vehicle was at one instant."""

    time_ms: int
    latitude: float
    longitude: float
    is_positioned: bool = True
    speed_km_h: float | None = None
    course_deg: float | None = None
    flags: tuple[str, ...] = ()
    is_late: bool = False


_LIVENESS = sa.case((device.c.presence == "offline", 0), (device.c.presence == "late", 1), else_=2)
_FROM = device.outerjoin(agent, agent.c.id == device.c.agent)
_IS_ONLINE = (sa.func.coalesce(agent.c.state, "offline") == "online").label("is_gateway_online")


def list_devices(engine: sa.Engine, wanted: DeviceFilter, *, after: str = "", rows: int = PAGE_ROWS) -> DevicePage:
    """Return a page of the inventory; ``after`` is the ``next`` of the page before."""
    conditions = _conditions(wanted)
    query = sa.select(device, _IS_ONLINE, _LIVENESS.label("rank")).select_from(_FROM).where(*conditions)
    if after:
        rank, _, last = after.partition("-")
        query = query.where(sa.tuple_(_LIVENESS, device.c.id) > sa.tuple_(sa.literal(int(rank)), sa.literal(last)))
    with engine.connect() as connection:
        found = connection.execute(query.order_by(_LIVENESS, device.c.id).limit(rows + 1)).mappings().all()
        count = connection.scalar(sa.select(sa.func.count()).select_from(device).where(*conditions)) or 0
        shown = tuple(
            read_row(DeviceRow, row, is_gateway_online=bool(row["is_gateway_online"])) for row in found[:rows]
        )
    following = f"{found[rows - 1]['rank']}-{found[rows - 1]['id']}" if len(found) > rows else None
    return DevicePage(devices=shown, next=following, count=count)


def read_device(engine: sa.Engine, device_id: str) -> DeviceRow | None:
    """Return a device with its groups and its last values."""
    with engine.connect() as connection:
        query = sa.select(device, _IS_ONLINE).select_from(_FROM).where(device.c.id == device_id, ~device.c.is_removed)
        row = connection.execute(query).mappings().first()
        if row is None:
            return None
        groups = sa.select(device_group.c.name).where(device_group.c.device == device_id).order_by(device_group.c.name)
        return read_row(
            DeviceRow,
            row,
            is_gateway_online=bool(row["is_gateway_online"]),
            groups=tuple(connection.execute(groups).scalars()),
            values=_last_values(connection, device_id),
        )


def names_of(engine: sa.Engine, device_ids: list[str]) -> dict[str, str]:
    """Return the names of devices; empty for one that has none or is not known."""
    query = sa.select(device.c.id, device.c.name).where(device.c.id.in_(device_ids))
    with engine.connect() as connection:
        return dict.fromkeys(device_ids, "") | {row[0]: row[1] for row in connection.execute(query)}


def roles(engine: sa.Engine) -> dict[str, int]:
    """Return how many devices there are of each role."""
    query = sa.select(device.c.role, sa.func.count()).where(~device.c.is_removed).group_by(device.c.role)
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query.order_by(device.c.role))}


def list_strangers(engine: sa.Engine, *, rows: int = 200) -> list[StrangerRow]:
    """Return who speaks and is no device of the inventory, the last heard first."""
    is_known = sa.exists().where(
        device.c.agent == stranger.c.agent,
        device.c.link == stranger.c.link,
        device.c.address == stranger.c.address,
        ~device.c.is_removed,
    )
    query = sa.select(stranger).where(~is_known).order_by(stranger.c.last_ms.desc(), stranger.c.address).limit(rows)
    with engine.connect() as connection:
        return [read_row(StrangerRow, row) for row in connection.execute(query).mappings()]


def series(
    engine: sa.Engine, device_id: str, *, prop: str, feature: str, from_ms: int, to_ms: int, rows: int = SERIES_MAX
) -> list[Value]:
    """Return what a device measured within a time, oldest first; the newest ``rows`` of it."""
    query = sa.select(observation).where(
        observation.c.source == device_id,
        observation.c.property == prop,
        observation.c.time_ms >= from_ms,
        observation.c.time_ms < to_ms,
    )
    if feature:
        query = query.where(observation.c.feature == feature)
    query = query.order_by(observation.c.time_ms.desc()).limit(rows)
    with engine.connect() as connection:
        found = [_value(row) for row in connection.execute(query).mappings()]
    return found[::-1]


def list_vehicles(engine: sa.Engine) -> list[VehicleRow]:
    """Return every vehicle."""
    query = sa.select(device).where(device.c.role == "vehicle", ~device.c.is_removed).order_by(device.c.id)
    with engine.connect() as connection:
        return [read_row(VehicleRow, row, fix=row["fix"]) for row in connection.execute(query).mappings()]


def track(engine: sa.Engine, device_id: str, *, from_ms: int, to_ms: int, rows: int = TRACK_MAX) -> list[Place]:
    """Return where a vehicle was, oldest first; the newest ``rows`` of it."""
    query = sa.select(fix).where(fix.c.device == device_id, fix.c.time_ms >= from_ms, fix.c.time_ms < to_ms)
    with engine.connect() as connection:
        found = connection.execute(query.order_by(fix.c.time_ms.desc()).limit(rows)).mappings().all()
    return [read_row(Place, row) for row in reversed(found)]


def _last_values(connection: sa.Connection, device_id: str) -> tuple[Value, ...]:
    last = (
        sa.select(observation.c.property, observation.c.feature, sa.func.max(observation.c.time_ms).label("time_ms"))
        .where(observation.c.source == device_id)
        .group_by(observation.c.property, observation.c.feature)
        .subquery()
    )
    query = sa.select(observation).join(
        last,
        sa.and_(
            observation.c.source == device_id,
            observation.c.property == last.c.property,
            observation.c.feature == last.c.feature,
            observation.c.time_ms == last.c.time_ms,
        ),
    )
    found = connection.execute(query.order_by(observation.c.property, observation.c.feature).limit(500)).mappings()
    return tuple({(row["property"], row["feature"]): _value(row) for row in found}.values())


def _value(row: Any) -> Value:
    return read_row(Value, row, result=row["text"] if row["number"] is None else row["number"])


def _conditions(wanted: DeviceFilter) -> list[Any]:
    conditions: list[Any] = [~device.c.is_removed]
    asked = {"agent": wanted.agent, "role": wanted.role, "presence": wanted.presence}
    conditions += [device.c[name] == value for name, value in asked.items() if value]
    if wanted.text:
        names = ("id", "name", "area", "circuit", "address", "component", "profile", "agent")
        text = wanted.text.strip()
        conditions.append(sa.or_(*(device.c[name].icontains(text, autoescape=True) for name in names)))
    return conditions
