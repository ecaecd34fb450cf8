"""Every vector of every profile is a test; a new device needs no test file."""

from pathlib import Path

import pytest

from config.document import ConfigError
from devices.profile import Profile, decode, read_profile
from devices.protocols.lorawan import UplinkVector
from devices.reading import DecodeError
from devices.vectors import failure as failure_of
from wayside.profiles import FOLDER

PATHS = sorted(FOLDER.rglob("*.yaml"))
PROFILES = {path: read_profile(path.read_bytes(), str(path)) for path in PATHS}
CASES = [
    pytest.param(profile, vector, id=f"{profile.model}: {vector.note}")
    for profile in PROFILES.values()
    for vector in profile.vectors
]


def failure(profile: Profile, vector: UplinkVector) -> str:
    return failure_of(vector, lambda: profile.decoded(bytes.fromhex(vector.bytes)))


GOOD = PROFILES[FOLDER / "milesight" / "em310-udl.yaml"]
MINIMAL = """\
vendor: acme
model: em-1
firmware: any
protocol: lorawan
sources: [a manual, page 3]
items:
  - {channel: 1, type: 0x75, fields: [{property: battery.level, format: uint8}]}
vectors:
  - {note: full, bytes: 01 75 64, readings: {battery.level: 100}}
  - {note: cut off, bytes: 01 75, error: truncated}
"""


@pytest.mark.parametrize(("profile", "vector"), CASES)
def test_the_bytes_give_exactly_what_the_profile_says(profile: Profile, vector: UplinkVector) -> None:
    assert failure(profile, vector) == ""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_profile_lies_where_its_vendor_and_model_say(path: Path) -> None:
    assert path.relative_to(FOLDER) == Path(PROFILES[path].vendor) / f"{PROFILES[path].model}.yaml"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_editor_finds_the_schema(path: Path) -> None:
    assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=../schema.json"


def test_a_vector_that_is_wrong_is_told() -> None:
    wrong = UplinkVector(note="wrong", bytes="01 75 5c", readings={"battery.level": 93.0})
    assert failure(GOOD, wrong) == "battery.level: expected 93.0, got 92.0"
    assert failure(GOOD, UplinkVector(note="no error", bytes="01 75 5c", error="truncated")) == (
        "expected an error with 'truncated', got {'battery.level': 92.0}"
    )
    assert failure(GOOD, UplinkVector(note="other error", bytes="01 75", error="unknown")) == (
        "expected an error with 'unknown', got 'byte 2: truncated: expected 1 bytes, got 0'"
    )


def test_a_flag_is_not_taken_for_the_number_one() -> None:
    assert failure(GOOD, UplinkVector(note="", bytes="04 00 01", readings={"housing.tilted": 1})) != ""


def test_an_empty_uplink_has_no_readings() -> None:
    assert decode(GOOD, b"") == []


def test_a_decode_error_names_the_byte() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(GOOD, bytes.fromhex("01755c0382"))
    assert (caught.value.at_byte, caught.value.problem) == (5, "truncated: expected 2 bytes, got 0")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: em-1", "modle: em-1", "acme.yaml:2: modle: unknown key; did you mean 'model'?"),
        (
            "format: uint8",
            "format: uint9",
            "acme.yaml:7: items[0].fields[0].format: invalid enum value 'uint9'; did you mean 'uint8'?",
        ),
        ("type: 0x75", "type: 0x175", "acme.yaml:7: items[0].type: expected `int` <= 255"),
        ("[a manual, page 3]", "[]", "acme.yaml:5: sources: expected `array` of length >= 1"),
        (
            ", fields: [{property: battery.level, format: uint8}]",
            "",
            "acme.yaml:7: items[0]: expected `fields`, or `skip` with the number of bytes",
        ),
        (
            "vectors:",
            "  - {channel: 1, type: 0x75, skip: 1}\nvectors:",
            "acme.yaml:8: items[1]: channel 0x01 with type 0x75 is there twice",
        ),
        (", error: truncated", "", "acme.yaml:10: vectors[1]: expected either `readings` or `error`"),
        (
            "bytes: 01 75, error: truncated",
            "bytes: 01 75 63, readings: {battery.level: 99}",
            "acme.yaml:8: vectors: expected at least one vector with an `error`",
        ),
    ],
)
def test_a_bad_profile_is_refused_by_file_line_and_key(old: str, new: str, message: str) -> None:
    assert read_profile(MINIMAL.encode(), "acme.yaml").model == "em-1"
    assert old in MINIMAL
    with pytest.raises(ConfigError) as caught:
        read_profile(MINIMAL.replace(old, new).encode(), "acme.yaml")
    assert str(caught.value) == message
