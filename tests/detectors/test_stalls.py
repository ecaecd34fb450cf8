"""Made-up ticks, twice a second, of one pavement; the clock belongs to the place, and people alone are nothing."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.blob import Blob
from detectors.ground import Ground
from detectors.site import Place, Site
from detectors.stalls import StallLedger, Stalls
from detectors.tick import Box, Tick
from detectors.wants import Corners
from edge.rule_files import read_book
from rules.rule_book import Book, BookState, Ended, Started
from rules.setting import Terms
from wire.stall import Stall

SIZE = (640, 480)
PAVEMENT = Place("pavement", ((0, 200), (640, 200), (640, 480), (0, 480)), type="stall")
SHOP = Place("shop", PAVEMENT.polygon, type="storefront")
METRE = 40.0
"""Pixels of a metre without people to measure by: a twelfth of the height."""
CART = Blob(200, 250, 280, 310, area=4000, edges=0.6, explained=0.0)
VENDOR = Box(290, 245, 315, 308, "person", 0.8)
CUSTOMER = Box(150, 260, 175, 325, "person", 0.8)


BOOK = read_book(Path("rules/book"))


class Street:
    """Plays ticks into a detector and the rules, and keeps what comes out."""

    def __init__(self, *places: Place, stalls: Stalls | None = None, ground: Ground | None = None) -> None:
        self.detector = stalls or Stalls()
        self.site = Site(places or (PAVEMENT,), ground)
        self.ledger = self.detector.first()
        self.time_s = 0.0
        self.stalls: list[Stall] = []
        self.left: list[Stall] = []
        self.rules = {
            place.id: BOOK.settings(place.type, Terms(parameters={"limit_s": 60.0}), source="", key="")
            for place in self.site.places
        }
        self.book = BookState()
        self.events: list[tuple[str, float]] = []

    def tick(
        self,
        blobs: Sequence[Blob] = (),
        boxes: Sequence[Box] = (),
        *,
        blind: str = "",
        regions: tuple[Corners, ...] = (),
    ) -> list[Stall]:
        tick = Tick(
            camera="cam-1",
            time_s=self.time_s,
            time_ms=1_700_000_000_000 + round(self.time_s * 1000),
            size=SIZE,
            boxes=tuple(boxes),
            blobs=tuple(blobs),
            blind=blind,
            regions=regions,
        )
        self.ledger, self.stalls = self.detector.step(self.ledger, tick, self.site)
        self.left += [stall for stall in self.stalls if stall.has_left]
        self.book, outcomes = Book.step(self.book, self.stalls, self.rules)
        self.events += [
            (each.kind if isinstance(each, Started) else "end", self.time_s)
            for each in outcomes
            if isinstance(each, Started | Ended)
        ]
        self.time_s += 0.5
        return self.stalls

    def play(self, seconds: float, blobs: Sequence[Blob] = (), boxes: Sequence[Box] = (), *, blind: str = "") -> None:
        for _ in range(round(seconds * 2)):
            self.tick(blobs, boxes, blind=blind)

    def restart(self) -> None:
        self.ledger = msgspec.msgpack.decode(msgspec.msgpack.encode(self.ledger), type=StallLedger)

    def only(self) -> Stall:
        assert len(self.stalls) == 1, self.stalls
        return self.stalls[0]


def changed(blob: Blob, **fields: float) -> Blob:
    return msgspec.structs.replace(blob, **fields)


def moved(box: Box, dx: float, dy: float = 0) -> Box:
    return msgspec.structs.replace(box, x1=box.x1 + dx, y1=box.y1 + dy, x2=box.x2 + dx, y2=box.y2 + dy)


def test_a_stall_begins_when_its_thing_came_to_stand_and_not_when_it_was_told() -> None:
    street = Street()
    street.play(10)
    street.play(8, [changed(CART, since_s=3.5)])
    stall = street.only()
    assert (stall.start_s, stall.dwell_s, stall.zone, stall.phase) == (3.5, 14.0, "pavement", "set_up")
    assert stall.start_ms == 1_700_000_003_500


def test_a_vendor_with_customers_is_a_mobile_vendor_at_its_limit() -> None:
    street = Street()
    street.play(30, [CART], [VENDOR])
    street.play(20, [CART], [VENDOR, CUSTOMER])
    street.play(30, [CART], [VENDOR])
    assert street.only().label == "mobile_vendor"
    assert street.events == [("mobile_vendor", 60.0)]


def test_a_thing_alone_is_a_pile_of_goods_a_little_after_the_limit() -> None:
    street = Street()
    street.play(80, [CART])
    assert street.only().label == "goods_pile"
    assert street.events == [("goods_pile", 64.0)]


def test_a_vendor_who_is_recognised_later_makes_no_second_event() -> None:
    street = Street()
    street.play(70, [CART])
    for _ in range(4):
        street.play(30, [CART], [VENDOR, CUSTOMER])
        street.play(20, [CART], [VENDOR])
    assert street.only().is_trade
    assert street.events == [("goods_pile", 64.0)]
    street.play(30)
    assert [kind for kind, _ in street.events] == ["goods_pile", "end"]


def test_what_stands_before_a_shop_needs_nobody() -> None:
    street = Street(SHOP)
    street.play(70, [CART])
    assert street.events == [("storefront_overflow", 60.0)]


@pytest.mark.parametrize(
    "blob",
    [
        changed(CART, edges=0.02),
        changed(CART, vehicle=0.95),
        changed(CART, explained=1.0),
        changed(CART, area=400),
        Blob(200, 250, 222, 312, area=1100, edges=0.6, explained=0.0),
        Blob(200, 20, 280, 80, area=4000, edges=0.6, explained=0.0),
    ],
    ids=["shadow", "vehicle", "under people", "small", "as narrow as a person", "outside"],
)
def test_it_raises_nothing_of(blob: Blob) -> None:
    street = Street()
    street.play(300, [blob])
    assert street.events == []


def test_an_umbrella_above_the_zone_belongs_to_the_table_in_it() -> None:
    street = Street(Place("low", ((0, 280), (640, 280), (640, 480), (0, 480)), type="stall"))
    canopy = Blob(180, 180, 300, 215, area=3000, edges=0.5, explained=0.0)
    street.play(60, [CART, canopy])
    stall = street.only()
    assert stall.bbox[1] == pytest.approx(180, abs=2)
    assert stall.bbox[1] + stall.bbox[3] == pytest.approx(310, abs=2)


def test_parts_that_are_near_are_one_stall_and_those_far_off_another() -> None:
    street = Street()
    crate = Blob(320, 270, 360, 310, area=1500, edges=0.6, explained=0.0)
    street.play(60, [CART, crate])
    assert len(street.stalls) == 1
    street.play(60, [CART, crate, Blob(500, 270, 560, 310, area=2000, edges=0.6, explained=0.0)])
    assert len(street.stalls) == 2


def test_a_crowd_before_it_neither_ends_it_nor_stops_its_clock() -> None:
    street = Street()
    street.play(30, [CART])
    crowd = [Box(180 + 20 * n, 230, 215 + 20 * n, 330, "person", 0.8) for n in range(5)]
    street.play(60, [], crowd)
    assert street.only().dwell_s == pytest.approx(89.5)
    street.play(5, [CART])
    stall = street.only()
    assert stall.visible_s + stall.occluded_s == stall.dwell_s == pytest.approx(94.5)
    assert street.left == []


def test_it_is_packed_up_and_has_left_when_little_of_it_remains() -> None:
    street = Street()
    street.play(60, [CART])
    street.play(10, [changed(CART, area=1800)])
    assert street.only().phase == "packing"
    street.play(10)
    [left] = street.left
    assert (left.phase, left.end_s) == ("left", 69.5)
    assert street.stalls == []


def test_one_that_moves_on_and_comes_back_resumes() -> None:
    street = Street()
    street.play(60, [CART])
    first = street.only().id
    street.play(60)
    street.play(20, [changed(CART, x1=300, x2=380, since_s=street.time_s)])
    assert street.only().id != first
    assert street.only().resumes == first


def test_blind_time_is_said_and_not_counted() -> None:
    street = Street()
    street.play(30, [CART])
    street.play(60, blind="camera down")
    assert street.only().is_blind
    street.play(10, [CART])
    assert (street.only().dwell_s, street.only().blind_s) == (39.5, 60.0)


def test_a_gap_is_blind_and_a_long_one_ends_everything() -> None:
    street = Street()
    street.play(30, [CART])
    street.time_s += 100
    street.tick([CART])
    assert (street.only().dwell_s, street.only().blind_s) == (29.5, 100.5)
    street.time_s += 700
    street.play(10, [CART])
    assert len(street.left) == 1
    assert street.only().start_s > 800


def test_a_restart_goes_on() -> None:
    street, other = Street(), Street()
    for number in range(200):
        boxes = [VENDOR, CUSTOMER] if number % 80 > 40 else [VENDOR]
        street.tick([CART], boxes)
        other.tick([CART], boxes)
        other.restart()
    assert street.stalls == other.stalls
    assert street.ledger == other.ledger


def test_where_the_model_has_not_looked_nothing_is_missed() -> None:
    street = Street()
    street.play(60, [CART])
    for _ in range(60):
        street.tick(regions=((0, 0, 100, 100),))
    assert street.left == []


def test_walkers_are_neither_vendor_nor_customers() -> None:
    street = Street()
    for number in range(400):
        street.tick([CART], [moved(CUSTOMER, number * 30 % 300)])
    assert (street.only().has_vendor, street.only().customers) == (False, 0.0)


def test_a_class_of_the_models_own_is_a_stall_without_any_blob() -> None:
    street = Street()
    street.play(70, [], [Box(200, 250, 280, 310, "cart", 0.6)])
    assert street.events == [("mobile_vendor", 60.0)]


def test_a_class_for_goods_says_nothing_of_trade() -> None:
    street = Street()
    street.play(70, [], [Box(200, 250, 280, 310, "crate", 0.6)])
    assert street.events == [("goods_pile", 64.0)]


def test_a_vendor_who_has_left_his_things_is_still_reported() -> None:
    street = Street()
    street.play(15, [CART], [VENDOR])
    street.play(20, [CART], [VENDOR, CUSTOMER])
    street.play(30, [CART])
    assert not street.only().has_vendor
    assert street.events == [("mobile_vendor", 60.0)]


def test_bags_that_people_carry_are_no_evidence() -> None:
    street = Street()
    street.play(30, [CART], [VENDOR, Box(295, 270, 310, 290, "handbag", 0.5)])
    assert street.only().proxies == 0
    street.play(30, [CART], [Box(230, 250, 260, 280, "suitcase", 0.5), Box(200, 200, 280, 240, "umbrella", 0.5)])
    assert street.only().proxies == 2


def test_sizes_are_metres_where_the_road_is_known() -> None:
    street = Street(ground=Ground((0.05, 0, 0, 0, 0.1, 0, 0, 0, 1)))
    street.play(30, [CART])
    assert street.only().area_m2 == pytest.approx(4000 * 0.05**2, rel=0.001)


def test_people_tell_how_large_a_metre_is() -> None:
    street = Street()
    street.play(30, [], [Box(400, 300 - 136, 440, 300, "person", 0.8), Box(300, 200 - 85, 330, 200, "person", 0.8)])
    scale = street.ledger.scale
    assert scale.metre_at((0, 300), SIZE, None) == pytest.approx(80, rel=0.05)
    assert scale.metre_at((0, 200), SIZE, None) == pytest.approx(50, rel=0.05)


def test_it_asks_for_the_surroundings_of_what_it_holds() -> None:
    street = Street()
    street.tick()
    assert street.detector.wants(street.ledger).pace == "quiet"
    street.play(20, [CART])
    wants = street.detector.wants(street.ledger)
    assert wants.pace == "armed"
    [(x1, _, x2, y2)] = wants.places
    assert x1 < CART.x1 - METRE
    assert x2 > CART.x2 + METRE
    assert y2 > CART.y2


def test_a_moment_in_which_it_was_hidden_counts_once() -> None:
    street = Street()
    for blobs, time_s in (((), 0.0), ((CART,), 0.5), ((), 1.0), ((CART,), 3.0), ((CART,), 5.0)):
        street.time_s = time_s
        street.tick(blobs)
    (stall,) = street.stalls
    assert (stall.start_s, stall.dwell_s) == (0.0, 5.0)


coordinates = st.floats(0, 600)
people = st.lists(
    st.builds(
        lambda x, y, w, h, c: Box(x, y, x + w, y + h, "person", c),
        coordinates,
        st.floats(0, 400),
        st.floats(5, 60),
        st.floats(10, 120),
        st.floats(0, 1),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(people, min_size=1, max_size=40), st.integers(1, 20))
def test_people_alone_are_never_a_stall(crowds: list[list[Box]], repeats: int) -> None:
    street = Street()
    for crowd in crowds:
        for _ in range(repeats):
            assert street.tick([], crowd) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([(), (CART,), (changed(CART, explained=0.9),), (changed(CART, area=900, since_s=-50),)]),
            people,
            st.booleans(),
            st.sampled_from([0.5, 0.5, 0.5, 2.0, 50.0]),
        ),
        min_size=5,
        max_size=80,
    )
)
def test_dwell_never_exceeds_the_time_that_was_not_blind(
    steps: list[tuple[tuple[Blob, ...], list[Box], bool, float]],
) -> None:
    street = Street()
    sighted_s, before_s = 0.0, None
    for blobs, crowd, is_blind, wait_s in steps:
        if before_s is not None and not is_blind and street.time_s - before_s <= street.detector.max_gap_s:
            sighted_s += street.time_s - before_s
        before_s = street.time_s
        for stall in street.tick(blobs, crowd, blind="dark" if is_blind else ""):
            assert stall.dwell_s <= sighted_s + 1e-6
            assert stall.start_s <= stall.time_s
        encoded = msgspec.msgpack.encode(street.ledger)
        assert msgspec.msgpack.decode(encoded, type=StallLedger) == street.ledger
        street.time_s += wait_s - 0.5
