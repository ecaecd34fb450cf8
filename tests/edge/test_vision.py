"""The looking process, real: what it answers, and every way it can be lost."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from detectors.wants import Wants
from edge.camera import Lent
from edge.child import child
from edge.config import Camera, Motion, Onnx, Zone
from edge.eyes import Sighting
from edge.pictures import SLOTS, Pictures
from edge.video import Frame
from edge.vision import Passed, Vision
from shell.refusal import Refusal
from tests.fixtures.echo import echo
from tests.fixtures.looking import look_bright, look_refused, look_slowly

pytestmark = pytest.mark.system

SIZE = (160, 120)
ZONE = Zone(id="kerb", type="no_parking", polygon=((0, 0), (50, 0), (50, 50)))


def camera(number: int, **changes: Any) -> Camera:
    values: dict[str, Any] = {"backend": Motion(), "size": SIZE, **changes}
    return Camera(id=f"cam-{number}", source="none", zones=(ZONE,), **values)


class Street:
    """Cameras that show a grey each, and who looks at them."""

    def __init__(self, vision: Vision, pictures: list[Pictures]) -> None:
        self.vision, self._pictures = vision, pictures

    async def see(
        self, number: int, grey: int, time_s: float, slot: int = 0, wants: Wants | None = None
    ) -> Sighting | Passed | None:
        image = self._pictures[number].slots[slot]
        image[:] = grey
        lent = Lent(Frame(time_s, round(time_s * 1000), image), slot)
        async with asyncio.timeout(60):
            return await self.vision.look(f"cam-{number}", lent, wants or Wants())


@asynccontextmanager
async def street(
    cameras: list[Camera], entry: Callable[..., None] = look_bright, stall_s: float = 10.0
) -> AsyncIterator[Street]:
    pictures = [Pictures(each.size) for each in cameras]
    async with Vision(cameras, pictures, Path(), entry=entry, stall_s=stall_s) as vision:
        running = asyncio.create_task(vision.run())
        try:
            yield Street(vision, pictures)
        finally:
            running.cancel()
            await asyncio.wait([running])


async def back(street: Street, lost: int) -> None:
    """Wait until another process looks."""
    async with asyncio.timeout(60):
        while street.vision.pid in (lost, None) or await street.see(0, 1, time.monotonic()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def label_of(seen: Sighting | Passed | None) -> tuple[str, int]:
    """Return which backend looked, and for the how-manieth time."""
    assert isinstance(seen, Sighting)
    backend, count = seen.boxes[0].label.split("-")
    return backend, int(count)


def test_each_camera_is_seen_in_its_own_memory_and_the_right_place_of_it() -> None:
    async def scenario() -> None:
        async with street([camera(0), camera(1, size=(320, 240))]) as both:
            for slot in range(SLOTS):
                for number, grey in ((0, 51 + slot), (1, 102 + slot)):
                    seen = await both.see(number, grey, 1.0 + slot, slot)
                    assert isinstance(seen, Sighting)
                    assert seen.boxes[0].confidence == pytest.approx(grey / 255)

    asyncio.run(scenario())


def test_a_still_picture_is_passed_over_unless_the_camera_says_always() -> None:
    async def scenario() -> None:
        cameras = [camera(0, backend=Onnx(model="a")), camera(1, backend=Onnx(model="a"), look="always")]
        async with street(cameras) as two:
            quiet = Wants(pace="quiet")
            paced = [await two.see(0, 90, number / 2, wants=quiet) for number in range(6)]
            always = [await two.see(1, 90, number / 2, wants=quiet) for number in range(6)]
            moved = await two.see(0, 200, 3.0, wants=quiet)
        assert isinstance(paced[0], Sighting)
        assert all(isinstance(each, Passed) for each in paced[1:])
        assert all(isinstance(each, Sighting) for each in always)
        assert isinstance(moved, Sighting)

    asyncio.run(scenario())


def test_a_model_that_is_refused_is_refused_before_anything_runs() -> None:
    async def scenario() -> None:
        async with street([camera(0)], look_refused):
            pytest.fail("it was entered")

    with pytest.raises(Refusal) as raised:
        asyncio.run(scenario())
    assert str(raised.value) == "net.onnx: Motion cannot be opened; look elsewhere"
    assert lookers() == []


def test_a_real_model_that_is_not_there_is_refused_in_the_same_words_as_ever() -> None:
    async def scenario() -> None:
        from edge.vision_process import main  # noqa: PLC0415

        async with street([camera(0, backend=Onnx(model="none.onnx"))], main):
            pytest.fail("it was entered")

    with pytest.raises(Refusal, match=r"none\.onnx"):
        asyncio.run(scenario())


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_dies_or_hangs_is_replaced_and_who_waited_is_told(deadly: signal.Signals) -> None:
    async def scenario() -> None:
        async with street([camera(0)], stall_s=1.0) as one:
            lost = one.vision.pid
            assert lost is not None
            process = psutil.Process(lost)
            os.kill(lost, deadly)
            assert await one.see(0, 7, 1.0) is None
            await back(one, lost)
            assert not process.is_running()
            assert one.vision.restarts == 1
            seen = await one.see(0, 51, time.monotonic())
            assert isinstance(seen, Sighting)

    asyncio.run(scenario())
    assert lookers() == []


def test_a_slow_backend_is_no_hanging_one() -> None:
    async def scenario() -> None:
        async with street([camera(0), camera(1)], look_slowly, stall_s=1.0) as two:
            asked = [two.see(number % 2, 9, float(number), slot=number % 3) for number in range(12)]
            assert all(isinstance(each, Sighting) for each in await asyncio.gather(*asked))
            assert two.vision.restarts == 0

    asyncio.run(scenario())


def test_a_hundred_restarts_leave_neither_processes_nor_memory_nor_open_files() -> None:
    async def scenario() -> None:
        shared = Pictures(SIZE)
        own = psutil.Process()
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        before, memory_before = 0, shared_memory()
        for number in range(100):
            async with asyncio.timeout(60), child(echo, os.getpid(), shared.memory, hear=heard.put_nowait) as running:
                assert int(await heard.get()) == running.pid
                message = bytes([number]) * 300_000
                running.tell(message)
                assert await heard.get() == message
                assert shared.slots[0][0, 0, 0] == number
                if number % 3 == 0:
                    os.kill(running.pid, signal.SIGKILL)
                    await running.hung_up.wait()
                elif number % 3 == 1:
                    os.kill(running.pid, signal.SIGSTOP)
            if number == 0:
                before = own.num_fds()
        assert own.num_fds() <= before
        assert shared_memory() <= memory_before
        np.testing.assert_array_equal(shared.slots[0].ravel()[:1], [99])

    asyncio.run(scenario())
    assert lookers() == []


def shared_memory() -> set[Path]:
    return set(Path("/dev/shm").iterdir())


def lookers() -> list[psutil.Process]:
    """Return the processes of our own that still run."""
    return [each for each in psutil.Process().children() if any("spawn_main" in word for word in each.cmdline())]
