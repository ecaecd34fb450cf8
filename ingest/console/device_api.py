"""The JSON API of devices: the inventory, what they measure, where vehicles are and were, who speaks and is unknown."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, QueryParameter

from ingest.console.gate import now_ms
from ingest.store import device_queries
from ingest.store.device_queries import (
    After,
    DeviceFilter,
    DevicePage,
    DeviceRow,
    Place,
    StrangerRow,
    Value,
    VehicleRow,
)

Anyone = Request[Any, Any, Any]
Word = Annotated[str, QueryParameter(max_length=100)]
DAY_MS = 86_400_000


@get("/api/devices", opt={"role": "viewer"}, sync_to_thread=True)
def list_devices(
    request: Anyone,
    *,
    agent: Word = "",
    role: Word = "",
    presence: Word = "",
    text: Word = "",
    after: FromQuery[After] = "",
    rows: Annotated[int, QueryParameter(ge=1, le=1_000)] = device_queries.PAGE_ROWS,
) -> DevicePage:
    """Return the inventory, those that are not heard first; ``after`` is the ``next`` of the page before."""
    wanted = DeviceFilter(agent=agent, role=role, presence=presence, text=text)
    return device_queries.list_devices(request.app.state.engine, wanted, after=after, rows=rows)


@get("/api/devices/{device_id:str}", opt={"role": "viewer"}, sync_to_thread=True)
def read_device(request: Anyone, device_id: FromPath[str]) -> DeviceRow:
    """Return a device with its last values."""
    found = device_queries.read_device(request.app.state.engine, device_id)
    if found is None:
        raise NotFoundException(f"no device {device_id}")
    return found


@get("/api/devices/{device_id:str}/observations", opt={"role": "viewer"}, sync_to_thread=True)
def observations(
    request: Anyone,
    device_id: FromPath[str],
    *,
    prop: Annotated[str, QueryParameter(name="property", max_length=64, min_length=1)],
    feature: Annotated[str, QueryParameter(max_length=64)] = "",
    from_ms: FromQuery[int | None] = None,
    to_ms: FromQuery[int | None] = None,
) -> list[Value]:
    """Return what a device measured of one property, oldest first; the last day if no time is given."""
    begin_ms, end_ms = _span(from_ms, to_ms)
    return device_queries.series(
        request.app.state.engine, device_id, prop=prop, feature=feature, from_ms=begin_ms, to_ms=end_ms
    )


@get("/api/vehicles", opt={"role": "viewer"}, sync_to_thread=True)
def list_vehicles(request: Anyone) -> list[VehicleRow]:
    """Return every vehicle and where it was last."""
    return device_queries.list_vehicles(request.app.state.engine)


@get("/api/vehicles/{device_id:str}/track", opt={"role": "viewer"}, sync_to_thread=True)
def track(
    request: Anyone,
    device_id: FromPath[str],
    *,
    from_ms: FromQuery[int | None] = None,
    to_ms: FromQuery[int | None] = None,
) -> list[Place]:
    """Return where a vehicle was, oldest first; the last day if no time is given."""
    begin_ms, end_ms = _span(from_ms, to_ms)
    return device_queries.track(request.app.state.engine, device_id, from_ms=begin_ms, to_ms=end_ms)


@get("/api/strangers", opt={"role": "viewer"}, sync_to_thread=True)
def strangers(request: Anyone) -> list[StrangerRow]:
    """Return who speaks on a link and is named in no file."""
    return device_queries.list_strangers(request.app.state.engine)


def _span(from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
    end_ms = now_ms() + 1 if to_ms is None else to_ms
    return (end_ms - DAY_MS if from_ms is None else from_ms), end_ms


DEVICE_API = (list_devices, read_device, observations, list_vehicles, track, strangers)
