"""Pictures of a recording at full speed, and the words for a source that cannot be read."""

import difflib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import msgspec
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from edge.decoder import Decode, Decoder
from edge.pace import Sampling
from shell.log import redact
from shell.refusal import Refusal

Image = NDArray[np.uint8]
_EXPECTED = "expected a video file or an rtsp:// URL"
NO_PICTURE = "holds no picture that can be decoded and has a time"
_FAULTS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    (
        (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError),
        "the camera refuses the user name or password",
        "use rtsp://USER:PASSWORD@HOST/PATH",
    ),
    ((av.error.HTTPNotFoundError,), "the camera knows no such stream (404)", "look up the path in its manual"),
    ((av.error.HTTPError, av.error.HTTPClientError), "the camera refuses the request", "look at the camera's own log"),
    ((ConnectionRefusedError,), "connection refused", "check the address and the port (RTSP: 554)"),
    ((TimeoutError, av.error.ExitError), "no answer in time", "check the address, the network and the camera's power"),
    ((IsADirectoryError,), f"is a folder; {_EXPECTED}", ""),
    (
        (av.error.InvalidDataError, av.error.EOFError),
        f"cannot be read as video; {_EXPECTED}",
        "play it elsewhere to see if it is whole",
    ),
    ((av.error.ProtocolNotFoundError,), f"unknown kind of URL; {_EXPECTED}", ""),
)


class Frame(msgspec.Struct, frozen=True, eq=False):
    """A picture and its time.

    The picture always has the size in the camera's configuration, so boxes, polygons and stills share one set of
    pixels. A source of that very size is not scaled: configure the source's own size to get stills of full detail.
    """

    time_s: float
    """The camera's steady clock; in a replay: from the start of the source."""
    time_ms: int
    """Wall time; in a replay: ``time_s`` in milliseconds."""
    image: Image
    """Height x width x 3, blue green red."""


class Sampler:
    """Chooses the first frame at or after each tick; knows nothing but the frames' own times.

    >>> sampler = Sampler(2.0)
    >>> [time for time in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.9, 1.6) if sampler.takes(time)]
    [0.0, 0.6, 1.0, 1.6]
    """

    def __init__(self, tick_hz: float) -> None:
        self.tick_hz = tick_hz
        """May be changed at any time."""
        self._last_s = -math.inf

    def takes(self, time_s: float) -> bool:
        """Say whether this frame is wanted; a frame whose time goes back never is."""
        if self._last_s != -math.inf and self._tick(time_s) <= self._tick(self._last_s):
            return False
        self._last_s = time_s
        return True

    def _tick(self, time_s: float) -> int:
        return math.floor(time_s * self.tick_hz + 1e-6)


def is_live(source: str) -> bool:
    """Tell a stream, which sets its own pace, from a file."""
    return "://" in source and not source.startswith("file://")


@contextmanager
def open_video(source: str, *, timeout_s: float = 8.0) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a source and its first video stream. Raise Refusal, also for what fails while it is read."""
    # Half a second of looking is enough for a codec that the camera has described, and a picture comes sooner.
    rtsp = {"rtsp_transport": "tcp", "analyzeduration": "500000"}
    options = rtsp if source.startswith(("rtsp://", "rtsps://")) else {}
    try:
        with av.open(source, "r", options=options, timeout=timeout_s if is_live(source) else None) as container:
            if not container.streams.video:
                raise Refusal(redact(source), "has no video stream", _EXPECTED)
            yield container, container.streams.video[0]
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(source, error) from error


def frames(
    source: str, *, tick_hz: float, decode: Decode, size: tuple[int, int], asks: Callable[[], Sampling] | None = None
) -> Iterator[Frame]:
    """Yield the pictures of a recording at ``tick_hz``, as fast as they can be decoded.

    Which frames are taken follows from their presentation times alone, and from what ``asks`` says before each packet.
    ``size`` is width and height, pixels. Raises Refusal.
    """
    with open_video(source) as (container, stream):
        if decode == "full":
            stream.thread_type = "AUTO"
        sampler = Sampler(tick_hz)
        empty = True
        time_base, first_pts = time_base_of(stream), stream.start_time or 0
        decoder = Decoder(stream.codec_context, float(time_base), decode)
        for packet in container.demux(stream):
            if asks is not None:
                asked = asks()
                sampler.tick_hz, decoder.is_asked = asked.hz, asked.is_full
            for pts, frame in decoder.take(packet)[0]:
                time_s = float((pts - first_pts) * time_base)
                if sampler.takes(time_s):
                    empty = False
                    yield Frame(time_s, round(time_s * 1000), image_of(frame, size))
        if empty:
            raise Refusal(redact(source), NO_PICTURE, _EXPECTED)


def time_base_of(stream: VideoStream) -> Fraction:
    """Return the unit of a stream's times, seconds."""
    return stream.time_base or Fraction(1)


def image_of(frame: VideoFrame, size: tuple[int, int]) -> Image:
    """Return a frame's pixels, scaled to ``size`` if it has another."""
    return np.ascontiguousarray(_pixels(frame, size))


def draw(frame: VideoFrame, image: Image) -> None:
    """Put a frame's pixels into a picture, scaled to its size."""
    height, width, _ = image.shape
    image[:] = _pixels(frame, (width, height))


def _pixels(frame: VideoFrame, size: tuple[int, int]) -> Image:
    """Return a frame's pixels where the library put them, without copying them once more."""
    width, height = size
    plane = frame.reformat(width, height, "bgr24").planes[0]
    rows: Image = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
    return rows[:, : width * 3].reshape(height, width, 3)


def unreadable(source: str, error: BaseException) -> Refusal:
    """Put an error of the video library into the user's words."""
    subject = redact(source)
    if isinstance(error, FileNotFoundError):
        return Refusal(subject, f"no such file; {_EXPECTED}", _near(source))
    for kinds, problem, suggestion in _FAULTS:
        if isinstance(error, kinds):
            return Refusal(subject, problem, suggestion)
    return Refusal(subject, f"cannot be read: {getattr(error, 'strerror', None) or error}; {_EXPECTED}")


def _near(source: str) -> str:
    """Suggest the file beside ``source`` whose name comes closest."""
    path = Path(source)
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent}"
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else ""
