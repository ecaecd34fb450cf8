import asyncio
import ctypes
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.progress import Progress


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "900000")
        yield listener


def _beats(systemd: socket.socket) -> int:
    beats = 0
    while True:
        try:
            assert systemd.recv(64) == b"WATCHDOG=1"
        except BlockingIOError:
            return beats
        beats += 1


def test_the_watchdog_is_told_while_every_loop_goes_round_and_no_longer(
    systemd: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        progress = Progress()
        camera, uplink = progress.loop("camera cam-1"), progress.loop("uplink")
        task = asyncio.create_task(progress.run())
        beats = 0
        while beats < 5:
            camera()
            uplink()
            assert progress.stuck() == ()
            await asyncio.sleep(0.02)
            beats += _beats(systemd)
        while not progress.stuck():
            camera()
            await asyncio.sleep(0.02)
        _beats(systemd)
        for _ in range(40):
            camera()
            assert progress.stuck() == ("uplink",)
            await asyncio.sleep(0.02)
        assert _beats(systemd) == 0
        task.cancel()

    asyncio.run(scenario())
    assert "loops are stuck" in capsys.readouterr().out


def test_the_clock_says_holdover_only_after_it_was_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([5, -1, 0, 5, 1])

    class _Kernel:
        def __init__(self, *_: object, **__: object) -> None:
            self.adjtimex = lambda _: next(answers)

    monkeypatch.setattr(ctypes, "CDLL", _Kernel)
    clock = Clock()
    assert [clock.state() for _ in range(5)] == ["unsynced", "unsynced", "synced", "holdover", "synced"]


def test_the_kernel_answers() -> None:
    assert Clock().state() in ("synced", "unsynced")
