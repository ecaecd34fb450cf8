"""Configuration documents: every refusal is one line with file, line, key, what was expected, and what to write."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from config.document import BYTES_MAX, ConfigError, Document


class Lamp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="lamp", tag_field="kind"):
    colour: Literal["amber", "white"] = "amber"


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gate", tag_field="kind"):
    opens_s: Annotated[float, Meta(ge=1)] = 4.0


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(pattern="^[a-z]+$", examples=["kerb"])]
    corners: tuple[tuple[float, float], ...] = ()
    limits: dict[str, float] = {}
    words: dict[int, str] = {}


class Street(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    device: Lamp | Gate = Lamp()
    places: tuple[Place, ...] = ()
    lanes: Annotated[int, Meta(ge=1, le=8)] = 2


GOOD = """\
name: Nanjing Road
device: {kind: gate, opens_s: 3}
places:
  - id: kerb
    corners:
      - [0, 0]
      - [1, 0]
    limits: {wait_s: 30}
    words: {0: shut, 1: open}
lanes: 3
"""


def refusal(content: str | bytes, kind: Any = Street) -> str:
    with pytest.raises(ConfigError) as caught:
        Document(content.encode() if isinstance(content, str) else content, "street.yaml").read(kind)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [GOOD, "\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), "# a word first\n" + GOOD])
def test_a_good_document_is_read(content: str) -> None:
    assert Document(content.encode(), "street.yaml").read(Street) == Street(
        name="Nanjing Road",
        device=Gate(opens_s=3),
        places=(Place(id="kerb", corners=((0, 0), (1, 0)), limits={"wait_s": 30}, words={0: "shut", 1: "open"}),),
        lanes=3,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lanes: 3", "lane: 3", "street.yaml:10: lane: unknown key; did you mean 'lanes'?"),
        ("    limits:", "    limit:", "street.yaml:8: places[0].limit: unknown key; did you mean 'limits'?"),
        (
            "lanes: 3",
            "corners: 3",
            "street.yaml:10: corners: unknown key; known keys: device, lanes, name, places",
        ),
        (
            "gate, opens_s: 3",
            "gate, colour: amber",
            "street.yaml:2: device.colour: unknown key; known keys: kind, opens_s",
        ),
        ("kind: gate", "kind: gaet", "street.yaml:2: device.kind: invalid value 'gaet'; did you mean 'gate'?"),
        ("kind: gate, ", "", "street.yaml:2: device: the key 'kind' is missing; expected one of: lamp, gate"),
        (
            "gate, opens_s: 3",
            "lamp, colour: mauve",
            "street.yaml:2: device.colour: invalid enum value 'mauve'; expected one of: amber, white",
        ),
        (
            "opens_s: 3",
            "opens_s: 0.5",
            "street.yaml:2: device.opens_s: expected `float` >= 1.0",
        ),
        ("lanes: 3", "lanes: many", "street.yaml:10: lanes: expected `int`, got `str`"),
        ("lanes: 3", "lanes: 9", "street.yaml:10: lanes: expected `int` <= 8"),
        ("name: Nanjing Road", "", "street.yaml:1: the key 'name' is missing"),
        ("Nanjing Road", "no", "street.yaml:1: name: expected `str`, got `bool`; put it in quotes"),
        ("Nanjing Road", "12:30", "street.yaml:1: name: expected `str`, got `int`; put it in quotes"),
        ("Nanjing Road", "2024-02-01", "street.yaml:1: name: expected `str`, got `date`; put it in quotes"),
        (
            "Nanjing Road",
            "2024-99-99",
            "street.yaml:1: name: '2024-99-99' looks like a number or a date and is none; put it in quotes",
        ),
        (
            "wait_s: 30",
            "2024-99-99: 30",
            (
                "street.yaml:8: places[0].limits.2024-99-99: '2024-99-99' looks like a number or a date and is none; "
                "put it in quotes"
            ),
        ),
        ("Nanjing Road", "", "street.yaml:1: name: expected `str`, got `null`"),
        ("id: kerb", "id: Kerb 1", "street.yaml:4: places[0].id: not written as expected, for example 'kerb'"),
        ("[1, 0]", "[1, zero]", "street.yaml:7: places[0].corners[1][1]: expected `float`, got `str`"),
        ("[1, 0]", "[1]", "street.yaml:7: places[0].corners[1]: expected `array` of length 2, got 1"),
        ("wait_s: 30", "wait_s: long", "street.yaml:8: places[0].limits[...]: expected `float`, got `str`"),
        ("lanes: 3", "name: Again", "street.yaml:10: name: this key is there twice (line 1)"),
        (
            "wait_s: 30",
            "wait_s: 30, wait_s: 40",
            "street.yaml:8: places[0].limits.wait_s: this key is there twice (line 8)",
        ),
        ("lanes: 3", "? [a]\n: 3", "street.yaml:10: no valid YAML: found unhashable key"),
        (
            "    limits:",
            "\tlimits:",
            "street.yaml:8: no valid YAML: found character that cannot start any token; indent with spaces, not tabs",
        ),
        (
            "lanes: 3",
            "\tlanes: 3",
            "street.yaml:10: no valid YAML: found character that cannot start any token; indent with spaces, not tabs",
        ),
        ("lanes: 3", "lanes: 3: 4", "street.yaml:10: no valid YAML: mapping values are not allowed in this context"),
        ("lanes: 3", "lanes: [3", "street.yaml:11: no valid YAML: did not find expected ',' or ']'"),
        ("lanes: 3", "---\nlanes: 3", "street.yaml:10: no valid YAML: but found another document"),
        (
            "lanes: 3",
            "lanes: !!python/name:os.system ''",
            (
                "street.yaml:10: no valid YAML: could not determine a constructor for the tag "
                "'tag:yaml.org,2002:python/name:os.system'"
            ),
        ),
        (
            "Nanjing Road",
            "a\x00b",
            "street.yaml: no valid YAML: unacceptable character #x0000: control characters are not allowed",
        ),
        ("Nanjing Road", "&road Nanjing", "street.yaml:1: expected no anchors or aliases ('&', '*')"),
        ("lanes: 3", "lanes: *road", "street.yaml:10: expected no anchors or aliases ('&', '*')"),
    ],
)
def test_a_fault_is_told_with_file_line_key_and_suggestion(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    assert refusal(GOOD.replace(old, new)) == message


@pytest.mark.parametrize(
    ("kind", "content", "key"),
    [
        (dict[str, Place], "x: {id: kerb, limit: 1}", "[...].limit"),
        (list[Place], "- {id: kerb, limit: 1}", "[0].limit"),
    ],
)
def test_a_key_within_any_name_or_a_list_gets_its_suggestion(kind: Any, content: str, key: str) -> None:
    assert refusal(content, kind) == f"street.yaml:1: {key}: unknown key; did you mean 'limits'?"


@pytest.mark.parametrize("content", ["", "\n", "# nothing yet\n", "null"])
def test_an_empty_document_is_called_empty(content: str) -> None:
    assert refusal(content) == "street.yaml:1: the document is empty; known keys: device, lanes, name, places"


def test_another_kind_of_document_is_refused() -> None:
    assert refusal("- name: x") == "street.yaml:1: expected `object`, got `array`"


def test_text_that_is_not_utf_8_is_refused() -> None:
    assert refusal(b"name: caf\xe9 au lait") == "street.yaml: expected UTF-8 text: invalid continuation byte at byte 9"
    assert refusal(GOOD.encode("utf-16")).startswith("street.yaml: expected UTF-8 text: ")


def test_a_document_over_a_mebibyte_is_refused() -> None:
    assert refusal(b"#" * BYTES_MAX) == "street.yaml:1: the document is empty; known keys: device, lanes, name, places"
    assert refusal(b"#" * (BYTES_MAX + 1)) == "street.yaml: expected at most 1048576 bytes, got 1048577"


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "a: " + "[" * 40 + "]" * 40, "{a: " * 100_000, "".join(" " * n + "a:\n" for n in range(1_400))],
    ids=["open lists", "lists", "maps", "blocks"],
)
def test_deep_nesting_is_refused_before_the_parser_ends_the_process(content: str) -> None:
    assert refusal(content).endswith("expected at most 32 levels of nesting")


def test_a_billion_laughs_are_refused_at_the_first() -> None:
    laughs = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    assert refusal("l0: &l0 [ha]\n" + laughs) == "street.yaml:1: expected no anchors or aliases ('&', '*')"


def test_a_number_too_long_to_be_one_is_refused() -> None:
    assert refusal("name: " + "1" * 5_000) == (
        "street.yaml:1: name: '11111111111111111111' looks like a number or a date and is none; put it in quotes"
    )


def test_keys_with_dots_are_not_taken_for_nested_ones() -> None:
    document = Document(b"a.b: 1\na: {b: 2}\n", "x.yaml")
    assert document.value == {"a.b": 1, "a": {"b": 2}}


def test_a_reader_can_blame_a_key_that_is_well_formed() -> None:
    document = Document(GOOD.encode(), "street.yaml")
    error = document.error("places[0].corners[1]", "lies outside", "x goes from 0 to 9")
    assert str(error) == "street.yaml:7: places[0].corners[1]: lies outside; x goes from 0 to 9"
    assert (error.line, error.key, error.suggestion) == (7, "places[0].corners[1]", "x goes from 0 to 9")


def test_a_key_that_is_not_there_is_blamed_on_the_nearest_that_is() -> None:
    document = Document(GOOD.encode(), "street.yaml")
    keys = ("places[0].lane[3]", "places[7].id", "nowhere", "a[b", "]", "places[0].corners[1][0][0].x")
    assert [document.error(key, "is missing").line for key in keys] == [4, 3, 1, 1, 1, 7]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_comes_is_read_or_refused_in_one_line(content: bytes) -> None:
    try:
        Document(content, "street.yaml").read(Street)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017  # most contents are refused, and some are read
