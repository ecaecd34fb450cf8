"""The systemd units: verified by systemd itself where it is, and in step with what they start."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edge.config import read_agent
from ingest.config import read_centre
from tests.fixtures.deploy import DEPLOY

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXPOSURE_MAX = 2.5
"""Of 10; systemd calls anything below 2.5 safe enough to be green."""

every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def keys(unit: Path) -> dict[str, list[str]]:
    """Return every key of a unit with its values; a key may be there several times."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, is_one, value = line.partition("=")
        if is_one and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def as_installed(tmp_path: Path) -> Path:
    """The units, starting a program that is there: systemd refuses one that is not."""
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/wayside/bin/wayside", "/bin/true"))
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze on this machine: apt-get install systemd")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


@every_unit
def test_systemd_takes_the_unit_without_a_word(unit: Path, as_installed: Path) -> None:
    done = analyze("verify", "--man=no", str(as_installed / unit.name))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@every_unit
def test_systemd_finds_it_well_shut_in(unit: Path, as_installed: Path) -> None:
    threshold = f"--threshold={int(EXPOSURE_MAX * 10)}"
    done = analyze("security", "--offline=true", "--no-pager", threshold, str(as_installed / unit.name))
    assert done.returncode == 0, done.stdout + done.stderr


@every_unit
def test_it_is_watched_and_always_started_again(unit: Path) -> None:
    found = keys(unit)
    assert (found["Type"], found["Restart"], found["NotifyAccess"]) == (["notify"], ["always"], ["main"])
    assert int(found["WatchdogSec"][0]) <= 60


def test_the_box_reboots_itself_only_after_many_failed_starts() -> None:
    found = keys(DEPLOY / "systemd/wayside-edge.service")
    assert found["StartLimitAction"] == ["reboot"]
    minutes = int(found["StartLimitBurst"][0]) * int(found["RestartSec"][0]) / 60
    assert minutes >= 10, "somebody must have the time to sign in and put it right"


@pytest.mark.parametrize(
    ("unit", "files"),
    [
        ("wayside-edge", ["broker_password_file", "evidence_token_file"]),
        ("wayside-ingest", ["broker_password_file", "agent_secret_file"]),
    ],
)
def test_the_secrets_that_the_configuration_names_are_those_that_the_unit_brings(unit: str, files: list[str]) -> None:
    is_edge = unit == "wayside-edge"
    configuration = read_agent(DEPLOY / "box/edge.yaml") if is_edge else read_centre(DEPLOY / "centre/centre.yaml")
    credentials = [each.partition(":")[0] for each in keys(DEPLOY / f"systemd/{unit}.service")["LoadCredential"]]
    named = [getattr(configuration, name) for name in files]
    assert named == [f"/run/credentials/{unit}.service/{each}" for each in credentials]
