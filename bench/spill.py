"""Spills: one step of the detector, one look at the road, and what is found in made-up pairs of pictures.

The pairs are strips of road of 8 x 16 m at 5 cm a pixel, each the median of nine samples: noise, jitter of half a
pixel, exposure off by a quarter, JPEG, and in a quarter of the samples a vehicle or headlights. Between the two lies
nothing, a shadow, water, a lamp's glow, or debris, soil, debris on water. The peer is a gain-compensated absolute
difference whose threshold lets 1.5 % of the harmless pairs through. Synthetic: a floor for regressions, no claim.
Times are those of the processor, all threads together.
"""

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.site import Place, Site
from detectors.spills import Spills
from detectors.surface import CELL_M, SurfaceWant
from detectors.tick import Box, Tick
from edge.senses.road import Road
from edge.senses.surface import compare
from edge.video import Frame

PAIRS, SAMPLES = 80, 9
WIDTH, HEIGHT = 160, 320
CHECK_GOAL_MS, IDLE_GOAL_MS, TRUCK_GOAL_MS = 10.0, 0.08, 0.15
TICKS = 1_200
AREA_MIN_M2 = Spills().area_min_m2
Picture = NDArray[np.float32]
Random = np.random.Generator
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def road(random: Random) -> Picture:
    """Return a bare road: asphalt of two grains, a line, a crack."""
    fine = random.normal(0, 5, (HEIGHT, WIDTH))
    coarse = cv2.resize(
        random.normal(0, 6, (HEIGHT // 16, WIDTH // 16)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    picture = random.uniform(70, 140) + fine + coarse
    picture[:, 20:23] = 200
    x = int(random.integers(40, 140))
    cv2.line(picture, (x, 0), (int(random.integers(40, 140)), HEIGHT), float(picture.mean() * 0.8), 1)
    return picture.astype(np.float32)


def _field(mask: Picture, sigma: float, factor: float) -> Picture:
    """Return what multiplies a picture: ``factor`` inside a mask, 1 outside, with a soft edge."""
    return 1 + (factor - 1) * cv2.GaussianBlur(mask, (0, 0), sigma)


def none(picture: Picture, random: Random) -> Picture:  # noqa: ARG001
    """Change nothing."""
    return picture


def shadow(picture: Picture, random: Random) -> Picture:
    """Lay the shadow of something tall over a part."""
    mask = np.zeros_like(picture)
    corners = [(int(random.integers(0, WIDTH)), 0), (int(random.integers(0, WIDTH)), HEIGHT)]
    cv2.fillPoly(mask, [np.array([*corners, (0, HEIGHT), (0, 0)], np.int32)], 1.0)
    return picture * _field(mask, random.uniform(1, 6), random.uniform(0.45, 0.8))


def wet(picture: Picture, random: Random) -> Picture:
    """Wet a patch of a metre or more."""
    mask = np.zeros_like(picture)
    centre = int(random.integers(50, 120)), int(random.integers(80, 240))
    axes = int(random.integers(14, 35)), int(random.integers(30, 90))
    cv2.ellipse(mask, centre, axes, float(random.uniform(-20, 20)), 0, 360, 1.0, -1)
    return picture * _field(mask, random.uniform(2, 6), random.uniform(0.6, 0.85))


def light(picture: Picture, random: Random) -> Picture:
    """Let a lamp glow on the road."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = ((x - random.uniform(20, 140)) / random.uniform(25, 60)) ** 2
    far = far + ((y - random.uniform(40, 280)) / random.uniform(40, 100)) ** 2
    return np.asarray(picture * (1 + random.uniform(0.2, 0.8) * np.exp(-far)), np.float32)


def debris(picture: Picture, random: Random) -> Picture:
    """Drop three to ten clods and boards of 10 to 50 cm."""
    picture, track = picture.copy(), random.uniform(50, 120)
    for _ in range(int(random.integers(3, 11))):
        centre = int(random.normal(track, 14)), int(random.uniform(20, HEIGHT - 20))
        axes = int(random.integers(1, 6)), int(random.integers(1, 6))
        grey = float(
            picture.mean() * (random.uniform(0.35, 0.75) if random.random() < 0.7 else random.uniform(1.3, 1.7))
        )
        cv2.ellipse(picture, centre, axes, float(random.uniform(0, 180)), 0, 360, grey, -1)
    return picture


def soil(picture: Picture, random: Random) -> Picture:
    """Strew a trail of crumbs along a wheel track."""
    picture, track = picture.copy(), random.uniform(50, 120)
    for _ in range(int(random.integers(60, 160))):
        centre = int(random.normal(track, 7)), int(random.uniform(10, HEIGHT - 10))
        cv2.circle(picture, centre, int(random.integers(1, 4)), float(picture.mean() * random.uniform(0.6, 0.85)), -1)
    return picture


def debris_on_wet(picture: Picture, random: Random) -> Picture:
    """Drop debris on a wet road."""
    return debris(wet(picture, random), random)


CLASSES: tuple[Callable[[Picture, Random], Picture], ...] = (none, shadow, wet, light, debris, soil, debris_on_wet)
HARMLESS = 4


def seen(picture: Picture, random: Random) -> NDArray[np.uint8]:
    """Return the median of samples of a road as a camera gives them."""
    gain, samples = random.uniform(0.75, 1.25), []
    for _ in range(SAMPLES):
        shift = np.array([[1, 0, random.uniform(-0.5, 0.5)], [0, 1, random.uniform(-0.5, 0.5)]])
        sample = cv2.warpAffine(picture, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE) * gain
        if random.random() < 0.25:
            y = int(random.integers(0, HEIGHT - 90))
            if random.random() < 0.5:
                sample[y : y + 90, 60:100] = random.uniform(10, 240)
            else:
                sample = light(sample, random)
        sample = np.clip(sample + random.normal(0, 3, sample.shape), 0, 255).astype(np.uint8)
        packed = cv2.imencode(".jpg", sample, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
        samples.append(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE))
    return np.median(samples, axis=0).astype(np.uint8)


def differences(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Return the peer's score: the level that 0.2 % of a plain difference, exposure evened out, exceed."""
    gain = float(np.median(before)) / max(float(np.median(after)), 1.0)
    return float(np.quantile(np.abs(after * gain - before.astype(np.float32)), 0.998))


def table() -> None:
    """Print which share of the pairs of each class is taken for a spill, beside the peer."""
    ours, peer, taken_ms = [], [], []
    for number, change in enumerate(CLASSES):
        areas, scores = [], []
        for pair in range(PAIRS):
            random = np.random.default_rng(1_000 * number + pair)
            bare = road(random)
            before, after = seen(bare, random), seen(change(bare, random), random)
            begin = time.process_time()
            blobs = compare(before, after, np.ones(before.shape, np.bool_))
            taken_ms.append((time.process_time() - begin) * 1_000)
            areas.append(sum(blob.area for blob in blobs) * CELL_M**2)
            scores.append(differences(before, after))
        ours.append(np.array(areas) >= AREA_MIN_M2)
        peer.append(np.array(scores))
    threshold = float(np.quantile(np.concatenate(peer[:HARMLESS]), 0.985))
    print(f"\n{'taken for a spill, of ' + str(PAIRS):<26}{'this test':>12}{'abs-diff':>12}")
    for change, found, scores in zip(CLASSES, ours, peer, strict=True):
        print(f"{change.__name__:<26}{found.mean():>12.1%}{(scores > threshold).mean():>12.1%}")
    print(f"comparison alone, {WIDTH} x {HEIGHT}: median {statistics.median(taken_ms):.1f} ms")


def check() -> None:
    """Print what one look at the road costs, with the median of its samples, on a strip of 12 x 24 m."""
    size, random = (240, 480), np.random.default_rng(1)
    lane = ((0.0, 0.0), (240.0, 0.0), (240.0, 480.0), (0.0, 480.0))
    memory, taken_ms = Road(size, [lane]), []
    cv2.setNumThreads(1)
    want = SurfaceWant(id="p", before_s=20.5, after_s=20.5, strip=lane, matrix=IDENTITY, size=size)
    bare = random.normal(110, 8, (size[1], size[0]))
    for number in range(80):
        noisy = bare + random.normal(0, 2, bare.shape)
        if number > 20:
            noisy[200:210, 100:110], noisy[260:266, 180:192] = 50, 60
        image = noisy[:, :, None].repeat(3, axis=2).astype(np.uint8)
        begin = time.process_time()
        memory.look(Frame(float(number), 0, image), (), (want,) if number > 20 else ())
        taken_ms.append((time.process_time() - begin) * 1_000)
    quiet = statistics.median(taken_ms[5:20])
    looked = statistics.median(taken_ms[40:]) - quiet
    verdict = "met" if looked <= CHECK_GOAL_MS else "MISSED"
    cv2.setNumThreads(-1)
    print(f"road memory, {memory.size_bytes / 2**20:.1f} MiB: a sample {quiet:.2f} ms")
    print(
        f"a check of a strip of 12 x 24 m, without its sample: {looked:.1f} ms | goal <= {CHECK_GOAL_MS} ms: {verdict}"
    )


def ticks(*, with_truck: bool) -> list[Tick]:
    """Return made-up ticks with 30 boxes; a lorry comes down the lane again and again."""
    made = []
    for number in range(TICKS):
        boxes = []
        for vehicle in range(29 if with_truck else 30):
            row, x = 150.0 + vehicle % 10 * 55, float((40 + vehicle * 97 + number * 13) % 1_100)
            boxes.append(Box(x, row * 0.8, x + row * 0.24, row, "car", 0.8))
        if with_truck:
            row = 200 + 400 * (number % 12) / 12
            boxes.append(Box(600, row * 0.6, 600 + row * 0.32, row, "truck", 0.8))
        made.append(Tick(camera="c", time_s=number / 2, time_ms=number * 500, size=(1280, 720), boxes=tuple(boxes)))
    return made


def step() -> None:
    """Print what a step of the detector costs, without a truck and with one."""
    angles = np.linspace(0, 2 * np.pi, 11, endpoint=False)
    lane = tuple((640 + 600 * float(np.cos(angle)), 360 + 350 * float(np.sin(angle))) for angle in angles)
    site = Site((Place("lane", lane, None, "lane", (0.0, 1.0)),))
    for with_truck, goal_ms in ((False, IDLE_GOAL_MS), (True, TRUCK_GOAL_MS)):
        spills, taken_ms = Spills(), []
        ledger = spills.first()
        for tick in ticks(with_truck=with_truck):
            begin = time.process_time()
            ledger, _ = spills.step(ledger, tick, site)
            taken_ms.append((time.process_time() - begin) * 1_000)
        median, mean = statistics.median(taken_ms), statistics.mean(taken_ms)
        verdict = "met" if median <= goal_ms else "MISSED"
        name = "a truck" if with_truck else "no truck"
        print(f"spill step, 30 boxes, {name}: median {median:.3f} ms, mean {mean:.3f} ms", end="")
        print(f" | goal <= {goal_ms} ms: {verdict}")


if __name__ == "__main__":
    step()
    check()
    table()
