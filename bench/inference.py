"""What a look costs: `python -m bench.inference`. Needs a model that Wayside knows by name; says so where it lacks.

CPU time is of all threads, wall time what the camera waits; medians, the parts of one comparison taken in turns, so
that whatever else the machine does hits them alike. Fitting and decoding stand beside the network's own time, a mosaic
of nine beside nine whole pictures.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from edge.config import Onnx
from edge.inference.choice import Candidate
from edge.inference.mosaic import look
from edge.inference.onnx import Network
from edge.inference.runtime import installed
from edge.models import catalogue, find, resolve
from edge.video import Image, frames

ROUNDS = 30
SHARE_GOAL = 0.15
PICTURE = (1280, 720)
_CLIP = ("footage", "vtest.avi")


def main() -> None:
    """Print every figure."""
    names = sorted((model.name for model in catalogue() if find(model)), key=lambda name: "736" not in name)
    if not names:
        sys.exit("no model is here: run `wayside model fetch yolox-nano`")
    config = Onnx(model=names[0])
    picture, what = a_picture()
    print(f"{names[0]} on {what}; milliseconds, median of {ROUNDS} (least), in turns")
    choices = [Candidate(name, threads) for name in installed() for threads in (1, 2)]
    networks = [Network(config, choice) for choice in choices]
    fitted = networks[0].canvas.fit(picture)[0].copy()
    calls = {f"{each.runtime.name} f32, {each.runtime.threads} threads": _run(each, fitted) for each in networks}
    if "openvino" in installed():
        calls["openvino bf16, 1 thread"] = bf16(config, fitted)
    for name, times in timed(calls).items():
        print(f"  network alone, {name:<26} {times}")
    for name in installed():
        beside(next(each for each in networks if each.runtime.name == name), picture)
    mosaic(networks[0], picture)


class Times:
    """CPU and wall times of one thing, milliseconds."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def __str__(self) -> str:
        """Return both as a reader wants them."""
        return " | ".join(f"{name} {median(all_):6.2f} ({min(all_):.2f})" for name, all_ in vars(self).items())


def timed(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, Times]:
    """Return the times of several things, done in turns."""
    times = {name: Times() for name in calls}
    for number in range(-2, rounds):  # the first two warm up
        for name, call in calls.items():
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            call()
            if number >= 0:
                times[name].cpu.append((time.process_time() - cpu_s) * 1000)
                times[name].wall.append((time.perf_counter() - wall_s) * 1000)
    return times


def beside(network: Network, picture: Image) -> None:
    """Compare what fitting and decoding add with the network alone."""
    fitted = network.canvas.fit(picture)[0].copy()
    times = timed({"whole": lambda: network.detect(picture, 0.0), "fit": lambda: network.canvas.fit(picture),
                   "alone": _run(network, fitted)})  # fmt: skip
    alone, fit, whole = (median(times[name].cpu) for name in ("alone", "fit", "whole"))
    # In pairs: a difference of two medians would be of different moments.
    added = median(a - b for a, b in zip(times["whole"].cpu, times["alone"].cpu, strict=True))
    verdict = "met" if added <= SHARE_GOAL * alone else "MISSED"
    print(
        f"  {network.runtime.name}: a look takes {whole:.2f} ms CPU, bound {alone:.2f} (the network alone); fitting "
        f"{fit:.2f}, all beside it {added:.2f} = {added / alone:.1%} | goal <= {SHARE_GOAL:.0%}: {verdict}"
    )


def mosaic(network: Network, picture: Image) -> None:
    """Compare a mosaic of nine with looking nine times, and with one look, which is its bound."""
    places = [
        (90.0 + 400 * (n % 3), 60.0 + 220 * (n // 3), 170.0 + 400 * (n % 3), 110.0 + 220 * (n // 3)) for n in range(9)
    ]
    parts = [np.ascontiguousarray(picture[int(y1) : int(y2), int(x1) : int(x2)]) for x1, y1, x2, y2 in places]
    times = timed(
        {
            "one whole picture": lambda: network.detect(picture, 0.0),
            "mosaic of nine": lambda: look(network, picture, places),
            "nine single": lambda: [network.detect(part, 0.0) for part in parts],
        },
        ROUNDS // 3,
    )
    one, nine, single = (median(times[name].cpu) for name in ("one whole picture", "mosaic of nine", "nine single"))
    print(f"  mosaic of nine {nine:.2f} ms CPU | nine single looks {single:.2f} ({single / nine:.1f} times as much) "
          f"| bound, one look {one:.2f} ({one / nine:.0%} of the bound)")  # fmt: skip


def bf16(config: Onnx, fitted: np.ndarray) -> Callable[[], object]:
    """Return a call at the precision that OpenVINO prefers; float32 where the processor has none lower."""
    import openvino  # noqa: PLC0415  # an extra

    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    core = openvino.Core()
    model = core.compile_model(core.read_model(str(resolve(config.model))), "CPU", settings)
    used = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    print(f"  (asked for bf16, OpenVINO computes in {used} on this processor)")
    request = model.create_infer_request()
    return lambda: request.infer([fitted], share_inputs=True, share_outputs=True)


def a_picture() -> tuple[Image, str]:
    """Return a real picture where there is one, else noise, and what it is."""
    clip = Path(os.environ.get("WAYSIDE_DATA", "."), *_CLIP)
    if clip.is_file():
        frame = next(frames(str(clip), tick_hz=1, decode="full", size=PICTURE))
        return frame.image, f"{clip.name} at {PICTURE[0]}x{PICTURE[1]}"
    noise = np.random.default_rng(7).integers(0, 255, (PICTURE[1], PICTURE[0], 3), np.uint8)
    return noise, f"noise of {PICTURE[0]}x{PICTURE[1]}"


def _run(network: Network, fitted: np.ndarray) -> Callable[[], object]:
    return lambda: network.runtime.run(fitted)


if __name__ == "__main__":
    main()
