"""Simulated lamps: hundreds of them on real Modbus TCP servers, that warm up, draw current and break on demand.

>>> now = [0.0]
>>> lamp = Lamp(LampCurve(warm_up_s=4, rated_a=0.5, points=((0, 0.0), (100, 1.0)), tolerance=0.1), clock=lambda: now[0])
>>> lamp.switch(100)
>>> now[0] = 60.0
>>> round(lamp.current_a, 2), lamp.relay_closed
(0.5, True)
>>> lamp.fault = "stuck-off"
>>> lamp.current_a, lamp.relay_closed
(0.0, True)
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Literal, Self, get_args

from devices.header import LampCurve
from wayside.simulate.modbus_server import ModbusServer

Fault = Literal["", "stuck-on", "stuck-off", "dead", "slow", "drift", "burnt-out"]
"""``stuck-on``, ``stuck-off``: the relay's register follows, its contact does not. ``burnt-out``: contact closed, and
no light. ``drift``: the current falls off by and by. ``dead``: no answer. ``slow``: an answer that is too late."""
FAULTS: tuple[Fault, ...] = get_args(Fault)
UNITS_MAX = 100
"""Lamps of one server, as on a gateway to a serial bus; a meter of their circuit comes after them."""
METER_UNIT = 247
SLOW_S = 3.0
_VOLTAGE_V = 230.0
_DRIFT_S = 60.0
_NOISE = 0.01
_WORD = 0xFFFF
_LONG = 0xFFFF_FFFF
Clock = Callable[[], float]


class Lamp:
    """One lamp: what it was told, what it does, and what it has used. All is worked out when it is asked for."""

    def __init__(self, curve: LampCurve, *, number: int = 0, clock: Clock = time.monotonic) -> None:
        self.relay_closed, self.level = False, 100
        self._curve, self._number, self._clock = curve, number, clock
        self._fault: Fault = ""
        self._since_s = self._counted_s = clock()
        self._drifts_from_s = 0.0
        self._stuck_at = 0
        self.energy_kwh, self.hours = 0.1 * (number % 97), 1.0 * (number % 4_001)

    @property
    def fault(self) -> Fault:
        """What is wrong with it, if anything."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._count()
        self._stuck_at = self.light or 100
        self._fault, self._drifts_from_s = fault, self._clock()

    @property
    def light(self) -> int:
        """The level that its contact lets through, percent."""
        if self._fault == "stuck-on":
            return self._stuck_at
        if self._fault == "stuck-off" or not self.relay_closed:
            return 0
        return self.level

    @property
    def current_a(self) -> float:
        """What it draws now."""
        light, now_s = self.light, self._clock()
        if not light or self._fault == "burnt-out":
            return 0.004 if self.relay_closed and self._fault == "burnt-out" else 0.0
        # Near its full current after a third of the time that its profile grants it.
        warm = 1.0 - 0.5 * math.exp(-(now_s - self._since_s) * 15 / max(self._curve.warm_up_s, 0.1))
        noise = 1.0 + _NOISE * math.sin(12.9898 * self._number + 0.7 * now_s)
        drifted = min((now_s - self._drifts_from_s) / _DRIFT_S, 1.0) if self._fault == "drift" else 0.0
        return self._curve.rated_a * _share(self._curve, light) * warm * noise * (1.0 - 0.5 * drifted)

    @property
    def is_failing(self) -> bool:
        """What its controller finds by itself."""
        return self._fault == "burnt-out" and self.relay_closed

    def switch(self, level: int | None) -> None:
        """Close the relay at a level, or open it (none)."""
        self._count()
        before = self.light
        self.relay_closed = level is not None
        self.level = self.level if level is None else level
        if self.light and not before:
            self._since_s = self._clock()

    def registers(self) -> list[int]:
        """Return its ten registers, as ``firmware_profiles/wayside/metered-lamp.yaml`` has them."""
        self._count()
        current_a = self.current_a
        reported = self.level if self.relay_closed else 0
        energy, hours = round(self.energy_kwh * 1000) & _LONG, round(self.hours * 10) & _LONG
        return [
            int(self.relay_closed),
            reported,
            int(self.is_failing),
            min(round(current_a * 1000), _WORD),
            round(_VOLTAGE_V * 10),
            min(round(current_a * _VOLTAGE_V * 10), _WORD),
            energy >> 16,
            energy & _WORD,
            hours >> 16,
            hours & _WORD,
        ]

    def _count(self) -> None:
        """Add what was used since it was counted last."""
        now_s = self._clock()
        hours = (now_s - self._counted_s) / 3600
        self._counted_s = now_s
        self.energy_kwh += self.current_a * _VOLTAGE_V / 1000 * hours
        self.hours += hours if self.light else 0.0


class Circuit:
    """The lamps of one server and the meter of their circuit, as the server's registers."""

    def __init__(self, lamps: dict[int, Lamp]) -> None:
        self.lamps = lamps
        self.busy: set[int] = set()
        """Units that answer with exception 6."""

    def read(self, unit: int, function: int, address: int, count: int) -> Sequence[int] | None:
        """Return registers of a lamp (function 3; 6 too, for what is written is read back) or of the meter (4)."""
        if unit == METER_UNIT and function == 4:
            held = self._meter()
        elif unit in self.lamps and function in (3, 6):
            held = self.lamps[unit].registers()
        else:
            return None
        return held[address : address + count] if address + count <= len(held) else None

    def write(self, unit: int, function: int, address: int, values: Sequence[int]) -> bool:
        """Switch a lamp by its first two registers."""
        lamp = self.lamps.get(unit)
        if lamp is None or function not in (6, 16) or address + len(values) > 2:
            return False
        told = [int(lamp.relay_closed), lamp.level]
        told[address : address + len(values)] = values
        if told[0] > 1 or told[1] > 100:
            return False
        lamp.switch(told[1] if told[0] else None)
        return True

    def delay_s(self, unit: int) -> float | None:
        """Return after how long a unit answers; a dead one, and one that there is not, never do."""
        if unit == METER_UNIT:
            return 0.0
        lamp = self.lamps.get(unit)
        if lamp is None or lamp.fault == "dead":
            return None
        return SLOW_S if lamp.fault == "slow" else 0.0

    def _meter(self) -> list[int]:
        current_a = sum(lamp.current_a for lamp in self.lamps.values())
        energy_kwh = sum(lamp.energy_kwh for lamp in self.lamps.values())
        current, power = round(current_a * 1000) & _LONG, round(current_a * _VOLTAGE_V * 10) & _LONG
        energy = round(energy_kwh * 1000) & _LONG
        return [
            current >> 16,
            current & _WORD,
            round(_VOLTAGE_V * 10),
            power >> 16,
            power & _WORD,
            energy >> 16,
            energy & _WORD,
        ]


class LampField:
    """Many lamps, a hundred to a server; ``async with`` starts and stops the servers.

    Lamp ``n`` (from 0) is unit ``n % 100 + 1`` of server ``n // 100``; unit 247 is the meter of its circuit.
    """

    def __init__(
        self,
        count: int,
        curve: LampCurve,
        *,
        host: str = "127.0.0.1",
        first_port: int = 0,
        clock: Clock = time.monotonic,
        units_max: int = UNITS_MAX,
    ) -> None:
        self.lamps = [Lamp(curve, number=number, clock=clock) for number in range(count)]
        self.circuits = [
            Circuit(dict(enumerate(self.lamps[first : first + units_max], 1))) for first in range(0, count, units_max)
        ]
        self.servers = [
            ModbusServer(circuit, host, first_port + number if first_port else 0)
            for number, circuit in enumerate(self.circuits)
        ]
        self._units_max = units_max
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for server in self.servers:
            await self._stack.enter_async_context(server)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    def place(self, number: int) -> tuple[int, int]:
        """Return server and unit of a lamp."""
        return number // self._units_max, number % self._units_max + 1

    def obey(self, line: str) -> str:
        """Carry out one line of the simulator's own language and return the answer.

        ``3 stuck-on`` breaks lamp 3, ``3 ok`` mends it, ``3`` tells of it, ``broken`` lists what is broken.
        """
        words = line.split()
        if words == ["broken"]:
            return ", ".join(self._broken()) or "none"
        if not words or not words[0].isascii() or not words[0].isdigit() or int(words[0]) >= len(self.lamps):
            return f"expected a lamp, 0 to {len(self.lamps) - 1}, or `broken`"
        lamp = self.lamps[int(words[0])]
        if len(words) > 1:
            fault = "" if words[1] == "ok" else words[1]
            if fault not in FAULTS:
                return f"expected one of: ok, {', '.join(FAULTS[1:])}"
            lamp.fault = fault
        relay = "closed" if lamp.relay_closed else "open"
        return f"relay {relay}, level {lamp.level} %, {lamp.current_a:.3f} A, {lamp.fault or 'ok'}"

    def _broken(self) -> Iterator[str]:
        return (f"{number} {lamp.fault}" for number, lamp in enumerate(self.lamps) if lamp.fault)


def _share(curve: LampCurve, level: float) -> float:
    """Return the share of its full current that a lamp draws at a level."""
    for (low, low_share), (high, high_share) in pairwise(curve.points):
        if level <= high:
            return low_share + (high_share - low_share) * max(level - low, 0) / (high - low)
    return curve.points[-1][1]
