"""The demo's video: a street on which one car stands where it may not; and the truth about it."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from wayside.street.ground import MARKS, ZONE
from wayside.street.paint import bounds
from wayside.street.stage import Backdrop, Stage, backdrop
from wayside.street.traffic import DURATION_S, LEAVE_S, STOP_S, parking, trips
from wayside.street.view import View

FPS = Fraction(25, 2)
_ENCODER = {"preset": "veryfast", "crf": "23", "g": "12", "keyint_min": "12", "bf": "0", "threads": "1"}
_PARTS = 2  # one a core
_NEWS_EVERY = 10


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What the video shows, for tests and for the camera's file; times from its start, pixels of its picture."""

    size: tuple[int, int]
    duration_s: float
    stop_s: float
    leave_s: float
    bbox: tuple[float, float, float, float]
    """The standing car: left, top, width, height."""
    zone: tuple[tuple[float, float], ...]
    marks: tuple[tuple[tuple[float, float], tuple[float, float]], ...]
    """Points of the road: where they are seen, to the pixel that a person would name, and where they are, metres."""


def truth(view: View | None = None) -> Truth:
    """Return what the video shows."""
    view = view or View()
    width, height = view.size
    standing = parking(STOP_S)
    assert standing is not None  # noqa: S101  # the timetable has it standing
    left, top, right, bottom = bounds(trips()[-1].vehicle, standing.pose, view)
    corners = view.project(np.array([(x, y, 0.0) for x, y in ZONE]))
    inside = np.clip(corners, 0, (width, height))
    marks = view.project(np.array([(x, y, 0.0) for x, y in MARKS])).round()
    return Truth(
        size=view.size,
        duration_s=DURATION_S,
        stop_s=STOP_S,
        leave_s=LEAVE_S,
        bbox=(round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)),
        zone=tuple((round(float(x), 1), round(float(y), 1)) for x, y in inside),
        marks=tuple(((float(x), float(y)), metres) for (x, y), metres in zip(marks, MARKS, strict=True)),
    )


def render(
    path: Path,
    *,
    view: View | None = None,
    seed: int = 7,
    duration_s: float = DURATION_S,
    console: Console | None = None,
) -> Truth:
    """Draw the street and write it as H.264; show a progress bar; the same seed gives the same bytes.

    Raises:
        OSError: the video cannot be written.
    """
    view = view or View()
    total = int(duration_s * FPS)
    cuts = [total * number // _PARTS for number in range(_PARTS + 1)]
    with _bar(console) as bar, TemporaryDirectory(prefix="wayside-scene-") as folder:
        task = bar.add_task("drawing the street", total=total)
        scenery = backdrop(view, seed)
        files = [Path(folder, f"{number}.mp4") for number in range(_PARTS)]
        parts = [
            _Part(file, range(first, last), view, scenery, seed)
            for file, (first, last) in zip(files, pairwise(cuts), strict=True)
        ]
        for frames in _drawn(parts):
            bar.advance(task, frames)
        _join(files, path)
    return truth(view)


def _bar(console: Console | None) -> Progress:
    percentage = TextColumn("{task.percentage:3.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), percentage, TimeRemainingColumn())
    return Progress(*columns, transient=True, console=console)


@dataclass(frozen=True)
class _Part:
    """Some of the frames, and the file that they go to."""

    path: Path
    numbers: range
    view: View
    scenery: Backdrop
    seed: int


def _drawn(parts: list[_Part]) -> Iterator[int]:
    """Draw the parts side by side; yield how many frames were drawn since the last time."""
    context = get_context("spawn")
    with context.Manager() as shared, ProcessPoolExecutor(len(parts), mp_context=context) as pool:
        news = shared.Queue()
        waiting = {pool.submit(_draw, part, news) for part in parts}
        while waiting:
            done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            for each in done:
                each.result()
            while not news.empty():
                yield news.get()


def _draw(part: _Part, news: Any) -> None:
    """Draw and encode one part; it begins with a key frame and has no frame that looks ahead."""
    cv2.setNumThreads(1)
    stage = Stage(part.view, part.scenery, part.seed)
    with av.open(str(part.path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=_ENCODER)
        stream.width, stream.height = part.view.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = 1 / FPS
        for place, number in enumerate(part.numbers):
            picture = stage.picture(float(number / FPS), number)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = place, 1 / FPS
            container.mux(stream.encode(frame))
            if place % _NEWS_EVERY == _NEWS_EVERY - 1:
                news.put(_NEWS_EVERY)
        container.mux(stream.encode(None))


def _join(parts: list[Path], path: Path) -> None:
    """Copy the parts' packets into one file, one after the other."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as whole:
        target, start_s = None, Fraction(0)
        for part in parts:
            with av.open(str(part)) as container:
                source = container.streams.video[0]
                target = target or whole.add_stream_from_template(source)
                count = 0
                for packet in container.demux(source):
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = round(start_s / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, target
                    whole.mux(packet)
                    count += 1
            start_s += count / FPS
