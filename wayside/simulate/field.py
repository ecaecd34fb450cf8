"""Field: all devices of an invented city at once, over real sockets, broken and mended by name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from devices.profile import read_profile
from edge.gateway_config import OWN_PROFILES
from shell.refusal import Refusal
from wayside.simulate.lamps import LampField
from wayside.simulate.plan import LAMPS_A_BUS, Plan, plan_city
from wayside.simulate.radio import RadioField
from wayside.simulate.terminals import FAULTS as TERMINAL_FAULTS
from wayside.simulate.terminals import Terminal, fleet, simulate
from wire.values import Position

LAMP_PROFILE = "wayside/metered-lamp"
SOCKET = "devices.sock"
SCRIPT = "devices.json"
_ANSWER_S = 5.0


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What there is, and where it speaks; the file that a gateway's side and the devices' side share."""

    place: Position
    lamps: int
    manholes: int
    trucks: int
    bus_port: int
    """Of the first Modbus server; the others follow it."""
    fleet_port: int
    """Where the gateway listens for vehicles."""
    broker: str
    period_s: float = 10.0
    """Of lamps and vehicles."""
    radio_period_s: float = 600.0

    @property
    def plan(self) -> Plan:
        """The same city each time."""
        return plan_city(
            self.place,
            lamps=self.lamps,
            manholes=self.manholes,
            trucks=self.trucks,
            period_s=self.period_s,
            radio_period_s=self.radio_period_s,
        )


class Field:
    """The devices of a script."""

    def __init__(self, script: Script) -> None:
        self._script, self.plan = script, script.plan
        path = OWN_PROFILES / f"{LAMP_PROFILE}.yaml"
        curve = read_profile(path.read_bytes(), str(path)).lamp
        assert curve is not None  # noqa: S101  # our own profile has one
        self.lamps = LampField(script.lamps, curve, first_port=script.bus_port, units_max=LAMPS_A_BUS)
        self.radio = RadioField(len(self.plan.manholes), len(self.plan.levels), period_s=script.radio_period_s)
        ways = [truck.corridor.line for truck in self.plan.trucks if truck.corridor is not None]
        self.trucks: list[Terminal] = (
            fleet(len(ways), "127.0.0.1", script.fleet_port, ways, period_s=script.period_s) if ways else []
        )

    async def run(self) -> None:
        """Let all of them live until cancelled."""
        async with self.lamps, asyncio.TaskGroup() as tasks:
            if self.radio.devices:
                tasks.create_task(self.radio.run(self._script.broker))
            if self.trucks:
                tasks.create_task(simulate(self.trucks))
            await asyncio.Event().wait()

    def obey(self, line: str) -> str:
        """Carry out one line and return the answer.

        ``lamp-0003 stuck-off`` breaks a device by its name, ``lamp-0003 ok`` mends it, ``lamp-0003`` tells of it.
        """
        name, _, rest = line.strip().partition(" ")
        kind, _, number = name.rpartition("-")
        known = {"lamp": self.plan.lamps, "manhole": self.plan.manholes, "level": self.plan.levels}
        index = int(number) - 1 if number.isascii() and number.isdigit() else -1
        if kind == "truck" and 0 <= index < len(self.trucks):
            return self._obey_truck(self.trucks[index], rest)
        if not 0 <= index < len(known.get(kind, ())):
            return "expected the name of a device, for example lamp-0001, manhole-0001, level-0001 or truck-0001"
        if kind == "lamp":
            return self.lamps.obey(f"{index} {rest}")
        return self.radio.obey(f"{known[kind][index].address} {rest}")

    @staticmethod
    def _obey_truck(truck: Terminal, fault: str) -> str:
        if fault == "ok":
            truck.faults.clear()
        elif fault:
            chosen = [each for each in TERMINAL_FAULTS if each == fault]
            if not chosen:
                return f"expected one of: ok, {', '.join(TERMINAL_FAULTS)}"
            truck.faults.add(chosen[0])
        faults = ", ".join(sorted(truck.faults)) or "ok"
        return f"{truck.drive.number}, {truck.answered} of {truck.sent} answered, {faults}"


def open_field(folder: Path) -> Field:
    """Return the devices of a folder's script; raise Refusal if it holds none."""
    path = folder / SCRIPT
    try:
        script = msgspec.json.decode(path.read_bytes(), type=Script)
    except (OSError, msgspec.DecodeError) as error:
        raise Refusal(str(path), f"cannot be read: {error}", "`wayside simulate city` writes it") from error
    (folder / SOCKET).unlink(missing_ok=True)
    return Field(script)


async def run_field(field: Field, folder: Path) -> None:
    """Run devices, and obey who speaks to the folder's socket, until cancelled."""
    async with _listening(field, folder / SOCKET):
        await field.run()


@asynccontextmanager
async def _listening(field: Field, path: Path) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):
            line = await reader.readline()
            writer.write(field.obey(line.decode("utf-8", "replace")).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path, limit=4_096)
    async with server:
        yield


async def tell_field(folder: Path, line: str) -> str:
    """Return what the devices of a folder answer to a line; raise Refusal if they do not run."""
    path = folder / SOCKET
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line.encode() + b"\n")
            answer = (await reader.read()).decode().strip()
            writer.close()
    except (OSError, TimeoutError) as error:
        raise Refusal(str(path), "no devices run here", "start them: wayside simulate city, or wayside demo") from error
    return answer
