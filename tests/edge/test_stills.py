from pathlib import Path

import cv2
import msgspec
import numpy as np

from detectors.tick import Box
from edge.closeup import crop, score_of
from edge.config import Camera, Motion, Zone
from edge.masking import hidden, masked
from edge.stills import CLOSEUPS_MAX, Pacer, better_closeup, take_still
from edge.video import Frame, Image
from rules.rule_book import Crop
from wire.stay import Stay

_CAMERA = Camera(
    id="cam-1",
    source="street.mp4",
    size=(640, 480),
    backend=Motion(),
    zones=(Zone(id="kerb", type="no_parking", polygon=((10, 10), (200, 10), (200, 100))),),
)
_EVENT_ID = "018bcfe5-6800-7f70-85ab-33365204ce9b"
_STAY = Stay(
    id=_EVENT_ID,
    camera="cam-1",
    zone="kerb",
    time_s=100.0,
    time_ms=1_700_000_000_000,
    start_s=70.0,
    start_ms=1_699_999_970_000,
    dwell_s=30.0,
    visible_s=30.0,
    occluded_s=0.0,
    blind_s=0.0,
    visible_share=1.0,
    unseen_s=0.0,
    in_jam=False,
    is_blind=False,
    has_left=False,
    label="car",
    confidence=0.9,
    bbox=(200.0, 200.0, 120.0, 80.0),
    size=(640, 480),
)
_CAR = Box(200, 200, 320, 280, "car", 0.9)


def _street(scale: int = 1) -> Image:
    """Return a picture in which every pixel differs from its neighbours."""
    return np.random.default_rng(5).integers(0, 255, (480 * scale, 640 * scale, 3), np.uint8)


# Masking


def test_heads_and_other_vehicles_plates_are_hidden_and_nothing_else() -> None:
    image = _street()
    person, other = Box(400, 100, 440, 220, "person", 0.6), Box(20, 300, 140, 380, "car", 0.8)
    before = image.copy()
    seen = masked(image, [_CAR, person, other], _STAY.bbox, (640, 480))
    assert np.array_equal(image, before)
    changed = np.any(seen != image, axis=2)
    assert changed[100:128, 402:438].mean() > 0.95
    assert changed[345:375, 45:115].mean() > 0.95
    assert not changed[200:280, 200:320].any()
    assert not changed[150:220, 400:440].any()
    assert not changed[300:330, 20:140].any()


def test_what_is_hidden_cannot_be_brought_back() -> None:
    person = Box(400, 100, 440, 220, "person", 0.6)
    seen = masked(_street(), [person], _STAY.bbox, (640, 480))
    head = seen[96:134, 394:446].astype(float)
    assert head.std() < 12  # of noise of 73, a few averages are left
    one, other = _street(), _street()
    other[100:130, 400:440] = other[100:130, 400:440][::-1, ::-1]  # another face, as light in each cell
    assert abs(masked(one, [person], _STAY.bbox, (640, 480))[96:134, 394:446].astype(float) - head).max() == 0


def test_masking_follows_the_picture_when_it_is_larger_than_the_boxes_say() -> None:
    image = _street(2)
    seen = masked(image, [Box(400, 100, 440, 220, "person", 0.6)], _STAY.bbox, (640, 480))
    changed = np.any(seen != image, axis=2)
    assert changed[205:255, 805:875].mean() > 0.95


def test_the_subject_keeps_its_own_plate_under_a_second_name_and_before_a_car_behind() -> None:
    own = (200.0, 200.0, 320.0, 280.0)
    assert hidden([_CAR, Box(202, 198, 318, 282, "truck", 0.5)], own) == []
    behind, before = Box(190, 150, 330, 230, "car", 0.9), Box(260, 210, 420, 330, "car", 0.9)
    assert all(region[3] <= 200 or region[2] <= 200 or region[0] >= 320 for region in hidden([behind], own))
    assert hidden([before], own) == [(284.0, 270.0, 396.0, 327.6)]
    assert hidden([Box(5, 5, 50, 90, "person", 0.1), Box(5, 5, 5, 90, "person", 0.9)], own) == []


# Close-ups


def test_a_close_up_is_cut_from_the_picture_as_it_is() -> None:
    part, large = crop(_street(), _STAY), crop(_street(2), _STAY)
    assert part is not None
    assert large is not None
    assert part.shape[:2] == (93, 140) or part.shape[:2] == (92, 140)
    assert large.shape[0] >= 2 * part.shape[0] - 2
    assert crop(_street(), msgspec.structs.replace(_STAY, bbox=(0.0, 0.0, 20.0, 20.0))) is None
    at_the_edge = crop(_street(), msgspec.structs.replace(_STAY, bbox=(-20.0, 400.0, 90.0, 90.0)))
    assert at_the_edge is not None


def test_sharper_and_larger_views_score_higher() -> None:
    view = cv2.resize(_street()[:40, :60], (240, 160), interpolation=cv2.INTER_CUBIC)
    blurred = np.asarray(cv2.GaussianBlur(view, (0, 0), 4), np.uint8)
    assert score_of(np.asarray(view, np.uint8)) > 2 * score_of(blurred)
    assert score_of(np.tile(np.asarray(view, np.uint8), (2, 2, 1))) > 1.8 * score_of(np.asarray(view, np.uint8))


def test_only_a_clearly_better_view_replaces_the_best(tmp_path: Path) -> None:
    sharp = np.asarray(cv2.resize(_street()[:120, :160], (640, 480), interpolation=cv2.INTER_CUBIC), np.uint8)
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 6), np.uint8)
    asked = Crop(event_id=_EVENT_ID, held=_STAY)
    first = better_closeup(tmp_path, _CAMERA, Frame(1.0, 1, soft), asked, boxes=(_CAR,), best=None)
    assert first is not None
    assert better_closeup(tmp_path, _CAMERA, Frame(2.0, 2, soft), asked, boxes=(_CAR,), best=first) is None
    second = better_closeup(tmp_path, _CAMERA, Frame(3.0, 3, sharp), asked, boxes=(_CAR,), best=first)
    assert second is not None
    assert second.score > first.score
    assert len(list(tmp_path.iterdir())) == 4
    original = cv2.imread(str(tmp_path / second.still.original.name))
    copy = cv2.imread(str(tmp_path / second.still.copy.name))
    assert original is not None
    assert copy is not None
    assert copy.shape[0] > original.shape[0]  # the words stand below the view, not on it


def test_views_are_judged_once_a_second_and_few_stays_are_remembered() -> None:
    pacer = Pacer()
    assert [pacer.is_due("a", time_s) for time_s in (0.0, 0.5, 1.0, 1.4)] == [True, False, True, False]
    for number in range(3 * CLOSEUPS_MAX):
        assert pacer.is_due(str(number), 2.0)
    assert len(pacer._judged_s) == CLOSEUPS_MAX


# Stills


def test_a_picture_before_a_spill_is_kept_like_any_still(tmp_path: Path) -> None:
    still = take_still(tmp_path, _CAMERA, _street(), _STAY, event_id=_EVENT_ID, role="before", boxes=())
    assert still is not None
    assert (still.role, still.time_ms) == ("before", _STAY.time_ms)
    assert {path.name for path in tmp_path.iterdir()} == {still.original.name, still.copy.name}


def test_a_full_disk_costs_the_still_and_not_the_event(tmp_path: Path) -> None:
    nowhere = tmp_path / "gone"
    assert take_still(nowhere, _CAMERA, _street(), _STAY, event_id=_EVENT_ID, role="limit", boxes=()) is None
