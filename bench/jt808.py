"""JT/T 808: frames decoded a second, and a fleet on one port: `python -m bench.jt808`.

The fleet is 5,000 simulated terminals in a process of their own, a position every 10 s, each committed to a real outbox
before it is answered. For the second half a third process attacks the port: connections that drip bytes, rubbish,
registrations of made-up terminals, and connections that are closed at once.
"""

import asyncio
import json
import os
import resource
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from devices.protocols.jt808 import Framer, checksum_of, encode_frame, read_frame, unescaped
from devices.protocols.jt808_location import Location, encode_location
from devices.protocols.jt808_report import Dialect, reports_of
from devices.report import Report
from edge.links.jt808 import Jt808Link, Jt808Port
from edge.outbox import Outbox
from wayside.simulate.terminals import fleet, simulate
from wire.fix import Fix

GOAL_HZ = 100_000
TERMINALS, PERIOD_S = 5_000, 10.0
QUIET_S, ATTACKED_S = 22.0, 12.0
FRAMES = 20_000
ATTACKER = "127.0.0.2"
SOURCES = [f"127.0.1.{number}" for number in range(1, 51)]
NOW_MS = 1_795_000_000_000
LINES = (((31.20, 121.40), (31.23, 121.44), (31.22, 121.48)), ((31.10, 121.30), (31.16, 121.33)))
PLACE = Location(
    alarm=0, status=3, latitude=31.2, longitude=121.4, altitude_m=5, speed_km_h=40.1, course_deg=90, time_ms=NOW_MS,
    items=((0x01, b"\x00\x00\x00\x64"), (0x30, b"\x14"), (0x31, b"\x09")),
)  # fmt: skip


def main() -> None:
    """Print every figure beside its goal or its bound."""
    allow_sockets()
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as folder:
        asyncio.run(hold(Path(folder)))
    decode("position of the standard, 3 items", [encode_frame(0x0200, "013800138000", 7, encode_location(PLACE))])
    if "WAYSIDE_DATA" in os.environ:
        path = Path(os.environ["WAYSIDE_DATA"]) / "vectors" / "jt808" / "location_0200.json"
        captured = [bytes.fromhex(each["wire_hex"]) for each in json.loads(path.read_text())["frames"]]
        decode(f"{len(captured)} captured positions, 7 items on average", captured)


def decode(what: str, frames: list[bytes]) -> None:
    """Measure bytes to reports, each frame by itself as a socket brings it, beside what Python has to do at least."""
    dialect = Dialect()
    header, fixed = struct.Struct(">HH6sH"), struct.Struct(">IIIIhHH6s")

    def ours() -> None:
        framer = Framer()
        for frame in frames:
            for piece in framer.feed(frame):
                reports_of(read_frame(piece), dialect, link="bench", received_ms=NOW_MS)

    def least() -> None:
        for frame in frames:
            piece = unescaped(frame[1:-1])
            checksum_of(piece)
            header.unpack_from(piece)
            fixed.unpack_from(piece, 12)

    rate_hz, bound_hz = rate(ours, len(frames)), rate(least, len(frames))
    size = statistics.mean(len(frame) for frame in frames)
    verdict = "met" if rate_hz >= GOAL_HZ else "MISSED"
    print(
        f"{what}, {size:.0f} bytes: {rate_hz:,.0f} frames/s, {1e6 / rate_hz:.1f} us each"
        f" | goal >= {GOAL_HZ:,}: {verdict}"
        f" | unescape, XOR and two unpacks alone: {bound_hz:,.0f}/s, so {rate_hz / bound_hz:.0%} of that"
    )


def rate(work: Callable[[], None], count: int) -> float:
    """Return how many in a second of one core, the best of five."""
    best = 0.0
    turns = max(1, FRAMES // count)
    for _ in range(5):
        begin = time.process_time()
        for _ in range(turns):
            work()
        best = max(best, turns * count / (time.process_time() - begin))
    return best


async def hold(folder: Path) -> None:
    """Hold a fleet, quiet at first and under attack then."""
    outbox = Outbox(folder / "outbox.sqlite", agent="bench", bytes_max=2**30)
    commits_s: list[float] = []

    async def take(report: Report) -> None:
        begin = time.perf_counter()
        messages = [
            (
                "observations",
                Fix(
                    device=report.address, time_ms=report.time_ms, latitude=each.latitude, longitude=each.longitude,
                    speed_km_h=each.speed_km_h, course_deg=each.course_deg, mileage_km=each.mileage_km,
                    flags=each.flags,
                ),
            )
            for each in report.positions
        ]  # fmt: skip
        await asyncio.wrap_future(outbox.put(messages))
        commits_s.append(time.perf_counter() - begin)

    link = Jt808Link(id="bench", host="0.0.0.0", port=0)
    known = [terminal.drive.number for terminal in fleet(TERMINALS, "", 0, LINES)]
    port = Jt808Port(link, take, secret=b"bench", known=known)
    running = asyncio.create_task(port.run())
    while not port.port:  # noqa: ASYNC110  # it is there in a moment
        await asyncio.sleep(0.01)
    process = psutil.Process()
    empty_bytes = process.memory_info().rss
    cpu_s = sum(process.cpu_times()[:2])
    driving = await child("drive", port.port)
    await asyncio.sleep(QUIET_S)
    tell_port(port, process, empty_bytes, (sum(process.cpu_times()[:2]) - cpu_s) / QUIET_S)
    tell("commit, quiet", commits_s, goal_s=1.0)
    commits_s.clear()
    attacking = await child("attack", port.port)
    await asyncio.sleep(ATTACKED_S)
    tell("commit, under attack", commits_s, goal_s=1.0)
    attacking.terminate()
    await attacking.wait()
    driven, _ = await driving.communicate()
    print(driven.decode().strip())
    counters = port.counters
    print(f"refused {dict(counters.refused)}, dropped {dict(counters.dropped)}, frames {dict(counters.frames)}")
    running.cancel()
    outbox.close()


def tell_port(port: Jt808Port, process: psutil.Process, empty_bytes: int, cores: float) -> None:
    """Print what the fleet costs."""
    kib = (process.memory_info().rss - empty_bytes) / 1_024 / max(1, port.counters.open)
    print(
        f"{port.counters.open:,} terminals connected, {port.counters.reports:,} reports committed; {cores:.2f} of a"
        f" core; {kib:.1f} KiB a connection | goal <= 16 KiB"
    )


def tell(what: str, seconds: list[float], *, goal_s: float | None = None) -> None:
    """Print median, p99 and the worst."""
    if len(seconds) < 100:
        print(f"{what}: only {len(seconds)} of them")
        return
    p99 = statistics.quantiles(seconds, n=100)[98]
    goal = "" if goal_s is None else f" | goal p99 <= {goal_s:.0f} s: {'met' if p99 <= goal_s else 'MISSED'}"
    print(
        f"{what}: median {statistics.median(seconds) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, worst"
        f" {max(seconds) * 1e3:.0f} ms ({len(seconds):,}){goal}"
    )


async def child(role: str, port: int) -> asyncio.subprocess.Process:
    """Start this module in another process."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.jt808", role, str(port), stdout=asyncio.subprocess.PIPE
    )


def drive(port: int) -> None:
    """Be the fleet, and print how long its answers took."""
    allow_sockets()
    terminals = fleet(TERMINALS, "127.0.0.1", port, LINES, period_s=PERIOD_S, sources=SOURCES)

    async def drive_all() -> None:
        driving = asyncio.create_task(simulate(terminals, QUIET_S + ATTACKED_S))
        await asyncio.sleep(QUIET_S)
        before = [len(each.latencies_s) for each in terminals]
        tell(
            "position to its answer, at the terminal, quiet",
            [second for each in terminals for second in each.latencies_s], goal_s=1.0,
        )  # fmt: skip
        await driving
        tell(
            "position to its answer, at the terminal, under attack",
            [second for each, count in zip(terminals, before, strict=True) for second in each.latencies_s[count:]],
            goal_s=1.0,
        )  # fmt: skip
        print(
            f"sent {sum(each.sent for each in terminals):,}, answered {sum(each.answered for each in terminals):,},"
            f" refused {sum(each.refused for each in terminals)}"
        )

    asyncio.run(drive_all())


def attack(port: int) -> None:
    """Be a bad neighbour until killed."""
    allow_sockets()

    async def drip() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0))
                while not writer.is_closing():
                    writer.write(b"\x7e")
                    await asyncio.sleep(5)
            except OSError:
                await asyncio.sleep(1)

    async def pour(number: int) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0))
                writer.write(os.urandom(4_000) if number % 2 else encode_frame(0x0100, f"{number:012d}", 1, bytes(40)))
                await asyncio.sleep(0.05)
                writer.close()
            except OSError:
                await asyncio.sleep(0.1)
            number += 100

    async def all_of_it() -> None:
        await asyncio.gather(*(drip() for _ in range(2_000)), *(pour(number) for number in range(100)))

    asyncio.run(all_of_it())


def allow_sockets() -> None:
    """Open as many files as may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    if sys.argv[1:2] == ["drive"]:
        drive(int(sys.argv[2]))
    elif sys.argv[1:2] == ["attack"]:
        attack(int(sys.argv[2]))
    else:
        main()
