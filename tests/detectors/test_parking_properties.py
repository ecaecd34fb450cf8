"""Random streets: what holds whatever happens."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.geometry import as_rows, overlaps
from detectors.parking import Parking
from detectors.tick import Box
from tests.fixtures.kerb import BUS, CAR, Street, moved

PLACES = (CAR, moved(CAR, dx=90), moved(CAR, dx=200, dy=40))


_HEARTBEAT_S = 10.0


class Moment(msgspec.Struct, frozen=True):
    """What happens at one tick."""

    missed: tuple[bool, ...]
    jitter: tuple[int, ...]
    passing: int
    """Where something drives past, in steps of 40 pixels; beyond the picture: nowhere."""
    bus: bool
    gap: float
    """Seconds without a picture before it."""
    watched: bool
    blind: bool
    elsewhere: bool
    """The model has looked at a part of the street in which nothing stands."""


def _moments(*, gap: float = 0.0) -> st.SearchStrategy[list[Moment]]:
    rarely = st.integers(0, 9).map(lambda number: number == 0)
    moment = st.builds(
        Moment,
        missed=st.tuples(*[rarely] * 3),
        jitter=st.tuples(*[st.integers(-3, 3)] * 6),
        passing=st.integers(0, 30),
        bus=rarely,
        gap=st.one_of(st.just(0.0), st.just(0.0), st.just(0.0), st.floats(0, gap)),
        watched=st.booleans(),
        blind=rarely,
        elsewhere=rarely,
    )
    return st.lists(moment, min_size=20, max_size=80)


def _boxes(moment: Moment, places: tuple[Box, ...]) -> tuple[Box, ...]:
    standing = [
        moved(box, dx=moment.jitter[2 * n], dy=moment.jitter[2 * n + 1])
        for n, box in enumerate(places)
        if not moment.missed[n] and not moment.bus
    ]
    passing = [Box(moment.passing * 40 - 80, 300, moment.passing * 40 + 40, 400, "car", 0.9)]
    return (*standing, *(passing if moment.passing < 16 else ()), *((BUS,) if moment.bus else ()))


def _tick(street: Street, moment: Moment, places: tuple[Box, ...]) -> None:
    street.time_s += moment.gap
    street.tick(
        *(() if moment.elsewhere else _boxes(moment, places)),
        blind="covered" if moment.blind else "",
        watched_s=moment.gap if moment.watched else 0.0,
        regions=((0.0, 430.0, 100.0, 480.0),) if moment.elsewhere else (),
    )


@settings(max_examples=20, deadline=None)
@given(_moments(gap=700.0), st.sampled_from(["", "red"]))
def test_dwell_is_never_more_than_the_time_in_which_somebody_watched(moments: list[Moment], paint: str) -> None:
    street, watched_s = Street(), 0.0
    street.paint = paint
    for moment in moments:
        before_s = street.ledger.time_s
        _tick(street, moment, PLACES)
        elapsed_s = 0.0 if before_s is None else street.time_s - 0.5 - before_s
        unwatched_s = elapsed_s - (moment.gap if moment.watched else 0.0)
        watched_s += elapsed_s - unwatched_s if moment.blind or unwatched_s > 3 else elapsed_s
        for stay in street.stays:
            assert 0 <= stay.dwell_s <= watched_s + 1e-6
            assert stay.dwell_s <= stay.time_s - stay.start_s + 1e-6
            assert 0 <= stay.visible_share <= 1


@settings(max_examples=20, deadline=None)
@given(_moments(gap=90.0), st.sampled_from(["", "red"]))
def test_a_car_that_stands_is_one_stay_or_goes_on_with_its_own(moments: list[Moment], paint: str) -> None:
    street = Street()
    street.paint = paint
    street.play(10, CAR)
    first = street.only().id
    own = {first}
    for moment in moments:
        # A street on which nothing moves is looked at every ten seconds all the same.
        gap = min(moment.gap, _HEARTBEAT_S) if moment.watched else moment.gap
        _tick(street, msgspec.structs.replace(moment, gap=gap), (CAR,))
        for stay in street.stays:
            if stay.resumes in own:
                own.add(stay.id)
            x, y, *_ = stay.bbox
            if abs(x - CAR.x1) < 5 and abs(y - CAR.y1) < 5:
                assert stay.id in own


@settings(max_examples=15, deadline=None)
@given(_moments(gap=90.0))
def test_a_state_that_was_written_and_read_at_every_tick_gives_the_same(moments: list[Moment]) -> None:
    live, replayed = Street(), Street()
    live.paint = replayed.paint = "red"
    for moment in moments:
        replayed.restart()
        for street in (live, replayed):
            _tick(street, moment, PLACES)
        assert replayed.stays == live.stays
        assert replayed.ledger == live.ledger
        assert replayed.parking.wants(replayed.ledger) == live.parking.wants(live.ledger)


@settings(max_examples=20, deadline=None)
@given(_moments(), st.lists(st.tuples(st.integers(0, 400), st.integers(150, 300)), min_size=2, max_size=6))
def test_no_two_stays_are_at_one_place(moments: list[Moment], corners: list[tuple[int, int]]) -> None:
    street, same_iou = Street(), Parking().same_iou
    cars = [Box(x, y, x + 80, y + 60, "car", 0.8) for x, y in corners]
    for moment in moments:
        jittered = (moved(box, dx=moment.jitter[n % 6]) for n, box in enumerate(cars) if not moment.missed[n % 3])
        street.tick(*jittered)
        held = as_rows([slot.box for slot in street.ledger.slots if slot.stands])
        together = overlaps(held, held)[1] > same_iou
        assert together.sum() == len(held)
