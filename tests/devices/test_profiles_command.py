"""`wayside profiles` as an engineer types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.document import ConfigError
from shell.refusal import Refusal
from wayside.profiles import FOLDER, profiles_app


def run(*words: str) -> str:
    result = CliRunner().invoke(profiles_app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_all_profiles_are_right_and_all_vectors_pass() -> None:
    count = len(list(FOLDER.rglob("*.yaml")))
    assert run("check") == f"{count} profiles: all right\n"
    passed, _, total = run("test").split()[:3]
    assert passed == total


def test_the_list_names_every_profile() -> None:
    shown = run("list")
    assert all(path.stem in shown for path in FOLDER.rglob("*.yaml"))


def test_bytes_are_shown_as_readings() -> None:
    assert run("decode", "milesight/em310-udl", "01 75 5c 03 82 44 08 04 00 01") == (
        "battery.level = 92 %\ndistance = 2.116 m\nhousing.tilted = yes\n"
    )
    assert run("decode", "milesight/em310-udl", "0175c8") == "battery.level = 200 % (impossible)\n"
    assert run("decode", "tasmota/energy-plug", '{"POWER":"OFF"}') == "relay.closed = no\n"
    lines = run("decode", "nas/ul20xx", "83200202", "--port", "61", "--json").splitlines()
    failed = next(reading for reading in map(json.loads, lines) if reading["property"] == "lamp.failure")
    assert (failed["result"], failed["feature"]) == (True, "dali-1")


def test_a_command_is_shown_as_bytes() -> None:
    assert run("encode", "nas/ul20xx", "dim", "level=40", "lamp=dali-9") == "FPort 60: 01 12 28\n"
    assert run("encode", "nas/ul20xx", "levels", 'lamps=[{"lamp":"dali-2","level":50}]') == "FPort 60: 01 04 32\n"
    assert run("encode", "tasmota/energy-plug", "off") == "POWER OFF\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("decode", "milesight/em310-udl", "01 7"), "01 7: expected an even number of hexadecimal digits"),
        (("decode", "milesight/em310-udl", "07 67"), "milesight/em310-udl: byte 0: unknown item 07 67"),
        (("decode", "nas/ul20xx", "01fe64"), "nas/ul20xx: byte 0: expected the FPort, one of 23, 26"),
        (("encode", "nas/ul20xx", "blink"), "nas/ul20xx: nas/ul20xx has no command 'blink'"),
        (("encode", "nas/ul20xx", "dim", "level"), "level: expected NAME=VALUE"),
        (("encode", "nas/ul20xx", "dim", "level=101"), "nas/ul20xx: dim: level: expected at least 0 and at most 100 %"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(Refusal) as caught:
        run(*words)
    assert str(caught.value).startswith(message)


def test_a_vector_that_fails_is_shown_value_by_value(tmp_path: Path) -> None:
    path = tmp_path / "em310-udl.yaml"
    path.write_text((FOLDER / "milesight" / "em310-udl.yaml").read_text().replace("distance: 2.116", "distance: 2.117"))
    result = CliRunner().invoke(profiles_app, ["test", str(path)])
    assert result.exit_code == 1
    assert f"{path}: the sample of the README\n    distance: expected 2.117, got 2.116\n" in result.output
    assert "7 of 8 vectors pass" in result.output


def test_a_profile_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match="acme/nothing: cannot be read: No such file or directory"):
        run("check", "acme/nothing")
