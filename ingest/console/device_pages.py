"""The device pages: the inventory, who is unknown, and one device with what it measured."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, QueryParameter

from ingest.console.gate import now_ms
from ingest.console.page import render
from ingest.store import device_queries, fleet, lamp_queries, queries
from ingest.store.device_queries import After, DeviceFilter, PresenceWord
from ingest.store.queries import CaseFilter

Anyone = Request[Any, Any, Any]
Word = Annotated[str, QueryParameter(max_length=100)]


@get("/devices", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def devices(
    request: Anyone,
    *,
    agent: Word = "",
    role: Word = "",
    presence: FromQuery[PresenceWord] = "",
    text: Word = "",
    after: FromQuery[After] = "",
) -> Response[str]:
    """Show everything that hangs on a gateway, and who speaks and is unknown."""
    engine = request.app.state.engine
    wanted = DeviceFilter(agent=agent, role=role, presence=presence, text=text)
    chosen = {"agent": agent, "role": role, "presence": presence, "text": text}
    return render(
        request,
        "devices.html",
        page=device_queries.list_devices(engine, wanted, after=after),
        strangers=device_queries.list_strangers(engine),
        device_roles=device_queries.roles(engine),
        agents=[each.id for each in fleet.list_agents(engine)],
        chosen=chosen,
        after=after,
        is_filtered=any(chosen.values()),
    )


@get("/devices/{device_id:str}", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def device(request: Anyone, device_id: FromPath[str]) -> Response[str]:
    """Show one device."""
    engine = request.app.state.engine
    found = device_queries.read_device(engine, device_id)
    if found is None:
        raise NotFoundException(f"no device {device_id}")
    lamp = lamp_queries.read_lamp(engine, device_id, now_ms=now_ms()) if found.role == "lamp" else None
    cases = queries.list_cases(engine, CaseFilter(device=device_id), rows=10)
    return render(request, "device.html", device=found, lamp=lamp, cases=cases.cases)


DEVICE_PAGES = (devices, device)
