"""Register maps: how values lie in registers, what is read at once, what may be written, and the maps as published."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, WriteMultipleCoilsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from config.document import ConfigError, Document
from devices.protocols.modbus import (
    FrameError,
    SlaveError,
    TcpFrames,
    answer_size,
    answered,
    read_request,
    rtu_answer,
    rtu_frame,
    tcp_frame,
    write_request,
)
from devices.reading import CommandError, DecodeError
from devices.register_map import Layout, Register, blocks_of, cells_of, raw_of_words, words_of
from devices.registers import RegisterProfile
from devices.report import Write
from wayside.profiles import FOLDER

MAPS = Path(os.environ.get("WAYSIDE_DATA", "/nowhere")) / "vectors" / "modbus"
PLACES = {
    "carlogavazzi-em24": "carlogavazzi/em24",
    "eastron-sdm120": "eastron/sdm120",
    "eastron-sdm630": "eastron/sdm630",
    "ecodim-dali-gw2": "ecodim/dali-gw2",
    "meanwell-drs": "meanwell/drs",
    "peacefair-pzem-016": "peacefair/pzem-016",
    "wellpro-wp8025adam": "wellpro/wp8025adam",
    "wellpro-wp8027adam": "wellpro/wp8027adam",
    "wirenboard-map3e": "wirenboard/map3e",
    "wirenboard-mdm2": "wirenboard/mdm2",
    "wirenboard-mr6cu": "wirenboard/mr6cu",
}
UNITS = {
    "kWh": "kW.h",
    "VA": "V.A",
    "var": "V.A{reactive}",
    "deg C": "Cel",
    "degC": "Cel",
}
TYPES = {"float": "f32", "string": "text"}
MINIMAL = """\
vendor: acme
model: meter-1
firmware: any
protocol: modbus
sources: [a manual, page 3]
registers:
  - {table: holding, address: 0, property: level, unit: "%", min: 0, max: 100, writes: [6]}
  - {table: input, address: 10, type: f32, property: current, unit: A}
commands:
  dim:
    parameters: {level: {min: 0, max: 100}}
    shows: level
    writes: [{function: 6, address: 0, sends: [{parameter: level}]}]
vectors:
  - {note: half, holding: {0: "0032"}, readings: {level: 50}}
  - {note: cut off, input: {10: "3f80"}, error: truncated}
"""


def read(content: str) -> RegisterProfile:
    document = Document(content.encode(), "acme.yaml")
    profile = document.read(RegisterProfile)
    profile.check(document)
    return profile


def load(name: str) -> RegisterProfile:
    return read((FOLDER / f"{name}.yaml").read_text())


def raw(words: list[int], **layout: Any) -> float | str:
    return raw_of_words(Register(table="holding", address=0, property="level", **layout))(words)


@pytest.mark.parametrize(
    ("words", "layout", "expected"),
    [
        ([0x8001], {"type": "u16"}, 0x8001),
        ([0x8001], {"type": "s16"}, -32767),
        ([0x0180], {"type": "s16", "bytes": "little"}, -32767),
        ([0x0001, 0x86A0], {"type": "u32"}, 100_000),
        ([0x86A0, 0x0001], {"type": "u32", "order": "little"}, 100_000),
        ([0xFFFE, 0x7960], {"type": "s32"}, -100_000),
        ([0xA086, 0x0100], {"type": "u32", "order": "little", "bytes": "little"}, 100_000),
        ([0x4366, 0x8000], {"type": "f32"}, 230.5),
        ([0x8000, 0x4366], {"type": "f32", "order": "little"}, 230.5),
        ([0, 0, 1, 0], {"type": "u64"}, 65_536),
        ([0, 1, 0, 0], {"type": "u64", "order": "little"}, 65_536),
        ([0xFFFF] * 4, {"type": "s64"}, -1),
        ([0x4069, 0x1000, 0, 0], {"type": "f64"}, 200.5),
        ([0x0830], {"bit": 11}, 1),
        ([0x0830], {"bit": 4, "width": 3}, 3),
        ([0x1234, 0x5678], {"type": "bcd", "size": 2}, 12_345_678),
        ([0x3412], {"type": "bcd", "size": 1, "bytes": "little"}, 1_234),
        ([0x0056, 0x0031, 0x0000], {"type": "text", "size": 3}, "V1"),
        ([0x5631, 0x2E32, 0x2000], {"type": "text8", "size": 3}, "V1.2"),
    ],
)
def test_words_are_put_together_as_the_layout_says(words: list[int], layout: dict[str, Any], expected: object) -> None:
    assert raw(words, **layout) == expected


@pytest.mark.parametrize(
    ("words", "layout", "problem"),
    [
        ([0x12A4], {"type": "bcd", "size": 1}, "no decimal digits"),
        ([0x00FF], {"type": "text", "size": 1}, "no text"),
    ],
)
def test_digits_and_letters_that_are_none_are_told(words: list[int], layout: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        raw(words, **layout)


@given(
    st.sampled_from(["u16", "s16", "u32", "s32", "u64", "s64"]),
    st.sampled_from(["big", "little"]),
    st.sampled_from(["big", "little"]),
    st.integers(-(2**64), 2**64),
)
def test_a_number_comes_back_from_its_words_or_is_refused(kind: Any, order: Any, ends: Any, number: int) -> None:
    bits, low = int(kind[1:]), 0 if kind[0] == "u" else -(2 ** (int(kind[1:]) - 1))
    layout = {"type": kind, "order": order, "bytes": ends}
    if low <= number < low + 2**bits:
        assert raw(list(words_of(Layout(**layout), number)), **layout) == number
    else:
        with pytest.raises(ValueError, match="does not fit"):
            words_of(Layout(**layout), number)


def test_a_float_that_is_no_number_gives_no_reading() -> None:
    said = read(MINIMAL).readings(4, 10, [0x7FC0, 0])
    assert (said.readings, said.faults) == ([], ())


def test_a_block_reads_over_no_more_registers_than_are_allowed() -> None:
    registers = [Register(table="holding", address=at, property="level", feature=str(at)) for at in (0, 1, 4, 20, 130)]
    cells = cells_of(registers)
    spans = lambda **how: [(block.address, block.count) for block in blocks_of(cells, **how)]  # noqa: E731
    assert spans(gap_max=0, size_max=125) == [(0, 2), (4, 1), (20, 1), (130, 1)]
    assert spans(gap_max=2, size_max=125) == [(0, 5), (20, 1), (130, 1)]
    assert spans(gap_max=100, size_max=125) == [(0, 21), (130, 1)]
    assert spans(gap_max=100, size_max=4) == [(0, 2), (4, 1), (20, 1), (130, 1)]


def test_only_what_is_wanted_and_due_is_read() -> None:
    profile = load("wirenboard/mr6cu")
    third = frozenset({"3"})
    assert [(block.function, block.address) for block in profile.blocks(third, 1)] == [(1, 2), (2, 98)]
    assert len(profile.blocks(None, 0)) > len(profile.blocks(None, 60)) > len(profile.blocks(None, 1)) == 2


def test_a_value_that_cannot_be_is_told_as_impossible_and_the_rest_as_it_is() -> None:
    said = load("peacefair/pzem-016").readings(4, 0, [0x08FC, 0, 2])
    assert [(reading.property, reading.quality) for reading in said.readings] == [
        ("voltage", "good"),
        ("current", "impossible"),
    ]


def test_a_refused_block_leaves_the_others_readable() -> None:
    said = load("meanwell/drs").decoded(bytes.fromhex("03 00d2 0001 83 02  04 0060 0001 04 02 0a28"))
    assert [reading.result for reading in said.readings] == [26]
    assert said.faults == ("holding 210: exception 2: has no such address",)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ("05", "byte 0: expected a request of function 1 to 4, got 5"),
        ("04 0000", "byte 0: truncated: expected function, address and count"),
        ("04 0000 0000", "byte 3: a count of 0 cannot be asked for"),
        ("04 0000 007e", "byte 3: a count of 126 cannot be asked for"),
        ("04 0000 0001", "byte 5: truncated: expected 4 more bytes"),
        ("04 0000 0001 03 02 0000", "byte 5: function 3 for 4"),
        ("04 0000 0001 04 04 0000", "byte 5: a count of 4 for 2 bytes"),
        ("04 0000 0002 04 04 08fc 0000", "byte 9: truncated: current needs 2 registers, got 1"),
    ],
)
def test_an_exchange_that_is_none_is_refused_by_its_byte(sent: str, problem: str) -> None:
    with pytest.raises(DecodeError) as caught:
        load("peacefair/pzem-016").decoded(bytes.fromhex(sent))
    assert str(caught.value) == problem


@given(st.binary(max_size=80))
def test_any_bytes_are_readings_or_a_decode_error(payload: bytes) -> None:
    for name in ("meanwell/drs", "wirenboard/map3e", "wirenboard/mr6cu"):
        count = at_byte = 0
        try:
            count = len(load_once(name).decoded(payload).readings)
        except DecodeError as error:
            at_byte = error.at_byte
        assert at_byte <= len(payload)
        assert count <= 8 * len(payload)


_LOADED: dict[str, RegisterProfile] = {}


def load_once(name: str) -> RegisterProfile:
    if name not in _LOADED:
        _LOADED[name] = load(name)
    return _LOADED[name]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("type: f32", "type: f16", "registers[1].type: invalid enum value 'f16'"),
        ("type: f32", "type: f32, bit: 3", "registers[1].bit: expected bits within one u16"),
        ("type: f32", "type: text", "registers[1].size: expected for `bcd`"),
        ("address: 10", "address: 65535", "registers[1].address: expected all of it within 65536"),
        ("table: input", "table: coil", "registers[1].type: expected `type: bit` for a coil"),
        ("table: input", "table: input, writes: [6]", "registers[1].writes: a input is not written"),
        ("table: input", "table: input, write_only: true", "registers[1].writes: expected the functions"),
        ("unit: A", "unit: amp", "registers[1].unit: 'amp' is no unit of UCUM"),
        ("property: current", "property: level", "registers[1].property: 'level' is there twice"),
        ("property: current", "property: current, repeat: {count: 2}", "registers[1].feature: expected `{n}`"),
        ("function: 6, address: 0", "function: 6, address: 1", "commands.dim.writes[0].address: no register says"),
        ("function: 6, address: 0", "function: 16, address: 0", "commands.dim.writes[0].address: no register says"),
        ("[{parameter: level}]", "[{parameter: lvl}]", "sends[0].parameter: the command has no parameter 'lvl'"),
        ("[{parameter: level}]", "[{value: 1, parameter: level}]", "sends[0]: expected either `value`"),
        ("[{parameter: level}]", "[{value: 70000}]", "sends[0].value: 70000 does not fit into u16"),
        ("[{parameter: level}]", "[{value: 1}]", "commands.dim.parameters.level: expected in one of the writes"),
        ("shows: level", "shows: light", "commands.dim.shows: no register has the property 'light'"),
        ("  dim:", '  "on":', "commands.on: expected a parameter `level` for `dim` alone"),
    ],
)
def test_a_bad_map_is_refused_by_key(old: str, new: str, problem: str) -> None:
    assert read(MINIMAL).model == "meter-1"
    assert old in MINIMAL
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL.replace(old, new, 1))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "expected the parameters: level; got: none"),
        ({"level": 10, "colour": 1}, "got: level, colour"),
        ({"level": 101}, "at most 100"),
        ({"level": float("nan")}, "expected a number"),
        ({"level": True}, "expected a number"),
        ({"level": 10, "feature": "3"}, "expected as feature one of"),
    ],
)
def test_a_command_takes_only_what_it_says(values: dict[str, object], problem: str) -> None:
    profile = read(MINIMAL)
    assert profile.request("dim", {"level": 10}) == (Write(function=6, address=0, values=(10,)),)
    with pytest.raises(CommandError, match=problem):
        profile.request("dim", values)
    with pytest.raises(CommandError, match="it has: dim"):
        profile.request("dimm", {"level": 10})


# What two independent implementations say of the same bytes.
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (read_request(3, 107, 3), ReadHoldingRegistersRequest(address=107, count=3)),
        (read_request(1, 19, 37), ReadCoilsRequest(address=19, count=37)),
        (
            write_request(Write(function=5, address=172, values=(1,))),
            WriteSingleCoilRequest(address=172, bits=[True]),
        ),
        (
            write_request(Write(function=6, address=1, values=(3,))),
            WriteSingleRegisterRequest(address=1, registers=[3]),
        ),
        (
            write_request(Write(function=15, address=19, values=(1, 0, 1, 1, 0, 0, 1, 1, 1, 0))),
            WriteMultipleCoilsRequest(address=19, bits=[bool(bit) for bit in (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)]),
        ),
        (
            write_request(Write(function=16, address=1, values=(10, 258))),
            WriteMultipleRegistersRequest(address=1, registers=[10, 258]),
        ),
    ],
)
def test_requests_and_frames_are_those_of_pymodbus(ours: bytes, theirs: Any) -> None:
    theirs.dev_id, theirs.transaction_id = 17, 4_660
    assert tcp_frame(4_660, 17, ours) == FramerSocket(DecodePDU(is_server=True)).buildFrame(theirs)
    assert rtu_frame(17, ours) == FramerRTU(DecodePDU(is_server=True)).buildFrame(theirs)


REQUEST = read_request(3, 10, 2)
ANSWER = bytes.fromhex("03 04 0001 0002")


@pytest.mark.parametrize("pause", range(1, 12))
def test_frames_are_found_whatever_the_pieces(pause: int) -> None:
    sent = tcp_frame(1, 9, ANSWER) + tcp_frame(2, 9, b"\x83\x02")
    frames = TcpFrames()
    found = [frame for at in range(0, len(sent), pause) for frame in frames.feed(sent[at : at + pause])]
    assert found == [(1, 9, ANSWER), (2, 9, b"\x83\x02")]
    assert not frames.is_cut


@pytest.mark.parametrize("sent", ["0001 0001 0006 01 03 0000", "0001 0000 0001 01 03 00", "0001 0000 ffff 01 03 00"])
def test_bytes_that_are_no_modbus_are_refused_at_once(sent: str) -> None:
    with pytest.raises(FrameError):
        TcpFrames().feed(bytes.fromhex(sent))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (bytes.fromhex("04 04 0001 0002"), "function 4 for 3"),
        (bytes.fromhex("03 02 0001"), "4 bytes for 6"),
        (bytes.fromhex("03 06 0001 0002"), "a count of 6 for 4 bytes"),
        (b"", "function none for 3"),
    ],
)
def test_an_answer_to_something_else_is_refused(answer: bytes, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        answered(REQUEST, answer)


def test_a_write_is_done_only_if_the_echo_says_what_was_written() -> None:
    request = write_request(Write(function=6, address=1, values=(3,)))
    assert answered(request, request) == ()
    with pytest.raises(FrameError, match="another address or value"):
        answered(request, write_request(Write(function=6, address=1, values=(4,))))


def test_an_exception_is_told_with_its_number() -> None:
    with pytest.raises(SlaveError, match="exception 6: is busy"):
        answered(REQUEST, b"\x83\x06")


def test_a_serial_answer_is_found_after_stray_bytes_and_never_in_another_units_frame() -> None:
    frame = rtu_frame(9, ANSWER)
    assert rtu_answer(b"\x00\xff" + frame, 9, REQUEST) == (ANSWER, len(frame) + 2)
    assert rtu_answer(frame[:-1], 9, REQUEST) is None
    assert rtu_answer(frame[:-1] + b"\x00", 9, REQUEST) is None
    assert rtu_answer(rtu_frame(8, ANSWER), 9, REQUEST) is None
    assert rtu_answer(rtu_frame(9, b"\x83\x02"), 9, REQUEST) == (b"\x83\x02", 5)


@given(st.binary(max_size=300), st.integers(1, 247), st.integers(1, 125))
def test_noise_on_a_line_is_no_answer_unless_its_check_is_right(noise: bytes, unit: int, count: int) -> None:
    request = read_request(4, 0, count)
    found = rtu_answer(noise, unit, request)
    if found is not None:
        answer, end = found
        assert rtu_frame(unit, answer) == noise[end - len(answer) - 3 : end]
        assert len(answer) in (2, answer_size(request))


def _published() -> list[Any]:
    found = sorted(MAPS.glob("*.json"))
    if not found:
        return [pytest.param("", marks=pytest.mark.skip(reason="needs WAYSIDE_DATA with vectors/modbus"))]
    return [pytest.param(path.stem, id=path.stem) for path in found]


def _named(profile: RegisterProfile) -> list[tuple[str, Register, int]]:
    """Return the vendor's name of every register, spelt out where it repeats, with its address."""
    named = []
    for register in profile.registers:
        repeat = register.repeat
        for number, (_, address) in enumerate(register.places):
            called = register.called.replace("{n}", str(repeat.first + number)) if repeat else register.called
            named.append((called, register, address))
    return named


def _differences(row: dict[str, Any], register: Register, address: int, profile: RegisterProfile) -> list[str]:
    """Return in what a register of a profile is not as published."""
    at, *bits = (int(part) for part in str(row["address"]).split(":"))
    expected: dict[str, Any] = {
        "table": row["register_type"],
        "address": at,
        "bit": bits[0] if bits else None,
        "width": bits[1] if bits else 1,
        "type": TYPES.get(row["type"], row["type"]),
        "words": row["words"],
        "order": {"little_endian": "little"}.get(row.get("word_order", ""), "big"),
        "function": row["read_function"],
        "writes": tuple(row.get("write_functions", ())) if row.get("writable") else None,
        "write_at": row.get("write_address", at) if row.get("writable") else None,
    }
    shift = 0 if register.write_address is None else register.write_address - register.address
    found: dict[str, Any] = {
        "table": register.table,
        "address": address,
        "bit": register.bit,
        "width": register.width,
        "type": register.type,
        "words": register.words_long,
        "order": register.order,
        "function": None if register.write_only else register.function,
        "writes": register.writes if row.get("writable") else None,
        "write_at": address + shift if row.get("writable") else None,
    }
    if "scale" in row or "offset" in row or (register.property is not None and not register.words):
        # A level in percent of DALI's 254 steps is the one number that a profile here says in other terms.
        is_level = register.property == "level" and row.get("max") == 254
        expected["scale"], found["scale"] = row.get("scale", 1), 1 if is_level else register.scale
        expected["add"], found["add"] = row.get("offset", 0), register.add
        if "min" in row and not is_level:
            expected["min"], found["min"] = row["min"], register.min
        if "max" in row and not is_level:
            expected["max"], found["max"] = row["max"], register.max
    if "unit" in row:
        # One source calls apparent and reactive power watts as well.
        is_no_watt = row["unit"] == "W" and register.property in ("power.apparent", "power.reactive")
        expected["unit"] = register.unit if is_no_watt else UNITS.get(row["unit"], row["unit"])
        found["unit"] = register.unit
    if "enum" in row:
        words = register.calls or register.words
        expected["enum"], found["enum"] = row["enum"], {str(number): word for number, word in words.items()}
    if "invalid_raw_value" in row:
        expected["none"], found["none"] = [row["invalid_raw_value"]], list(register.none)
    if "on_value" in row:
        sends = {
            (order.address + step, sent.value)
            for command in profile.commands.values()
            for order in command.writes
            for step in command.steps.values()
            for sent in order.sends
        }
        expected["sends"], found["sends"] = True, (row.get("write_address", at), row["on_value"]) in sends
    return [f"{key}: {expected[key]!r} is {found[key]!r}" for key in expected if expected[key] != found[key]]


@pytest.mark.data
@pytest.mark.parametrize("name", _published())
def test_every_published_register_is_in_the_profile_as_published(name: str) -> None:
    published = json.loads((MAPS / f"{name}.json").read_text())
    profile = load(PLACES[name])
    named = _named(profile)
    wrong = []
    for row in published["registers"]:
        candidates = [
            (register, address) for called, register, address in named if called == row["name"].replace("DO_0", "DO_")
        ]
        found = [_differences(row, register, address, profile) for register, address in candidates]
        # One name may stand for two firmwares, and then one of the two is in the profile.
        twins = [twin for twin in published["registers"] if twin["name"] == row["name"]]
        if not found:
            wrong.append(f"{row['name']}: is not there")
        elif [] not in found and not any(
            _differences(twin, *candidates[0], profile) == [] for twin in twins if twin is not row
        ):
            wrong.append(f"{row['name']}: {'; '.join(found[0])}")
    assert wrong == []
    assert len({(row["name"], str(row["address"])) for row in published["registers"]}) <= len(named)
    assert any(published["source"]["commit"] in source for source in profile.sources)


@pytest.mark.data
def test_every_published_map_has_a_profile() -> None:
    if not MAPS.is_dir():
        pytest.skip("needs WAYSIDE_DATA with vectors/modbus")
    assert sorted(path.stem for path in MAPS.glob("*.json")) == sorted(PLACES)


def test_a_meter_decodes_as_the_standard_says() -> None:
    words = struct.unpack(">4H", struct.pack(">ff", 231.25, 0.5))
    profile = load("eastron/sdm120")
    said = profile.readings(4, 0, words[:2]).readings + profile.readings(4, 6, words[2:]).readings
    assert [(reading.property, reading.result, reading.unit) for reading in said] == [
        ("voltage", 231.25, "V"),
        ("current", 0.5, "A"),
    ]
