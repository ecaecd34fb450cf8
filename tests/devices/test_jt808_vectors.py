"""Every captured frame decodes as its file states, field by field; a handful of them stands here for who has no files.

The files hold frames of https://github.com/traccar/traccar at 9e5c458 (Apache-2.0),
src/test/java/org/traccar/protocol/Jt808ProtocolDecoderTest.java and Jt808FrameDecoderTest.java, with fields computed
independently.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from devices.protocols.jt808 import Framer, encode_frame, escaped, read_frame
from devices.protocols.jt808_report import Dialect, reports_of
from devices.reading import DecodeError
from wayside.jt808 import described, jt808_app

# What the files say of where a frame is from, not of what it holds.
OF_THE_FILE = {
    "source_form", "unescaped_hex", "wire_hex", "delimiter", "vendor_message", "id", "source_line",
    "source_hex", "upstream",
}  # fmt: skip
NOW_MS = 1_795_000_000_000


def vectors(name: str) -> dict[str, Any]:
    if "WAYSIDE_DATA" not in os.environ:
        pytest.skip("WAYSIDE_DATA does not name the folder of test recordings")
    found: dict[str, Any] = json.loads((Path(os.environ["WAYSIDE_DATA"]) / "vectors" / "jt808" / name).read_text())
    return found


def differences(stated: Any, got: Any, at: str = "") -> list[str]:
    """Return where ``got`` lacks or contradicts something that is stated."""
    if isinstance(stated, dict):
        if not isinstance(got, dict):
            return [f"{at}: {got!r} is no object"]
        return [
            found
            for key, value in stated.items()
            for found in (differences(value, got[key], f"{at}.{key}") if key in got else [f"{at}.{key}: missing"])
        ]
    if isinstance(stated, list):
        if not isinstance(got, list) or len(got) != len(stated):
            return [f"{at}: {got!r} instead of {stated!r}"]
        return [
            found
            for index, (one, other) in enumerate(zip(stated, got, strict=True))
            for found in differences(one, other, f"{at}[{index}]")
        ]
    if isinstance(stated, float) and isinstance(got, float):
        return [] if abs(stated - got) < 1e-9 else [f"{at}: {got} instead of {stated}"]
    return [] if stated == got and type(stated) is type(got) else [f"{at}: {got!r} instead of {stated!r}"]


@pytest.mark.data
@pytest.mark.parametrize(("file", "count"), [("location_0200.json", 42), ("batch_and_other.json", 27)])
def test_every_captured_frame_decodes_as_its_file_states(file: str, count: int) -> None:
    frames = vectors(file)["frames"]
    found = {}
    for vector in frames:
        # Between junk, so that each is found where a stream happens to be.
        pieces = Framer().feed(b"\x24\x24" + bytes.fromhex(vector["wire_hex"]))
        assert [piece.hex() for piece in pieces] == [vector["unescaped_hex"]]
        stated = {key: value for key, value in vector.items() if key not in OF_THE_FILE}
        stated["faults"] = sorted(stated["faults"])
        got = described(pieces[0])
        got["faults"] = sorted(got["faults"])
        if wrong := differences(stated, got):
            found[vector["id"]] = wrong
    assert found == {}
    assert len(frames) == count


@pytest.mark.data
@pytest.mark.parametrize("file", ["location_0200.json", "batch_and_other.json"])
def test_every_captured_frame_gives_reports_or_says_why_not(file: str) -> None:
    for vector in vectors(file)["frames"]:
        frame = read_frame(bytes.fromhex(vector["unescaped_hex"]))
        if vector["encryption_bits"]:
            with pytest.raises(DecodeError, match="encrypted"):
                reports_of(frame, Dialect(), link="fleet", received_ms=NOW_MS)
            continue
        reports = reports_of(frame, Dialect(), link="fleet", received_ms=NOW_MS)
        stated = vector["body"].get("items", [vector["body"]] if vector["message_id"] == "0200" else [])
        assert [
            (p.latitude, p.longitude, p.is_positioned) for report in reports for p in report.positions
        ] == [
            (each["latitude"], each["longitude"], each["positioned"] and each["latitude"] != 0) for each in stated
        ]  # fmt: skip
        assert all(report.address == vector["terminal_id_hex"] for report in reports)


@pytest.mark.data
@pytest.mark.parametrize("file", ["location_0200.json", "batch_and_other.json"])
def test_a_captured_frame_without_faults_is_written_as_it_was_sent(file: str) -> None:
    for vector in vectors(file)["frames"]:
        frame = read_frame(bytes.fromhex(vector["unescaped_hex"]))
        if set(frame.faults) - {"terminal_id_not_bcd"} or vector["message_id"] == "5501":
            continue
        written = encode_frame(frame.message, frame.terminal, frame.serial, frame.body, version=frame.version)
        assert written.hex() == vector["wire_hex"]


@pytest.mark.data
def test_framing_is_as_stated() -> None:
    stated = vectors("framing_and_commands.json")
    for case in stated["deframing"]:
        assert [f"7e{piece.hex()}7e" for piece in Framer().feed(bytes.fromhex(case["wire_hex"]))] == [
            case["frame_unescaped_hex"]
        ]
    for case in stated["text_on_binary_port"]:
        framer = Framer()
        assert framer.feed(bytes.fromhex(case["hex"])) == []
        assert framer.skipped_bytes == len(case["ascii"])
        assert len(framer.feed(bytes.fromhex("7e0002000004304832546500b7ca7e"))) == 1
    for case in stated["downlink"]:
        written = encode_frame(
            int(case["message_id"], 16), case["terminal_id_hex"], case["serial"], bytes.fromhex(case["body_hex"])
        )
        # Upstream prints commands before they are escaped.
        content = bytes.fromhex(case["frame_hex"])[1:-1]
        assert written == b"\x7e" + escaped(content) + b"\x7e"


# From the same source: lines 30, 33 and 358 of the decoder's test, and the example of its first lines.
POSITION = (
    "7e0200005f01917206842401a20000000000000003030b0d360069fdd70004013a015623051821591601040000b1c1cc143839343932323632303134"
    "30363237353332334630011731010e9f133236322c30332c384434302c463537462c3233820200328c0400007350a000407e"
)
REGISTER_2019 = (
    "7e0100405c010000086649607758216452180000000000000000000000000000004d443330300000000000000000000000000000000000000000000000"
    "000038363634393630373735383231363400000000000000000000000000000004000000000000000000000000000000007a7e"
)
BATCH_2019 = (
    "7e0704402d0100000866496077582164881d0001000028000000000000000701a00192091f2a4700160000000226050916422701040000258230010031"
    "010e507e"
)
NOT_POSITIONED = (
    "7e0200002c00160128561400020000000000040001005de1f7065c6cef00000000000017011710044201040000a9002a0200003001"
    "1b3101030c7e"
)


def test_a_position_is_read_with_its_appended_items() -> None:
    (report,) = reports_of(
        read_frame(Framer().feed(bytes.fromhex(POSITION))[0]), Dialect(), link="fleet", received_ms=NOW_MS
    )
    (position,) = report.positions
    assert (report.address, report.time_ms) == ("019172068424", 1_684_418_356_000)
    assert (position.latitude, position.longitude, position.is_positioned) == (51.055926, 6.946263, True)
    assert (position.speed_km_h, position.course_deg, position.altitude_m) == (31.4, 342, 4)
    assert {r.property: r.result for r in report.readings} == {
        "ignition": True, "mileage": 4550.5, "signal": 23, "satellites": 14,
    }  # fmt: skip
    assert report.facts["item.82"] == "0032"
    assert report.faults == ()


def test_a_registration_of_2019_is_read() -> None:
    (report,) = reports_of(
        read_frame(Framer().feed(bytes.fromhex(REGISTER_2019))[0]), Dialect(), link="fleet", received_ms=NOW_MS
    )
    assert report.address == "00000866496077582164"
    assert (report.facts["layout"], report.facts["model"], report.facts["plate_colour"]) == ("2019", "MD300", 4)


def test_a_southern_position_of_a_batch_is_negative() -> None:
    (report,) = reports_of(
        read_frame(Framer().feed(bytes.fromhex(BATCH_2019))[0]), Dialect(), link="fleet", received_ms=NOW_MS
    )
    assert (report.positions[0].latitude, report.positions[0].longitude) == (-27.263378, 153.037383)
    assert not report.positions[0].is_late


def test_the_last_known_place_of_a_terminal_without_a_fix_is_no_fault() -> None:
    (report,) = reports_of(
        read_frame(Framer().feed(bytes.fromhex(NOT_POSITIONED))[0]), Dialect(), link="fleet", received_ms=NOW_MS
    )
    assert not report.positions[0].is_positioned
    assert report.positions[0].latitude == 6.152695
    assert report.faults == ()


def test_the_command_prints_json() -> None:
    done = CliRunner().invoke(jt808_app, ["decode", POSITION])
    assert done.exit_code == 0
    shown = json.loads(done.stdout)
    assert (shown["terminal_id_hex"], shown["checksum_ok"], shown["body"]["speed_kmh"]) == ("019172068424", True, 31.4)
