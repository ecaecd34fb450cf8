"""`wayside demo` as a newcomer types it, in folders of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.fixtures.mosquitto import find_mosquitto

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "wayside", "demo", "--folder", str(folder), *arguments]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def left_behind(folder: Path) -> list[str]:
    """Return the processes that still speak of a demo's folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(folder) in words and process.pid != os.getpid():
            found.append(words)
    return found


def test_once_ends_well_when_a_case_has_all_its_evidence(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("no mosquitto on this machine: apt-get install mosquitto")
    ended = run(tmp_path / "demo", "--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "(mosquitto)" in ended.stdout
    assert re.search(r"case 1 is complete: arrival, middle, limit, clip", ended.stdout)
    assert left_behind(tmp_path / "demo") == []


def test_without_mosquitto_the_nats_wheel_is_the_broker(tmp_path: Path) -> None:
    # Only the interpreter's own folder, where the wheel put its server.
    code = (
        "import wayside.broker as b, sys; b._SBIN = ''; sys.argv[0] = 'wayside'; import wayside.__main__ as m; m.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "demo", "--once", "--folder", str(tmp_path / "demo")],
        env=os.environ | {"PATH": str(Path(sys.executable).parent)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "NATS" in ended.stdout
    assert left_behind(tmp_path / "demo") == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no-such.mp4", r"^wayside: no-such\.mp4: no such file; expected a video file or an rtsp:// URL"),
        ("rtsp://viewer:secret@127.0.0.1:9/live", r"^wayside: rtsp://\*\*\*@127\.0\.0\.1:9/live: connection refused"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line_and_exit_code_2(tmp_path: Path, source: str, expected: str) -> None:
    ended = run(tmp_path / "demo", source, "--once")
    assert ended.returncode == 2
    assert re.search(expected, ended.stderr)
    assert ended.stderr.count("\n") == 1


def test_a_broker_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path / "demo", "--once", MQTT_URL="tcp://127.0.0.1:1")
    assert ended.returncode == 2
    assert (
        ended.stderr
        == "wayside: MQTT_URL: expected a URL that begins with mqtt:// or mqtts://, got 'tcp://127.0.0.1:1'\n"
    )


def test_nothing_is_left_behind_when_the_demo_itself_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with (tmp_path / "out").open("wb") as out:
        demo = subprocess.Popen(command(folder), stdout=out, stderr=out)
    deadline = time.monotonic() + 120
    while "is live" not in (tmp_path / "out").read_text() and time.monotonic() < deadline:
        time.sleep(0.2)
    running = left_behind(folder)
    demo.kill()
    demo.wait(20)
    while left_behind(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert any("edge run" in each for each in running)
    assert any("ingest serve" in each for each in running)
    assert left_behind(folder) == []
