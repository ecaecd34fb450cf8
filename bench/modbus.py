"""What silent units cost a Modbus bus, and how fast a group of lamps is told: run with `python -m bench.modbus`.

Every register of the slaves holds its own place, so that one value taken for another shows. The lamps run in a process
of their own, as real ones do.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection

from devices.protocols.modbus import tcp_frame
from devices.report import Report
from edge.links.modbus import ModbusLink, ModbusTcp
from tests.fixtures.modbus import ECHO, Slave, known, profile_of, shipped, values_of
from wayside.simulate.lamps import LampField

UNITS, DEAD = 30, 10
RUN_S, WARM_S = 6.0, 1.5
"""The silent ones are found to be so in the first seconds, which are not measured."""
EXCHANGE_S = 0.015
"""Of a bus at 19,200 baud."""
TIMEOUT_S = 0.15
LAMPS, LINKS = 2_000, 20
LAMP = shipped("wayside/metered-lamp")
ECHO_PROFILE = profile_of(ECHO)


def main() -> None:
    """Print every figure."""
    print(f"{'what':<72}{'measured':>14}  goal")
    for period_s, name in ((0.9, "bus with time to spare"), (0.2, "bus that is never idle")):
        asyncio.run(silent_units(period_s, name))
    asyncio.run(group())


def line(what: str, measured: str, goal: str) -> None:
    """Print one figure."""
    print(f"{what:<72}{measured:>14}  {goal}", flush=True)


async def silent_units(period_s: float, name: str) -> None:
    """Compare the period of the live units with that of the same ones without any silent."""
    dead = set(range(1, UNITS + 1, UNITS // DEAD))
    live = [unit for unit in range(1, UNITS + 1) if unit not in dead]
    alone, wrong_alone = await periods(live, set(), period_s)
    beside, wrong_beside = await periods(range(1, UNITS + 1), dead, period_s)
    changes = [statistics.fmean(beside) / statistics.fmean(alone) - 1, max(beside) / max(alone) - 1]
    line(f"{name}: period of {len(live)} live units alone, mean / worst", f"{figures(alone)} s", "")
    line(f"{name}: the same beside {DEAD} silent ones", f"{figures(beside)} s", "")
    line(f"{name}: longer by, mean / worst", " / ".join(f"{each:+.0%}" for each in changes), "at most 20 %")
    line(f"{name}: values taken for another register", str(wrong_alone + wrong_beside), "0")


async def periods(units: Iterable[int], dead: set[int], period_s: float) -> tuple[list[float], int]:
    """Return the mean period of each live unit, and how many values were wrong.

    Of the silent units every other one answers, too late.
    """
    free_s = 0.0

    def answers(_number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        nonlocal free_s
        frame = tcp_frame(transaction, unit, values_of(unit, request))
        if unit not in dead:
            # One at a time, as on a wire.
            now_s = time.monotonic()
            free_s = max(free_s, now_s) + EXCHANGE_S
            yield free_s - now_s, frame
        elif unit % 2:
            yield 2.2 * TIMEOUT_S, frame

    times: dict[int, list[float]] = {}
    wrong = 0

    async def take(report: Report) -> None:
        nonlocal wrong
        if time.monotonic() - began_s > WARM_S:
            times.setdefault(int(report.address), []).append(time.monotonic())
        wrong += sum(
            reading.result != 1000 * int(report.address) + int(reading.feature[1:]) for reading in report.readings
        )

    async with Slave(answers) as slave:
        config = ModbusTcp(id="bus", host="127.0.0.1", port=slave.port, period_s=period_s, timeout_s=TIMEOUT_S)
        link = ModbusLink(config, [known(str(unit), ECHO_PROFILE) for unit in units], take)
        began_s = time.monotonic()
        task = asyncio.create_task(link.run())
        await asyncio.sleep(RUN_S)
        task.cancel()
        await asyncio.wait([task])
    assert not set(times) & dead
    return [(heard[-1] - heard[0]) / (len(heard) - 1) for heard in times.values() if len(heard) > 1], wrong


async def group() -> None:
    """Tell 2,000 lamps on 20 gateways to be on, and wait until each was told, and until each was read back."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=lamps, args=(theirs,), daemon=True)
    process.start()
    ports: list[int] = await asyncio.to_thread(ours.recv)
    lit: set[str] = set()
    known_lamps: set[str] = set()
    changed = asyncio.Event()

    async def take(report: Report) -> None:
        name = f"{report.link}/{report.address}"
        known_lamps.add(name)
        if any(reading.property == "relay.closed" and reading.result for reading in report.readings):
            lit.add(name)
        changed.set()

    async def until(full: set[str]) -> None:
        while len(full) < LAMPS:
            changed.clear()
            await changed.wait()

    units = [str(unit) for unit in range(1, LAMPS // LINKS + 1)]
    async with AsyncExitStack() as stack:
        links = []
        for number, port in enumerate(ports):
            config = ModbusTcp(id=f"bus-{number}", host="127.0.0.1", port=port, period_s=10)
            links.append(ModbusLink(config, [known(unit, LAMP) for unit in units], take))
            task = asyncio.create_task(links[-1].run())
            stack.callback(task.cancel)
        await until(known_lamps)
        writes = LAMP.request("on", {})
        began_s = time.monotonic()
        took: list[float] = []

        async def tell(link: ModbusLink, unit: str) -> None:
            await link.send(unit, writes)
            took.append(time.monotonic() - began_s)

        await asyncio.gather(*(tell(link, unit) for link in links for unit in units))
        told_s = time.monotonic() - began_s
        await until(lit)
        shown_s = time.monotonic() - began_s
        line(
            f"{LAMPS} lamps on {LINKS} gateways told to be on: half / all acknowledged",
            f"{statistics.median(took):.2f} / {told_s:.2f} s",
            "at most 3 s",
        )
        line("the same, all read back as on", f"{shown_s:.2f} s", "at most 3 s")
        one: list[float] = []
        for unit in units * 2:
            began_s = time.monotonic()
            await links[0].send(unit, writes)
            one.append(1000 * (time.monotonic() - began_s))
        line(
            "one lamp told, acknowledged: median / 99 of 100, beside all polls",
            f"{statistics.median(one):.1f} / {statistics.quantiles(one, n=100)[98]:.1f} ms",
            "at most 20 ms",
        )
    ours.send("end")
    process.join(10)


def lamps(pipe: Connection) -> None:
    """Run the lamps until told to end."""

    async def run() -> None:
        assert LAMP.lamp is not None
        async with LampField(LAMPS, LAMP.lamp, units_max=LAMPS // LINKS) as field:
            pipe.send([server.port for server in field.servers])
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


def figures(periods_s: list[float]) -> str:
    """Return mean and worst."""
    return f"{statistics.fmean(periods_s):.3f} / {max(periods_s):.3f}"


if __name__ == "__main__":
    main()
