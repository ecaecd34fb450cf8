"""From what devices report to events, observations, fixes and presence, over every role."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.document import ConfigError, Document
from devices.inventory import Corridor, DeviceEntry
from devices.report import Position, Report
from edge.device_terms import Place
from edge.device_watch import DeviceWatch, DeviceWatchState, Output
from edge.rule_files import OWN_BOOK, read_book
from rules.rule import Rule
from rules.rule_book import Book
from tests.fixtures.devices import START_MS, ZONE, entry_of, report_of
from wire.batch import Batch, decode, encode
from wire.device import Presence
from wire.event import Event
from wire.fix import Fix
from wire.observation import Observation
from wire.sample import LampSample

BOOK = read_book(OWN_BOOK)
Moment = Report | float
"""A report, or the second of a tick."""


def _play(
    entry: DeviceEntry, moments: list[Moment], *, restart: bool = False, watch: DeviceWatch | None = None
) -> list[Output]:
    watch = watch or DeviceWatch([entry], BOOK, ZONE)
    state, found = watch.first(entry), list[Output]()
    for moment in moments:
        if isinstance(moment, Report):
            state, outputs = watch.step(state, entry, moment, "synced")
        else:
            state, outputs = watch.tick(state, entry, START_MS + round(moment * 1000), "synced")
        found += outputs
        if restart:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=DeviceWatchState)
    return found


def _events(found: list[Output]) -> list[Event]:
    return [each for each in found if isinstance(each, Event)]


def _named(found: list[Output]) -> list[tuple[str, str, float]]:
    return [(each.kind, each.phase, (each.time_ms - START_MS) / 1000) for each in _events(found)]


def _observed(found: list[Output], name: str) -> list[Observation]:
    return [each for each in found if isinstance(each, Observation) and each.property == name]


def _fix(north_m: float = 0.0, **more: Any) -> Position:
    return Position(latitude=31.2 + north_m / 111_195, longitude=121.505, **{"speed_km_h": 30.0, **more})


TRUCK = entry_of(
    "vehicle", period_s=30.0, position=None, corridor=Corridor(line=((31.2, 121.5), (31.2, 121.51)), width_m=50.0)
)
COVER = entry_of("manhole", period_s=3600.0, component="0115-4711")


def test_an_open_cover_is_an_urgent_event_with_all_its_facts() -> None:
    moments: list[Moment] = [report_of(0, {"cover.open": False, "battery.level": 80.0})]
    moments += [report_of(10, {"cover.open": True}), report_of(20, {"cover.open": False})]
    moments += [report_of(90, {"cover.open": False})]
    start, end = _events(_play(COVER, moments))
    assert (start.kind, start.rule, start.phase, start.device) == ("cover_open", "cover-open", "start", "manhole-1")
    assert (start.urgent, start.label, start.position, start.clock) == (True, "manhole", (31.2, 121.5), "synced")
    assert (start.start_ms, start.time_ms, start.end_ms) == (START_MS + 10_000, START_MS + 10_000, None)
    assert start.facts["is_open"] is True
    assert len(str(start.facts["rule_sha256"])) == len(str(start.facts["book_sha256"])) == 64
    assert (end.phase, end.id, end.trace_id) == ("end", start.id, start.trace_id)
    assert (end.end_ms, end.time_ms) == (START_MS + 10_000, START_MS + 90_000)


def test_what_comes_of_devices_can_be_sent() -> None:
    found = _play(COVER, [report_of(0, {"cover.open": True, "note": "é" * 3000})])
    found += _play(TRUCK, [report_of(0, {"fuel.volume": 80.0}, _fix(flags=("overspeed",) * 90))])
    assert {type(each) for each in found} == {Event, Observation, Presence, Fix}
    for stream in (Event, Observation, Presence, Fix):
        messages = tuple(each for each in found if isinstance(each, stream))
        batch = Batch(agent="box-1", stream="observations", epoch="0" * 16, first_seq=1, sent_ms=0, messages=messages)
        assert [message for _, message in decode(encode(batch)).messages] == list(messages)


def test_a_device_that_is_offline_ends_nothing_and_is_an_event_of_its_own() -> None:
    entry = entry_of("manhole", period_s=60.0)
    moments: list[Moment] = [report_of(0, {"cover.open": True}), *range(10, 200, 10)]
    found = _play(entry, moments)
    assert _named(found) == [("cover_open", "start", 0), ("device_offline", "start", 180)]
    assert [each.state for each in found if isinstance(each, Presence)] == ["live", "late", "offline"]
    assert [each.quality for each in _observed(found, "cover.open")] == ["good", "stale"]


def test_while_the_wire_is_down_no_device_is_blamed() -> None:
    entry = entry_of("lamp", period_s=60.0)
    watch = DeviceWatch([entry], BOOK, ZONE)
    state, found = watch.step(watch.first(entry), entry, report_of(0, {"current": 1.0}), "synced")
    for time_s in range(10, 300, 10):
        time_ms = START_MS + time_s * 1000
        state, outputs = watch.tick(state, entry, time_ms, "synced", trouble="serial: no such port")
        found += outputs
    state, outputs = watch.tick(state, entry, START_MS + 300_000, "synced")  # it has its periods anew
    found += outputs
    assert _named(found) == []
    said = [each for each in found if isinstance(each, Presence)]
    assert [(each.state, each.reason) for each in said[1:]] == [
        ("late", "serial: no such port"),
        ("offline", "serial: no such port"),
    ]


def test_a_truck_that_leaves_its_corridor_is_one_event_at_its_place() -> None:
    moments: list[Moment] = [report_of(10 * number, {}, _fix(min(800, 40 * number))) for number in range(20)]
    moments += [report_of(200 + 10 * number, {}, _fix(max(0, 800 - 100 * number))) for number in range(20)]
    found = _play(TRUCK, moments)
    assert _named(found) == [("off_corridor", "start", 80), ("off_corridor", "end", 340)]
    start = _events(found)[0]
    assert start.position is not None
    assert start.position[0] == pytest.approx(31.2 + 320 / 111_195)
    assert (start.facts["off_hold_s"], start.facts["is_off_corridor"]) == (60, True)


def test_positions_from_a_terminals_memory_give_fixes_and_no_event() -> None:
    moments: list[Moment] = [report_of(0, {}, _fix())]
    moments += [
        report_of(number - 3000, {}, _fix(5_000, is_late=True), received_s=20 + number / 100) for number in range(200)
    ]
    # Sent again as if they were of now, but older than what is known.
    moments += [report_of(number - 3000, {}, _fix(5_000), received_s=30 + number / 100) for number in range(200)]
    moments += [report_of(40, {}, _fix())]
    found = _play(TRUCK, moments)
    assert _named(found) == []
    assert sum(each.is_late for each in found if isinstance(each, Fix)) == 400
    assert _observed(found, "rule.unknown") == []


def test_a_replay_of_the_same_frames_opens_nothing_new() -> None:
    moments: list[Moment] = [report_of(10 * number, {}, _fix(min(800, 40 * number))) for number in range(20)]
    again: list[Moment] = [msgspec.structs.replace(each, received_ms=each.received_ms + 300_000) for each in moments]  # type: ignore[type-var]
    assert _named(_play(TRUCK, moments)) == _named(_play(TRUCK, [*moments, *again]))


def test_a_vehicle_that_vanishes_while_it_drives_is_told_and_one_that_parks_is_not() -> None:
    ticks: list[Moment] = [float(time_s) for time_s in range(20, 400, 10)]
    parked = entry_of("vehicle", period_s=3600.0)
    driving = [report_of(0, {}, _fix()), *ticks]
    assert _named(_play(parked, driving)) == [("gps_gap", "start", 300)]
    assert _named(_play(parked, [report_of(0, {}, _fix(speed_km_h=0.0)), *ticks])) == []


def test_a_sweeper_that_missed_its_line_is_told_when_its_hour_has_come() -> None:
    entry = msgspec.structs.replace(TRUCK, period_s=600.0, parameters={"sweep_due_h": 9.0})
    east = [Position(latitude=31.2, longitude=121.5 + 0.0005 * number, speed_km_h=8.0) for number in range(10)]
    moments: list[Moment] = [report_of(10 * number, {}, each) for number, each in enumerate(east)]
    moments += [report_of(100 + 60 * number, {}, east[-1]) for number in range(62)]
    moments = [each for moment in moments for each in (moment, moment.time_ms / 1000 - START_MS / 1000 + 1)]  # type: ignore[union-attr]
    found = _play(entry, moments)
    assert _named(found) == [("sanitation_missed", "start", 3640)]
    assert _observed(found, "coverage")[-1].result == pytest.approx(0.48, abs=0.06)


def test_water_that_rises_is_told_before_it_is_high() -> None:
    entry = entry_of("level", parameters={"high_m": 2.0})
    moments: list[Moment] = [report_of(60 * number, {"water.depth": 0.2 + 0.02 * number}) for number in range(100)]
    found = _play(entry, moments)
    assert [(kind, phase) for kind, phase, _ in _named(found)] == [("water_rising", "start"), ("water_high", "start")]
    assert _observed(found, "water.level")[-1].unit == "m"


def test_a_stuck_sensor_is_told_and_its_values_are_suspect() -> None:
    entry = entry_of("level", period_s=1800.0, heartbeat_s=3600.0)
    found = _play(entry, [report_of(1800 * number, {"water.depth": 1.5}) for number in range(60)])
    assert _named(found)[-1][:2] == ("level_stuck", "start")
    assert _observed(found, "water.depth")[-1].quality == "suspect"


def test_weather_doors_batteries_and_leakage_have_their_events() -> None:
    def kinds(role: Any, **readings: float | bool) -> set[str]:
        named = {name.replace("_", "."): value for name, value in readings.items()}
        moments: list[Moment] = [report_of(60 * number, dict(named)) for number in range(30)]
        return {each.kind for each in _events(_play(entry_of(role), moments))}

    assert kinds("weather", rain_rate=3.0, temperature=12.0) == {"rain"}
    assert kinds("weather", rain_rate=3.0, temperature=-2.0) == {"snow"}
    assert kinds("cabinet", door_open=True, leakage_current=0.5) == {"cabinet_door_open", "leakage"}
    assert kinds("other", battery_level=3.0, housing_tilted=True, leak=True) == {
        "battery_low", "housing_tilted", "leak",
    }  # fmt: skip
    assert kinds("meter", energy_active=100.0) == set()


def test_what_a_lamps_current_shows_comes_as_a_sample() -> None:
    entry = entry_of("lamp")
    watch, found = DeviceWatch([entry], BOOK, ZONE), list[Output]()
    state = watch.first(entry)
    for time_s, is_dark in ((0, True), (60, True), (120, True), (180, False), (240, False)):
        time_ms = START_MS + time_s * 1000
        sample = LampSample(
            device=entry.id,
            role=entry.role,
            time_ms=time_ms,
            heard_ms=time_ms,
            is_dark=is_dark,
            expected_a=0.6,
            current_a=0.0 if is_dark else 0.6,
        )
        state, outputs = watch.take(state, entry, sample, "synced")
        found += outputs
    assert _named(found) == [("lamp_dark", "start", 60), ("lamp_dark", "end", 240)]
    assert (_events(found)[0].facts["current_a"], _events(found)[0].facts["expected_a"]) == (0, 0.6)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (
            {"high": 2.0},
            "site.yaml:3: devices[0].parameters.high: no condition or rule of a level takes it; did you mean",
        ),
        ({"high_m": 5000.0}, "site.yaml:3: devices[0].parameters.high_m: expected -100 to 1000 m, got 5000"),
        ({"window_s": -1.0}, "site.yaml:3: devices[0].parameters.window_s: expected `float` >= 0.0, got -1"),
        (
            {"tilted_deg": 1.0},
            "site.yaml:3: devices[0].parameters.tilted_deg: no condition or rule of a level takes it",
        ),
    ],
)
def test_a_devices_parameter_must_be_known_and_within_its_bounds(parameters: dict[str, float], error: str) -> None:
    entry = entry_of("level", parameters=parameters)
    name = next(iter(parameters))
    document = Document(f"devices:\n  - parameters:\n      {name}: 1\n".encode(), "site.yaml")
    with pytest.raises(ConfigError) as caught:
        DeviceWatch([entry], BOOK, ZONE, {entry.id: Place(document, "devices[0]")})
    assert str(caught.value).startswith(error)
    with pytest.raises(ConfigError, match=f"^device level-1: parameters.{name}: "):
        DeviceWatch([entry], BOOK, ZONE)


def test_an_event_ends_when_its_rule_has_gone_from_the_book() -> None:
    watch, fewer = DeviceWatch([COVER], BOOK, ZONE), DeviceWatch([COVER], Book(list[Rule]()), ZONE)
    state, started = watch.step(watch.first(COVER), COVER, report_of(0, {"cover.open": True}), "synced")
    _, ended = fewer.step(state, COVER, report_of(10, {"cover.open": True}), "synced")
    assert [(each.phase, each.id) for each in _events(ended)] == [("end", _events(started)[0].id)]


FLAGS = st.sampled_from([True, False, None])


@st.composite
def lives(draw: st.DrawFn) -> list[Moment]:
    """Return what a cover and its gateway go through."""
    moments, time_s = list[Moment](), 0.0
    for _ in range(draw(st.integers(0, 25))):
        time_s += draw(st.integers(0, 150))
        if draw(st.booleans()):
            moments.append(time_s)
            continue
        readings: dict[str, float | bool | str] = {}
        for name in ("cover.open", "leak"):
            if (value := draw(FLAGS)) is not None:
                readings[name] = value
        if (depth := draw(st.none() | st.floats(0, 3))) is not None:
            readings["water.depth"] = depth
        late_s = draw(st.sampled_from([0, 0, 0, 5, 500]))
        moments.append(report_of(max(0, time_s - late_s), readings, received_s=time_s))
    return moments


@given(lives())
def test_saving_and_loading_at_any_point_changes_nothing(moments: list[Moment]) -> None:
    entry = entry_of("manhole")
    assert _play(entry, moments, restart=True) == _play(entry, moments)


@given(lives(), lives(), st.randoms())
def test_in_which_order_two_devices_are_heard_makes_no_difference(
    one: list[Moment], other: list[Moment], chance: Any
) -> None:
    entries = {name: entry_of("manhole", id=name) for name in ("m-1", "m-2")}
    watch = DeviceWatch(entries.values(), BOOK, ZONE)
    alone = {name: _play(entries[name], each, watch=watch) for name, each in (("m-1", one), ("m-2", other))}
    order = ["m-1"] * len(one) + ["m-2"] * len(other)
    chance.shuffle(order)
    waiting = {"m-1": iter(one), "m-2": iter(other)}
    states = {name: watch.first(entry) for name, entry in entries.items()}
    found: dict[str, list[Output]] = {"m-1": [], "m-2": []}
    for name in order:
        moment = next(waiting[name])
        if isinstance(moment, Report):
            states[name], outputs = watch.step(states[name], entries[name], moment, "synced")
        else:
            states[name], outputs = watch.tick(states[name], entries[name], START_MS + round(moment * 1000), "synced")
        found[name] += outputs
    assert found == alone


@given(lives())
def test_nothing_is_raised_by_ticks_but_silence(moments: list[Moment]) -> None:
    entry, watch = entry_of("manhole"), DeviceWatch([entry_of("manhole")], BOOK, ZONE)
    state = watch.first(entry)
    for moment in moments:
        if isinstance(moment, Report):
            state, _ = watch.step(state, entry, moment, "synced")
        else:
            state, outputs = watch.tick(state, entry, START_MS + round(moment * 1000), "synced")
            assert {each.kind for each in _events(outputs)} <= {"device_offline", "cover_lost"}


@given(lives())
def test_starts_and_ends_of_a_kind_take_turns(moments: list[Moment]) -> None:
    events = sorted(_events(_play(entry_of("manhole"), moments)), key=lambda each: each.kind)
    for _, some in itertools.groupby(events, key=lambda each: each.kind):
        phases = [each.phase for each in some]
        assert phases == (["start", "end"] * len(phases))[: len(phases)]
