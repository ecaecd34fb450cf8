"""JT/T 808 without a socket: frames from any stream, positions from any bytes, parts in any order."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.datum import gcj02_of, is_shifted, wgs84_of
from devices.protocols import jt808_parts
from devices.protocols.jt808 import (
    PIECE_BYTES_MAX,
    Frame,
    Framer,
    checksum_of,
    encode_frame,
    escaped,
    kind_of,
    read_frame,
    unescaped,
)
from devices.protocols.jt808_location import Location, encode_batch, encode_location, read_batch, read_location
from devices.protocols.jt808_messages import read_facts
from devices.protocols.jt808_report import Dialect, FlagBit, reports_of
from devices.reading import DecodeError
from devices.report import Report
from tests.soak.fuzz_jt808 import fuzz

NOW_MS = 1_795_000_000_000
PLACE = Location(
    alarm=0, status=3, latitude=31.2, longitude=121.4, altitude_m=-5, speed_km_h=40.1, course_deg=90,
    time_ms=NOW_MS - 5_000,
)  # fmt: skip
pieces = st.binary(min_size=1, max_size=80)


def reported(message: int, body: bytes, dialect: Dialect | None = None) -> tuple[Report, ...]:
    (piece,) = Framer().feed(encode_frame(message, "013800138000", 1, body))
    return reports_of(read_frame(piece), dialect or Dialect(), link="fleet", received_ms=NOW_MS)


def located(**changes: object) -> Report:
    (report,) = reported(0x0200, encode_location(msgspec.structs.replace(PLACE, **changes)))
    return report


# frames


@given(
    st.lists(st.one_of(pieces.map(lambda piece: b"\x7e" + escaped(piece) + b"\x7e"), st.binary(max_size=60))), st.data()
)
def test_a_stream_gives_the_same_frames_however_it_is_split(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole = Framer()
    expected = whole.feed(stream)
    split = Framer()
    found: list[bytes] = []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 40))
        found += split.feed(stream[at : at + step])
        at += step
    assert found == expected
    assert split.skipped_bytes == whole.skipped_bytes


@given(st.lists(pieces, max_size=8))
def test_every_frame_is_found_behind_any_rubbish_without_delimiters(contents: list[bytes]) -> None:
    stream = b"\x00rubbish" + b"".join(b"\x7e" + escaped(content) + b"\x7e" for content in contents)
    assert Framer().feed(stream) == contents


@given(st.binary(max_size=300))
def test_what_was_escaped_is_what_is_read(content: bytes) -> None:
    assert b"\x7e" not in escaped(content)
    assert unescaped(escaped(content)) == content


@given(st.binary(max_size=300))
def test_the_checksum_is_the_exclusive_or_of_every_byte(content: bytes) -> None:
    expected = 0
    for byte in content:
        expected ^= byte
    assert checksum_of(content) == expected


@given(
    st.integers(0, 0xFFFF).filter(lambda message: message not in (0x5501, 0x5502)),
    st.integers(0, 0xFFFF),
    st.binary(max_size=1_023),
    st.sampled_from([None, 1]),
    st.sampled_from([None, (3, 2)]),
)
def test_a_frame_is_read_as_it_was_written(
    message: int, serial: int, body: bytes, version: int | None, part: tuple[int, int] | None
) -> None:
    terminal = "013800138000" if version is None else "00000000013800138000"
    (piece,) = Framer().feed(encode_frame(message, terminal, serial, body, version=version, part=part))
    frame = read_frame(piece)
    assert (frame.message, frame.terminal, frame.serial, frame.body) == (message, terminal, serial, body)
    assert (frame.version, (frame.total, frame.index) if frame.is_part else None) == (version, part)
    assert frame.faults == ()


def test_what_is_too_long_for_a_frame_is_skipped_and_the_next_is_found() -> None:
    framer = Framer()
    for _ in range(1_000):
        assert (
            framer.feed(b"\x7e" + b"\x01" * 100 if framer.skipped_bytes == 0 and not framer._rest else b"\x01" * 100)
            == []
        )
        assert len(framer._rest) <= PIECE_BYTES_MAX
    assert framer.feed(b"\x7e" + b"\x02\x03" + b"\x7e") == [b"\x02\x03"]
    assert framer.skipped_bytes == 100_000


def test_a_storm_of_delimiters_holds_no_frame_and_no_memory() -> None:
    framer = Framer()
    assert framer.feed(b"\x7e" * 1_000_000) == []
    assert framer._rest == b""


def test_a_reserved_byte_that_was_not_escaped_is_taken_if_the_checksum_is_right() -> None:
    sent = encode_frame(0x0002, "013800138000", 0x7D)
    careless = sent.replace(b"\x7d\x01", b"\x7d")
    assert careless != sent
    assert Framer().feed(careless) == Framer().feed(sent)


@pytest.mark.parametrize("size", [0, 1, 5, 11, 12])
def test_a_frame_too_short_for_a_header_is_an_error(size: int) -> None:
    with pytest.raises(DecodeError, match="at least 13"):
        read_frame(bytes(size))


def test_a_length_that_lies_is_a_fault_and_what_is_there_is_read() -> None:
    for declared in (0, 1_023):
        content = bytearray(encode_frame(0x0200, "013800138000", 1, encode_location(PLACE))[1:-2])
        content[2:4] = declared.to_bytes(2, "big")
        frame = read_frame(bytes(content) + bytes((checksum_of(bytes(content)),)))
        assert [kind_of(fault) for fault in frame.faults] == ["length_mismatch"]
        (report,) = reports_of(frame, Dialect(), link="fleet", received_ms=NOW_MS)
        assert report.positions[0].latitude == 31.2
        assert report.faults == frame.faults


def test_a_body_or_number_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_frame(0x0200, "013800138000", 1, bytes(1_024))
    with pytest.raises(ValueError, match="12 digits"):
        encode_frame(0x0200, "013800138000", 1, version=1)


# positions


def test_a_position_says_what_the_terminal_said() -> None:
    report = located(alarm=0b10, status=0x0C03 | 1 << 13, latitude=-33.5, longitude=-70.25)
    (position,) = report.positions
    assert (position.latitude, position.longitude, position.altitude_m) == (-33.5, -70.25, -5)
    assert (position.speed_km_h, position.course_deg) == (40.1, 90)
    assert position.flags == ("overspeed", "acc_on", "fuel_cut", "circuit_cut", "door_1_open")
    assert report.time_ms == NOW_MS - 5_000


@given(
    st.floats(-90, 90), st.floats(-180, 180), st.integers(-32_768, 32_767), st.integers(0, 65_535), st.integers(0, 359)
)
def test_a_location_is_read_as_it_was_written(lat: float, lon: float, altitude: int, speed: int, course: int) -> None:
    read = read_location(
        encode_location(
            msgspec.structs.replace(
                PLACE, latitude=lat, longitude=lon, altitude_m=altitude, speed_km_h=speed / 10, course_deg=course
            )
        )
    )
    assert abs(read.latitude - lat) <= 5.1e-7
    assert abs(read.longitude - lon) <= 5.1e-7
    assert (read.altitude_m, read.speed_km_h, read.course_deg) == (altitude, speed / 10, course)
    assert read.time_ms == PLACE.time_ms


def test_an_item_that_overruns_costs_what_follows_and_keeps_the_fix_and_what_came_before() -> None:
    body = encode_location(msgspec.structs.replace(PLACE, items=((0x01, b"\x00\x00\x00\x64"),))) + b"\x30\x05\x14"
    (report,) = reported(0x0200, body)
    assert report.faults == ("items_overrun",)
    assert report.positions[0].mileage_km == 10.0
    assert {r.property for r in report.readings} == {"ignition", "mileage"}
    assert report.facts["tail"] == "300514"


def test_an_item_of_a_wrong_length_is_kept_as_it_came_and_the_others_are_read() -> None:
    report = located(items=((0x01, b"\x00\x64"), (0x31, b"\x09"), (0xE4, b"\x01")))
    assert report.faults == ("wrong_length_item_01",)
    assert report.facts == {"item.01": "0064", "item.e4": "01"}
    assert {r.property: r.result for r in report.readings} == {"ignition": True, "satellites": 9}


def test_a_position_full_of_wrong_items_has_few_faults() -> None:
    report = located(items=((0x30, b""),) * 400)
    assert len(report.faults) <= 8


def test_every_item_of_the_standard_is_read() -> None:
    report = located(
        items=(
            (0x01, b"\x00\x00\x00\x64"), (0x02, b"\x00\xff"), (0x03, b"\x01\x90"), (0x04, b"\x00\x05"),
            (0x14, bytes(4)), (0x25, b"\x00\x00\x00\x11"), (0x2A, b"\x00\x01"), (0x2B, b"\x00\x07\x00\x09"),
            (0x30, b"\x1f"), (0x31, b"\x0c"),
        )
    )  # fmt: skip
    assert {(r.property, r.feature): (r.result, r.unit) for r in report.readings} == {
        ("ignition", ""): (True, ""), ("mileage", ""): (10.0, "km"), ("fuel.volume", ""): (25.5, "L"),
        ("speed.recorder", ""): (40.0, "km/h"), ("analog", "1"): (9, ""), ("analog", "2"): (7, ""),
        ("signal", ""): (31, ""), ("satellites", ""): (12, ""),
    }  # fmt: skip
    assert report.facts == {
        "event_to_confirm": 5, "video_alarm_bits": 0, "vehicle_signal_bits": 17, "io_bits": 1,
    }  # fmt: skip


def test_a_structure_instead_of_items_keeps_the_fix() -> None:
    tail = bytes.fromhex("00000032000004d2007b00000007 1f 000000".replace(" ", ""))
    report = located(tail=tail)
    assert report.faults == ("fixed_tail",)
    assert (report.positions[0].latitude, report.facts) == (31.2, {"tail": tail.hex()})


@pytest.mark.parametrize(
    ("digits", "time_ms"),
    [
        ("260229120000", None), ("261332120000", None), ("2611246a0000", None), ("261124246000", None),
        ("240229235959", 1_709_222_399_000), ("260101000000", 1_767_196_800_000),
    ],
)  # fmt: skip
def test_a_time_is_beijing_time_and_one_that_is_none_is_a_fault(digits: str, time_ms: int | None) -> None:
    body = encode_location(PLACE)[:22] + bytes.fromhex(digits)
    assert read_location(body).time_ms == time_ms
    (report,) = reported(0x0200, body)
    assert report.time_ms == (time_ms or NOW_MS)
    assert report.faults == (() if time_ms else ("invalid_time",))


@pytest.mark.parametrize("time_ms", [946_684_800_000, NOW_MS + 2 * 86_400_000])
def test_a_clock_that_cannot_be_right_is_not_believed(time_ms: int) -> None:
    report = located(time_ms=time_ms)
    assert (report.time_ms, report.faults) == (NOW_MS, ("implausible_time",))


def test_a_fix_at_zero_is_none_and_coordinates_off_the_earth_are_not_told() -> None:
    report = located(latitude=0.0, longitude=0.0)
    assert not report.positions[0].is_positioned
    assert report.faults == ("positioned_flag_with_zero_coordinates",)
    report = located(latitude=91.0)
    assert (report.positions, report.faults) == ((), ("coordinates_out_of_range",))


def test_a_fleets_own_bit_tells_whether_the_bed_is_covered() -> None:
    dialect = Dialect(
        flags=(
            FlagBit(where="ea", bit=8, property="bed.covered"),
            FlagBit(where="status", bit=17, property="bed.lifted", is_inverted=True),
            FlagBit(where="alarm", bit=1, property="too_fast"),
        )
    )
    body = encode_location(msgspec.structs.replace(PLACE, items=((0xEA, b"\x01\x00"),)))
    (report,) = reported(0x0200, body, dialect)
    told = {r.property: r.result for r in report.readings}
    assert (told["bed.covered"], told["bed.lifted"], told["too_fast"]) == (True, True, False)
    (report,) = reported(0x0200, encode_location(PLACE), dialect)
    assert report.faults == ("no_bit_ea_8",)


def test_a_late_batch_says_nothing_of_now() -> None:
    late = msgspec.structs.replace(PLACE, time_ms=NOW_MS - 3_600_000)
    reports = reported(0x0704, encode_batch((late, PLACE), is_late=True))
    assert [report.time_ms for report in reports] == [NOW_MS - 3_600_000, NOW_MS - 5_000]
    assert all(position.is_late for report in reports for position in report.positions)
    assert all(r.at_ms == report.time_ms for report in reports for r in report.readings)


def test_a_batch_with_a_spoilt_place_keeps_the_others_and_says_which() -> None:
    good = encode_location(PLACE)
    body = b"\x00\x04\x00" + b"\x00\x05" + bytes(5) + len(good).to_bytes(2, "big") + good + b"\x04\x00" + good
    (report,) = reported(0x0704, body)
    assert report.faults == ("item0:location_cut_off", "batch_overrun", "batch_count_declared_4_actual_2")
    assert [kind_of(fault) for fault in report.faults] == ["location_cut_off", "batch_overrun", "batch_count"]
    assert report.positions[0].latitude == 31.2


def test_a_batch_of_nothing_is_still_heard_and_its_faults_are_few() -> None:
    (report,) = reported(0x0704, b"\xff\xff\x01" + bytes(1_000))
    assert report.positions == ()
    assert len(report.faults) < 12
    assert read_batch(b"\x00\x00\x00").faults == ()


def test_a_message_that_is_not_known_says_that_the_terminal_is_there() -> None:
    (report,) = reported(0x0FFF, b"?")
    assert (report.address, report.facts, report.readings) == ("013800138000", {"message": "0fff"}, ())


def test_the_code_of_a_terminal_of_2019_is_read() -> None:
    assert read_facts(0x0102, b"\x03abc" + b"860000000000001" + b"V1".ljust(20, b"\0"), 1) == {
        "layout": "2019", "token": "abc", "imei": "860000000000001", "software": "V1",
    }  # fmt: skip
    assert read_facts(0x0702, bytes.fromhex("02251009150751"), None) == {"status": 2, "time_bcd": "251009150751"}


# parts


def part(index: int, total: int, body: bytes = b"x", *, serial: int | None = None) -> Frame:
    number = 0xFFFE + index if serial is None else serial
    (piece,) = Framer().feed(encode_frame(0x0704, "013800138000", number, body, part=(total, index)))
    return read_frame(piece)


def after(*frames: Frame) -> tuple[jt808_parts.Waiting, list[object]]:
    waiting, outcomes = jt808_parts.Waiting(), list[object]()
    for number, frame in enumerate(frames):
        waiting, outcome = jt808_parts.step(waiting, frame, float(number))
        outcomes.append(outcome)
    return waiting, outcomes


@given(st.permutations([1, 2, 3, 4]), st.integers(0, 3))
def test_parts_in_any_order_and_one_of_them_twice_make_one_message(order: list[int], again: int) -> None:
    frames = [part(index, 4, bytes((index,)) * 3) for index in order]
    frames.insert(again, frames[again])
    waiting, outcomes = after(*frames)
    (whole,) = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(whole, jt808_parts.Whole)
    assert whole.frame.body == b"\x01\x01\x01\x02\x02\x02\x03\x03\x03\x04\x04\x04"
    assert whole.serials == (0xFFFF, 0, 1, 2)
    # A copy of the last part begins anew: it is given up when its time is over.
    assert waiting.size_bytes <= 3


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        ((part(1, 3), part(1, 3, b"y")), "parts_disagree"),
        ((part(1, 3), part(2, 4)), "parts_disagree"),
        ((part(0, 3),), "part_number_wrong"),
        ((part(4, 3),), "part_number_wrong"),
        ((part(1, 65_535),), "part_number_wrong"),
        ((part(1, 3, serial=1), part(1, 3, serial=100), part(1, 3, serial=200)), "too_many_parts_waiting"),
        (tuple(part(index, 64, bytes(1_000)) for index in range(1, 14)), "parts_too_long"),
    ],
)
def test_parts_that_cannot_be_right_are_given_up(frames: tuple[Frame, ...], fault: str) -> None:
    waiting, outcomes = after(*frames)
    spoiled = outcomes[-1]
    assert isinstance(spoiled, jt808_parts.Spoiled)
    assert spoiled.fault == fault
    assert waiting.size_bytes < jt808_parts.BYTES_MAX


def test_parts_whose_rest_does_not_come_are_given_up() -> None:
    waiting, _ = after(part(1, 3), part(2, 3))
    assert jt808_parts.expire(waiting, 59.0, after_s=60.0) == (waiting, ())
    left, (spoiled,) = jt808_parts.expire(waiting, 61.0, after_s=60.0)
    assert (left.begun, spoiled.fault, spoiled.serials) == ((), "parts_missing", (0xFFFF, 0))


# any bytes


@given(st.binary(max_size=2_200))
def test_no_bytes_raise_anything_but_a_decode_error(content: bytes) -> None:
    for piece in [content, *Framer().feed(b"\x7e" + content + b"\x7e")]:
        try:
            frame = read_frame(piece)
            reports_of(frame, Dialect(datum="gcj02"), link="fleet", received_ms=NOW_MS)
        except DecodeError as error:
            assert error.problem  # noqa: PT017  # most of them are errors, and say what


def test_ten_thousand_spoilt_frames_crash_nothing() -> None:
    outcome = fuzz(10_000, seed=808)
    assert outcome.inputs == 10_000
    assert outcome.reports > 1_000
    assert outcome.errors > 1_000


# the datum


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
        ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
        ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ],
)
def test_published_pairs_are_converted_both_ways(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    # https://github.com/googollee/eviltransform at 03ba58d, python/test.py
    assert gcj02_of(*wgs84) == pytest.approx(gcj02, abs=1e-9)
    assert wgs84_of(*gcj02) == pytest.approx(wgs84, abs=1e-9)


def test_over_china_the_way_back_is_exact_to_a_millimetre() -> None:
    chance = random.Random(2)
    for _ in range(2_000):
        latitude, longitude = chance.uniform(3.5, 53.6), chance.uniform(73.5, 135.1)
        found = wgs84_of(*gcj02_of(latitude, longitude))
        off_m = math.hypot(found[0] - latitude, (found[1] - longitude) * math.cos(math.radians(latitude))) * 111_320
        assert off_m < 0.001


@pytest.mark.parametrize("place", [(48.2, 16.37), (-33.9, 151.2), (0.0, 0.0), (39.7392, -104.9903)])
def test_outside_of_china_nothing_is_shifted(place: tuple[float, float]) -> None:
    assert not is_shifted(*place)
    assert gcj02_of(*place) == wgs84_of(*place) == place


def test_a_fleet_that_sends_map_coordinates_is_shown_where_it_is() -> None:
    latitude, longitude = gcj02_of(31.2, 121.4)
    body = encode_location(msgspec.structs.replace(PLACE, latitude=latitude, longitude=longitude))
    (report,) = reported(0x0200, body, Dialect(datum="gcj02"))
    assert report.positions[0].latitude == pytest.approx(31.2, abs=1e-6)
    assert report.positions[0].longitude == pytest.approx(121.4, abs=1e-6)
