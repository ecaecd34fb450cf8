"""A camera and its process: files at real time, clips from the ring, and every way the process can die."""

import asyncio
import functools
import http.server
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import av
import psutil
import pytest

from edge.camera import CameraFeed
from edge.config import Camera, Motion, Zone
from edge.ring import Packet, Ring, StreamHead
from edge.video import Frame
from tests.fixtures.video import number_of, write_video

ZONE = Zone(id="kerb", type="no_parking", polygon=((0, 0), (50, 0), (50, 50)))
ROOT = Path(__file__).parents[2]
HEAD = StreamHead("h264", b"parameter sets", (320, 240))


def camera(source: Path | str, **changes: object) -> Camera:
    values: dict[str, object] = {"tick_hz": 5.0, "size": (320, 240), **changes}
    return Camera(id="cam-1", source=str(source), backend=Motion(), zones=(ZONE,), **values)  # type: ignore[arg-type]


@asynccontextmanager
async def running(feed: CameraFeed) -> AsyncIterator[CameraFeed]:
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
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


def child() -> psutil.Process:
    """Return the process that reads the camera."""
    (process,) = [each for each in psutil.Process().children() if any("spawn_main" in word for word in each.cmdline())]
    return process


def decoded(path: Path) -> list[tuple[float, int]]:
    with av.open(str(path)) as file:
        return [(round(frame.time, 3), number_of(frame.to_ndarray(format="bgr24"))) for frame in file.decode(video=0)]


def packet(time_s: float, *, key: bool = False, size: int = 10) -> Packet:
    return Packet(time_s, time_s, 0, key, b"x" * size)


def test_the_ring_keeps_its_length_and_begins_with_a_key_frame() -> None:
    ring = Ring(10)
    ring.begin(HEAD)
    for n in range(300):
        ring.append(packet(n / 10, key=n % 20 == 0))
    kept = ring.cut(0, 100)
    assert kept[0].is_key
    assert 10 <= kept[-1].shown_s - kept[0].shown_s < 12
    assert ring.bytes == 10 * len(kept)


def test_the_ring_never_exceeds_its_bytes_even_without_key_frames() -> None:
    ring = Ring(60, bytes_max=1000)
    ring.begin(HEAD)
    for n in range(500):
        ring.append(packet(n / 10, key=n in {0, 300}, size=30))
        assert ring.bytes <= 1000
    assert ring.cut(0, 100) == []


def test_a_cut_begins_at_the_key_frame_before_its_start() -> None:
    ring = Ring(60)
    ring.begin(HEAD)
    for n in range(100):
        ring.append(packet(n / 10, key=n % 20 == 0))
    cut = ring.cut(5.0, 7.0)
    assert (cut[0].shown_s, cut[-1].shown_s) == (4.0, 7.0)
    assert ring.cut(-5.0, 1.0)[0].shown_s == 0.0


def test_another_kind_of_stream_empties_the_ring_and_the_same_kind_does_not() -> None:
    ring = Ring(60)
    ring.begin(HEAD)
    ring.append(packet(0, key=True))
    ring.begin(StreamHead("h264", b"parameter sets", (320, 240), sample=b"another key frame"))
    assert len(ring.cut(0, 9)) == 1
    ring.begin(StreamHead("h264", b"other sets", (640, 480)))
    assert ring.cut(0, 9) == []


@pytest.mark.system
def test_a_stream_whose_picture_size_changes_is_connected_anew(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.ts", size=(160, 240)).read_bytes()
    large = write_video(tmp_path / "large.ts", size=(480, 360)).read_bytes()
    (tmp_path / "both.ts").write_bytes(small + large)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    async def scenario(url: str) -> None:
        async with running(CameraFeed(camera(url))) as feed:
            await until(lambda: "the picture is now 480x360, connecting anew" in feed.health().reason)
            await until(lambda: feed.health().reconnects >= 1)

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asyncio.run(scenario(f"http://127.0.0.1:{server.server_port}/both.ts"))
        server.shutdown()


@pytest.mark.system
def test_a_file_is_played_in_real_time_and_then_the_camera_has_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_video(tmp_path / "a.mp4", frames=36, bframes=2)
        async with running(CameraFeed(camera(path))) as feed:
            began_s = time.monotonic()
            frames = await take(feed, 10)
            took_s = time.monotonic() - began_s
            await until(lambda: feed.health().state == "ended")
        for earlier, later in itertools.pairwise(frames):
            shown_s = (number_of(later.image) - number_of(earlier.image)) / 10
            assert shown_s > 0
            assert later.time_s - earlier.time_s == pytest.approx(shown_s, abs=0.02)
            assert (later.time_ms - earlier.time_ms) / 1000 == pytest.approx(shown_s, abs=0.05)
        assert took_s > 1.5
        assert feed.health().frames >= 10
        assert feed.health().reconnects == 0

    asyncio.run(scenario())


@pytest.mark.system
def test_a_file_that_loops_goes_on_in_time_and_its_clip_runs_across_the_seam(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_video(tmp_path / "a.mp4", frames=20)
        async with running(CameraFeed(camera(path, loop=True))) as feed:
            frames = await take(feed, 25)
            clip = await feed.clip(tmp_path / "clip.mp4", frames[0].time_s, frames[-1].time_s)
        times = [frame.time_s for frame in frames]
        assert times == sorted(times)
        assert times[-1] - times[0] > 4
        numbers = [number_of(frame.image) for frame in frames]
        assert numbers != sorted(numbers)
        assert clip is not None
        shown = decoded(tmp_path / "clip.mp4")
        assert shown[0] == (0.0, 0)
        assert [number for _, number in shown] == [n % 20 for n in range(len(shown))]
        assert all(0.05 < later[0] - earlier[0] < 0.2 for earlier, later in itertools.pairwise(shown))

    asyncio.run(scenario())


@pytest.mark.system
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("a.avi", "mjpeg")])
def test_a_clip_is_h264_with_its_index_in_front_whatever_the_camera_sends(
    tmp_path: Path, name: str, codec: str
) -> None:
    async def scenario() -> None:
        path = write_video(tmp_path / name, frames=40, codec=codec)
        async with running(CameraFeed(camera(path))) as feed:
            frames = await take(feed, 12)
            clip = await feed.clip(tmp_path / "clip.mp4", frames[3].time_s, frames[-1].time_s)
        assert clip is not None
        assert clip.start_s <= frames[3].time_s
        assert abs(clip.time_ms - frames[0].time_ms - 1000 * (clip.start_s - frames[0].time_s)) < 20
        shown = decoded(tmp_path / "clip.mp4")
        assert shown[0][0] == 0.0
        assert len(shown) >= 10
        assert [number for _, number in shown] == list(range(shown[0][1], shown[0][1] + len(shown)))
        with av.open(str(tmp_path / "clip.mp4")) as file:
            assert file.streams.video[0].codec_context.name == "h264"
        content = (tmp_path / "clip.mp4").read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")

    asyncio.run(scenario())


@pytest.mark.system
def test_before_the_first_packet_there_is_no_clip(tmp_path: Path) -> None:
    async def scenario() -> None:
        assert await CameraFeed(camera("none.mp4")).clip(tmp_path / "clip.mp4", 0, 10) is None

    asyncio.run(scenario())
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.system
def test_a_file_that_cannot_be_read_makes_the_camera_unreachable_with_the_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(CameraFeed(camera(tmp_path / "none.mp4"))) as feed:
            assert feed.health().state == "starting"
            await until(lambda: feed.health().state == "unreachable")
            assert "no such file" in feed.health().reason
            write_video(tmp_path / "none.mp4")
            await take(feed, 1)
            assert feed.health().state == "live"
            assert feed.health().reconnects >= 1

    asyncio.run(scenario())


@pytest.mark.system
@pytest.mark.parametrize(
    ("deadly", "said"), [(signal.SIGKILL, "ended with code -9"), (signal.SIGSTOP, "was silent for")]
)
def test_a_process_that_dies_or_hangs_is_replaced_and_time_goes_on(
    tmp_path: Path, deadly: signal.Signals, said: str
) -> None:
    async def scenario() -> None:
        path = write_video(tmp_path / "a.mp4", frames=20)
        async with running(CameraFeed(camera(path, loop=True), stall_s=2.0)) as feed:
            before = (await take(feed, 5))[-1]
            first = child()
            first.send_signal(deadly)
            await until(lambda: feed.health().state == "stalled")
            assert said in feed.health().reason
            held = feed._ring.cut(0, 1e9)
            await until(lambda: feed.health().state == "live")
            assert not first.is_running()
            after = (await take(feed, 2))[-1]
            assert after.time_s - before.time_s == pytest.approx((after.time_ms - before.time_ms) / 1000, abs=0.2)
            clip = await feed.clip(tmp_path / "clip.mp4", before.time_s - 1, after.time_s)
            assert clip is not None
            assert held[0] in feed._ring.cut(0, 1e9)
        assert clip.duration_s > after.time_s - before.time_s
        assert len(decoded(tmp_path / "clip.mp4")) >= 10

    asyncio.run(scenario())


@pytest.mark.system
def test_after_a_restart_of_the_agent_the_clock_goes_on_where_it_would_be(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_video(tmp_path / "a.mp4")
        remembered = (5_000.0, round((time.time() - 60) * 1000))
        async with running(CameraFeed(camera(path), continue_from=remembered)) as feed:
            (frame,) = await take(feed, 1)
        assert frame.time_s == pytest.approx(5_000 + (frame.time_ms - remembered[1]) / 1000, abs=0.2)

    asyncio.run(scenario())


@pytest.mark.system
def test_a_wall_clock_that_was_set_back_does_not_set_the_steady_clock_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = write_video(tmp_path / "a.mp4")
        ahead = (5_000.0, round((time.time() + 86_400) * 1000))
        async with running(CameraFeed(camera(path), continue_from=ahead)) as feed:
            (frame,) = await take(feed, 1)
        assert frame.time_s >= 5_000

    asyncio.run(scenario())


AGENT = """
import asyncio, sys
from edge.camera import CameraFeed
from edge.config import Camera, Motion, Zone

async def main():
    zone = Zone(id="kerb", type="no_parking", polygon=((0, 0), (50, 0), (50, 50)))
    camera = Camera(id="cam-1", source=sys.argv[1], loop=True, size=(320, 240), backend=Motion(), zones=(zone,))
    feed = CameraFeed(camera)
    async with asyncio.TaskGroup() as group:
        group.create_task(feed.run())
        await feed.wait()
        print("live", flush=True)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.system
def test_the_process_dies_with_its_agent_and_never_loads_a_model_runtime(tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    path = write_video(tmp_path / "a.mp4")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script), str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "live\n"
        children = psutil.Process(agent.pid).children(recursive=True)
        (reader,) = [each for each in children if any("spawn_main" in word for word in each.cmdline())]
        assert not any("onnxruntime" in mapped.path for mapped in reader.memory_maps())
        agent.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
