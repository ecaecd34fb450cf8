"""Rules for devices: what is wrong is refused by file, line and key; only observed time counts, whatever comes late."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.document import ConfigError
from rules.device_rules import (
    Cleared,
    DeviceSetting,
    Outcome,
    Progress,
    Raised,
    RulesState,
    Unclear,
    dropped,
    setting_of,
    step,
)
from rules.rule import Rule
from rules.rule_book import failures
from wire.sample import DeviceSample, ManholeSample

GOOD = """\
name: cover-open
kind: cover_open
watches: manhole
parameters:
  open_s: {default: 60, unit: s, min: 0, max: 600, help: How long.}
when: is_open || tilt_deg > 20.0
unless: moved_m > 50.0
hold_s: open_s
clear_s: 30
max_gap_s: 100
urgent: true
tests:
  - note: opened
    series: [{time_s: 0, is_open: true, moved_m: 0}, {time_s: 60}]
    phases: [[60, start]]
"""
SILENT = """\
name: silent
kind: silent
watches: device
when: silent_s >= 50.0
clear_s: 0
max_gap_s: 100
"""


def _setting(text: str = GOOD, period_s: float = 0.0, **parameters: float) -> DeviceSetting:
    return setting_of(Rule(text.encode(), "cover-open.yaml"), parameters, period_s=period_s)


def _cover(
    time_s: float,
    is_open: bool | None,  # noqa: FBT001
    *,
    heard_s: float | None = None,
    tilt_deg: float | None = None,
) -> ManholeSample:
    time_ms = round(time_s * 1000)
    heard_ms = time_ms if heard_s is None else round(heard_s * 1000)
    tilt_deg = 0.0 if tilt_deg is None and is_open is False else tilt_deg
    return ManholeSample(
        device="m-1", time_ms=time_ms, heard_ms=heard_ms, is_open=is_open, tilt_deg=tilt_deg, moved_m=0.0
    )


def _tick(time_s: float, silent_s: float) -> ManholeSample:
    time_ms = round(time_s * 1000)
    return ManholeSample(device="m-1", time_ms=time_ms, heard_ms=time_ms, is_tick=True, silent_s=silent_s, is_open=True)


def _play(
    samples: Sequence[ManholeSample | DeviceSample], *settings: DeviceSetting
) -> tuple[RulesState, list[Outcome]]:
    state, found = RulesState(), list[Outcome]()
    for sample in samples:
        state, outcomes = step(state, sample, settings or (_setting(),))
        found += outcomes
    return state, found


def _said(found: list[Outcome]) -> list[tuple[str, float]]:
    return [
        ("unclear" if each.is_unclear else "clear", each.time_ms / 1000)
        if isinstance(each, Unclear)
        else ("start" if isinstance(each, Raised) else "end", each.sample.time_ms / 1000)
        for each in found
    ]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("is_open ||", "is_opn ||", "cover-open.yaml:6: when: unknown name 'is_opn'; did you mean 'is_open'?"),
        ("is_open ||", "time_ms > 3 ||", "cover-open.yaml:6: when: unknown name 'time_ms'; known names: is_lost"),
        ("is_open ||", "tilt_deg ||", "cover-open.yaml:6: when: cannot be evaluated"),
        (
            "watches: manhole",
            "watches: manhol",
            "cover-open.yaml:3: watches: invalid enum value 'manhol'; did you mean",
        ),
        ("hold_s: open_s", "hold_s: opn_s", "cover-open.yaml:8: hold_s: expected seconds, or a parameter in s; got"),
        ("hold_s: open_s", "hold_s: -1", "cover-open.yaml:8: hold_s: expected `float` >= 0.0"),
        ("unit: s,", "unit: m,", "cover-open.yaml:8: hold_s: expected seconds, or a parameter in s; got 'open_s'"),
        ("urgent: true", "urgent: 3", "cover-open.yaml:11: urgent: expected `bool`, got `int`"),
        (
            "urgent: true",
            "clip: true",
            "cover-open.yaml:11: clip: only for a rule that watches a stay or stall or spill",
        ),
        ("watches: manhole", "watches: stay", "cover-open.yaml:8: hold_s: only for a rule that watches a device or"),
        (
            "watches: manhole",
            "watches: manhole\nzone_types: [lane]",
            "cover-open.yaml:4: zone_types: only for a rule that watches a stay or stall or spill",
        ),
        (
            "{time_s: 60}",
            "{time: 60}",
            "cover-open.yaml:14: tests[0].series[1].time: unknown name; did you mean 'time_s'?",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_file_line_key_and_a_suggestion(old: str, new: str, error: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        Rule(GOOD.replace(old, new, 1).encode(), "cover-open.yaml")
    assert str(caught.value).startswith(error)


def test_holding_and_clearing_are_for_devices_and_zones_for_cameras() -> None:
    stay = b"name: long\nkind: long\nwatches: stay\nwhen: dwell_s > 3.0\n"
    with pytest.raises(ConfigError, match=r"^x:1: the key 'zone_types' is missing"):
        Rule(stay, "x")
    with pytest.raises(ConfigError, match=r"^x:6: hold_s: only for a rule that watches a device or manhole or"):
        Rule(stay + b"zone_types: [lane]\nhold_s: 3\n", "x")


def test_a_value_of_a_wrong_kind_in_a_test_is_refused() -> None:
    rule = Rule(GOOD.replace("is_open: true", "is_open: 3").encode(), "cover-open.yaml")
    with pytest.raises(ConfigError, match=r"^cover-open\.yaml:14: tests\[0\].series\[0\]: Expected `bool \| null`"):
        failures(rule)


def test_it_starts_when_it_has_held_and_ends_when_it_has_been_clear() -> None:
    samples = [_cover(0, False), _cover(50, True), _cover(109, True), _cover(110, True), _cover(120, False)]
    _, found = _play([*samples, _cover(149, False), _cover(150, False)])
    start, end = found
    assert _said(found) == [("start", 110), ("end", 150)]
    assert isinstance(start, Raised)
    assert isinstance(end, Cleared)
    assert (start.start_ms, end.start_ms, end.end_ms) == (50_000, 50_000, 110_000)
    assert start.event_id == end.event_id


def test_a_device_has_parameters_of_its_own() -> None:
    assert _said(_play([_cover(0, True)], _setting(open_s=0))[1]) == [("start", 0)]


def test_after_a_gap_the_condition_must_hold_anew_and_the_gap_is_told() -> None:
    _, found = _play([_cover(0, True), _cover(50, True), _cover(151, True), _cover(210, True), _cover(211, True)])
    assert _said(found) == [("unclear", 150), ("clear", 151), ("start", 211)]
    assert isinstance(found[-1], Raised)
    assert found[-1].start_ms == 151_000


def test_a_device_that_speaks_seldom_has_longer_gaps() -> None:
    samples = [_cover(0, True), _cover(151, True)]
    assert _said(_play(samples, _setting(period_s=60))[1]) == [("start", 151)]


def test_time_until_somebody_knows_again_is_not_credited() -> None:
    _, found = _play([_cover(0, True), _cover(30, None), _cover(60, True), _cover(119, True), _cover(120, True)])
    assert _said(found) == [("start", 120)]


def test_one_field_that_is_known_is_enough_where_it_decides() -> None:
    assert _said(_play([_cover(0, None, tilt_deg=30.0)], _setting(open_s=0))[1]) == [("start", 0)]
    assert _said(_play([_cover(0, None, tilt_deg=3.0)], _setting(open_s=0))[1]) == []


def test_an_exception_of_which_nobody_knows_whether_it_holds_keeps_the_event_back() -> None:
    sample = msgspec.structs.replace(_cover(0, is_open=True), moved_m=None)
    assert _said(_play([sample], _setting(open_s=0))[1]) == []


def test_silence_neither_ends_nor_clears_but_is_told_once() -> None:
    samples = [_cover(0, True), _tick(60, 60), _tick(101, 101), _tick(200, 200), _cover(300, True), _cover(360, True)]
    assert _said(_play(samples)[1]) == [("unclear", 101), ("clear", 300), ("start", 360)]


def test_a_late_sample_changes_nothing() -> None:
    raised, _ = _play([_cover(0, True), _cover(60, True)])
    after, found = step(raised, _cover(20, False, heard_s=70), (_setting(),))
    assert (after, found) == (raised, [])


def test_a_clock_that_was_set_back_does_not_silence_a_rule() -> None:
    _, found = _play([_cover(90_000, False), _cover(10, True), _cover(70, True)])
    assert _said(found) == [("start", 70)]


def test_a_rule_of_silence_goes_by_the_clock_of_who_listens() -> None:
    def sample(heard_s: float, silent_s: float) -> DeviceSample:
        time_ms = round(heard_s * 1000)
        return DeviceSample(device="d-1", time_ms=time_ms, heard_ms=time_ms, is_tick=silent_s > 0, silent_s=silent_s)

    samples = [sample(0, 0), sample(49, 49), sample(50, 50), sample(60, 60), sample(65, 0)]
    assert _said(_play(samples, _setting(SILENT))[1]) == [("start", 50), ("end", 65)]


def test_of_what_nobody_could_ever_tell_nothing_is_said() -> None:
    assert _play([_cover(0, None), _cover(1000, None), _tick(3000, 2000)])[1] == []


def test_an_event_ends_when_its_rule_has_gone_from_the_book() -> None:
    raised, found = _play([_cover(0, True), _cover(60, True)])
    after, ended = dropped(raised, _cover(70, True), ())
    assert [type(each) for each in found + ended] == [Raised, Cleared]
    assert after == {}


FLAGS = st.sampled_from([True, False, None])
STREAMS = st.lists(st.tuples(st.integers(-40, 150), FLAGS, st.booleans()), max_size=40)


def _stream(moments: list[tuple[int, bool | None, bool]]) -> list[ManholeSample]:
    """Return samples, some of them late, and ticks between them."""
    samples, newest, heard = list[ManholeSample](), 1_000, 1_000
    for step_s, is_open, is_tick in moments:
        heard = max(heard, newest) + abs(step_s)
        if is_tick:
            samples.append(_tick(heard, heard - newest))
        else:
            samples.append(_cover(max(0, newest + step_s), is_open, heard_s=heard))
            newest = max(newest, newest + step_s)
    return samples


@given(STREAMS)
def test_credited_time_is_never_more_than_what_was_observed(moments: list[tuple[int, bool | None, bool]]) -> None:
    state, known, observed_ms = RulesState(), list[tuple[int, bool | None]](), 0
    setting = _setting(open_s=600)
    for sample in _stream(moments):
        state, _ = step(state, sample, (setting,))
        if not sample.is_tick and (not known or sample.time_ms >= known[-1][0]):
            # Observed is what lies between two samples side by side that say the same, and no gap between them.
            if known and known[-1][1] is sample.is_open is not None:
                passed_ms = sample.time_ms - known[-1][0]
                observed_ms += passed_ms if passed_ms <= setting.gap_ms else 0
            known.append((sample.time_ms, sample.is_open))
        progress = state.get("cover-open", Progress())
        assert progress.credited_ms <= observed_ms
        assert progress.credited_ms <= max(0, progress.time_ms - progress.since_ms)


@given(STREAMS)
def test_saving_and_loading_at_any_point_changes_nothing(moments: list[tuple[int, bool | None, bool]]) -> None:
    samples, setting = _stream(moments), _setting(open_s=60)
    _, whole = _play(samples, setting)
    state, found = RulesState(), list[Outcome]()
    for sample in samples:
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RulesState)
        state, outcomes = step(state, sample, (setting,))
        found += outcomes
    assert found == whole


@given(STREAMS)
def test_what_is_unknown_neither_raises_nor_ends_anything(moments: list[tuple[int, bool | None, bool]]) -> None:
    setting, state, before = _setting(open_s=0), RulesState(), False
    for sample in _stream(moments):
        state, outcomes = step(state, sample, (setting,))
        if sample.is_open is None or sample.is_tick:
            assert not any(isinstance(each, Raised | Cleared) for each in outcomes)
        is_raised = bool(state.get("cover-open", Progress()).event_id)
        assert is_raised == before or any(isinstance(each, Raised | Cleared) for each in outcomes)
        before = is_raised


@given(STREAMS)
def test_every_end_has_its_start_and_no_id_comes_twice(moments: list[tuple[int, bool | None, bool]]) -> None:
    _, found = _play(_stream(moments), _setting(open_s=20))
    events = [each for each in found if isinstance(each, Raised | Cleared)]
    assert [type(each) for each in events] == [Raised, Cleared] * (len(events) // 2) + [Raised] * (len(events) % 2)
    starts = [each.event_id for each in events if isinstance(each, Raised)]
    assert len(set(starts)) == len(starts)
    assert [each.event_id for each in events if isinstance(each, Cleared)] == starts[: len(events) // 2]
