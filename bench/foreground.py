"""Static foreground of one 640x360 picture: milliseconds, beside the goal and OpenCV's MOG2 in the same run."""

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from detectors.tick import Box
from edge.senses.foreground import Foreground, small
from edge.video import Image

GOAL_MS = 0.2
PICTURES = 400
WIDTH, HEIGHT = 640, 360


def pictures() -> list[Image]:
    """Return made-up pictures of a street with a cart on it: noise over a rough ground; the same ones each time."""
    random = np.random.default_rng(7)
    ground = cv2.GaussianBlur(random.normal(120, 40, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 3)
    noise = random.normal(0, 3, (16, HEIGHT, WIDTH, 3)).astype(np.float32)
    made = []
    for number in range(PICTURES):
        picture = ground + noise[number % 16]
        if number > PICTURES / 4:
            picture[200:260, 200:290:8] = 30
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return made


def median_ms(step: Callable[[Image, float], object], images: list[Image]) -> float:
    """Return the median time of a step, after it has seen the first quarter."""
    taken = []
    for number, image in enumerate(images):
        begin = time.perf_counter()
        step(image, number / 2)
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken[PICTURES // 4 :])


def main() -> None:
    """Print the averages with their code, the whole sense and the peer."""
    cv2.setNumThreads(1)
    images = pictures()
    boxes = tuple(Box(40.0 * n, 100, 40.0 * n + 30, 190, "person", 0.8) for n in range(4))
    sense = Foreground()
    whole_ms = median_ms(lambda image, time_s: sense.see(image, time_s, boxes), images)
    taken, after_s = [], PICTURES / 2
    for number, image in enumerate(images):
        grey = small(image)
        begin = time.perf_counter()
        sense.average(grey, after_s + number / 2, 0.5)
        taken.append((time.perf_counter() - begin) * 1000)
    averages_ms = statistics.median(taken)
    peer = cv2.createBackgroundSubtractorMOG2()
    peer_ms = median_ms(lambda image, _: peer.apply(image), images)
    verdict = "met" if averages_ms <= GOAL_MS else "MISSED"
    print(f"static foreground of a {WIDTH}x{HEIGHT} picture, medians of {PICTURES}, one thread:")
    print(f"  two averages and code {averages_ms:.3f} ms | goal <= {GOAL_MS} ms: {verdict}")
    print(f"  the whole sense, shrinking, owners and blobs with it {whole_ms:.3f} ms; MOG2 in colour {peer_ms:.3f} ms")


if __name__ == "__main__":
    main()
