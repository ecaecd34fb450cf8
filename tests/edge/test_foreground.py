"""Static foreground on drawn pictures: a textured street, twice a second, with noise."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.blob import Blob
from detectors.tick import Box
from edge.senses.foreground import Foreground
from edge.video import Image

WIDTH, HEIGHT = 640, 360
Floats = NDArray[np.float32]
PERSON = Box(300, 150, 340, 260, "person", 0.8)


def street_picture() -> Floats:
    random = np.random.default_rng(3)
    rough = cv2.GaussianBlur(random.normal(0, 40, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 3)
    picture = (np.linspace(90, 140, HEIGHT, dtype=np.float32)[:, None] + rough).astype(np.float32)
    for x in range(40, WIDTH, 90):
        picture[:, x : x + 6] = 200
    return picture


STREET = street_picture()
NOISE = np.random.default_rng(5).normal(0, 3, (16, HEIGHT, WIDTH)).astype(np.float32)


class Camera:
    """Draws pictures and shows them to the sense."""

    def __init__(self) -> None:
        self.sense = Foreground()
        self.random = np.random.default_rng(5)
        self.time_s = 0.0
        self.blobs: tuple[Blob, ...] = ()
        self.seen: list[Blob] = []

    def show(self, picture: Floats, boxes: Sequence[Box] = (), *, seconds: float = 0.5, shake: float = 0.0) -> None:
        for _ in range(round(seconds * 2)):
            dx, dy = self.random.uniform(-shake, shake, 2)
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            moved = cv2.warpAffine(picture, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            grey = np.clip(moved + NOISE[self.random.integers(16)], 0, 255).astype(np.uint8)
            image: Image = np.asarray(cv2.merge([grey, grey, grey]), np.uint8)
            self.blobs = self.sense.see(image, self.time_s, boxes)
            self.seen += self.blobs
            self.time_s += 0.5

    def only(self) -> Blob:
        assert len(self.blobs) == 1, self.blobs
        return self.blobs[0]


def with_cart(picture: Floats, x: int = 200, y: int = 200) -> Floats:
    after = picture.copy()
    after[y : y + 60, x : x + 90] = 60
    after[y + 8 : y + 24, x + 8 : x + 82 : 8] = 230
    after[y + 30 : y + 50, x + 10 : x + 40] = 180
    return after


def shaded(picture: Floats, x: int, width: int, share: float = 0.6) -> Floats:
    factor = np.ones((HEIGHT, WIDTH), np.float32)
    factor[120:300, x : x + width] = share
    return picture * cv2.GaussianBlur(factor, (0, 0), 6)


def with_person(picture: Floats, sway: float = 0) -> Floats:
    after = picture.copy()
    x = round(sway)
    after[155:260, 305 + x : 335 + x] = 40
    after[155:175, 312 + x : 328 + x] = 170
    return after


def started() -> Camera:
    camera = Camera()
    camera.show(STREET, seconds=10)
    assert camera.blobs == ()
    return camera


def test_the_street_is_learnt_first_and_that_is_said() -> None:
    camera = Camera()
    camera.show(STREET, seconds=2)
    assert camera.sense.is_learning
    assert camera.sense.street is None
    camera.show(STREET, seconds=4)
    assert not camera.sense.is_learning
    street = camera.sense.street
    assert street is not None
    assert street.shape == (180, 320)


def test_a_thing_that_is_put_down_is_a_blob_with_structure_since_that_moment() -> None:
    camera = started()
    camera.show(with_cart(STREET), seconds=20)
    blob = camera.only()
    assert (blob.x1, blob.y1, blob.x2, blob.y2) == pytest.approx((200, 200, 290, 260), abs=6)
    assert blob.area == pytest.approx(90 * 60, rel=0.35)
    assert blob.since_s == pytest.approx(10, abs=1)
    assert blob.edges > 0.3
    assert blob.explained == blob.vehicle == 0


def test_it_stays_and_goes_when_it_is_taken_away() -> None:
    camera = started()
    camera.show(with_cart(STREET), seconds=300)
    assert camera.only().since_s == pytest.approx(10, abs=1)
    camera.show(STREET, seconds=4)
    assert camera.blobs == ()


def test_what_stands_from_the_start_is_street_and_leaves_no_ghost() -> None:
    camera = Camera()
    camera.show(with_cart(STREET), seconds=10)
    assert camera.blobs == ()
    camera.show(STREET, seconds=15)
    assert camera.blobs == ()


def test_whoever_stands_there_from_the_start_is_not_street() -> None:
    camera = Camera()
    camera.show(with_person(STREET), [PERSON], seconds=10)
    camera.show(STREET, seconds=60)
    assert camera.seen == []


def test_a_passer_by_is_no_blob_even_if_the_model_does_not_see_him() -> None:
    camera = started()
    for x in range(-100, 300, 15):
        camera.show(with_person(STREET, x))
    assert camera.seen == []


def test_one_who_stands_and_sways_is_no_thing_though_the_model_misses_him_now_and_then() -> None:
    camera = started()
    for number in range(240):
        sway = 3 * np.sin(number / 5)
        camera.show(with_person(STREET, sway), [] if number % 4 else [PERSON])
    assert camera.seen == []


def test_a_thing_is_kept_while_somebody_stands_before_it() -> None:
    camera = started()
    camera.show(with_cart(STREET, 280, 190), seconds=20)
    alone = camera.only()
    camera.show(with_person(with_cart(STREET, 280, 190)), [PERSON], seconds=60)
    assert camera.only().since_s == alone.since_s
    assert 0.3 < camera.only().explained < 0.9
    camera.show(with_cart(STREET, 280, 190), seconds=10)
    assert camera.only().explained == 0
    assert camera.only().area == pytest.approx(alone.area, rel=0.2)


def test_a_parked_car_is_told_from_a_thing() -> None:
    camera = started()
    camera.show(with_cart(STREET), [Box(198, 198, 292, 262, "car", 0.7)], seconds=20)
    assert camera.only().vehicle > 0.9


def test_light_that_falls_by_a_fifth_neither_makes_a_blob_nor_loses_one() -> None:
    camera = started()
    camera.show(with_cart(STREET), seconds=20)
    before = camera.only()
    for share in (0.93, 0.87, *[0.8] * 60):
        camera.show(with_cart(STREET) * np.float32(share))
        assert camera.only().since_s == before.since_s
    assert camera.only().area == pytest.approx(before.area, rel=0.15)


def test_drift_noise_and_shake_make_no_blob() -> None:
    camera = started()
    for number in range(240):
        camera.show(STREET * np.float32(1 + 0.15 * np.sin(number / 30)), shake=1.5)
    assert camera.seen == []


def test_a_shadow_has_no_structure_and_becomes_street() -> None:
    camera = started()
    camera.show(shaded(STREET, 200, 160), seconds=60)
    assert all(blob.edges < 0.1 for blob in camera.seen)
    camera.show(shaded(STREET, 200, 160), seconds=900)
    assert camera.blobs == ()


def test_a_cloud_that_passes_is_no_thing() -> None:
    camera = started()
    for x in range(-300, 640, 4):
        camera.show(shaded(STREET, max(x, 0), 200 if x > 0 else max(200 + x, 1), 0.7))
    assert all(blob.edges < 0.1 for blob in camera.seen)


def test_a_light_that_changes_everything_is_learnt_anew_and_what_stands_there_is_kept() -> None:
    camera = started()
    camera.show(with_cart(STREET), seconds=20)
    negative = 255 - STREET
    camera.show(with_cart(negative), seconds=10)
    assert camera.sense.is_learning
    camera.only()
    camera.show(with_cart(negative), seconds=20)
    assert not camera.sense.is_learning
    blob = camera.only()
    assert (blob.x1, blob.y1, blob.x2, blob.y2) == pytest.approx((200, 200, 290, 260), abs=12)


def test_what_stood_there_before_a_restart_stands_there_after_it() -> None:
    camera = started()
    camera.show(with_cart(STREET), seconds=20)
    saved = camera.sense.save()
    camera.sense = Foreground()
    assert camera.sense.load(saved, camera.time_s)
    camera.show(with_cart(STREET), seconds=0.5)
    blob = camera.only()
    assert (blob.x1, blob.y1, blob.x2, blob.y2) == pytest.approx((200, 200, 290, 260), abs=6)
    camera.show(STREET, seconds=10)
    assert camera.blobs == ()


@pytest.mark.parametrize("saved", [b"", b"no picture", cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()])
def test_a_saved_street_that_cannot_be_read_is_learnt_anew(saved: bytes) -> None:
    sense = Foreground()
    assert not sense.load(saved, 0.0)
    assert sense.is_learning
    assert sense.save() == b""


def test_the_street_can_be_asked_for_a_place() -> None:
    camera = started()
    crop = camera.sense.street_at((200, 200, 290, 260), (WIDTH, HEIGHT))
    assert crop is not None
    assert crop.shape == (30, 45)
    expected = cv2.resize(STREET[200:260, 200:290], (45, 30), interpolation=cv2.INTER_AREA)
    assert float(np.abs(crop - expected).mean()) < 8
    camera.sense.forget()
    assert camera.sense.street_at((200, 200, 290, 260), (WIDTH, HEIGHT)) is None


def test_steps_may_be_irregular() -> None:
    camera = started()
    for number in range(40):
        camera.show(with_cart(STREET))
        camera.time_s += (number % 4) * 0.6
    assert camera.only().since_s == pytest.approx(10, abs=1)
