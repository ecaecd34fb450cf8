"""When a picture is looked at: rules that hold for any street and any camera."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from detectors.wants import Pace
from edge.pace import Asking, Choice, Pacing, Watched, choose, watched_s

PACES: tuple[Pace, ...] = ("quiet", "armed", "busy", "burst")
Seen = tuple[float, Choice, float]
steps = st.lists(
    st.tuples(st.floats(0.05, 6), st.sampled_from(PACES), st.booleans(), st.integers(0, 12)), min_size=1, max_size=200
)
pacings = st.builds(
    Pacing, whole_s=st.floats(1, 25), armed_s=st.floats(0.1, 25), places_max=st.integers(0, 9), burst_hz=st.just(5.0)
)


def walk(pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]) -> list[Seen]:
    """Return each picture's time, how it is looked at, and for how long nothing moved before it was looked at."""
    watched: Watched | None = None
    passed_s: float | None = None
    time_s = tick_s = 0.0
    seen: list[Seen] = []
    for step_s, pace, has_moved, places in pictures:
        time_s += step_s
        watched, choice = choose(pacing, watched, time_s=time_s, pace=pace, has_moved=has_moved, places=places)
        seen.append((time_s, choice, watched_s(tick_s, passed_s)))
        if choice == "none":
            passed_s = time_s
        else:
            tick_s = time_s
    return seen


def still(pace: Pace, *, places: int = 0, step_s: float = 0.5, count: int = 61) -> list[tuple[float, Choice]]:
    """Return when a street on which nothing moves is looked at, and how; times from the first picture on."""
    seen = walk(Pacing(), [(step_s, pace, False, places)] * count)
    return [(round(time_s - step_s, 3), choice) for time_s, choice, _ in seen if choice != "none"]


@given(pacings, steps)
def test_no_camera_is_silent_for_more_than_30_s_while_pictures_come(
    pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]
) -> None:
    looks = [time_s for time_s, choice, _ in walk(pacing, pictures) if choice != "none"]
    assert looks[0] == pictures[0][0]
    last_s = sum(step_s for step_s, *_ in pictures)
    # A picture that comes after more than 2.5 s is looked at, whatever it shows.
    assert all(later - earlier <= 30 for earlier, later in pairwise([*looks, last_s]))


@given(pacings, steps)
def test_the_whole_picture_is_looked_at_as_often_as_configured(
    pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]
) -> None:
    wholes = [time_s for time_s, choice, _ in walk(pacing, pictures) if choice == "whole"]
    slowest_s = max(step_s for step_s, *_ in pictures)
    assert all(later - earlier <= pacing.whole_s + slowest_s for earlier, later in pairwise(wholes))


@given(pacings, steps)
def test_nothing_is_said_to_be_watched_for_longer_than_it_was(
    pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]
) -> None:
    tick_s = None
    for time_s, choice, watched in walk(pacing, pictures):
        if choice == "none":
            continue
        if tick_s is not None:
            assert 0 <= watched < time_s - tick_s
        tick_s = time_s


@given(pacings, steps)
def test_the_rest_of_a_gap_is_one_step_between_pictures(
    pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]
) -> None:
    tick_s, before_s = 0.0, 0.0
    for time_s, choice, watched in walk(pacing, pictures):
        if choice != "none":
            assert abs(time_s - tick_s - watched - (time_s - before_s)) < 1e-6
            tick_s = time_s
        before_s = time_s


@given(pacings, steps)
def test_what_moves_and_what_is_busy_is_looked_at_as_a_whole_in_every_picture(
    pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]
) -> None:
    for (_, pace, has_moved, _), (_, choice, _) in zip(pictures, walk(pacing, pictures), strict=True):
        assert choice == "whole" or not (has_moved or pace in ("busy", "burst"))


@given(pacings, steps)
def test_places_alone_are_looked_at_only_where_some_stand_and_not_too_many(
    pacing: Pacing, pictures: list[tuple[float, Pace, bool, int]]
) -> None:
    for (_, pace, _, places), (_, choice, _) in zip(pictures, walk(pacing, pictures), strict=True):
        assert choice != "places" or (pace == "armed" and 0 < places <= pacing.places_max)


def test_a_quiet_street_is_looked_at_every_10_s() -> None:
    assert still("quiet") == [(0, "whole"), (10, "whole"), (20, "whole"), (30, "whole")]


def test_what_stands_is_looked_at_every_2_s_and_the_whole_picture_every_10_s() -> None:
    looks = still("armed", places=3, count=41)
    assert [time_s for time_s, _ in looks] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert [time_s for time_s, choice in looks if choice == "whole"] == [0, 10, 20]


def test_more_places_than_fit_one_picture_are_looked_at_in_the_whole_picture() -> None:
    assert {choice for _, choice in still("armed", places=10)} == {"whole"}
    assert {choice for _, choice in still("armed", places=0)} == {"whole"}


def test_pictures_that_come_seldom_are_not_let_go_beyond_the_limit() -> None:
    looks = [time_s for time_s, _ in still("quiet", step_s=1.9)]
    assert all(later - earlier <= 10 for earlier, later in pairwise(looks))


def test_a_burst_is_held_for_5_s_after_it_was_asked_for_last() -> None:
    asking = Asking(2.0, Pacing())
    asked = [asking.sampling("burst" if time_s in (3, 6) else "armed", float(time_s)).is_full for time_s in range(14)]
    assert asked == [3 <= time_s < 11 for time_s in range(14)]


def test_a_camera_that_is_faster_than_a_burst_is_not_slowed_by_it() -> None:
    assert Asking(8.0, Pacing()).sampling("burst", 0.0).hz == 8
