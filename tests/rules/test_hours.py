"""Hours, allowances and limits of some classes: what counts against whom, and when."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.document import ConfigError
from rules.hours import Allowance, Hours
from rules.rule import Rule
from rules.rule_book import Book, BookState, Capture, Outcome, Started, failures
from rules.setting import Terms
from tests.fixtures.stays import STAY

RULE = """\
name: too-long
kind: too_long
watches: stay
zone_types: [no_parking]
parameters:
  limit_s: {default: 60, unit: s, min: 10, max: 900, help: How long.}
by_label: {bus: {limit_s: 600}}
when: dwell_s >= limit_s
stills: {arrival: 0, limit: 1}
"""
SHANGHAI = ZoneInfo("Asia/Shanghai")


def _play(terms: Terms, begins: datetime, seconds: int, *, label: str = "car", rule: str = RULE) -> list[Outcome]:
    """Let something stand for so long, a look every second; the time zone is Shanghai's."""
    book = Book([Rule(rule.encode(), "too-long.yaml")])
    zones = {"kerb": book.settings("no_parking", terms, source="cam", key="zones[0]", time_zone=SHANGHAI)}
    state, found = BookState(), list[Outcome]()
    zero_ms = round(begins.replace(tzinfo=SHANGHAI).timestamp() * 1000)
    for second in range(seconds + 1):
        now = {"time_s": float(second), "dwell_s": float(second), "time_ms": zero_ms + second * 1000}
        state, outcomes = book.step(state, [msgspec.structs.replace(STAY, start_ms=zero_ms, label=label, **now)], zones)
        found += outcomes
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=BookState)
    return found


def _started_s(outcomes: list[Outcome]) -> list[float]:
    return [each.held.time_s for each in outcomes if isinstance(each, Started)]


@pytest.mark.parametrize(
    ("hours", "begins", "started_s"),
    [
        (Hours(), "2026-11-24T23:59:30", [60]),
        (Hours(days="tue"), "2026-11-24T23:58:50", [60]),
        (Hours(days="tue"), "2026-11-24T23:59:30", []),
        (Hours(days="wed"), "2026-11-24T23:59:30", [90]),
        (Hours(from_="07:00", to="21:00"), "2026-11-24T06:58:00", [180]),
        (Hours(from_="07:00", to="21:00"), "2026-11-24T20:59:00", []),
        (Hours(from_="07:00", to="21:00"), "2026-11-24T20:58:59", [60]),
        (Hours(from_="22:00", to="06:00"), "2026-11-24T23:59:30", [60]),
        (Hours(days="tue", from_="22:00", to="06:00"), "2026-11-25T05:58:00", [60]),
        (Hours(days="tue", from_="22:00", to="06:00"), "2026-11-26T05:58:00", []),
    ],
)
def test_the_clock_runs_within_the_hours_alone_also_over_midnight(
    hours: Hours, begins: str, started_s: list[float]
) -> None:
    found = _play(Terms(hours=(hours,)), datetime.fromisoformat(begins), 240)
    assert _started_s(found) == started_s


def test_the_clock_begins_anew_after_a_break_and_so_do_the_pictures() -> None:
    morning, afternoon = Hours(from_="08:00", to="12:00"), Hours(from_="12:05", to="18:00")
    found = _play(Terms(hours=(morning, afternoon)), datetime.fromisoformat("2026-11-24T11:59:30"), 600)
    assert _started_s(found) == [390]
    early, arrival, limit, _ = (each for each in found if isinstance(each, Capture))
    assert early.event_id != arrival.event_id == limit.event_id
    assert [each.held.dwell_s for each in (arrival, limit)] == [0.0, 60.0]


def test_a_lorry_may_load_at_night_and_a_car_may_not() -> None:
    allow = (Allowance(labels=("truck",), from_="22:00", to="06:00", why="loading"),)
    night = datetime.fromisoformat("2026-11-24T22:30:00")
    assert _started_s(_play(Terms(allow=allow), night, 120, label="truck")) == []
    assert _started_s(_play(Terms(allow=allow), night, 120, label="car")) == [60]
    assert _started_s(_play(Terms(allow=allow), night.replace(hour=12), 120, label="truck")) == [60]


@pytest.mark.parametrize(
    ("terms", "label", "limit_s"),
    [
        (Terms(), "car", 60),
        (Terms(), "bus", 600),
        (Terms(parameters={"limit_s": 30}), "car", 30),
        (Terms(parameters={"limit_s": 30}), "bus", 30),
        (Terms(parameters={"limit_s": 30}, by_label={"bus": {"limit_s": 90}}), "bus", 90),
        (Terms(by_label={"car": {"limit_s": 20}}), "car", 20),
    ],
)
def test_the_nearer_word_on_a_limit_counts(terms: Terms, label: str, limit_s: float) -> None:
    found = _play(terms, datetime.fromisoformat("2026-11-24T12:00:00"), 700, label=label)
    assert _started_s(found) == [limit_s]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("by_label: {bus: {limt_s: 6}}", "by_label.bus.limt_s: unknown parameter; did you mean 'limit_s'?"),
        ("by_label: {bus: {limit_s: 6}}", "by_label.bus.limit_s: expected 10 to 900 s, got 6"),
        ("hours: [{days: monday}]", "hours[0].days: "),
        ('hours: [{from: "7:00"}]', "hours[0].from: "),
        ("hours: [{till: x}]", "hours[0].till: unknown key"),
        ("allow: [{labels: [bus]}]", "allow[0]: the key 'why' is missing"),
    ],
)
def test_what_is_wrong_with_hours_and_labels_is_named_by_line_and_key(line: str, error: str) -> None:
    text = RULE.replace("by_label: {bus: {limit_s: 600}}", line)
    with pytest.raises(ConfigError) as caught:
        Rule(text.encode(), "too-long.yaml")
    assert str(caught.value).startswith(f"too-long.yaml:7: {error}")


def test_a_rules_own_test_says_at_what_time_it_begins() -> None:
    text = (
        RULE
        + """\
hours: [{days: mon-fri, from: "07:00", to: "21:00"}]
tests:
  - note: it stood there when the hours began
    begins: 2026-11-24T06:59:00
    series: [{time_s: 0}, {time_s: 60, dwell_s: 60}, {time_s: 119, dwell_s: 119}, {time_s: 120, dwell_s: 120}]
    phases: [[120, start]]
  - note: on a Saturday nobody minds
    begins: 2026-11-28T12:00:00
    series: [{time_s: 0}, {time_s: 500, dwell_s: 500}]
    phases: []
"""
    )
    assert failures(Rule(text.encode(), "too-long.yaml")) == []


@given(begin=st.integers(0, 1439), end=st.integers(1, 1439), minute=st.integers(0, 10_079))
def test_a_window_and_its_complement_cover_every_minute_once(begin: int, end: int, minute: int) -> None:
    def clock(minutes: int) -> str:
        return f"{minutes // 60:02d}:{minutes % 60:02d}"

    local = datetime.fromtimestamp(1_764_000_000 // 60 * 60 + minute * 60, UTC)
    one, other = Hours(from_=clock(begin), to=clock(end)), Hours(from_=clock(end), to=clock(begin))
    assert one.hold(local) + other.hold(local) == (2 if begin == end else 1)
