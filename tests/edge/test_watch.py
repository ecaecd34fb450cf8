"""From ticks to whole events, stills and counts."""

from pathlib import Path

import msgspec
import pytest

from config.document import ConfigError
from detectors.tick import Box, Tick
from edge.config import Camera, Motion, Zone
from edge.rule_files import OWN_BOOK, read_book
from edge.watch import Watch, WatchState
from rules.rule_book import Capture, Crop
from wire.batch import Batch, decode, encode
from wire.event import Event
from wire.observation import Observation

CAR = Box(200, 250, 280, 310, "car", 0.8)
START_MS = 1_700_000_000_000


def _camera(**parameters: float) -> Camera:
    zone = Zone(id="kerb", type="no_parking", polygon=((0, 0), (640, 0), (640, 480), (0, 480)), parameters=parameters)
    return Camera(id="cam-1", source="x.mp4", size=(640, 480), backend=Motion(), position=(31.2, 121.5), zones=(zone,))


def _watch(**parameters: float) -> Watch:
    return Watch(_camera(**parameters), read_book(OWN_BOOK))


def _tick(time_s: float, *boxes: Box, blind: str = "") -> Tick:
    time_ms = START_MS + round(time_s * 1000)
    return Tick(camera="cam-1", time_s=time_s, time_ms=time_ms, size=(640, 480), boxes=boxes, blind=blind)


def _play(watch: Watch, ticks: list[Tick], *, restart: bool = False) -> list[Event | Capture | Observation]:
    state, found = watch.first(), list[Event | Capture | Observation]()
    for tick in ticks:
        state, outputs = watch.step(state, tick)
        found += outputs
        if restart:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=WatchState)
    return found


def _stay_ticks() -> list[Tick]:
    here = [_tick(number / 2, CAR) for number in range(100)]
    return here + [_tick(50 + number / 2) for number in range(30)]


def test_a_car_that_stays_is_one_event_with_all_its_facts() -> None:
    found = _play(_watch(limit_s=30), _stay_ticks())
    start, end = (each for each in found if isinstance(each, Event))
    assert (start.phase, start.kind, start.rule, start.zone) == ("start", "illegal_parking", "illegal-parking", "kerb")
    assert (start.start_ms, start.time_ms, start.end_ms) == (START_MS, START_MS + 30_000, None)
    assert (start.bbox, start.size, start.label) == ((200, 250, 80, 60), (640, 480), "car")
    assert start.position == (31.2, 121.5)
    assert start.expects == ("arrival", "middle", "limit", "closeup", "clip")
    assert start.facts["limit_s"] == 30
    assert start.facts["in_jam"] is False
    assert start.facts["visible_s"] == 30
    assert len(str(start.facts["rule_sha256"])) == len(str(start.facts["book_sha256"])) == 64
    assert (end.phase, end.id, end.trace_id) == ("end", start.id, start.trace_id)
    assert end.end_ms == START_MS + 49_500


def test_its_events_can_be_sent() -> None:
    events = tuple(each for each in _play(_watch(limit_s=30), _stay_ticks()) if isinstance(each, Event))
    batch = Batch(agent="box-1", stream="events", epoch="0" * 16, first_seq=1, sent_ms=0, messages=events)
    assert [message for _, message in decode(encode(batch)).messages] == list(events)


def test_stills_are_asked_for_before_the_event_they_belong_to() -> None:
    found = [each for each in _play(_watch(limit_s=30), _stay_ticks()) if not isinstance(each, Observation | Crop)]
    names = [each.role if isinstance(each, Capture) else each.phase for each in found]
    assert names == ["arrival", "middle", "limit", "start", "limit", "end"]
    assert len({each.event_id if isinstance(each, Capture) else each.id for each in found}) == 1


def test_a_restart_after_every_tick_changes_nothing() -> None:
    watch = _watch(limit_s=30)
    assert _play(watch, _stay_ticks(), restart=True) == _play(watch, _stay_ticks())


def test_the_state_knows_which_stills_are_still_needed() -> None:
    watch, needed = _watch(limit_s=30), list[int]()
    state = watch.first()
    for tick in _stay_ticks():
        state, _ = watch.step(state, tick)
        needed.append(len(state.event_ids))
    assert (needed[0], needed[60], needed[-1]) == (0, 1, 0)


def test_counts_are_said_on_change_and_every_ten_seconds() -> None:
    found = _play(_watch(), [_tick(number / 2, CAR) for number in range(60)])
    stays = [each for each in found if isinstance(each, Observation) and each.property == "zone.stays"]
    assert [(each.feature, each.result, (each.time_ms - START_MS) / 1000) for each in stays] == [
        ("kerb", 0.0, 0.0),
        ("kerb", 1.0, 5.0),
        ("kerb", 1.0, 15.0),
        ("kerb", 1.0, 25.0),
    ]
    vehicles = [each for each in found if isinstance(each, Observation) and each.property == "vehicle.count"]
    assert [(each.result, each.time_ms - START_MS) for each in vehicles] == [(1, 0), (1, 10_000), (1, 20_000)]


def test_a_blind_camera_counts_nothing() -> None:
    assert _play(_watch(), [_tick(number / 2, CAR, blind="down") for number in range(60)]) == []


def test_a_camera_with_slow_ticks_is_not_blind_between_them() -> None:
    camera = msgspec.structs.replace(_camera(limit_s=30), tick_hz=0.2)
    watch = Watch(camera, read_book(OWN_BOOK))
    events = [
        each for each in _play(watch, [_tick(number * 5.0, CAR) for number in range(20)]) if isinstance(each, Event)
    ]
    assert [(event.time_ms - START_MS, event.facts["blind_s"]) for event in events] == [(30_000, 0.0)]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        (
            {"limit": 30.0},
            "camera cam-1: zones[0].parameters.limit: unknown parameter; did you mean 'limit_s'?",
        ),
        ({"limit_s": 0.0}, "camera cam-1: zones[0].parameters.limit_s: expected 10 to 86400 s, got 0"),
    ],
)
def test_a_zones_parameter_that_no_rule_takes_is_refused(parameters: dict[str, float], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _watch(**parameters)
    assert str(caught.value) == error


@pytest.mark.parametrize(("made", "problem"), [(True, "holds no rules"), (False, "no such folder")])
def test_a_folder_without_rules_is_refused(tmp_path: Path, made: bool, problem: str) -> None:  # noqa: FBT001
    folder = tmp_path / "rules"
    if made:
        folder.mkdir()
    with pytest.raises(ConfigError, match=problem):
        read_book(folder)
