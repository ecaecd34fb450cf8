"""The road's memory on drawn pictures of a lane seen from above, 5 cm a pixel, so that the strip is the picture."""

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.surface import Surface, SurfaceWant
from detectors.tick import Box
from edge.senses.road import Road
from edge.video import Frame

SIZE = (240, 400)
LANE = ((40.0, 0.0), (200.0, 0.0), (200.0, 400.0), (40.0, 400.0))
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
TEXTURE = np.random.default_rng(3).normal(0, 4, (SIZE[1], SIZE[0]))
Picture = NDArray[np.float64]


def bare() -> Picture:
    picture = 95 + TEXTURE
    picture[:, 118:122] = 190
    return picture


def with_debris(picture: Picture) -> Picture:
    for x, y, side in ((70, 150, 8), (90, 210, 6), (150, 180, 7)):
        picture[y : y + side, x : x + side] *= 0.55
    return picture


def with_shadow(picture: Picture) -> Picture:
    picture[:, :100] *= 0.6
    return picture


def with_wet_patch(picture: Picture) -> Picture:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    inside = ((x - 80) / 35.0) ** 2 + ((y - 200) / 70.0) ** 2
    return picture * (1 - 0.3 / (1 + np.exp((inside - 1) * 6)))


class Watched:
    """A road and its clock."""

    def __init__(self) -> None:
        self.road = Road(SIZE, [LANE])
        self.time_s = 100.0
        self.random = np.random.default_rng(5)

    def see(
        self, picture: Picture, *wants: SurfaceWant, boxes: tuple[Box, ...] = (), blind: str = "", gain: float = 1.0
    ) -> tuple[Surface, ...]:
        self.time_s += 1
        noisy = np.clip(picture * gain + self.random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
        image = np.repeat(noisy[:, :, None], 3, axis=2)
        return self.road.look(Frame(self.time_s, 0, image), boxes, wants, blind=blind)

    def passage(self, before: Picture, after: Picture, *, gain: float = 1.0, samples: int = 9) -> Surface:
        for _ in range(15):
            self.see(before)
        keep = SurfaceWant(id="p", before_s=self.time_s)
        self.see(before, keep)
        want = SurfaceWant(
            id="p", before_s=keep.before_s, after_s=self.time_s, strip=LANE, matrix=IDENTITY, size=SIZE, samples=samples
        )
        # Where everything changes at once, the first picture is taken for one that moves.
        answers = [self.see(after, want, gain=gain)[0] for _ in range(samples + 1)]
        assert all(answer.pieces is None for answer in answers[: samples - 1])
        return answers[-1]


def test_debris_is_found_where_it_lies_and_is_as_large_as_it_is() -> None:
    answer = Watched().passage(bare(), with_debris(bare()))
    assert answer.pieces is not None
    found = sorted(piece.bbox[:2] for piece in answer.pieces)
    assert [(round(x / 5), round(y / 5)) for x, y in found] == [(14, 30), (18, 42), (30, 36)]
    # The picture is smoothed, so each piece has a rim of about a pixel.
    assert 1 <= sum(piece.area_m2 for piece in answer.pieces) / ((64 + 36 + 49) * 0.0025) <= 1.8


@pytest.mark.parametrize("change", [bare, lambda: with_shadow(bare()), lambda: with_wet_patch(bare())])
def test_shadow_and_water_are_no_pieces_with_their_edges(change: object) -> None:
    assert callable(change)
    answer = Watched().passage(bare(), change(), gain=0.9)
    assert (answer.pieces, answer.refusal) == ((), "")


def test_debris_is_found_in_shadow_and_in_other_light() -> None:
    answer = Watched().passage(bare(), with_debris(with_shadow(bare())), gain=1.2)
    assert len(answer.pieces or ()) >= 2


def test_vehicles_that_pass_are_no_part_of_the_road_whether_the_model_sees_them_or_not() -> None:
    watched = Watched()
    box = Box(50, 100, 110, 180, "car", 0.8)
    full = bare()
    full[100:180, 50:110] = 240
    for number in range(40):
        boxed, moves = number % 3 == 0, number % 7 == 1
        picture = bare()
        if moves:
            picture[250:330, 130:190] = 20
        watched.see(full if boxed else picture, boxes=(box,) if boxed else ())
    assert watched.passage(bare(), bare()).pieces == ()


def test_what_a_box_covers_all_the_time_is_never_compared() -> None:
    watched = Watched()
    for _ in range(15):
        watched.see(bare())
    before_s = watched.time_s
    want = SurfaceWant(id="p", before_s=before_s, after_s=before_s, strip=LANE, matrix=IDENTITY, size=SIZE)
    box = Box(40, 0, 200, 260, "bus", 0.8)
    answers = [watched.see(bare(), want, boxes=(box,))[0] for _ in range(30)]
    assert {(answer.samples, answer.pieces) for answer in answers} == {(0, None)}


def test_a_road_that_was_not_seen_before_is_refused() -> None:
    watched = Watched()
    watched.time_s += 50
    want = SurfaceWant(id="p", before_s=120, after_s=121, strip=LANE, matrix=IDENTITY, size=SIZE)
    answers = [watched.see(bare(), want) for _ in range(3)]
    assert answers[-1][0].refusal == "the road before was not seen"


def test_a_dark_road_is_refused() -> None:
    assert Watched().passage(bare() * 0.1, bare() * 0.1).refusal == "too dark"


def test_blind_pictures_are_not_remembered() -> None:
    watched = Watched()
    for _ in range(15):
        watched.see(bare())
    for _ in range(15):
        watched.see(bare() * 0 + 255, blind="covered")
    assert watched.passage(bare(), bare()).pieces == ()


def test_the_two_pictures_of_a_passage_can_be_had_for_evidence() -> None:
    watched = Watched()
    assert watched.road.pictures("p") is None
    watched.passage(bare(), with_debris(bare()))
    pictures = watched.road.pictures("p")
    assert pictures is not None
    before, after = pictures
    assert before.shape == after.shape == (400, 161)
    assert abs(int(before[153, 33]) - 95) < 20
    assert int(after[153, 33]) < 65


def test_memory_is_bounded_whatever_the_size_of_the_picture() -> None:
    road = Road((3840, 2160), [((0.0, 0.0), (3840.0, 0.0), (3840.0, 2160.0), (0.0, 2160.0))])
    assert road.size_bytes <= 16 * 2**20


def test_time_may_go_on_for_a_day() -> None:
    watched = Watched()
    for _ in range(15):
        watched.see(bare())
    for _ in range(12):
        watched.time_s += 7_200
        for _ in range(16):
            watched.see(bare())
    answer = watched.passage(bare(), with_debris(bare()))
    assert len(answer.pieces or ()) == 3


def test_small_things_that_fly_behind_a_truck_are_counted_and_what_it_uncovers_is_not() -> None:
    watched = Watched()
    for _ in range(15):
        watched.see(bare())
    want = SurfaceWant(id="p", before_s=watched.time_s, rear=(60, 60, 180, 200))
    truck = Box(60, 210, 180, 390, "truck", 0.8)
    flying = bare()
    for x, y in ((80, 100), (140, 120), (100, 160)):
        flying[y : y + 4, x : x + 4] = 30
    assert watched.see(bare(), want, boxes=(truck,))[0].particles == 0
    assert watched.see(flying, want, boxes=(truck,))[0].particles == 3
    assert watched.see(flying, want, boxes=(truck,))[0].particles == 0
    near = Box(60, 80, 180, 260, "truck", 0.8)
    watched.see(bare(), want, boxes=(near,))
    assert watched.see(flying, want, boxes=(truck,))[0].particles == 0
