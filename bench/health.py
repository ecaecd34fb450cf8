"""Camera health on recorded and drawn streets, corrupted: seconds to find and clear each fault, and what is false.

Run with `python -m bench.health [PART OF A NAME ...]`. The clips are those of WAYSIDE_DATA; without it, a drawn one.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from detectors.health import Health, HealthState, Verdict
from detectors.tick import Tick
from edge.reference import Reference
from edge.senses.view import ViewSense
from edge.video import Frame, Image, frames
from tests.fixtures.corrupted import dusk, faults, harmless
from wayside.street.stage import Stage, backdrop
from wayside.street.view import View as StreetView

HZ = 2
GOOD_S, LATEST_S, MINUTE_S, DUSK_S = 30.0, 75.0, 60.0, 300.0
GOAL_MS = 1.0
LEARNT_S = 15.0
"""Learning the view happens once; the cost is counted after it."""


class Eye:
    """One camera's sense and detector."""

    def __init__(self) -> None:
        self._sense, self._health = ViewSense(Reference(None)), Health()
        self._state: HealthState = self._health.first()
        self.time_s, self.cpu_s, self.pictures = 0.0, 0.0, 0

    def look(self, image: Image) -> Verdict:
        """Look at the next picture, half a second after the last."""
        began_s = time.thread_time()
        view = self._sense.look(Frame(self.time_s, round(self.time_s * 1000), image))
        height, width = image.shape[:2]
        tick = Tick(camera="bench", time_s=self.time_s, time_ms=round(self.time_s * 1000), size=(width, height), boxes=(), view=view)  # fmt: skip  # noqa: E501
        self._state, verdict = self._health.step(self._state, tick)
        if self.time_s >= LEARNT_S:
            self.cpu_s += time.thread_time() - began_s
            self.pictures += 1
        self.time_s += 1 / HZ
        return verdict


class Result(NamedTuple):
    """What became of one fault on one clip."""

    found_s: float | None
    cleared_s: float | None
    also: tuple[str, ...]


def clips() -> Iterator[tuple[str, list[Image]]]:
    """Yield each clip's name and its pictures at the ticks, the drawn street first."""
    stage = Stage(StreetView(), backdrop(StreetView(), 7), 7)
    yield "drawn street", [stage.picture(number / HZ, number) for number in range(90)]
    folder = os.environ.get("WAYSIDE_DATA")
    if folder is None:
        print("WAYSIDE_DATA is not set: the drawn street alone")
        return
    for path in sorted([*Path(folder, "scenes").glob("*.mp4"), *Path(folder, "footage").glob("*.[am][vp][i4]")]):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            size = (stream.width, stream.height)
        yield path.stem, [each.image for each in frames(str(path), tick_hz=HZ, decode="full", size=size)]


def to_and_fro(images: list[Image]) -> Iterator[Image]:
    """Yield a clip forwards and backwards for ever: it has no cut."""
    while True:
        yield from images
        yield from images[-2:0:-1]


def one_fault(images: list[Image], name: str) -> Result:
    """Corrupt a clip after 30 s until the fault is found, and go back to sound pictures until it is gone."""
    fault, random, eye, run = faults()[name], np.random.default_rng(3), Eye(), to_and_fro(images)
    for _ in range(round(GOOD_S * HZ)):
        eye.look(next(run))
    found_s = cleared_s = None
    also = set[str]()
    for number in range(1, round((fault.lasts_s or LATEST_S) * HZ) + 1):
        verdict = eye.look(fault.change(next(run), random))
        also |= set(verdict.faults)
        if fault.name in verdict.faults and found_s is None:
            found_s = number / HZ
        if found_s is not None and (fault.lasts_s is None or number / HZ >= fault.lasts_s):
            break
    for number in range(1, round(LATEST_S * HZ) + 1):
        if not eye.look(next(run)).faults:
            cleared_s = number / HZ
            break
    return Result(found_s, cleared_s, tuple(sorted(also - {fault.name})))


def false_faults(eye: Eye, images: Iterable[Image]) -> set[str]:
    """Return what is found on pictures that are fine."""
    return {fault for image in images for fault in eye.look(image).faults}


def quiet(images: list[Image]) -> tuple[dict[str, set[str]], Eye]:
    """Return false faults by what happened: nothing at all (the whole clip as it is), and harmless things."""
    plain = Eye()
    found = {"the clip as it is": false_faults(plain, images)}
    random = np.random.default_rng(4)
    for name, change in harmless().items():
        eye, run = Eye(), to_and_fro(images)
        parts = [(GOOD_S, False), (MINUTE_S, True), (GOOD_S, False)]
        pictures = (
            change(next(run), random) if is_changed else next(run)
            for seconds, is_changed in parts
            for _ in range(round(seconds * HZ))
        )
        found[name] = false_faults(eye, pictures)
    eye, run = Eye(), to_and_fro(images)
    false = false_faults(eye, (next(run) for _ in range(round(GOOD_S * HZ))))
    count = round(DUSK_S * HZ)
    found["dusk in 5 minutes"] = false | false_faults(eye, (dusk(next(run), random, n / count) for n in range(count)))
    return found, plain


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    wanted = sys.argv[1:]
    print("| clip | what | found after | cleared after | also said |\n|---|---|---|---|---|")
    false_all, missed, cpu_s, pictures = 0, 0, 0.0, 0
    for clip, images in clips():
        if wanted and not any(part in clip for part in wanted):
            continue
        for name, fault in faults().items():
            result = one_fault(images, name)
            is_met = result.found_s is not None and result.found_s <= fault.within_s
            missed += not is_met
            found = "never" if result.found_s is None else f"{result.found_s:g} s"
            cleared = "never" if result.cleared_s is None else f"{result.cleared_s:g} s"
            print(
                f"| {clip} | {name} | {found}{'' if is_met else ' MISSED'} | {cleared} | {', '.join(result.also)} |",
                flush=True,
            )
        false, eye = quiet(images)
        cpu_s, pictures = cpu_s + eye.cpu_s, pictures + eye.pictures
        for name, found in false.items():
            false_all += bool(found)
            print(
                f"| {clip} | {name} | {'FALSE: ' + ', '.join(sorted(found)) if found else 'nothing, rightly'} | | |",
                flush=True,
            )
    print(f"\nfaults not found in time: {missed}; false: {false_all}")
    each_ms = 1000 * cpu_s / max(pictures, 1)
    verdict = "met" if each_ms <= GOAL_MS else "MISSED"
    print(f"CPU a picture, once the view is learnt: {each_ms:.2f} ms, goal <= {GOAL_MS:g} ms: {verdict}")


if __name__ == "__main__":
    main()
