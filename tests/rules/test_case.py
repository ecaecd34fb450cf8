"""Which case an event belongs to."""

from typing import Any

import msgspec
import pytest

from rules.case import Case, overlap_of, step
from wire.event import Event
from wire.identifiers import uuid7_of

T0 = 1_700_000_000_000
CAR = (100.0, 100.0, 80.0, 40.0)


def event(name: str = "a", phase: Any = "start", **changes: Any) -> Event:
    ended = {"end_ms": T0 + 500_000} if phase == "end" else {"expects": ("arrival", "clip")}
    first = Event(
        id=uuid7_of(T0, name),
        phase=phase,
        rule="no-parking",
        kind="illegal_parking",
        camera="cam-1",
        zone="kerb",
        time_ms=T0 + (600_000 if phase == "end" else 180_000),
        start_ms=T0,
        clock="synced",
        trace_id="0" * 32,
        bbox=CAR,
        size=(640, 480),
        label="car",
        confidence=0.8,
        facts={"phase": phase},
        **ended,
    )
    return msgspec.structs.replace(first, **changes)


def opened(*events: Event, agent: str = "box-1") -> list[Case]:
    """Return the cases after these events."""
    cases: list[Case] = []
    for each in events:
        case, _ = step(cases, agent, each)
        cases = [old for old in cases if old.merge_key != case.merge_key] + [case]
    return cases


def test_the_first_event_files_a_case_with_what_it_says() -> None:
    case, entries = step((), "box-1", event())
    assert case.stage == "filed"
    assert (case.merge_key, case.camera, case.opened_ms, case.end_ms) == (event().id, "cam-1", T0 + 180_000, None)
    assert case.expects == ("arrival", "clip")
    assert [entry.what for entry in entries] == ["opened"]


def test_start_and_end_of_one_stay_are_one_case() -> None:
    (case,) = opened(event(), event(phase="end"))
    assert case.end_ms == T0 + 500_000
    assert case.expects == ("arrival", "clip")
    assert case.facts == {"phase": "end"}


def test_an_end_before_its_start_opens_the_case_and_the_start_completes_it() -> None:
    (case,) = opened(event(phase="end"), event())
    assert (case.end_ms, case.opened_ms, case.expects) == (T0 + 500_000, T0 + 180_000, ("arrival", "clip"))


def test_an_end_without_a_start_is_a_case_that_has_ended() -> None:
    case, entries = step((), "box-1", event(phase="end", end_ms=None))
    assert case.end_ms == T0 + 600_000
    assert [entry.what for entry in entries] == ["opened", "ended"]


def test_a_second_event_at_the_same_place_joins_the_open_case() -> None:
    case, entries = step(opened(event("a")), "box-1", event("b", bbox=(104.0, 100.0, 80.0, 40.0), zone="crossing"))
    assert case.merge_key == event("a").id
    assert case.event_ids == {event("a").id, event("b").id}
    assert [entry.what for entry in entries] == ["merged"]


def test_the_end_of_a_joined_event_ends_the_case_and_a_later_end_moves_it() -> None:
    (case,) = opened(event("a"), event("b"), event("b", "end"))
    assert case.end_ms == T0 + 500_000
    (case,) = opened(event("a"), event("b"), event("b", "end"), event("a", "end", end_ms=T0 + 510_000))
    assert case.end_ms == T0 + 510_000


def test_boxes_of_frames_of_different_sizes_are_compared_as_shares_of_the_frame() -> None:
    assert len(opened(event("a"), event("b", bbox=(200.0, 200.0, 160.0, 80.0), size=(1280, 960)))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox": (160.0, 100.0, 80.0, 40.0)},
        {"bbox": (400.0, 300.0, 80.0, 40.0)},
        {"camera": "cam-2"},
        {"kind": "street_stall"},
        {"bbox": (100.0, 100.0, 0.0, 0.0)},
    ],
)
def test_another_place_camera_or_kind_is_another_case(changes: dict[str, Any]) -> None:
    assert len(opened(event("a"), event("b", **changes))) == 2


def test_a_stay_that_has_ended_takes_no_newcomer() -> None:
    assert len(opened(event("a"), event("a", "end"), event("b"))) == 2


def test_no_agent_can_touch_the_case_of_another() -> None:
    cases = opened(event("a"), agent="box-1")
    assert step(cases, "box-2", event("b"))[0].merge_key == event("b").id
    assert step(cases, "box-2", event("a", "end"))[0].agent == "box-2"


def test_the_best_overlap_wins() -> None:
    near, far = event("near", bbox=(100.0, 100.0, 80.0, 40.0)), event("far", bbox=(128.0, 100.0, 80.0, 40.0))
    cases = opened(far, near)
    assert len(cases) == 2
    assert step(cases, "box-1", event("c", bbox=(105.0, 100.0, 80.0, 40.0)))[0].merge_key == near.id


def test_boxes_without_area_overlap_nothing() -> None:
    assert overlap_of((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_a_case_whose_end_was_lost_takes_no_vehicle_that_comes_a_day_later() -> None:
    [case] = opened(event("a"))
    later = event("b", time_ms=case.opened_ms + 86_400_001)
    assert step([case], "box-1", later)[0].merge_key == later.id


def test_an_event_that_resumes_another_goes_on_with_its_case_wherever_it_stands_now() -> None:
    moved = (400.0, 100.0, 80.0, 40.0)
    back = event("b", resumes=event().id, bbox=moved, time_ms=T0 + 700_000, expects=("arrival",))
    cases = opened(event(), event(phase="end"), back)
    assert [(case.end_ms, case.bbox, case.expects) for case in cases] == [(None, moved, ("arrival", "clip"))]
    _, entries = step(opened(event(), event(phase="end")), "box-1", back)
    assert [entry.what for entry in entries] == ["resumed"]
    (case,) = opened(event(), event(phase="end"), back, event("b", "end", end_ms=T0 + 900_000))
    assert case.end_ms == T0 + 900_000


def test_another_agents_event_resumes_nothing() -> None:
    case, _ = step(opened(event()), "box-2", event("b", resumes=event().id))
    assert case.merge_key == event("b").id
