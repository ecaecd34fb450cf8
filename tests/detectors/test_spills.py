"""Made-up passages of lorries, with made-up answers of the eyes."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.site import Place
from detectors.spills import Spills
from detectors.surface import Surface, SurfaceWant
from tests.fixtures.lane import FIRST_MS, LANE, Lane, car, hidden, lies, lorry, piece


def confirmed(lane: Lane) -> Lane:
    lane.answer = lies(piece())
    lane.drive()
    lane.play(25)
    assert lane.phases() == ["watch"]
    return lane


def test_what_a_lorry_leaves_behind_is_confirmed_by_the_second_of_three_looks_and_is_tied_to_it() -> None:
    lane = Lane()
    lane.answer = lies(piece(), piece(360, 340))
    lane.drive()
    [spill] = lane.spills
    assert (spill.is_confirmed, spill.checks, spill.label) == (False, 0, "truck")
    found_s = next(passage.found_s for passage in lane.ledger.passages)
    while not lane.spills[0].is_confirmed:
        lane.tick()
    [spill] = lane.spills
    assert lane.time_s == pytest.approx(found_s + 20, abs=0.51)
    assert (spill.checks, spill.confirmed, spill.is_attributed, spill.pieces) == (2, 2, True, 2)
    assert spill.area_m2 == pytest.approx(0.4)
    assert spill.bbox == (300, 300, 80, 60)
    assert spill.zone == "lane"
    assert spill.start_ms - FIRST_MS == round(spill.start_s * 1000)
    assert lane.ledger.undecided == {}


def test_a_road_that_is_as_it_was_is_decided_and_is_nothing() -> None:
    lane = Lane()
    lane.drive()
    assert (lane.spills, lane.ended, lane.phases(), lane.ledger.decided) == ([], [], [], 1)


def test_the_road_is_kept_as_it_was_before_the_lorry_came() -> None:
    lane = Lane()
    came_s = lane.time_s + 0.5
    lane.tick(lorry(180))
    lane.tick(lorry(220))
    lane.tick(lorry(260))
    [want] = lane.asked
    assert want.before_s < came_s
    assert (want.after_s, want.rear is not None) == (None, True)
    assert lane.core.wants(lane.ledger).pace == "burst"
    lane.play(10)
    assert lane.core.wants(lane.ledger).pace == "quiet"


def test_the_strip_is_as_wide_as_the_lorry_and_its_margins_and_lies_in_the_lane() -> None:
    lane = Lane()
    lane.answer = hidden
    lane.drive()
    [want] = lane.core.wants(lane.ledger).surfaces
    width, height = want.size
    # 0.4 of the row is 2 m, and 1.2 m are added at each side; a cell is 5 cm.
    assert width * 0.05 == pytest.approx(2.0 + 2 * 1.2, rel=0.15)
    assert 5 < height * 0.05 < 45
    assert all(0 <= x <= 640 and 99 <= y <= 481 for x, y in want.strip)


def test_what_moves_or_dries_between_the_looks_is_no_spill() -> None:
    lane = Lane()
    lane.answer = lies(piece())
    lane.drive()
    lane.answer = lies(piece(350))
    lane.play(40)
    assert [spill.is_confirmed for spill in lane.ended] == [False]
    assert lane.phases() == []


def test_a_piece_that_is_found_again_once_only_is_a_near_miss() -> None:
    lane = Lane()
    lane.answer = lies(piece())
    lane.drive()
    lane.play(12)
    assert lane.spills[0].confirmed == 1
    lane.answer = lies()
    lane.play(25)
    assert [(spill.is_confirmed, spill.confirmed) for spill in lane.ended] == [(False, 1)]


def test_too_little_to_follow_is_nothing() -> None:
    lane = Lane()
    lane.answer = lies(piece(area_m2=0.049))
    lane.drive()
    assert (lane.spills, lane.phases()) == ([], [])
    lane.answer = lies(piece(area_m2=0.051))
    lane.drive()
    assert lane.phases() == ["confirm"]


def test_cleared_by_traffic_it_still_counts_if_it_was_seen_to_fall() -> None:
    for particles, is_confirmed in ((3, True), (2, False)):
        lane = Lane()
        lane.particles = particles
        lane.answer = lies(piece())
        lane.drive()
        lane.answer = lies()
        lane.play(35)
        assert any(spill.is_confirmed for spill in (*lane.spills, *lane.ended)) == is_confirmed


def test_two_lorries_and_nobody_saw_it_fall_so_it_is_nobodys() -> None:
    lane = Lane()
    lane.answer = hidden
    lane.drive(then_s=1)
    lane.drive()
    lane.answer = lies(piece())
    lane.play(25)
    [spill] = lane.spills
    assert (spill.is_confirmed, spill.is_attributed, spill.label) == (True, False, "debris")


def test_two_lorries_and_something_flew_behind_one_of_them() -> None:
    lane = Lane()
    lane.answer = hidden
    lane.particles = 5
    lane.drive(then_s=3)
    lane.particles = 0
    lane.drive()
    lane.answer = lies(piece())
    lane.play(25)
    assert [(spill.is_attributed, spill.has_cue) for spill in lane.spills] == [(True, True)]


def test_a_lorry_in_the_next_lane_can_have_done_it_too() -> None:
    left = Place("left", ((0, 100), (320, 100), (320, 480), (0, 480)), None, "lane", (0.0, 1.0))
    right = Place("right", ((320, 100), (640, 100), (640, 480), (320, 480)), None, "lane", (0.0, 1.0))
    lane = Lane(places=(left, right))
    lane.answer = hidden
    for row in range(180, 460, 40):
        lane.tick(lorry(row, 200), lorry(row, 460))
    lane.play(3)
    lane.answer = lies(piece())
    lane.play(25)
    assert [(spill.zone, spill.is_attributed) for spill in lane.spills] == [("left", False)]


def test_the_next_lorry_over_the_same_pieces_is_no_second_spill() -> None:
    lane = confirmed(Lane())
    lane.answer = lies(piece(), piece(310, 305))
    lane.drive()
    lane.play(30)
    assert len(lane.spills) == 1


def test_heavy_traffic_is_no_decision_after_its_time_and_is_counted() -> None:
    lane = Lane()
    lane.answer = hidden
    lane.drive()
    lane.play(56)
    assert lane.phases() == ["settle"]
    lane.play(2.5)
    assert (lane.spills, lane.phases(), lane.ledger.undecided, lane.ledger.decided) == ([], [], {"traffic": 1}, 0)


def test_the_eyes_refusal_is_no_decision() -> None:
    lane = Lane()
    lane.answer = lambda want: Surface(id=want.id, refusal="too dark")
    lane.drive()
    assert (lane.phases(), lane.ledger.undecided) == ([], {"too dark": 1})


def test_traffic_that_hides_two_of_the_later_looks_is_no_decision() -> None:
    lane = Lane()
    lane.answer = lies(piece())
    lane.drive()
    lane.play(12)
    lane.answer = hidden
    lane.play(140)
    assert lane.ledger.undecided == {"traffic": 1}
    assert [spill.is_confirmed for spill in lane.ended] == [False]


def test_it_is_watched_until_it_is_cleared_and_ended_when_it_was_last_seen() -> None:
    lane = confirmed(Lane())
    lane.play(70)
    seen_s = lane.ledger.passages[0].seen_s
    lane.answer = lies()
    lane.play(130)
    [spill] = lane.ended
    assert (spill.has_left, spill.end_s, lane.phases()) == (True, seen_s, [])


def test_one_look_that_finds_nothing_does_not_clear_it() -> None:
    lane = confirmed(Lane())
    lane.answer = lies()
    lane.play(65)
    lane.answer = lies(piece())
    lane.play(130)
    assert (lane.phases(), lane.ended) == (["watch"], [])


def test_a_spill_that_cannot_be_looked_for_any_more_is_given_up_in_the_end() -> None:
    lane = confirmed(Lane(Spills(checks_s=(10, 20, 30), forget_s=300)))
    lane.answer = lambda want: Surface(id=want.id, refusal="the road before was not seen")
    lane.play(290)
    assert lane.ended == []
    lane.play(30)
    assert [spill.end_s is not None for spill in lane.ended] == [True]


@pytest.mark.parametrize("phase", ["armed", "settle", "confirm"])
@pytest.mark.parametrize("gap", ["blind", "silence"])
def test_a_gap_before_it_is_sure_is_no_decision(phase: str, gap: str) -> None:
    lane = Lane()
    lane.answer = lies(piece()) if phase == "confirm" else hidden
    if phase == "armed":
        for row in range(180, 340, 40):
            lane.tick(lorry(row))
    else:
        lane.drive()
    assert lane.phases() == [phase]
    lane.tick(blind="covered") if gap == "blind" else lane.tick(after_s=3.5)
    assert (lane.phases(), lane.ledger.undecided) == ([], {"blind": 1})
    assert [spill.is_confirmed for spill in lane.ended] == ([False] if phase == "confirm" else [])


def test_a_short_silence_is_no_gap() -> None:
    lane = Lane()
    lane.answer = lies(piece())
    lane.drive()
    lane.tick(after_s=3.0)
    assert lane.phases() == ["confirm"]


def test_a_gap_does_not_end_a_spill_that_is_sure_and_does_not_count_as_dwell() -> None:
    lane = confirmed(Lane())
    dwell_s = lane.spills[0].dwell_s
    lane.tick(blind="covered", after_s=40)
    [spill] = lane.spills
    assert (spill.is_blind, spill.blind_s, spill.dwell_s) == (True, 40, dwell_s)


@pytest.mark.parametrize("phase", ["armed", "settle", "confirm", "watch"])
def test_a_restart_in_any_state_changes_nothing(phase: str) -> None:
    def story(*, restarts: bool) -> Lane:
        lane = Lane()
        lane.answer = hidden
        lane.drive(then_s=0.5 if phase == "armed" else 3)
        lane.restarts = restarts and phase in {"armed", "settle"}
        lane.answer = lies(piece())
        lane.play(4)
        lane.restarts = restarts
        lane.play(30)
        return lane

    plain, restarted = story(restarts=False), story(restarts=True)
    assert restarted.spills == plain.spills
    assert restarted.ledger == plain.ledger


def test_nothing_is_concluded_until_cars_have_taught_the_scale() -> None:
    lane = Lane(is_taught=False)
    lane.answer = lies(piece())
    lane.drive()
    assert (lane.phases(), lane.ledger.undecided) == ([], {"scale not known": 1})


def drives_by(lane: Lane) -> None:
    lane.drive()


def stands(lane: Lane) -> None:
    lane.play(10, lorry(300))
    lane.play(4)


def is_only_a_car(lane: Lane) -> None:
    for row in range(180, 460, 40):
        lane.tick(car(row))
    lane.play(4)


def is_a_van_called_truck(lane: Lane) -> None:
    lane.drive(tall=1.15)


def comes_the_wrong_way(lane: Lane) -> None:
    for row in range(440, 180, -40):
        lane.tick(lorry(row))
    lane.play(4)


def flickers(lane: Lane) -> None:
    for row in (200, 240):
        lane.tick(lorry(row))
    lane.play(4)


@pytest.mark.parametrize(
    ("happens", "decided"),
    [
        (drives_by, 1),
        (stands, 0),
        (is_only_a_car, 0),
        (is_a_van_called_truck, 0),
        (comes_the_wrong_way, 0),
        (flickers, 0),
    ],
)
def test_only_a_heavy_vehicle_that_drives_along_the_lane_for_long_enough_counts(
    happens: Callable[[Lane], None], decided: int
) -> None:
    lane = Lane()
    happens(lane)
    assert (lane.ledger.decided, lane.ledger.undecided) == (decided, {})


def test_a_passage_too_far_away_to_be_judged_is_no_decision() -> None:
    lane = Lane(Spills(resolution_max_m=0.02))
    lane.drive()
    assert lane.ledger.undecided == {"too far away": 1}


def test_a_lorry_that_the_model_calls_a_car_is_told_by_its_height() -> None:
    lane = Lane()
    lane.drive(label="car", tall=1.5)
    assert lane.ledger.decided == 1


def test_a_muck_truck_of_a_model_of_ones_own_is_believed() -> None:
    lane = Lane()
    lane.drive(label="muck_truck", tall=1.1)
    assert lane.ledger.decided == 1


def test_a_sweeper_changes_the_road_as_its_work_so_nothing_is_concluded() -> None:
    lane = Lane()
    lane.answer = lies(piece())
    lane.drive(label="sweeper")
    assert lane.ledger.undecided == {"sweeper": 1}


def test_a_lorry_that_is_boxed_twice_is_one() -> None:
    lane = Lane()
    lane.answer = lies(piece())
    for row in range(180, 460, 40):
        lane.tick(lorry(row), lorry(row, label="bus", tall=1.7))
    lane.play(25)
    assert [spill.is_attributed for spill in lane.spills] == [True]


def test_more_lorries_than_can_be_followed_are_said_to_be_so() -> None:
    lane = Lane()
    lane.answer = hidden
    for _ in range(8):
        lane.drive(then_s=2.5)
    assert lane.ledger.undecided["busy"] == 2


@settings(max_examples=25, deadline=None)
@given(
    events=st.lists(st.sampled_from(["lorry", "pause", "find", "empty", "hide", "blind", "refuse"]), max_size=10),
    particles=st.integers(0, 2),
)
def test_whatever_happens_the_ledger_survives_a_restart_and_two_lorries_are_never_told_apart_without_a_cue(
    events: list[str], particles: int
) -> None:
    lane = Lane()
    lane.restarts, lane.particles = True, particles
    not_alone: set[str] = set()

    def refuse(want: SurfaceWant) -> Surface:
        return Surface(id=want.id, refusal="too dark")

    answers = {"find": lies(piece()), "empty": lies(), "hide": hidden, "refuse": refuse}
    for event in events:
        if event in answers:
            lane.answer = answers[event]
        elif event == "lorry":
            known = {each.id for each in lane.ledger.passages}
            pending = {each.id for each in lane.ledger.passages if each.phase in {"armed", "settle"}}
            lane.drive()
            if pending:
                not_alone |= pending | {each.id for each in lane.ledger.passages if each.id not in known}
        elif event == "blind":
            lane.tick(blind="covered")
        lane.play(3)
        assert not any(each.is_attributed for each in lane.ledger.passages if each.id in not_alone)


def test_without_a_lane_nothing_is_done() -> None:
    lane = Lane(places=(Place("kerb", LANE.polygon),))
    lane.drive()
    assert lane.ledger.passages == ()
    assert lane.core.wants(lane.ledger).surfaces == ()
