"""Detector and rule step of one camera tick with 30 boxes: milliseconds, beside the goal.

Some of the vehicles stand in the zone, long enough to be raised, the others pass; every tick moves all of them.
"""

import statistics
import time
from pathlib import Path

import numpy as np

from detectors.site import Place, Site
from detectors.tick import Box, Tick
from edge.config import Camera, Onnx, Zone
from edge.rule_files import read_book
from edge.watch import Watch

GOAL_MS, PARKING_GOAL_MS = 0.5, 0.3
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


def camera_of(*, lane: bool, every: bool) -> Camera:
    """Return a camera whose whole picture is a zone, beside a stall's and a lane to watch for spills if ``every``."""
    width, height = SIZE
    whole = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    zones = [Zone(id="all", type="no_parking", polygon=whole, lane=whole if lane else None)]
    if every:
        zones += [Zone(id="pavement", type="stall", polygon=whole)]
        zones += [Zone(id="road", type="lane", polygon=whole, direction=(0.0, 1.0))]
    return Camera(id="bench", source="none", size=SIZE, backend=Onnx(model="none"), zones=tuple(zones))


def tell(what: str, goal_ms: float, taken_ms: list[float], outputs: int) -> None:
    """Print median and p99 beside the goal."""
    median, p99 = statistics.median(taken_ms), statistics.quantiles(taken_ms, n=100)[98]
    verdict = "met" if median <= goal_ms else "MISSED"
    print(
        f"{what}: median {median:.3f} ms, p99 {p99:.3f} ms | goal <= {goal_ms} ms: {verdict}"
        f" ({len(taken_ms)} ticks, {outputs} outputs)"
    )


def measure(standing: int, *, lane: bool = False, every: bool = False) -> None:
    """Measure the whole step: all detectors that have a place to watch, and the rules."""
    watch = Watch(camera_of(lane=lane, every=every), read_book(Path("rules/book")))
    state, taken_ms, outputs = watch.first(), list[float](), 0
    for tick in ticks(standing):
        begin = time.perf_counter()
        state, found = watch.step(state, tick)
        taken_ms.append((time.perf_counter() - begin) * 1000)
        outputs += len(found)
    places = ("parking, stalls, spills" if every else "parking") + (", flow of a lane judged" if lane else "")
    tell(f"detectors + rules, {BOXES} boxes, {standing} stand ({places})", GOAL_MS, taken_ms, outputs)


def measure_parking(standing: int, *, lane: bool = False) -> None:
    """Measure the parking detector without the rules."""
    camera = camera_of(lane=lane, every=False)
    parking = camera.parking
    site = Site(tuple(Place(zone.id, zone.polygon, zone.lane) for zone in camera.zones))
    ledger, taken_ms, outputs = parking.first(), list[float](), 0
    for tick in ticks(standing):
        begin = time.perf_counter()
        ledger, stays = parking.step(ledger, tick, site)
        taken_ms.append((time.perf_counter() - begin) * 1000)
        outputs += len(stays)
    places = "parking alone" + (", flow of a lane judged" if lane else "")
    tell(f"detector, {BOXES} boxes, {standing} stand ({places})", PARKING_GOAL_MS, taken_ms, outputs)


if __name__ == "__main__":
    for count in (5, 15, BOXES):
        measure_parking(count)
    measure_parking(15, lane=True)
    measure(15)
    measure(15, lane=True)
    measure(15, lane=True, every=True)
