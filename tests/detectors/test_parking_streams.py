"""Scripted streets: what has broken other systems, told in ticks."""

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from detectors.ground import Ground
from detectors.parking import Parking
from detectors.site import Place
from detectors.tick import Box
from tests.fixtures.kerb import BUS, CAR, KERB, Street, due, moved

LANE = Place("lane", KERB.polygon, KERB.polygon)
"""A zone that is itself the lane in which traffic queues."""
AHEAD = moved(CAR, dx=30)
"""The same car after it has rolled on by less than its length."""


def test_boxes_that_waver_and_labels_that_flip_at_every_tick_are_one_stay() -> None:
    street = Street()
    for number in range(600):
        label = ("car", "truck", "bus")[number % 3]
        box = moved(CAR, dx=(number * 7) % 9 - 4, dy=(number * 5) % 7 - 3)
        street.tick(msgspec.structs.replace(box, label=label, confidence=0.3 + 0.1 * (number % 5)))
    assert list(street.seen) == [street.only().id]
    assert street.only().dwell_s == pytest.approx(299.5)


def test_a_bus_for_ninety_seconds_and_then_the_same_car_is_one_stay() -> None:
    street = Street()
    street.paint = "red"
    before = street.play(30, CAR)[0]
    street.play(90, BUS)
    street.play(10, CAR)
    after = next(stay for stay in street.stays if stay.id == before.id)
    assert (after.dwell_s, after.unseen_s) == (129.5, 0.0)


def test_a_car_that_takes_the_place_of_another_behind_a_bus_is_another_stay() -> None:
    street = Street()
    street.paint = "red"
    before = street.play(30, CAR)[0]
    street.play(40, BUS)
    street.paint = "blue"
    street.play(10, CAR)
    after = street.only()
    assert after.id != before.id
    assert (after.start_s, after.resumes) == (70.0, None)
    assert [(stay.id, stay.end_s, stay.dwell_s) for stay in street.left if stay.id == before.id] == [
        (before.id, 29.5, 29.5)
    ]


def test_eyes_that_cannot_tell_take_what_comes_back_for_the_same() -> None:
    street = Street()
    before = street.play(30, CAR)[0]
    street.play(40, BUS)
    street.play(10, CAR)
    assert before.id in {stay.id for stay in street.stays}


def test_one_look_that_is_spoilt_does_not_end_a_stay() -> None:
    street = Street()
    street.paint = "red"
    before = street.play(30, CAR)[0]
    street.play(40, BUS)
    street.paint = "blue"
    street.tick(CAR)
    street.paint = "red"
    street.play(5, CAR)
    assert [stay.id for stay in street.stays if stay.unseen_s == 0] == [before.id]


def test_two_cars_nose_to_tail_stay_two_while_traffic_passes() -> None:
    street = Street()
    behind = moved(CAR, dx=76)
    for number in range(240):
        passing = Box(number * 60 % 600, 280, number * 60 % 600 + 100, 380, "car", 0.9)
        street.tick(CAR, behind, passing)
    assert len([stay for stay in street.stays if stay.dwell_s > 100]) == 2
    assert street.left == []


def _queue(length: int) -> tuple[Box, ...]:
    return tuple(moved(CAR, dx=120 * number - 180, dy=number * 3) for number in range(length))


def _flowing(number: int) -> Iterator[Box]:
    for vehicle in range(3):
        yield moved(CAR, dx=(number * 55 + vehicle * 200) % 560 - 200, dy=vehicle * 4)


def test_twenty_red_lights_of_a_minute_raise_nothing_in_a_lane_that_queues() -> None:
    street, raised = Street(LANE), []
    for _ in range(20):
        for number in range(120):
            street.tick(*_queue(min(1 + number // 8, 4)))
            raised += due(street.stays, 30)
        for number in range(60):
            street.tick(*_flowing(number))
            raised += due(street.stays, 30)
    assert raised == []


def test_of_a_jam_the_one_that_stays_is_raised_once_late_and_back_dated() -> None:
    street, raised = Street(LANE), dict[str, float]()

    def see(*boxes: Box) -> None:
        for stay in due(street.tick(*boxes), 30):
            raised.setdefault(stay.id, street.time_s - 0.5)

    for number in range(40):
        see(*_flowing(number))
    for _ in range(200):
        see(*_queue(4))
    assert street.ledger.jammed == ("lane",)
    assert raised == {}
    first = _queue(4)[0]
    for number in range(120):
        see(first, *(moved(box, dy=80) for box in _flowing(number)))
    assert street.ledger.jammed == ()
    (stay,) = (stay for stay in street.seen.values() if stay.id in raised)
    assert 120 + 30 <= raised[stay.id] <= 120 + 60
    assert (stay.start_s, stay.dwell_s) == (20.0, street.time_s - 0.5 - 20.0)


def test_one_that_stands_while_others_pass_in_its_lane_is_parked() -> None:
    street = Street(LANE)
    for number in range(80):
        street.tick(CAR, *(moved(box, dy=80) for box in list(_flowing(number))[:1]))
    assert [stay.start_s for stay in due(street.stays, 30)] == [0.0]


def test_one_that_stands_alone_in_its_lane_is_parked() -> None:
    street = Street(LANE)
    street.play(40, CAR)
    assert not street.only().in_jam


def test_what_has_not_moved_for_ten_minutes_waits_in_no_queue() -> None:
    street = Street(LANE)
    street.play(590, *_queue(3))
    assert due(street.stays, 180) == []
    street.play(20, *_queue(3))
    assert len(due(street.stays, 180)) == 3


def test_a_clock_that_is_set_by_an_hour_changes_no_dwell() -> None:
    street = Street()
    before = street.play(30, CAR)[0]
    for step_ms in (3_600_000, -7_200_000):
        street.clock_ms += step_ms
        street.play(30, CAR)
    stay = street.only()
    assert (stay.id, stay.dwell_s, stay.blind_s, stay.start_ms) == (before.id, 89.5, 0.0, before.start_ms)


@pytest.mark.parametrize(("paint", "is_same"), [("red", True), ("", True), ("blue", False)])
def test_after_five_minutes_without_the_camera_the_stay_goes_on_if_it_looks_the_same(
    paint: str, *, is_same: bool
) -> None:
    street = Street()
    street.paint = "red"
    before = street.play(30, CAR)[0]
    street.restart()
    street.time_s += 300
    street.paint = paint
    street.play(20, CAR)
    after = street.only()
    assert (after.id == before.id) == is_same
    assert after.dwell_s == pytest.approx(49 if is_same else 19.5, abs=0.6)
    assert after.start_s == (0.0 if is_same else 330.0)


def test_after_twenty_minutes_without_the_camera_nothing_goes_on() -> None:
    street = Street()
    before = street.play(30, CAR)[0]
    street.time_s += 1200
    street.play(20, CAR)
    assert [stay.id for stay in street.left] == [before.id]
    assert (street.only().start_s, street.only().resumes) == (1230.0, None)


def _roll(street: Street, box: Box, *, dx: float) -> Box:
    """Let a car roll by at most 15 px a tick."""
    steps = max(int(abs(dx) // 15), 1)
    for number in range(1, steps + 1):
        street.tick(moved(box, dx=dx * number / steps))
    return moved(box, dx=dx)


def test_a_car_that_makes_room_goes_on_with_its_stay_and_the_way_does_not_count() -> None:
    street = Street(parking=Parking(keep_iou=0.6))
    before = street.play(40, CAR)[0]
    there = _roll(street, CAR, dx=75)
    street.play(20, there)
    after = street.only()
    assert (after.resumes, after.start_s) == (before.id, 0.0)
    assert 55 < after.dwell_s < street.time_s - 0.5
    assert [stay.id for stay in street.left] == [before.id]


def test_the_next_car_beside_the_place_of_one_that_left_is_another_stay() -> None:
    street = Street()
    before = street.play(40, CAR)[0]
    for number in range(12):
        street.tick(moved(CAR, dx=10 * number * number))
    street.play(10)
    street.play(10, moved(CAR, dx=40))
    assert street.only().resumes is None
    assert street.only().id != before.id


def test_another_car_in_the_place_of_one_that_was_seen_to_drive_off_is_another_stay() -> None:
    street = Street()
    street.play(40, CAR)
    for number in range(12):
        street.tick(moved(CAR, dx=6 * number * number))
    street.play(4)
    street.play(20, CAR)
    assert street.only().resumes is None


@pytest.mark.parametrize(("paint", "is_same"), [("red", True), ("", True), ("blue", False)])
def test_what_was_overlooked_in_plain_view_goes_on_unless_it_looks_otherwise(paint: str, *, is_same: bool) -> None:
    street = Street()
    street.paint = "red"
    before = street.play(40, CAR)[0]
    street.play(20)
    street.paint = paint
    street.play(20, CAR)
    assert [stay.id for stay in street.left] == [before.id]
    assert street.only().resumes == (before.id if is_same else None)


def test_who_rolls_on_and_on_is_one_event_whose_time_at_each_place_is_short() -> None:
    street, there = Street(parking=Parking(keep_iou=0.6)), CAR
    resumed = 0
    for _ in range(5):
        street.play(20, there)
        resumed += street.only().resumes is not None
        there = _roll(street, there, dx=75)
    assert resumed >= 3
    assert max(stay.dwell_s for stay in street.seen.values()) < 60


def test_glare_does_not_end_a_stay_whose_place_does_not_look_like_the_street() -> None:
    street = Street()
    street.paint, street.street = "red", 0.2
    before = street.play(30, CAR)[0]
    street.play(40)
    assert (street.only().id, street.only().is_lost) == (before.id, True)
    street.play(5, CAR)
    assert (street.only().id, street.only().is_lost) == (before.id, False)


def test_glare_for_longer_than_a_minute_ends_a_stay_when_it_was_last_seen() -> None:
    street = Street()
    street.paint, street.street = "red", 0.2
    street.play(30, CAR)
    street.play(61)
    assert [stay.end_s for stay in street.left] == [29.5]


def test_a_place_that_looks_like_the_street_is_left_after_eight_seconds() -> None:
    street = Street()
    street.paint, street.street = "red", 0.95
    street.play(30, CAR)
    street.play(9)
    assert [stay.end_s for stay in street.left] == [29.5]


def test_a_quiet_street_is_looked_at_seldom_and_loses_no_time() -> None:
    street = Street()
    before = street.play(10, CAR)[0]
    for _ in range(20):
        street.time_s += 9.5
        street.tick(CAR, watched_s=9.5)
    assert (street.only().id, street.only().dwell_s, street.only().blind_s) == (before.id, 209.5, 0.0)
    street.time_s += 29.5
    street.tick(CAR, watched_s=10)
    assert (street.only().dwell_s, street.only().blind_s) == (219.5, 20.0)


def test_where_the_model_did_not_look_nothing_is_seen_and_nothing_missed() -> None:
    street = Street()
    other = moved(CAR, dx=200)
    street.play(10, CAR, other)
    first, second = sorted(street.stays, key=lambda stay: stay.bbox[0])
    for _ in range(40):
        street.tick(CAR, regions=((190, 240, 290, 320),))
    ids = {stay.id: stay for stay in street.stays}
    assert (ids[first.id].unseen_s, ids[second.id].unseen_s) == (0.0, 20.0)
    assert (ids[first.id].dwell_s, ids[second.id].dwell_s) == (29.5, 9.5)
    street.tick(CAR, other)
    ids = {stay.id: stay for stay in street.stays}
    assert (ids[second.id].dwell_s, ids[second.id].visible_share) == (30.0, 1.0)


def test_it_asks_to_be_watched_closely_while_something_changes() -> None:
    street = Street()
    paces = [street.parking.wants(street.ledger).pace]
    for seconds, boxes in ((1, (CAR,)), (10, (CAR,)), (1, ())):
        street.play(seconds, *boxes)
        paces.append(street.parking.wants(street.ledger).pace)
    assert paces == ["quiet", "busy", "armed", "busy"]
    assert street.parking.wants(street.ledger).places == ((200, 250, 280, 310),)


def test_two_second_opinions_against_a_stay_make_it_doubted_and_one_for_it_confirms_it() -> None:
    street = Street()
    street.steady = ()
    street.play(25, CAR)
    assert (street.only().is_confirmed, street.only().is_doubted) == (False, False)
    street.play(25, CAR)
    assert (street.only().is_confirmed, street.only().is_doubted) == (False, True)
    doubted = street.only().confidence
    street.steady = (CAR,)
    street.play(25, CAR)
    assert (street.only().is_confirmed, street.only().is_doubted) == (True, False)
    assert street.only().confidence > doubted


def test_on_a_measured_road_what_is_smaller_than_a_vehicle_or_still_rolls_does_not_stand() -> None:
    near = Ground((0.05, 0, 0, 0, 0.05, 0, 0, 0, 1))
    far = Ground((0.008, 0, 0, 0, 0.008, 0, 0, 0, 1))
    for ground, count in ((near, 1), (far, 0)):
        street = Street(ground=ground)
        assert len(street.play(10, CAR)) == count
    street = Street(ground=near)
    for number in range(14):
        street.tick(moved(CAR, dx=number * 1.7))
    assert street.stays == []


def test_the_ledger_is_bounded() -> None:
    street = Street()
    street.paint = "red"
    for number in itertools.chain(range(100), range(100)):
        x, y = number % 20 * 30, 210 + number // 20 * 50
        street.play(0.5, *(Box(x + n, y, x + n + 25, y + 20, "car", 0.9) for n in (0, 29)))
    many = [Box(n % 20 * 31, 205 + n // 20 * 25, n % 20 * 31 + 28, 227 + n // 20 * 25, "car", 0.9) for n in range(200)]
    street.play(30, *many)
    assert len(street.ledger.slots) <= 64
    assert len(street.ledger.gone) <= 8
    assert len(msgspec.msgpack.encode(street.ledger)) < 72 * 3_500
