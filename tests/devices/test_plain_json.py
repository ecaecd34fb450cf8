"""Profiles of devices that publish JSON themselves."""

from typing import Any

import pytest

from config.document import ConfigError
from devices.profile import Profile, read_profile, request_of
from devices.reading import CommandError, DecodeError
from devices.report import Downlink
from devices.vectors import by_name

TEXT = """\
vendor: acme
model: hub
firmware: any
protocol: json
sources: [a manual]
values:
  - {path: battery, property: battery.level, unit: "%", max: 100, none: {255: unknown}}
  - {path: "sensors[].t", property: temperature, scale: 0.1, unit: Cel, feature_path: id}
  - {path: "sensors[].on", property: relay.closed, texts: {"yes": true, "no": false}}
  - {path: "place[0]", property: position.latitude, unit: deg}
  - {path: state.text, property: state, is_text: true}
  - {path: mode, property: mode, words: {1: auto, 2: hand}}
commands:
  dim:
    topic: set
    message: {state: "ON", level: "{level}", say: ["at {level}"]}
    values: {level: {max: 100, scale: 0.5}}
vectors:
  - {note: full, message: '{"battery":100}', readings: {battery.level: 100}}
  - {note: none, message: "{}", error: nothing in it}
"""


def profile_of(text: str = TEXT) -> Profile:
    return read_profile(text.encode(), "acme.yaml")


def told(message: str) -> dict[str, Any]:
    return by_name(profile_of().decoded(message.encode()).readings)


def test_values_are_found_by_path_in_objects_and_lists() -> None:
    message = (
        '{"sensors":[{"id":"roof","t":215,"on":"yes"},{"t":-5}],"place":[48.5,9.1],"state":{"text":"fine"},"mode":2}'
    )
    assert told(message) == {
        "temperature@roof": 21.5,
        "temperature@2": -0.5,
        "relay.closed@1": True,
        "position.latitude": 48.5,
        "state": "fine",
        "mode": "hand",
    }


def test_a_number_may_be_written_as_text_and_a_sentinel_is_no_reading() -> None:
    assert told('{"battery":" 12.5 "}') == {"battery.level": 12.5}
    assert told('{"battery":255,"mode":1}') == {"mode": "auto"}


@pytest.mark.parametrize("raw", ['"12,5"', '"NaN"', '"1e9999"', "[1]", "{}", "1" * 400, '"0x10"'])
def test_what_is_no_number_is_a_fault_and_the_rest_is_read(raw: str) -> None:
    decoded = profile_of().decoded(f'{{"battery":{raw},"mode":1}}'.encode())
    assert by_name(decoded.readings) == {"mode": "auto"}
    assert len(decoded.faults) == 1
    assert decoded.faults[0].startswith("battery: expected a number, got ")


def test_a_message_of_something_else_is_refused() -> None:
    with pytest.raises(DecodeError, match="nothing in it that the profile knows"):
        told('{"uptime":7}')
    with pytest.raises(DecodeError, match="nothing in it that the profile knows"):
        told('"battery"')


def test_a_command_is_the_message_with_its_values_filled_in() -> None:
    payload = b'{"state":"ON","level":80,"say":["at 80"]}'
    assert request_of(profile_of(), "dim", level=40) == Downlink(port=0, payload=payload, topic="set")
    with pytest.raises(CommandError, match="dim: level: expected at most 100; got 101"):
        request_of(profile_of(), "dim", level=101)
    with pytest.raises(CommandError, match="dim: the value 'level' is missing"):
        request_of(profile_of(), "dim")
    with pytest.raises(CommandError, match="no command 'on'; it has: dim"):
        request_of(profile_of(), "on")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("path: battery,", "path: battery..x,", "acme.yaml:7: values[0].path"),
        ("unit: Cel", "unit: degC", "acme.yaml:8: values[1].unit"),
        (
            "path: battery, property: battery.level",
            "path: battery",
            "acme.yaml:7: values[0]: the key 'property' is missing",
        ),
        (
            'level: "{level}"',
            'level: "{lavel}"',
            "acme.yaml:14: commands.dim: '{lavel}' names a value that is not among",
        ),
        (
            "topic: set",
            "topic: set\n    text: x",
            "acme.yaml:14: commands.dim: expected either `text` or",
        ),
    ],
)
def test_a_bad_profile_is_refused_by_file_line_and_key(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        profile_of(TEXT.replace(old, new))
    assert str(caught.value).startswith(message)
