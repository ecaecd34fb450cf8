"""What the centre takes: run with `python -m bench.ingest`. Needs mosquitto and PostgreSQL; says so where they lack.

Every figure stands beside its goal. The process that takes is held to one core; PostgreSQL's own processes are not.
"""

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from ingest.sorting import Settings, item_of, take_all
from ingest.store.engine import open_engine
from ingest.store.migrate import upgrade
from tests.fixtures.centre import CentreProcess, SendingAgent, digest_of, wait_until
from tests.fixtures.messages import a_batch, an_event
from tests.fixtures.mosquitto import Mosquitto, find_mosquitto
from tests.fixtures.postgres import Postgres, find_postgres
from wire.event import Event
from wire.observation import Observation

T0 = 1_700_000_000_000
BATCH = 1_000
BATCHES = 120
GROUP = 10
BACKGROUND_HZ = 1_000
BACKGROUND_BATCH = 20
SECONDS = 20
RUNS = 3


def main() -> None:
    """Print every figure."""
    print(f"{'what':<62}{'measured':>16}  goal")
    bytes_on_the_wire()
    with databases() as urls:
        for name, new_url in urls:
            batched(name, new_url)
        for name, new_url in urls:
            latency(name, new_url())


@contextmanager
def databases() -> Iterator[list[tuple[str, Callable[[], str]]]]:
    """Give the kinds of database that are here: a name, and what makes the URL of a new one."""
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as folder:
        numbers = iter(range(1_000))
        urls = [("SQLite, synchronous=FULL", lambda: f"sqlite:///{folder}/{next(numbers)}.sqlite")]
        if find_postgres() is None:
            print("PostgreSQL: not measured, there is no server on this machine")
            yield urls
            return
        server = Postgres()
        try:
            yield [*urls, ("PostgreSQL", server.new_database)]
        finally:
            server.remove()


def say(what: str, measured: str, goal: str = "", *, is_met: bool | None = None) -> None:
    """Print one line."""
    verdict = "" if is_met is None else "met" if is_met else "MISSED"
    print(f"{what:<62}{measured:>16}  {goal} {verdict}".rstrip(), flush=True)


def observations(count: int, first: int = 0) -> list[Observation]:
    """Return what ten cameras with four zones each say every two seconds; counts move as counts do."""
    chance = random.Random(first)
    level = [chance.randrange(8) for _ in range(40)]
    found = []
    for n in range(first, first + count):
        place = n % 40
        level[place] = max(0, level[place] + chance.choice((-1, 0, 0, 0, 1)))
        found.append(
            Observation(
                source=f"cam-{place // 4}",
                property=chance.choice(("zone.stays", "vehicle.count")),
                result=float(level[place]),
                time_ms=T0 + n // 40 * 2_000 + chance.randrange(40),
                feature=f"zone-{place % 4}",
            )
        )
    return found


def events(count: int, prefix: str = "stay") -> list[Event]:
    """Return stays that begin and end, on a thousand cameras."""
    found = []
    for n in range(count):
        number, phase = divmod(n, 2)
        found.append(an_event(f"{prefix}-{number}", ("start", "end")[phase], camera=f"cam-{number % 1_000}"))
    return found


def bytes_on_the_wire() -> None:
    """Compare a batch with one message each."""
    many = observations(BATCH)
    one_each = sum(len(msgspec.json.encode(each)) for each in many) / BATCH
    packed = len(a_batch(many, stream="observations")[1]) / BATCH
    say("bytes per observation, one JSON message each (payload alone)", f"{one_each:.1f} B")
    share = one_each / packed
    say(
        f"bytes per observation, in batches of {BATCH}",
        f"{packed:.1f} B",
        f"<= 1/10 (1/{share:.1f})",
        is_met=share >= 10,
    )


def batched(name: str, new_url: Callable[[], str]) -> None:
    """Take batches as the worker does, from bytes to commit, in groups of several batches, on one core."""
    cores = os.sched_getaffinity(0)
    many = [a_batch(observations(BATCH, n * BATCH), n * BATCH + 1, stream="observations") for n in range(BATCHES)]
    some = [a_batch(events(100, f"run-{n}"), n * 100 + 1) for n in range(50)]
    rates: dict[str, list[float]] = {"observations": [], "events": []}
    for _ in range(RUNS):
        engine = open_engine(new_url())
        upgrade(engine)
        settings = Settings(engine=engine, dead_letters_max=100)
        os.sched_setaffinity(0, {min(cores)})
        rates["observations"].append(rate(settings, many, BATCH))
        rates["events"].append(rate(settings, some, 100))
        os.sched_setaffinity(0, cores)
        engine.dispose()
    for what, goal in (("observations", 60_000), ("events", 0)):
        middle = sorted(rates[what])[RUNS // 2]
        spread = f"{min(rates[what]):,.0f}..{max(rates[what]):,.0f}"
        say(f"{what}/s, {name} ({spread})", f"{middle:,.0f}/s", *([f">= {goal:,}/s"] if goal else []),
            is_met=middle >= goal if goal else None)  # fmt: skip


def rate(settings: Settings, deliveries: list[tuple[str, bytes]], size: int) -> float:
    """Return messages a second, from bytes to commit."""
    started = time.perf_counter()
    for first in range(0, len(deliveries), GROUP):
        items = [item_of(topic, payload) for topic, payload in deliveries[first : first + GROUP]]
        take_all(settings, items, T0)
    return len(deliveries) * size / (time.perf_counter() - started)


def latency(name: str, url: str) -> None:
    """Publish single events beside a steady stream of others; time each until its receipt is back."""
    if find_mosquitto() is None:
        print("latency: not measured, there is no mosquitto on this machine")
        return
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as folder:
        broker = Mosquitto(Path(folder))
        centre = CentreProcess(Path(folder), broker=broker.url, database=url)
        agents: list[SendingAgent] = []
        try:
            engine = open_engine(url)
            upgrade(engine)
            engine.dispose()
            centre.start()
            centre.wait_ready()
            agents += [SendingAgent(broker.url, "box-background"), SendingAgent(broker.url, "box-probe")]
            times_ms = probe(*agents)
            say(f"publish to receipt of the committed case, {name}, p50", f"{times_ms[len(times_ms) // 2]:.1f} ms")
            p99 = times_ms[int(len(times_ms) * 0.99)]
            say(f"  p99 of {len(times_ms)}, {BACKGROUND_HZ:,} events/s beside it", f"{p99:.1f} ms", "<= 150 ms",
                is_met=p99 <= 150)  # fmt: skip
            rss = psutil.Process(centre.pid).memory_info().rss / 2**20
            say(
                f"  resident memory of ingest after {SECONDS} s of it",
                f"{rss:.0f} MiB",
                "<= 300 MiB",
                is_met=rss <= 300,
            )
        finally:
            for agent in agents:
                agent.stop()
            centre.kill()
            broker.stop()


def probe(background: SendingAgent, single: SendingAgent) -> list[float]:
    """Return the times of single events, milliseconds, rising."""
    many = events(BACKGROUND_HZ * SECONDS, "background")
    batches = [
        a_batch(many[n : n + BACKGROUND_BATCH], n + 1, agent="box-background")
        for n in range(0, len(many), BACKGROUND_BATCH)
    ]
    started = time.perf_counter()

    def send_background() -> None:
        for number, batch in enumerate(batches):
            due = started + number * BACKGROUND_BATCH / BACKGROUND_HZ
            time.sleep(max(0.0, due - time.perf_counter()))
            background.send(batch)

    sender = threading.Thread(target=send_background)
    sender.start()
    sent: dict[str, float] = {}
    number = 0
    while sender.is_alive():
        number += 1
        topic, payload = a_batch(
            [an_event(f"probe-{number}", camera="cam-probe", place=number % 800)], number, agent="box-probe"
        )
        digest = digest_of(payload)
        sent[digest] = time.perf_counter()
        single.send((topic, payload))
        time.sleep(0.05)
    sender.join()
    single.wait_settled()
    background.wait_settled()
    wait_until(lambda: len(single.arrived_s) >= len(sent), "receipts are missing")
    return sorted((single.arrived_s[digest] - at) * 1000 for digest, at in sent.items())


if __name__ == "__main__":
    main()
