"""Replay: a recording through the very pipeline that runs live, as fast as it goes; the same bytes each time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from detectors.tick import Tick
from detectors.wants import Wants
from edge.config import Camera
from edge.mot import read_mot
from edge.pace import Asking, Sampling, watched_s
from edge.tick_log import SUFFIX, read_ticks
from edge.watch import Watch
from rules.rule_book import Book
from shell.refusal import Refusal
from wire.event import Event
from wire.holding import BoxXywh

_TEXTS = (".txt", ".txt.xz", ".txt.gz", ".csv", ".csv.xz", ".csv.gz")
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".ts", ".webm")
_SUFFIXES = (SUFFIX, *_TEXTS, *_VIDEOS)


class Raised(msgspec.Struct, kw_only=True):
    """One event of a replay; times in seconds from the start of its source."""

    sequence: str
    kind: str
    camera: str
    zone: str
    id: str
    start_s: float
    raise_s: float
    end_s: float | None
    """None while it stands."""
    bbox: BoxXywh
    confidence: float


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """What a text of detections does not say of itself."""

    fps: float | None = None
    size: tuple[int, int] | None = None
    """Width and height, pixels; the camera's if left out."""


def sequences(source: Path) -> list[Path]:
    """Return the recordings that a source stands for: itself, or those in the folder. Raise Refusal for none."""
    if not source.exists():
        raise Refusal(str(source), "no such file or folder")
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.is_file() and path.name.endswith(_SUFFIXES))
    if not found:
        raise Refusal(str(source), "holds no recording", f"expected files that end in {', '.join(_SUFFIXES)}")
    return found


def sequence_of(path: Path) -> str:
    """Return the name of a recording: that of its file, without what tells the format."""
    suffix = max((each for each in _SUFFIXES if path.name.endswith(each)), key=len, default=path.suffix)
    return path.name.removesuffix(suffix)


def ticks_of(path: Path, camera: Camera, frames: Frames, wants: Callable[[], Wants] = Wants) -> Iterator[Tick]:
    """Yield the ticks of a recording of any kind; raise Refusal if it cannot be read.

    ``wants`` says before each picture of a video what the detectors ask of it.
    """
    if path.name.endswith(_TEXTS):
        if frames.fps is None:
            raise Refusal(str(path), "a text of detections does not say how fast its frames came", "add --fps, e.g. 10")
        return read_mot(path, camera, fps=frames.fps, size=frames.size or camera.size)
    if path.name.endswith(SUFFIX):
        return _same_size(path, camera)
    return _seen(path, camera, wants)


def replay(
    path: Path, camera: Camera, book: Book, frames: Frames, on_tick: Callable[[float], None] | None = None
) -> list[Raised]:
    """Return every event of a recording in the order of raising; ``on_tick`` is told the seconds done."""
    watch = Watch(camera, book)
    state, raised, first_s = watch.first(), dict[str, Raised](), None
    wants = [Wants()]  # what the eyes are asked for the next picture
    seconds: list[tuple[int, float]] = []  # of each tick, wall milliseconds and seconds from the start
    for tick in ticks_of(path, camera, frames, lambda: wants[0]):
        first_s = tick.time_s if first_s is None else first_s
        seconds.append((tick.time_ms, round(tick.time_s - first_s, 3)))
        state, outputs = watch.step(state, tick)
        wants[0] = watch.wants(state)
        for event in outputs:
            if isinstance(event, Event):
                _take(event, raised, seconds, sequence_of(path))
        if on_tick:
            on_tick(seconds[-1][1])
    return list({each.id: each for each in raised.values()}.values())


def _take(event: Event, raised: dict[str, Raised], seconds: Sequence[tuple[int, float]], sequence: str) -> None:
    if event.phase == "end":
        raised[event.id].end_s = None if event.end_ms is None else _second(seconds, event.end_ms)
        return
    if event.resumes in raised:
        raised[event.id] = raised[event.resumes]
        raised[event.id].end_s = None
        return
    raised[event.id] = Raised(
        sequence=sequence,
        kind=event.kind,
        camera=event.seen.camera,
        zone=event.seen.zone,
        id=event.id,
        start_s=_second(seconds, event.start_ms),
        raise_s=_second(seconds, event.time_ms),
        end_s=None,
        bbox=event.seen.bbox,
        confidence=event.confidence,
    )


def _second(seconds: Sequence[tuple[int, float]], time_ms: int) -> float:
    """Return the second of a wall time: that of the nearest tick; something may have come to stand between two."""
    return min(reversed(seconds), key=lambda each: abs(each[0] - time_ms))[1]


def _same_size(path: Path, camera: Camera) -> Iterator[Tick]:
    for tick in read_ticks(path):
        if tick.size != camera.size:
            recorded, expected = ("x".join(map(str, size)) for size in (tick.size, camera.size))
            raise Refusal(str(path), f"was recorded at {recorded}, the camera's size is {expected}")
        yield tick


def _seen(path: Path, camera: Camera, wants: Callable[[], Wants]) -> Iterator[Tick]:
    """Yield what the camera's eyes see in a video."""
    # Imported late: a text of detections is replayed without any vision library.
    from edge.eyes import tick_of  # noqa: PLC0415
    from edge.gaze import Gaze  # noqa: PLC0415
    from edge.inference import open_backend  # noqa: PLC0415
    from edge.reference import reference_of  # noqa: PLC0415
    from edge.video import frames  # noqa: PLC0415

    gaze, asking = (
        Gaze(camera, open_backend(camera.backend), reference_of(camera, None)),
        Asking(camera.tick_hz, camera.pacing),
    )
    tick_s = frame_s = 0.0
    passed_s: float | None = None

    def asks() -> Sampling:
        return asking.sampling(wants().pace, frame_s)

    for frame in frames(str(path), tick_hz=camera.tick_hz, decode=camera.decode, size=camera.size, asks=asks):
        frame_s = frame.time_s
        sighting = gaze.see(frame, wants())
        if sighting is None:
            passed_s = frame.time_s
            continue
        tick = tick_of(camera, frame, sighting, watched_s=watched_s(tick_s, passed_s))
        tick_s = frame.time_s
        yield tick
