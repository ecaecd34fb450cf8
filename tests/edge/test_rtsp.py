"""A camera behind a real RTSP server, which is stopped, frozen and started anew with another picture size."""

import asyncio
import contextlib
import itertools
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest

from edge.camera import CameraFeed
from edge.config import Camera, Motion, Zone
from edge.video import Frame, frames
from shell.refusal import Refusal

pytestmark = pytest.mark.system

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).parents[1] / "servers" / "rtsp_server.py"
NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
PACKAGES = "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly python3-gi"


class Server:
    """The server's process; its port stays the same when it is started anew."""

    def __init__(self, *arguments: str) -> None:
        self._port = "0"
        self.start(*arguments)

    def start(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(SCRIPT), "--port", self._port, *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("rtsp://"), f"the server did not start: {self.url}"
        self._port = self.url.split(":")[2].split("/")[0]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    needs = [PYTHON, "-c", NEEDS]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(needs, capture_output=True, check=False).returncode == 0:
            with contextlib.ExitStack() as stack:

                def start(*arguments: str) -> Server:
                    started = Server(*arguments)
                    stack.callback(started.stop)
                    return started

                yield start
            return
    pytest.skip(f"no RTSP server on this machine: apt-get install {PACKAGES}")


@asynccontextmanager
async def watching(url: str, stall_s: float = 10.0) -> AsyncIterator[CameraFeed]:
    zone = Zone(id="kerb", type="no_parking", polygon=((0, 0), (50, 0), (50, 50)))
    camera = Camera(id="cam-1", source=url, size=(320, 240), tick_hz=5.0, backend=Motion(), zones=(zone,))
    feed = CameraFeed(camera, stall_s=stall_s)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not holds():  # noqa: ASYNC110  # what is waited for is what an agent would read
            await asyncio.sleep(0.05)


async def take(feed: CameraFeed, count: int) -> list[Frame]:
    """Return the next pictures, as copies."""
    taken: list[Frame] = []
    async with asyncio.timeout(60):
        while len(taken) < count:
            await feed.wait()
            lent = feed.take()
            if lent is not None:
                taken.append(Frame(lent.frame.time_s, lent.frame.time_ms, lent.frame.image.copy()))
                feed.give_back(lent)
    return taken


def check_clip(path: Path, size: tuple[int, int], duration_s: float) -> None:
    with av.open(str(path)) as file:
        pictures = list(file.decode(video=0))
    assert {(picture.width, picture.height) for picture in pictures} == {size}
    assert pictures[0].time == 0
    assert pictures[-1].time >= duration_s


def test_a_live_camera_gives_frames_at_its_ticks_and_clips_that_play(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with watching(server("--size", "640x480").url) as feed:
            taken = await take(feed, 20)
            clip = await feed.clip(tmp_path / "clip.mp4", taken[10].time_s, taken[-1].time_s)
        assert {frame.image.shape for frame in taken} == {(240, 320, 3)}
        steps = [later.time_s - earlier.time_s for earlier, later in itertools.pairwise(taken[5:])]
        assert sum(steps) / len(steps) == pytest.approx(0.2, abs=0.05)
        assert feed.health().decode_errors == 0
        assert clip is not None
        check_clip(tmp_path / "clip.mp4", (640, 480), taken[-1].time_s - taken[10].time_s - 0.2)

    asyncio.run(scenario())


def test_a_server_that_restarts_is_found_again_and_the_ring_reaches_back_over_it(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    async def scenario() -> None:
        camera = server()
        async with watching(camera.url) as feed:
            before = (await take(feed, 10))[-1]
            camera.stop()
            await until(lambda: feed.health().state in {"stalled", "unreachable"})
            await until(lambda: "connection refused" in feed.health().reason)
            camera.start()
            await until(lambda: feed.health().state == "live")
            after = (await take(feed, 10))[-1]
            clip = await feed.clip(tmp_path / "clip.mp4", before.time_s, after.time_s)
        assert after.time_s - before.time_s == pytest.approx((after.time_ms - before.time_ms) / 1000, abs=0.2)
        assert feed.health().reconnects >= 1
        assert clip is not None
        check_clip(tmp_path / "clip.mp4", (640, 480), after.time_s - before.time_s - 0.5)

    asyncio.run(scenario())


def test_a_server_that_freezes_is_noticed_and_watched_again_when_it_thaws(server: Callable[..., Server]) -> None:
    async def scenario() -> None:
        camera = server()
        async with watching(camera.url, stall_s=3.0) as feed:
            await take(feed, 5)
            camera.process.send_signal(signal.SIGSTOP)
            await until(lambda: feed.health().state == "stalled")
            assert "no answer in time" in feed.health().reason
            camera.process.send_signal(signal.SIGCONT)
            await until(lambda: feed.health().state == "live")
            await take(feed, 5)

    asyncio.run(scenario())


def test_another_picture_size_after_a_restart_changes_neither_frames_nor_the_next_clip(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    async def scenario() -> None:
        camera = server("--size", "640x480")
        async with watching(camera.url) as feed:
            before = (await take(feed, 10))[-1]
            camera.stop()
            camera.start("--size", "480x360")
            await until(lambda: feed.health().reconnects >= 1 and feed.health().state == "live")
            taken = await take(feed, 10)
            clip = await feed.clip(tmp_path / "clip.mp4", before.time_s, taken[-1].time_s)
        assert {frame.image.shape for frame in taken} == {(240, 320, 3)}
        assert clip is not None
        assert clip.start_s > before.time_s
        check_clip(tmp_path / "clip.mp4", (480, 360), 1.0)

    asyncio.run(scenario())


def test_a_password_is_asked_for_and_never_shown(server: Callable[..., Server]) -> None:
    url = server("--password", "geheim").url
    right = url.replace("//", "//camera:geheim@")
    first = next(iter(frames(right, tick_hz=5, decode="full", size=(320, 240))))
    assert first.image.shape == (240, 320, 3)
    wrong = url.replace("//", "//camera:falsch@")
    with pytest.raises(Refusal, match="refuses the user name or password") as raised:
        next(iter(frames(wrong, tick_hz=5, decode="full", size=(320, 240))))
    assert "falsch" not in str(raised.value)


def test_a_path_that_the_camera_does_not_have_is_said(server: Callable[..., Server]) -> None:
    with pytest.raises(Refusal, match="knows no such stream"):
        next(iter(frames(server().url + "/other", tick_hz=5, decode="full", size=(320, 240))))
