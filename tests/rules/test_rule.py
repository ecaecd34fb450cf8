"""Rules that are wrong are refused when they are read, by file, line and key; rules that are right step."""

import msgspec
import pytest

from config.document import ConfigError
from rules.rule import Rule
from rules.rule_book import Book, BookState, Capture, Crop, Ended, Outcome, Started, failures
from rules.setting import Terms
from tests.fixtures.stays import STAY

GOOD = """\
name: too-long
kind: too_long
watches: stay
zone_types: [no_parking]
parameters:
  limit_s: {default: 60, unit: s, min: 10, max: 600, help: How long.}
when: dwell_s >= limit_s && unseen_s <= 2
unless: in_jam
stills: {arrival: 0, middle: 0.5, limit: 1}
clip: true
tests:
  - note: stands
    series: [{time_s: 59, dwell_s: 59}, {time_s: 60, dwell_s: 60}]
    phases: [[60, start]]
"""


def _rule(text: str = GOOD) -> Rule:
    return Rule(text.encode(), "too-long.yaml")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("dwell_s >=", "dwel_s >=", "too-long.yaml:7: when: unknown name 'dwel_s'; did you mean 'dwell_s'?"),
        ("limit_s &&", "limit &&", "too-long.yaml:7: when: unknown name 'limit'; did you mean 'limit_s'?"),
        ("in_jam", "'jam'", "too-long.yaml:8: unless: unknown name 'jam'; did you mean 'in_jam'?"),
        ("in_jam", "in_jam >", "too-long.yaml:8: unless: no valid CEL: 1:9: Syntax error"),
        ("in_jam", "in_jam && label > 3", "too-long.yaml:8: unless: cannot be evaluated: No such overload"),
        (
            "unseen_s <= 2",
            "seen(unseen_s)",
            "too-long.yaml:7: when: cannot be evaluated: Undefined variable or function",
        ),
        ("in_jam", "blind_s + 1.0", "too-long.yaml:8: unless: expected true or false, got float"),
        ("clip: true", "klip: true", "too-long.yaml:10: klip: unknown key; did you mean 'clip'?"),
        ("zone_types: [no_parking]", "zone_types: [parking]", "too-long.yaml:4: zone_types[0]: invalid enum value"),
        ("default: 60", "default: 6", "too-long.yaml:6: parameters.limit_s.default: expected 10 to 600 s, got 6"),
        ("{default: 60,", "{", "too-long.yaml:5: parameters[...]: the key 'default' is missing"),
        ("limit: 1}", "limit: 2}", "too-long.yaml:9: stills[...]: expected `float` <= 1.0"),
        (
            "{time_s: 59,",
            "{time: 59,",
            "too-long.yaml:13: tests[0].series[0].time: unknown name; did you mean 'time_s'?",
        ),
        (
            "series: [{",
            "parameters: {limit_s: 5}\n    series: [{",
            "too-long.yaml:13: tests[0].parameters.limit_s: expected 10 to 600 s, got 5",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_file_line_key_and_a_suggestion(old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        _rule(GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(error)
    assert "\n" not in str(caught.value)


def test_a_value_of_a_wrong_kind_in_a_test_is_refused() -> None:
    rule = _rule(GOOD.replace("dwell_s: 60}]", "dwell_s: long}]"))
    with pytest.raises(ConfigError, match=r"^too-long\.yaml:13: tests\[0\].series\[1\]: Expected `float`, got `str`"):
        failures(rule)


def test_stills_need_a_limit_to_be_spaced_over() -> None:
    text = GOOD.replace("limit_s", "most_s")
    with pytest.raises(ConfigError, match=r"^too-long\.yaml:9: stills: expected a parameter 'limit_s'"):
        _rule(text)


def test_a_parameter_cannot_hide_a_field_of_the_stay() -> None:
    with pytest.raises(ConfigError, match=r"^too-long\.yaml:6: parameters\.blind_s: a stay has a field of this name"):
        _rule(GOOD.replace("limit_s", "blind_s"))


def test_a_test_that_fails_says_what_it_expected_and_what_it_got() -> None:
    assert failures(_rule(GOOD.replace("[[60, start]]", "[[61, start]]"))) == [
        "stands: expected start at 61 s, got start at 60 s"
    ]


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^too-long\.yaml:1: name: too-long\.yaml has the name 'too-long' already"):
        Book([_rule(), _rule()])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"limt_s": 30.0}, "cam: zones[0].parameters.limt_s: unknown parameter; did you mean 'limit_s'?"),
        ({"limit_s": 5.0}, "cam: zones[0].parameters.limit_s: expected 10 to 600 s, got 5"),
    ],
)
def test_a_zones_parameter_must_be_known_and_within_its_bounds(given: dict[str, float], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Book([_rule()]).settings("no_parking", Terms(parameters=given), source="cam", key="zones[0]")
    assert str(caught.value) == error


def _play(rows: list[dict[str, object]], *, restart: bool = False) -> list[Outcome]:
    book = Book([_rule()])
    zones = {"kerb": book.settings("no_parking", Terms(), source="cam", key="zones[0]")}
    state, found = BookState(), list[Outcome]()
    for row in rows:
        state, outcomes = book.step(state, [msgspec.structs.replace(STAY, **row)], zones)
        found += outcomes
        if restart:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=BookState)
    return found


def _named(outcomes: list[Outcome]) -> list[str]:
    return [each.role if isinstance(each, Capture) else type(each).__name__ for each in outcomes]


@pytest.mark.parametrize("restart", [False, True])
def test_a_stay_has_its_stills_one_start_and_one_end(restart: bool) -> None:  # noqa: FBT001
    rows: list[dict[str, object]] = [{"time_s": float(time), "dwell_s": float(time)} for time in range(5, 90)]
    rows.append({"time_s": 100.0, "dwell_s": 90.0, "has_left": True})
    found = _play(rows, restart=restart)
    assert _named(found) == ["arrival", "middle", "limit", "Started", "limit", "Ended"]
    assert [each.held.dwell_s for each in found] == [5, 30, 60, 60, 66, 90]
    assert len({each.event_id for each in found}) == 1


def test_stills_wait_until_the_vehicle_is_seen_and_are_all_there_at_the_start() -> None:
    hidden = [{"dwell_s": 5.0}, {"dwell_s": 30.0, "unseen_s": 9.0}, {"dwell_s": 35.0}, {"dwell_s": 60.0}]
    assert [each.held.dwell_s for each in _play(hidden)] == [5, 35, 60, 60]
    assert _named(_play([{"dwell_s": 60.0, "unseen_s": 1.0}])) == ["arrival", "middle", "limit", "Started"]


def test_stills_are_ten_seconds_apart_where_the_limit_has_the_room() -> None:
    late = [{"dwell_s": 25.0}, {"dwell_s": 30.0}, {"dwell_s": 34.5}, {"dwell_s": 35.0}, {"dwell_s": 60.0}]
    assert [each.held.dwell_s for each in _play(late)] == [25, 35, 60, 60]
    assert _rule().spacing_s({"limit_s": 12.0}) == 6


def test_one_more_still_shows_that_the_limit_lies_between_it_and_the_first() -> None:
    hidden = [{"dwell_s": 3.0}, {"dwell_s": 31.0}, {"dwell_s": 60.0}, {"dwell_s": 64.0, "unseen_s": 1.0}]
    assert [each.held.dwell_s for each in _play([*hidden, {"dwell_s": 65.0}, {"dwell_s": 66.0}])] == [3, 31, 60, 60, 65]
    assert _named(_play([*hidden, {"dwell_s": 71.0}]))[-1] == "Started"
    assert _named(_play([{"dwell_s": 0.0}, {"dwell_s": 60.5}, {"dwell_s": 62.0}]))[-1] == "Started"


def test_a_close_up_is_asked_for_whenever_the_vehicle_is_in_plain_view_until_the_event() -> None:
    book = Book([_rule(GOOD.replace("stills:", "closeup: true\nstills:"))])
    zones = {"kerb": book.settings("no_parking", Terms(), source="cam", key="zones[0]")}
    state, crops = BookState(), list[float]()
    for row in ({"dwell_s": 5.0}, {"dwell_s": 6.0, "unseen_s": 1.0}, {"dwell_s": 60.0}, {"dwell_s": 61.0}):
        state, outcomes = book.step(state, [msgspec.structs.replace(STAY, **row)], zones)
        crops += [each.held.dwell_s for each in outcomes if isinstance(each, Crop)]
    assert crops == [5, 60]
    assert book.rules[0].expects == ("arrival", "middle", "limit", "closeup", "clip")


def test_a_stay_that_leaves_before_the_limit_is_forgotten_without_a_word() -> None:
    assert _named(_play([{"dwell_s": 5.0}, {"dwell_s": 59.0, "has_left": True}])) == ["arrival"]


def test_an_event_ends_even_when_its_rule_has_gone_from_the_book() -> None:
    book = Book([_rule()])
    zones = {"kerb": book.settings("no_parking", Terms(), source="cam", key="zones[0]")}
    state, started = book.step(BookState(), [msgspec.structs.replace(STAY, dwell_s=60.0)], zones)
    state, ended = Book([]).step(state, [msgspec.structs.replace(STAY, dwell_s=61.0, has_left=True)], {})
    assert isinstance(started[-1], Started)
    assert [(type(each), each.event_id) for each in ended] == [(Ended, started[-1].event_id)]
    assert state.watched == {}


def test_an_event_whose_vehicle_comes_back_goes_on_at_once_with_a_picture() -> None:
    back = "018bcfe5-6800-7f70-85ab-33365204ce9c"
    found = _play(
        [
            {"time_s": 60.0, "dwell_s": 60.0},
            {"time_s": 70.0, "dwell_s": 60.0, "has_left": True},
            {"time_s": 90.0, "dwell_s": 65.0, "id": back, "resumes": STAY.id},
            {"time_s": 100.0, "dwell_s": 75.0, "id": back, "resumes": STAY.id},
            {"time_s": 110.0, "dwell_s": 75.0, "id": back, "has_left": True},
        ],
        restart=True,
    )
    assert _named(found[4:]) == ["Ended", "arrival", "Started", "Ended"] == _named(found)[4:]
    first, again = (each for each in found if isinstance(each, Started))
    assert (first.resumes, again.resumes) == (None, first.event_id)
    assert again.held.time_s == 90.0


def test_a_stay_that_was_no_event_yet_becomes_one_with_the_dwell_it_brings() -> None:
    back = "018bcfe5-6800-7f70-85ab-33365204ce9c"
    found = _play(
        [
            {"time_s": 50.0, "dwell_s": 50.0},
            {"time_s": 60.0, "dwell_s": 50.0, "has_left": True},
            {"time_s": 80.0, "dwell_s": 59.5, "id": back, "resumes": STAY.id},
            {"time_s": 80.5, "dwell_s": 60.0, "id": back, "resumes": STAY.id},
        ]
    )
    assert [(each.held.time_s, each.resumes) for each in found if isinstance(each, Started)] == [(80.5, None)]


def test_what_left_too_long_ago_is_not_resumed() -> None:
    back, other = "018bcfe5-6800-7f70-85ab-33365204ce9c", "018bcfe5-6800-7f70-85ab-33365204ce9d"
    found = _play(
        [
            {"time_s": 60.0, "dwell_s": 60.0},
            {"time_s": 70.0, "dwell_s": 60.0, "has_left": True},
            {"time_s": 980.0, "dwell_s": 60.0, "id": other},
            {"time_s": 985.0, "dwell_s": 60.0, "id": other, "has_left": True},
            {"time_s": 990.0, "dwell_s": 5.0, "id": back, "resumes": STAY.id},
        ]
    )
    assert [each.held.id for each in found if isinstance(each, Started)] == [STAY.id, other]


def test_a_rule_leaves_alone_what_the_rule_that_comes_first_has_raised() -> None:
    first, second = _rule(), _rule(GOOD.replace("too-long", "too-late") + "yields_to: [too-long]\n")
    book = Book([first, second])
    zones = {"kerb": book.settings("no_parking", Terms(), source="cam", key="zones[0]")}
    state, found = BookState(), list[Outcome]()
    for time_s in (59.0, 60.0, 70.0):
        state, outcomes = book.step(state, [msgspec.structs.replace(STAY, time_s=time_s, dwell_s=time_s)], zones)
        found += outcomes
    assert [each.rule for each in found if isinstance(each, Started)] == ["too-long"]


@pytest.mark.parametrize(
    ("others", "error"),
    [
        (("too-lng",), "too-long.yaml:10: yields_to[0]: there is no rule 'too-lng' here; did you mean 'too-long'?"),
        (("too-long",), "too-long.yaml:10: yields_to: rules yield in a ring: too-long, too-long"),
    ],
)
def test_a_rule_yields_to_rules_that_are_there_and_not_in_a_ring(others: tuple[str, ...], error: str) -> None:
    text = GOOD.replace("clip: true", f"yields_to: [{', '.join(others)}]")
    with pytest.raises(ConfigError) as caught:
        Book([_rule(text)])
    assert str(caught.value) == error
