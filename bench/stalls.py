"""Step of the stall detector for one tick: milliseconds, beside the goals."""

import statistics
import time

import numpy as np

from detectors.blob import Blob
from detectors.site import Place, Site
from detectors.stalls import Stalls
from detectors.tick import Box, Tick

TICKS = 2_000
SIZE = (1280, 720)
PAVEMENT = Place("pavement", ((0, 400), (1280, 400), (1280, 720), (0, 720)), type="stall")


def ticks(blobs: tuple[Blob, ...], *, on_pavement: bool) -> list[Tick]:
    """Return made-up ticks, 2 a second, with 30 people and cars that pass; the same ones each time."""
    random = np.random.default_rng(7)
    made = []
    for number in range(TICKS):
        boxes = []
        for each in range(30):
            x = float((each * 43 + number * (5 + each % 7)) % 1200)
            y = float(random.integers(200, 660 if on_pavement else 280))
            label = "person" if each % 3 else "car"
            boxes.append(Box(x, y - 90, x + 40, y, label, 0.7))
        made.append(
            Tick(camera="bench", time_s=number / 2, time_ms=number * 500, size=SIZE, boxes=tuple(boxes), blobs=blobs)
        )
    return made


def measure(what: str, goal_ms: float, made: list[Tick]) -> None:
    """Print median and p99 of a step."""
    detector, site = Stalls(), Site((PAVEMENT,))
    ledger, taken, stalls = detector.first(), [], 0
    for tick in made:
        begin = time.perf_counter()
        ledger, held = detector.step(ledger, tick, site)
        taken.append((time.perf_counter() - begin) * 1000)
        stalls = len(held)
    median, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    verdict = "met" if median <= goal_ms else "MISSED"
    print(f"stalls.step, {what}, {stalls} held: median {median:.3f} ms, p99 {p99:.3f} ms", end="")
    print(f" | goal <= {goal_ms} ms: {verdict} ({TICKS} ticks)")


if __name__ == "__main__":
    things = tuple(Blob(x, 500, x + 80, 570, 4500, 0.6, 0.1) for x in (100.0, 500.0, 900.0))
    measure("30 boxes, nothing in the zone", 0.08, ticks((), on_pavement=False))
    measure("30 boxes, three blobs in the zone", 0.15, ticks(things, on_pavement=True))
