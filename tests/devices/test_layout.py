"""The language of profiles, one construct at a time."""

import math
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.document import ConfigError
from devices.profile import read_profile
from devices.protocols.lorawan import LorawanProfile
from devices.reading import DecodeError
from devices.units import is_unit, times
from devices.value import Value, maker, raw_of
from devices.vectors import by_name

HEAD = """\
vendor: acme
model: probe
firmware: any
protocol: lorawan
sources: [a manual]
order: big
vectors:
  - {note: nothing, bytes: "00", readings: {}}
  - {note: nothing, bytes: "00", error: "."}
"""


def profile_of(body: str) -> LorawanProfile:
    profile = read_profile((HEAD + body).encode(), "acme.yaml")
    assert isinstance(profile, LorawanProfile)
    return profile


def fields(text: str, more: str = "") -> LorawanProfile:
    """Return a profile with one message, of these fields."""
    lines = "".join(f"      {line}\n" for line in text.strip().splitlines())
    return profile_of(f"messages:\n  - name: all\n    fields:\n{lines}{more}")


def told(profile: LorawanProfile, payload: str, port: int | None = None) -> dict[str, Any]:
    return by_name(profile.decoded(bytes.fromhex(payload), port).readings)


@pytest.mark.parametrize(
    ("form", "payload", "result"),
    [
        ("format: uint8", "ff", 255),
        ("format: int8", "ff", -1),
        ("format: uint16", "0102", 258),
        ("format: int16, order: little", "feff", -2),
        ("format: uint24", "010000", 65_536),
        ("format: int24, order: little", "ffffff", -1),
        ("format: uint32", "00000100", 256),
        ("format: int64", "ffffffffffffffff", -1),
        ("format: float16", "3e00", 1.5),
        ("format: float32, order: little", "0000c03f", 1.5),
        ("format: float64", "3ff8000000000000", 1.5),
        ("format: bcd, size: 2", "1234", 1234),
        ("format: bcd, size: 2, order: little", "3412", 1234),
        ("format: hex_digits, size: 2", "3041", 10),
        ("format: text, size: 3", "616200", "ab"),
        ("format: hex, size: 2", "0aff", "0aff"),
        ("format: hex, size: 2, order: little", "0aff", "ff0a"),
        ("format: dotted, size: 3", "010d00", "1.13.0"),
        ("format: dotted_hex, size: 2", "0110", "1.10"),
        ("format: digest, size: 1", "00", "6e340b9cffb37a98"),
        ("format: uint8, scale: 0.1", "33", 5.1),
        ("format: uint8, scale: 0.5, add: -40", "0a", -35),
        ("format: uint16, scale: 0.00025, power_of: 10, times: 0.001, decimals: 1", "5594", 299.9),
        ("format: uint8, words: {1: true}", "01", True),
        ("format: uint8, words: {1: 0.71}", "01", 0.71),
        ("format: uint8, table: places", "04", "place 2"),
    ],
)
def test_a_format_is_read_as_it_says(form: str, payload: str, result: Any) -> None:
    tables = 'tables:\n  places: [{first: 0, last: 8, step: 2, text: "place {n}"}]\n'
    assert told(fields(f"- {{property: x, {form}}}", tables), payload) == {"x": result}


@pytest.mark.parametrize(
    ("form", "payload", "error"),
    [
        ("format: bcd, size: 2", "12ab", "expected digits, got 12ab"),
        ("format: hex_digits, size: 2", "3047", "expected digits, got 3047"),
        ("format: hex_digits, size: 2", "2d31", "expected digits, got 2d31"),
        ("format: text, size: 2", "c328", "expected text in UTF-8"),
        ("format: uint8, words: {1: true}", "02", "x: no word for 2"),
        ("format: uint16", "01", "truncated: expected 2 bytes, got 1"),
    ],
)
def test_what_does_not_fit_a_format_is_an_error(form: str, payload: str, error: str) -> None:
    with pytest.raises(DecodeError, match=error):
        told(fields(f"- {{property: x, {form}}}"), payload)


def test_a_sentinel_and_a_float_that_is_no_number_are_no_readings() -> None:
    profile = fields("- {property: x, format: float32, none: {0: nothing}}")
    assert told(profile, "7fc00000") == told(profile, "7f800000") == told(profile, "00000000") == {}


def test_a_result_that_cannot_be_is_told_as_impossible() -> None:
    profile = fields("- {property: x, format: uint8, max: 100, warning: too much}")
    decoded = profile.decoded(b"\xc8")
    assert [(reading.result, reading.quality) for reading in decoded.readings] == [(200.0, "impossible")]
    assert decoded.warnings == ("too much",)


def test_bits_are_flags_and_numbers_and_may_be_under_a_condition() -> None:
    profile = fields("""
- format: uint16
  bits:
    - {bit: 15, property: open, warning: open}
    - {bits: [13, 0], property: battery.voltage, scale: 0.001, unit: V}
    - {bit: 14, name: has_more}
- {property: more, format: uint8, when: [{name: has_more, among: [1]}]}
""")
    assert told(profile, "8b88") == {"open": True, "battery.voltage": 2.952}
    assert told(profile, "4b8807") == {"open": False, "battery.voltage": 2.952, "more": 7}
    assert profile.decoded(b"\x8b\x88").warnings == ("open",)


def test_fields_stand_at_offsets_or_one_behind_the_other() -> None:
    profile = fields("""
- {property: last, format: uint8, at: 3}
- {property: first, format: uint8, at: 0}
- {skip: 1}
- {property: third, format: uint8}
- {skip: 1}
""")
    assert told(profile, "01020304") == {"last": 4, "first": 1, "third": 3}


def test_flags_say_which_groups_follow() -> None:
    profile = fields("""
- {format: uint8, name: groups}
- {when: [{name: groups, bit: 0}], fields: [{property: a, format: uint8}, {property: b, format: uint8}]}
- {property: c, format: uint8, when: [{name: groups, bit: 1}]}
""")
    assert told(profile, "010203") == {"a": 2, "b": 3}
    assert told(profile, "0204") == {"c": 4}
    assert told(profile, "03020304") == {"a": 2, "b": 3, "c": 4}


def test_groups_are_repeated_as_often_as_a_number_says_or_until_the_end() -> None:
    profile = fields("""
- {format: uint8, name: count}
- {repeat: count, feature: "step-{n}", fields: [{property: level, format: uint8}]}
- {repeat: end, feature: "rest-{n}", fields: [{property: level, format: uint8}]}
""")
    assert told(profile, "0205060708") == {"level@step-1": 5, "level@step-2": 6, "level@rest-1": 7, "level@rest-2": 8}
    with pytest.raises(DecodeError, match="byte 2: truncated: expected 1 bytes, got 0"):
        told(profile, "0205")


def test_an_address_says_what_the_rest_of_its_group_is_about() -> None:
    tables = 'tables:\n  lamps: [{first: 0, last: 126, step: 2, text: "dali-{n}"}, {first: 255, text: ""}]\n'
    profile = fields(
        """
- repeat: end
  fields:
    - {format: uint8, table: lamps, sets: feature}
    - {property: level, format: uint8}
- {property: after, value: true}
""",
        tables,
    )
    assert told(profile, "1232ff19") == {"level@dali-9": 50, "level": 25, "after": True}
    with pytest.raises(DecodeError, match="byte 0: no word for 1"):
        told(profile, "0132")


def test_a_time_is_that_of_what_follows_in_its_group() -> None:
    profile = fields("""
- items:
    - {tag: "20", fields: [{format: uint32, sets: time}, {property: depth, format: uint8}]}
    - {tag: "03", fields: [{property: depth, format: uint8}]}
""")
    assert told(profile, "2063467 49e07 0309".replace(" ", "")) == {"depth at 1665561758": 7, "depth": 9}


def test_behind_an_unknown_item_nothing_is_read_but_what_comes_after_a_known_size() -> None:
    profile = fields("""
- {format: uint8, name: size}
- size: size
  items:
    - {tag: "01", fields: [{property: a, format: uint8}]}
- {property: b, format: uint8}
""")
    decoded = profile.decoded(bytes.fromhex("0501072100ff09"))
    assert by_name(decoded.readings) == {"a": 7, "b": 9}
    assert decoded.faults == ("byte 3: unknown item 21",)


def test_text_can_be_made_of_names_and_features_too() -> None:
    profile = fields("""
- {format: uint8, bits: [{bits: [7, 4], name: major}, {bits: [3, 0], name: minor}]}
- {property: version, text: "{major}.{minor:02}"}
- {property: x, feature: "port-{major}", format: uint8}
""")
    assert told(profile, "2509") == {"version": "2.05", "x@port-2": 9}


def test_layouts_are_shared_and_may_hold_others() -> None:
    more = """layouts:
  inner: [{property: a, format: uint8}]
  outer: [{layout: inner}, {property: b, format: uint8}]
"""
    assert told(fields("- {layout: outer}\n- {layout: inner}", more), "010203") == {"a": 1, "b": 2, "a #2": 3}


def test_a_message_is_found_by_port_beginning_and_length() -> None:
    profile = profile_of("""
messages:
  - {name: short, ports: [2], lengths: [1], fields: [{property: short, format: uint8}]}
  - {name: marked, ports: [2], starts: [".. 07", ".. 08"], fields: [{property: marked, format: uint8}]}
  - {name: other, ports: [2, 3], fields: [{property: other, format: hex, size: end}]}
""")
    assert told(profile, "01", 2) == {"short": 1}
    assert told(profile, "ff0809", 2) == {"marked": 9}
    assert told(profile, "0808", 3) == {"other": "0808"}
    with pytest.raises(DecodeError, match="unknown FPort 4"):
        told(profile, "08", 4)


def test_bytes_that_no_field_takes_are_told_as_a_fault() -> None:
    decoded = fields("- {property: x, format: uint8}").decoded(b"\x01\x02\x03")
    assert (by_name(decoded.readings), decoded.faults) == ({"x": 1.0}, ("byte 1: 2 bytes more than expected",))


def test_nothing_makes_a_decoder_give_more_readings_than_it_may() -> None:
    profile = fields(
        "- {repeat: end, fields: [{property: a, format: uint8}, {property: b, value: 1}, {property: c, value: 1}]}"
    )
    with pytest.raises(DecodeError, match="more than 512 readings"):
        profile.decoded(bytes(300))
    with pytest.raises(DecodeError, match="at most 512 bytes"):
        profile.decoded(bytes(513))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {property: x, format: text}", "messages[0].fields[0].size: text needs a `size`"),
        ("- {property: x, format: uint8, size: 2}", "messages[0].fields[0].size: uint8 has its own size"),
        ("- {property: x, format: uint8, bytes: '01'}", "messages[0].fields[0]: expected one of:"),
        ("- {format: float32, bits: [{bit: 0}]}", "messages[0].fields[0].bits: only an integer has bits"),
        ("- {format: uint8, bits: [{property: x}]}", "messages[0].fields[0].bits[0]: expected either `bit` or `bits`"),
        ("- {format: uint8, bits: [{bits: [0, 3]}]}", "messages[0].fields[0].bits[0].bits: expected the highest bit"),
        (
            "- {repeat: count, fields: [{skip: 1}]}",
            "messages[0].fields[0].repeat: no number before it has the name 'count'",
        ),
        ("- {property: x, format: uint8, when: [{name: y, bit: 0}]}", "messages[0].fields[0].when[0].name: no number"),
        ("- {format: uint8, name: y, when: [{name: y}]}", "messages[0].fields[0].when[0].name: no number before it"),
        ("- {property: x, format: uint8, table: t}", "messages[0].fields[0].table: there is no table 't'"),
        ("- {layout: l}", "messages[0].fields[0].layout: there is no layout 'l'"),
        ("- {property: x, feature: '{y}', format: uint8}", "messages[0].fields[0].feature: no number before it"),
        ("- {property: x, text: '{x.y}'}", "messages[0].fields[0].text: expected names in braces"),
        ("- {format: uint8, sets: feature}", "messages[0].fields[0].sets: a feature needs a `table` or `words`"),
        ("- {format: float32, sets: time}", "messages[0].fields[0].sets: only an integer can set it"),
        (
            "- {property: x, format: hex, size: end}\n- {skip: 1, at: 3}",
            "messages[0].fields[1].at: cannot be told behind",
        ),
        ("- {property: x, format: uint8, scale: 0}", "messages[0].fields[0].scale: expected any number but 0"),
        ("- {property: x, format: uint8, min: 2, max: 1}", "messages[0].fields[0].min: expected no more than `max`"),
        ("- {value: 1}", "messages[0].fields[0]: a constant needs a `property`"),
    ],
)
def test_a_layout_that_cannot_be_is_refused_by_its_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fields(text)
    assert message in str(caught.value)


def test_a_layout_cannot_be_inside_itself() -> None:
    with pytest.raises(ConfigError, match="the layout 'a' is inside itself"):
        fields("- {layout: a}", "layouts:\n  a: [{layout: b}]\n  b: [{layout: a}]\n")


def test_a_command_is_written_by_the_layout_that_reads_it() -> None:
    profile = fields(
        "- {layout: steps}",
        """layouts:
  steps:
    - {format: uint8, name: count}
    - format: uint8
      bits: [{bit: 0, property: lit, name: is_on, default: true}, {bits: [7, 4], property: mode, name: mode}]
    - repeat: count
      name: steps
      feature: "step-{n}"
      fields:
        - {property: time, format: uint8, scale: 10, unit: min, name: time}
        - {property: level, format: uint16, unit: "%", max: 100, none: {0xffff: inactive}, name: level}
    - {format: uint8, name: length}
    - {property: label, format: text, size: length, name: label, default: ""}
commands:
  plan: {port: 7, bytes: "21", fields: [{layout: steps}]}
""",
    )
    request = profile.request(
        "plan", {"mode": 3, "steps": [{"time": 60, "level": 20}, {"time": 330, "level": "inactive"}], "label": "ö"}
    )
    assert (request.port, request.payload.hex(" ")) == (7, "21 02 31 06 00 14 21 ff ff 02 c3 b6")
    assert told(profile, request.payload[1:].hex()) == {
        "lit": True,
        "mode": 3,
        "time@step-1": 60,
        "level@step-1": 20,
        "time@step-2": 330,
        "label": "ö",
    }
    assert profile.parameters("plan") == ["is_on", "mode", "steps", "label"]


SCALES = st.sampled_from([1.0, 0.1, 0.01, 0.001, 0.5, 2.0, 10.0, 0.025, -1.0])


@given(raw=st.integers(-(2**31), 2**32 - 1), scale=SCALES, add=st.sampled_from([0.0, -40.0, -32768.0, 0.5]))
def test_what_is_read_can_be_written_back(raw: int, scale: float, add: float) -> None:
    value = Value(property="x", scale=scale, add=add)
    make = maker(value)
    assert make is not None
    reading = make(raw, "", None)
    assert reading is not None
    assert isinstance(reading.result, float)
    assert math.isclose(reading.result, raw * scale + add, rel_tol=1e-12, abs_tol=1e-6)
    assert round(raw_of(value, reading.result, "x")) == raw


@pytest.mark.parametrize(
    "code",
    [
        "Cel",
        "%",
        "kW.h",
        "m/s",
        "W/m2",
        "uS/cm",
        "mm/h",
        "dB",
        "dB[SPL]",
        "deg",
        "V.A",
        "[pH]",
        "1",
        "L/min",
        "{lamps}",
    ],
)
def test_units_of_ucum_are_known(code: str) -> None:
    assert is_unit(code)


@pytest.mark.parametrize("code", ["degC", "percent", "kWh", "m/", "C°", "sec", "µS/cm", "kkg", "m//s"])
def test_other_units_are_not(code: str) -> None:
    assert not is_unit(code)


def test_one_unit_is_so_many_of_another() -> None:
    assert (times("m", "mm"), times("kW.h", "W.h"), times("h", "min"), times("%", "1")) == (1000.0, 1000.0, 60.0, 0.01)
    assert times("m", "s") is None


def test_the_schema_takes_what_the_language_says() -> None:
    text = HEAD + "messages:\n  - {name: all, fields: [{property: x, format: uint8}]}\n"
    assert msgspec.convert(yaml.safe_load(text), LorawanProfile).messages[0].name == "all"
