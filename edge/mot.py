"""MOTChallenge detection text: rows ``frame,id,x,y,w,h,confidence,class,...``, frames from 1, classes as in COCO."""

import gzip
import lzma
import math
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import IO

from detectors.tick import Box, Tick
from edge.config import Camera
from shell.refusal import Refusal

_EXPECTED = "expected numbers frame,id,x,y,w,h,confidence,class"
_COLUMNS_MIN = 7
_FRAMES_MAX = 10_000_000


def read_mot(path: Path, camera: Camera, *, fps: float, size: tuple[int, int]) -> Iterator[Tick]:
    """Yield ticks of a text whose frames come ``fps`` times a second; a frame without a row is empty.

    The first frame at or after each tick is taken, and its boxes are scaled from ``size`` to the camera's size.
    Raises Refusal naming file and line.
    """
    labels = dict(enumerate(files("edge.inference").joinpath("coco.txt").read_text("utf-8").split("\n")[:80]))
    scale = (camera.size[0] / size[0], camera.size[1] / size[1])
    hz, boxes, last = min(camera.tick_hz, fps), dict[int, list[Box]](), -1
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            frame, box = _row(line, labels, scale)
        except (ValueError, OverflowError):
            raise Refusal(f"{path}:{number}", f"{_EXPECTED}; got {line.strip()[:60]!r}") from None
        last = max(last, frame)
        if _tick_of(frame, hz / fps) != _tick_of(frame - 1, hz / fps):
            boxes.setdefault(frame, []).append(box)
    if last < 0:
        raise Refusal(str(path), f"is empty; {_EXPECTED}")
    for tick in range(_tick_of(last, hz / fps) + 1):
        frame = math.ceil(tick * fps / hz - 1e-6)
        time_s = frame / fps
        found = tuple(boxes.get(frame, ()))
        yield Tick(camera=camera.id, time_s=time_s, time_ms=round(time_s * 1000), size=camera.size, boxes=found)


def _tick_of(frame: int, ticks_a_frame: float) -> int:
    return math.floor(frame * ticks_a_frame + 1e-6)


def _row(line: str, labels: dict[int, str], scale: tuple[float, float]) -> tuple[int, Box]:
    """Return a row's frame, counted from 0, and its box; raise ValueError."""
    cells = line.split(",")
    if len(cells) < _COLUMNS_MIN:
        raise ValueError(line)
    frame = int(cells[0]) - 1
    x, y, width, height, confidence = map(float, cells[2:_COLUMNS_MIN])
    if (
        not 0 <= frame < _FRAMES_MAX
        or width < 0
        or height < 0
        or not all(map(math.isfinite, (x, y, width, height, confidence)))
    ):
        raise ValueError(line)
    label = labels.get(int(float(cells[7])), "thing") if len(cells) > _COLUMNS_MIN else "thing"
    x1, y1, x2, y2 = x * scale[0], y * scale[1], (x + width) * scale[0], (y + height) * scale[1]
    return frame, Box(x1, y1, x2, y2, label, min(max(confidence, 0.0), 1.0))


def _lines(path: Path) -> Iterator[str]:
    try:
        with _open(path) as file:
            yield from file
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise Refusal(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise Refusal(str(path), f"is no text; {_EXPECTED}") from error


def _open(path: Path) -> IO[str]:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
