"""Every vector of every profile is a test; a new device needs no test file."""

from pathlib import Path

import pytest

from config.document import ConfigError
from devices.profile import Profile, commands_of, decode, read_profile, request_of
from devices.protocols.lorawan import LorawanProfile, UplinkVector
from devices.reading import CommandError, DecodeError
from devices.registers import RegisterProfile
from devices.report import Downlink
from devices.vectors import failure as failure_of
from wayside.profiles import FOLDER

PATHS = sorted(FOLDER.rglob("*.yaml"))
PROFILES = {path: read_profile(path.read_bytes(), str(path)) for path in PATHS}
GOOD = PROFILES[FOLDER / "milesight" / "em310-udl.yaml"]
LAMP = PROFILES[FOLDER / "nas" / "ul20xx.yaml"]
MINIMAL = """\
vendor: acme
model: em-1
firmware: any
protocol: lorawan
sources: [a manual, page 3]
order: little
messages:
  - name: items
    fields:
      - items:
          - {tag: 01 75, fields: [{property: battery.level, format: uint8, unit: "%"}]}
vectors:
  - {note: full, bytes: 01 75 64, readings: {battery.level: 100}}
  - {note: cut off, bytes: 01 75, error: truncated}
"""


def failure(profile: Profile, vector: UplinkVector) -> str:
    return failure_of(vector, lambda: profile.decoded(bytes.fromhex(vector.bytes)))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_vector_gives_exactly_what_the_profile_says(path: Path) -> None:
    assert PROFILES[path].failures() == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_profile_lies_where_its_vendor_and_model_say(path: Path) -> None:
    profile = PROFILES[path]
    assert path.parent == FOLDER / profile.vendor
    # Another firmware of the same model lies beside it.
    assert path.stem == profile.model or path.stem.startswith(f"{profile.model}-fw")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_editor_finds_the_schema(path: Path) -> None:
    assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=../schema.json"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_can_be_switched_on_can_be_switched_off_and_proven(path: Path) -> None:
    profile = PROFILES[path]
    if "on" not in commands_of(profile):
        assert profile.lamp is None or isinstance(profile, LorawanProfile) is False
        return
    # One of several outputs of a Modbus device must be named: nobody means all eight relays.
    steps = profile.commands["on"].steps if isinstance(profile, RegisterProfile) else {"": 0}
    values = {"feature": next(iter(steps))} if len(steps) > 1 else {}
    assert request_of(profile, "on", **values) != request_of(profile, "off", **values)
    metered = {"current", "power.active"} & set(profile.properties)
    assert profile.lamp is not None or not metered


def test_the_device_that_the_page_shows_is_one() -> None:
    page = (FOLDER.parent / "docs" / "profiles.md").read_text("utf-8")
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    assert read_profile(shown.encode(), "level-1.yaml").failures() == []


def test_a_vector_that_is_wrong_is_told() -> None:
    wrong = UplinkVector(note="wrong", bytes="01 75 5c", readings={"battery.level": 93.0})
    assert failure(GOOD, wrong) == "battery.level: expected 93.0, got 92.0"
    missing = UplinkVector(note="wrong", bytes="01 75 5c", readings={"distance": 1.0})
    assert failure(GOOD, missing) == "distance: expected 1.0, got nothing; battery.level: expected nothing, got 92.0"
    assert failure(GOOD, UplinkVector(note="no error", bytes="01 75 5c", error="truncated")) == (
        "expected an error with 'truncated', got {'battery.level': 92.0}"
    )
    assert failure(GOOD, UplinkVector(note="other error", bytes="01 75", error="unknown")) == (
        "expected an error with 'unknown', got 'byte 2: truncated: expected 1 bytes, got 0'"
    )
    odd = UplinkVector(note="impossible", bytes="01 75 c8", readings={"battery.level": 200.0})
    assert failure(GOOD, odd) == "expected as impossible [], got ['battery.level']"


def test_a_flag_is_not_taken_for_the_number_one() -> None:
    assert failure(GOOD, UplinkVector(note="", bytes="04 00 01", readings={"housing.tilted": 1})) != ""


def test_an_empty_uplink_has_no_readings() -> None:
    assert decode(GOOD, b"") == []


def test_a_decode_error_names_the_byte_and_keeps_what_was_read_before() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(GOOD, bytes.fromhex("01755c0382"))
    assert (caught.value.at_byte, caught.value.problem) == (5, "truncated: expected 2 bytes, got 0")
    assert [(reading.property, reading.result) for reading in caught.value.readings] == [("battery.level", 92.0)]


def test_a_profile_that_speaks_on_several_ports_wants_to_know_which() -> None:
    with pytest.raises(DecodeError, match="expected the FPort, one of 23, 26, 49, 50, 60, 61, 99"):
        decode(LAMP, b"\x01\xfe\x64")


@pytest.mark.parametrize(
    ("command", "values", "message"),
    [
        ("blink", {}, "nas/ul20xx has no command 'blink'; it has: on, off, dim, resume"),
        ("dim", {}, "dim: the value 'level' is missing"),
        ("dim", {"level": 101}, "dim: level: expected at least 0 and at most 100 %; got 101"),
        ("dim", {"level": float("nan")}, "dim: level: expected a number; got nan"),
        ("dim", {"level": "bright"}, "dim: level: expected a number; got 'bright'"),
        ("dim", {"level": True}, "dim: level: expected a number; got True"),
        ("dim", {"level": 40, "lamp": "dali-64"}, "dim: lamp: expected one of: dali-0, dali-1"),
        ("dim", {"level": 40, "colour": "red"}, "dim: no value 'colour'; it takes: lamp, level"),
        ("levels", {"lamps": 3}, "levels: lamps: expected a list, got '3'"),
        ("levels", {"lamps": [{"lamp": "dali-1"}]}, "levels: the value 'level' is missing"),
        ("levels", {"lamps": [{"level": 1}] * 200}, "levels: expected at most 242 bytes, got 401"),
        ("holidays", {"days": ["13/01"]}, "holidays: month: expected at least 1 and at most 12; got 13"),
        ("holidays", {"days": ["tomorrow"]}, "holidays: date: expected {month:02}/{day:02}, got 'tomorrow'"),
        ("several", {"configurations": [{"item": "soup"}]}, "several: configurations: expected an `item` of:"),
        ("factory_reset", {"serial": "50"}, "factory_reset: serial: expected 4 bytes, got 1"),
    ],
)
def test_a_command_that_does_not_fit_is_refused(command: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        request_of(LAMP, command, **values)
    assert str(caught.value).startswith(message)


def test_a_command_goes_to_all_lamps_of_a_controller_or_to_one() -> None:
    assert request_of(LAMP, "dim", level=40) == Downlink(port=60, payload=bytes.fromhex("01fe28"))
    assert request_of(LAMP, "dim", level=40, lamp="dali-9") == Downlink(port=60, payload=bytes.fromhex("011228"))


def test_keys_are_told_by_their_digest_only() -> None:
    key = "82840c7056429b143d21974557f93a53"
    payload = bytes.fromhex(f"520044332211{key}82840c70c08494b931fe2fa6f8835c6a")
    told = {reading.property: str(reading.result) for reading in decode(LAMP, payload, 50)}
    assert all(key not in text for text in told.values())
    assert len(told["config.multicast.network.key"]) == 16


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: em-1", "modle: em-1", "acme.yaml:2: modle: unknown key; did you mean 'model'?"),
        (
            "protocol: lorawan",
            "protocol: lorawam",
            "acme.yaml:4: protocol: invalid value 'lorawam'; did you mean 'lorawan'?",
        ),
        (
            "format: uint8",
            "format: uint9",
            "acme.yaml:11: messages[0].fields[0].items[0].fields[0].format: invalid enum value 'uint9'; did you mean",
        ),
        ("tag: 01 75", "tag: 01 7", "acme.yaml:11: messages[0].fields[0].items[0].tag: expected `str` matching regex"),
        ("[a manual, page 3]", "[]", "acme.yaml:5: sources: expected `array` of length >= 1"),
        (
            'unit: "%"',
            "unit: percent",
            "acme.yaml:11: messages[0].fields[0].items[0].fields[0].unit: 'percent' is no unit of UCUM; for",
        ),
        (
            "format: uint8, ",
            "",
            "acme.yaml:11: messages[0].fields[0].items[0].fields[0]: expected one of: `format`, `bytes`, `skip`,",
        ),
        (
            "vectors:",
            "          - {tag: 01 75, fields: [{skip: 1}]}\nvectors:",
            "acme.yaml:12: messages[0].fields[0].items[1].tag: the tag 01 75 is there twice",
        ),
        (", error: truncated", "", "acme.yaml:14: vectors[1]: expected either `readings` or `error`"),
        (
            "bytes: 01 75, error: truncated",
            "bytes: 01 75 63, readings: {battery.level: 99}",
            "acme.yaml:12: vectors: expected at least one vector with an `error`",
        ),
        (
            "order: little",
            "order: little\nlamp: {warm_up_s: 1, rated_a: 1, tolerance: 0.1, points: [[50, 1], [20, 0.5]]}",
            "acme.yaml:7: lamp.points[1]: expected a higher level, and no smaller current, than before",
        ),
    ],
)
def test_a_bad_profile_is_refused_by_file_line_and_key(old: str, new: str, message: str) -> None:
    assert read_profile(MINIMAL.encode(), "acme.yaml").model == "em-1"
    assert old in MINIMAL
    with pytest.raises(ConfigError) as caught:
        read_profile(MINIMAL.replace(old, new).encode(), "acme.yaml")
    assert str(caught.value).startswith(message)
