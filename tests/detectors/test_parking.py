"""Made-up ticks, twice a second, of one kerb; the clock must belong to the place."""

from collections.abc import Iterable

import msgspec

from detectors.parking import Parking
from detectors.site import Place
from detectors.tick import Box
from tests.fixtures.kerb import BUS, CAR, KERB, Street, moved


def _passing(ticks: int, speed: float = 60) -> Iterable[Box]:
    for number in range(ticks):
        yield moved(CAR, dx=-200 + speed * (number % 12))


def test_a_car_stands_after_it_has_settled_and_its_clock_begins_where_it_stopped() -> None:
    street = Street()
    assert street.play(5, CAR) == []
    (stay,) = street.tick(CAR)
    assert (stay.start_s, stay.dwell_s, stay.visible_s, stay.visible_share) == (0.0, 5.0, 5.0, 1.0)
    assert (stay.zone, stay.label, stay.start_ms) == ("kerb", "car", 1_700_000_000_000)


def test_passing_cars_never_stand() -> None:
    street = Street()
    for box in _passing(240):
        assert street.tick(box) == []


def test_a_car_beside_the_zone_is_nobodys_and_one_mostly_in_it_is() -> None:
    street = Street(Place("kerb", ((0, 290), (640, 290), (640, 480), (0, 480))))
    street.play(6, CAR)
    assert street.only().zone == "kerb"
    street = Street(Place("kerb", ((0, 302), (640, 302), (640, 480), (0, 480))))
    assert street.play(6, CAR) == []


def test_overlapping_zones_have_one_stay_and_the_one_with_more_of_the_footprint_has_it() -> None:
    left = Place("left", ((0, 200), (230, 200), (230, 480), (0, 480)))
    street = Street(left, KERB)
    street.play(6, CAR)
    assert street.only().zone == "kerb"


def test_a_bus_before_the_car_for_ninety_seconds_stops_neither_stay_nor_clock() -> None:
    street = Street()
    street.play(20, CAR)
    before = street.only()
    for _ in range(180):
        stays = {stay.id: stay for stay in street.tick(BUS)}
        assert before.id in stays
    hidden = stays[before.id]
    assert (hidden.visible_s, hidden.occluded_s, hidden.unseen_s) == (19.5, 90.0, 90.0)
    street.tick(CAR)
    after = next(stay for stay in street.stays if stay.id == before.id)
    assert (after.dwell_s, after.occluded_s, after.unseen_s) == (110.0, 90.0, 0.0)
    assert street.left == []


def test_a_car_hidden_for_longer_than_anyone_can_vouch_for_left_when_it_was_last_seen() -> None:
    street = Street(parking=Parking(hidden_max_s=60))
    street.play(20, CAR)
    street.play(62, BUS)
    assert [(stay.start_s, stay.end_s, stay.dwell_s) for stay in street.left] == [(0.0, 19.5, 19.5)]


def test_what_is_left_of_a_car_behind_a_bonnet_still_counts_as_seen() -> None:
    street = Street()
    street.play(10, CAR)
    bonnet = Box(235, 280, 400, 400, "car", 0.9)
    rest = Box(200, 250, 235, 305, "car", 0.5)
    for number in range(20):
        street.tick(rest, moved(bonnet, dx=number % 3))
    stay = next(stay for stay in street.stays if stay.start_s == 0)
    assert (stay.unseen_s, stay.occluded_s) == (0.0, 0.0)
    assert tuple(round(each, 6) for each in stay.bbox) == (200, 250, 80, 60)


def test_two_cars_nose_to_tail_are_two_stays_and_the_one_that_goes_does_not_take_the_other_with_it() -> None:
    street = Street()
    behind = moved(CAR, dx=74)
    street.play(20, CAR, behind)
    first, second = sorted(street.stays, key=lambda stay: stay.bbox[0])
    street.play(20, behind)
    assert street.only().id == second.id
    assert [(stay.id, stay.end_s) for stay in street.left] == [(first.id, 19.5)]


def test_a_flicker_of_the_detector_ends_nothing() -> None:
    street = Street()
    street.play(10, CAR)
    for number in range(200):
        street.tick(*([CAR] if number % 3 == 0 else []))
    stay = street.only()
    assert street.left == []
    assert stay.start_s == 0
    assert stay.visible_s + stay.occluded_s == stay.dwell_s


def test_a_faint_box_keeps_a_stay_and_begins_none() -> None:
    faint = msgspec.structs.replace(CAR, confidence=0.15)
    street = Street()
    assert street.play(10, faint) == []
    street.play(10, CAR)
    street.play(30, faint)
    assert street.only().unseen_s == 0


def test_a_car_has_left_when_its_place_is_empty_for_eight_seconds_and_its_end_is_when_it_was_seen() -> None:
    street = Street()
    street.play(30, CAR)
    street.play(7.5)
    assert street.left == []
    street.play(1)
    assert [(stay.end_s, stay.end_ms, stay.dwell_s) for stay in street.left] == [(29.5, 1_700_000_029_500, 29.5)]
    assert street.ledger.slots == ()


def test_traffic_that_streams_over_an_empty_place_does_not_hold_it() -> None:
    street = Street()
    street.play(30, CAR)
    for box in _passing(120, speed=45):
        street.tick(box)
    assert [stay.end_s is not None and stay.end_s < 60 for stay in street.left] == [True]


def test_a_car_that_creeps_away_has_left() -> None:
    street = Street()
    street.play(20, CAR)
    first = street.only().id
    for number in range(120):
        street.tick(moved(CAR, dx=number * 1.5))
    assert [stay.id for stay in street.left] == [first]


def test_a_lorry_boxed_twice_is_one_stay() -> None:
    street = Street()
    lorry = Box(200, 200, 300, 330, "truck", 0.7)
    again = Box(203, 204, 299, 331, "bus", 0.6)
    for number in range(40):
        street.tick(*((lorry, again) if number % 2 else (again,)))
    assert street.only().label in {"truck", "bus"}
    tractor = Box(200, 250, 300, 330, "car", 0.6)
    street.play(20, lorry, again, tractor)
    assert len(street.stays) == 1


def test_people_do_not_park() -> None:
    street = Street()
    assert street.play(20, Box(200, 250, 240, 330, "person", 0.9)) == []


def test_blind_ticks_credit_nothing_and_end_nothing() -> None:
    street = Street()
    street.play(20, CAR)
    (stay,) = street.play(30, blind="camera down")
    assert (stay.is_blind, stay.dwell_s, stay.blind_s, stay.occluded_s) == (True, 19.5, 30.0, 0.0)
    (stay,) = street.play(1, CAR)
    assert (stay.is_blind, stay.dwell_s, stay.blind_s) == (False, 20.5, 30.0)


def test_nothing_is_credited_across_a_gap() -> None:
    street = Street()
    street.play(20, CAR)
    before = street.only()
    street.time_s += 60
    (stay,) = street.tick(CAR)
    assert (stay.id, stay.dwell_s, stay.blind_s) == (before.id, 19.5, 60.5)


def test_what_left_during_a_gap_left_when_it_was_last_seen() -> None:
    street = Street()
    street.play(20, CAR)
    street.time_s += 60
    street.play(10)
    assert [stay.end_s for stay in street.left] == [19.5]


def test_a_restart_in_the_middle_of_a_dwell_goes_on_with_the_same_stay() -> None:
    street = Street()
    street.play(20, CAR)
    before = street.only()
    street.restart()
    street.time_s += 300
    street.play(10, CAR)
    after = street.only()
    assert (after.id, after.start_s, after.dwell_s, after.blind_s) == (before.id, 0.0, 29.0, 300.5)


def test_after_a_long_gap_the_old_stay_has_ended_and_the_new_one_is_never_back_dated() -> None:
    street = Street()
    street.play(20, CAR)
    before = street.only()
    street.time_s += 601
    back_s = street.time_s
    street.play(10, CAR)
    assert [(stay.id, stay.end_s) for stay in street.left] == [(before.id, 19.5)]
    after = street.only()
    assert (after.start_s, after.id != before.id) == (back_s, True)


def test_the_same_ticks_give_the_same_ids() -> None:
    one, other = Street(), Street()
    for street in (one, other):
        street.play(20, CAR)
    assert one.only() == other.only()


def test_a_tick_that_is_not_later_is_passed_over() -> None:
    street = Street()
    street.play(20, CAR)
    ledger = street.ledger
    street.time_s = 10
    assert street.tick() == []
    assert street.ledger is ledger


BESIDE = ((0.0, 0.0), (640.0, 0.0), (640.0, 200.0), (0.0, 200.0))
QUEUE = (Box(100, 100, 180, 160, "car", 0.9), Box(300, 100, 380, 160, "car", 0.9))


def _flow(number: int) -> Box:
    return Box(number * 67 % 560, 100, number * 67 % 560 + 80, 160, "car", 0.9)


def test_in_a_jam_a_young_stay_waits_and_gets_its_time_back_when_the_lane_has_flowed() -> None:
    street = Street(Place("kerb", KERB.polygon, BESIDE))
    for number in range(40):
        street.tick(CAR, _flow(number))
    assert not street.only().in_jam
    street.play(60, CAR, *QUEUE)
    held = street.only()
    assert held.in_jam
    assert held.dwell_s < 35
    for number in range(2 * 75):
        street.tick(CAR, _flow(number))
    released = street.only()
    assert not released.in_jam
    assert released.dwell_s == released.time_s - released.start_s


def test_a_jam_does_not_hold_a_stay_that_is_older_than_the_look_back() -> None:
    street = Street(Place("kerb", KERB.polygon, BESIDE))
    for number in range(2 * 50):
        street.tick(CAR, _flow(number))
    street.play(60, CAR, *QUEUE)
    stay = street.only()
    assert (stay.in_jam, stay.dwell_s) == (False, stay.time_s)


def test_without_a_lane_nothing_is_taken_for_a_jam() -> None:
    street = Street()
    street.play(60, CAR, *QUEUE)
    stay = next(stay for stay in street.stays if stay.bbox[0] == 200)
    assert not stay.in_jam
