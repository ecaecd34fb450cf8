"""District: the files of a gateway for the devices of an invented city, and the processes that run both."""

import socket
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge.config import Agent
from ingest.config import Centre
from ingest.lighting.key import open_command_key
from wayside.broker import DemoBroker
from wayside.children import Children
from wayside.demo_files import GATEWAY
from wayside.local_centre import WAYSIDE
from wayside.simulate.field import SCRIPT, Script
from wayside.simulate.plan import LAMPS_A_BUS, Plan
from wire.values import Position

_DEVICES_A_FILE = 2_000
_SCHEDULES = """\
# Lit from a quarter of an hour before sunset, dimmed at night, dark by day.
programs:
  usual:
    - {at: sunset-00:15, level: 100}
    - {at: "23:00", level: 60}
    - {at: "05:30", level: 100}
    - {at: sunrise+00:10, level: 0}
calendars:
  every-day: {default: usual}
assign:
  - {all: true, calendar: every-day}
"""


def write_district(
    folder: Path,
    centre: Centre,
    broker: DemoBroker,
    *,
    place: Position,
    lamps: int,
    manholes: int,
    trucks: int,
    period_s: float = 10.0,
    radio_period_s: float = 600.0,
) -> Script:
    """Write all that a gateway and its devices need into ``folder``; return the devices' script."""
    buses = -(-lamps // LAMPS_A_BUS)
    first_port = _free_ports(buses + 1)
    script = Script(
        place=place,
        lamps=lamps,
        manholes=manholes,
        trucks=trucks,
        bus_port=first_port,
        fleet_port=first_port + buses,
        broker=broker.url,
        period_s=period_s,
        radio_period_s=radio_period_s,
    )
    (folder / SCRIPT).write_bytes(msgspec.json.encode(script))
    (folder / "schedules.yaml").write_text(_SCHEDULES)
    (folder / "orders.pub").write_text(open_command_key(Path(centre.storage)).public + "\n")
    plan = script.plan
    entries = plan.entries
    names = []
    for number, first in enumerate(range(0, len(entries), _DEVICES_A_FILE), 1):
        names.append(f"devices-{number}.yaml")
        _write(folder / names[-1], {"devices": entries[first : first + _DEVICES_A_FILE]})
    _write(folder / "gateway.yaml", _gateway(script, plan, names))
    agent = Agent(
        id=GATEWAY,
        broker=broker.url,
        centre=f"http://127.0.0.1:{centre.port}",
        storage="gateway",
        rules=str(files("rules").joinpath("book")),
        gateway="gateway.yaml",
    )
    _write(folder / "gateway-agent.yaml", agent)
    return script


def start_district(children: Children, folder: Path) -> None:
    """Start the devices, then the gateway that hears them."""
    children.start("devices", [*WAYSIDE, "simulate", "devices", str(folder)])
    children.start("gateway", [*WAYSIDE, "edge", "run", str(folder / "gateway-agent.yaml")])


def _gateway(script: Script, plan: Plan, devices: list[str]) -> dict[str, Any]:
    buses = sorted({lamp.link for lamp in plan.lamps})
    links: list[dict[str, Any]] = [
        {
            "type": "modbus-tcp",
            "id": bus,
            "host": "127.0.0.1",
            "port": script.bus_port + number,
            "period_s": script.period_s,
        }
        for number, bus in enumerate(buses)
    ]
    if plan.manholes or plan.levels:
        links.append({"type": "chirpstack", "id": "radio", "broker": script.broker, "client": f"{GATEWAY}-radio"})
    if plan.trucks:
        links.append(
            {
                "type": "jt808",
                "id": "vehicles",
                "host": "127.0.0.1",
                "port": script.fleet_port,
                "connections_per_address_max": 100_000,
                "connections_per_address_s_max": 1_000,
            }
        )
    return {
        "position": script.place,
        "links": links,
        "devices": devices,
        "command_keys": ["orders.pub"],
        "schedules": "schedules.yaml",
    }


def _write(path: Path, content: Any) -> None:
    # By way of JSON, for YAML would write tuples in a dialect of its own; C is fast enough for a city.
    plain = msgspec.json.decode(msgspec.json.encode(content))
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True))


def _free_ports(count: int) -> int:
    """Return the first of ``count`` ports in a row that can all be listened on."""
    first = 20_000
    while True:
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
                return first
            except OSError:
                first += count
