"""Detector and rule step of one camera tick with 30 boxes: milliseconds, beside the goal.

Some of the vehicles stand in the zone, long enough to be raised, the others pass; every tick moves all of them.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from detectors.tick import Box, Tick
from edge.config import Camera, Onnx, Zone
from edge.rule_files import read_book
from edge.watch import Watch

GOAL_MS = 0.5
BOXES, TICKS = 30, 2_000
SIZE = (1280, 720)


def ticks(standing: int) -> list[Tick]:
    """Return the made-up ticks, 2 a second, boxes jittering by a pixel; the same ones each time."""
    random = np.random.default_rng(7)
    made = []
    for number in range(TICKS):
        boxes = []
        for vehicle in range(BOXES):
            column, row = vehicle % 10, vehicle // 10
            x = 40 + column * 120 + (0 if vehicle < standing else number * (11 + row) % 600)
            x1, y1 = np.array([x % 1180, 120 + row * 180]) + random.normal(0, 1, 2)
            boxes.append(Box(float(x1), float(y1), float(x1 + 80), float(y1 + 60), "car", 0.8))
        made.append(Tick(camera="bench", time_s=number / 2, time_ms=number * 500, size=SIZE, boxes=tuple(boxes)))
    return made


def measure(standing: int, *, lane: bool = False) -> None:
    """Print median and p99 of a step."""
    width, height = SIZE
    whole = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    zone = Zone(id="all", type="no_parking", polygon=whole, lane=whole if lane else None)
    camera = Camera(id="bench", source="none", size=SIZE, backend=Onnx(model="none"), zones=(zone,))
    watch = Watch(camera, read_book(Path("rules/book")))
    state, taken_ms, events = watch.first(), [], 0
    for tick in ticks(standing):
        begin = time.perf_counter()
        state, outputs = watch.step(state, tick)
        taken_ms.append((time.perf_counter() - begin) * 1000)
        events += len(outputs)
    median, p99 = statistics.median(taken_ms), statistics.quantiles(taken_ms, n=100)[98]
    flow = ", flow of a lane judged" if lane else ""
    verdict = "met" if median <= GOAL_MS else "MISSED"
    print(
        f"detector + rule step, {BOXES} boxes ({standing} stand{flow}): median {median:.3f} ms, p99 {p99:.3f} ms",
        end="",
    )
    print(f" | goal <= {GOAL_MS} ms: {verdict} ({TICKS} ticks, {events} outputs)")


if __name__ == "__main__":
    for count in (5, 15, BOXES):
        measure(count)
    measure(15, lane=True)
