"""The onnx backend: what it finds on real footage, and what it says of a model that cannot be used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.tick import Box
from edge.config import Motion, Onnx
from edge.inference import Backends, open_backend
from edge.inference.canvas import Canvas
from edge.inference.onnx import Network
from edge.video import Image, frames
from shell.refusal import Refusal
from tests.fixtures.onnx_file import write_answer, write_identity, write_yolox

VAN = (652, 42, 727, 98)
PALE_CAR = (734, 50, 768, 95)


def refusal(**config: object) -> str:
    with pytest.raises(Refusal) as raised:
        open_backend(Onnx(**config))  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("weights, supposedly")
    assert "is not an ONNX model that can be opened" in refusal(model=str(tmp_path / "a.onnx"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file; expected an ONNX model" in refusal(model=str(tmp_path / "a.onnx"))


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    assert "did you mean yolox-nano?" in refusal(model="yolox-nanu")


def test_a_model_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    model = write_identity(tmp_path / "a.onnx", takes=(1, 10), gives=(1, 10))
    assert "expected one input of 1x3xHEIGHTxWIDTH floats, got 1x10" in refusal(model=model)


def test_a_model_that_answers_otherwise_than_yolox_is_refused(tmp_path: Path) -> None:
    model = write_identity(tmp_path / "a.onnx", takes=(1, 3, 64, 96), gives=(1, 3, 64, 96))
    assert "expected the output 1x126x85 of YOLOX with 80 labels, got 1x3x64x96" in refusal(model=model)


def test_a_model_of_any_size_wants_to_be_told_one(tmp_path: Path) -> None:
    model = write_identity(tmp_path / "a.onnx", takes=(1, 3, "h", "w"), gives=(1, 3, "h", "w"))
    assert "takes pictures of any size; say which: `input: [416, 736]`" in refusal(model=model)


def test_a_size_that_no_stride_divides_is_refused(tmp_path: Path) -> None:
    model = write_identity(tmp_path / "a.onnx", takes=(1, 3, 100, 96), gives=(1, 3, 100, 96))
    assert "multiples of 32, got 100x96" in refusal(model=model)


def test_a_configured_input_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    model = write_identity(tmp_path / "a.onnx", takes=(1, 3, 64, 96), gives=(1, 3, 64, 96))
    assert "`input: [416, 736]` is configured, but the model takes [64, 96]" in refusal(model=model, input=(416, 736))


def test_a_wrong_hash_is_refused_before_the_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("never parsed")
    assert f"expected sha256 {'0' * 64}, got " in refusal(model=str(tmp_path / "a.onnx"), sha256="0" * 64)


@pytest.mark.data
def test_labels_that_do_not_fit_the_model_are_refused(recorded: Path) -> None:
    text = refusal(model=str(recorded / "models" / "yolox_nano.onnx"), labels=("car", "cart"))
    assert "expected the output 1x3549x7 of YOLOX with 2 labels, got 1x3549x85" in text


@pytest.mark.data
def test_a_model_with_its_end_cut_off_is_refused(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes((recorded / "models" / "yolox_nano.onnx").read_bytes()[:100_000])
    assert "is not an ONNX model that can be opened" in refusal(model=str(tmp_path / "a.onnx"))


def test_yolov8s_output_is_centre_and_size_in_its_own_pixels_then_scores(tmp_path: Path) -> None:
    answer = np.zeros((1, 4 + 2, 126), np.float32)
    answer[0, :, 7] = (48, 32, 20, 10, 0.1, 0.9)
    answer[0, :, 8] = (49, 32, 20, 10, 0.8, 0.1)  # another class, so both stay
    answer[0, :, 9] = (48, 33, 20, 10, 0.0, 0.7)  # the first once more
    answer[0, :, 70] = (90, 10, 40, 40, 0.6, 0.0)  # beyond the picture
    answer[0, :, 80] = (np.nan, 10, 40, 40, 0.9, 0.0)
    model = write_answer(tmp_path / "a.onnx", answer, takes=(1, 3, 64, 96))
    backend = Network(Onnx(model=model, decoder="yolov8", labels=("cart", "stall")))
    assert backend.detect(np.zeros((128, 192, 3), np.uint8), 0.0).boxes == (  # twice as large
        Box(76, 54, 116, 74, "stall", 0.9),
        Box(78, 54, 118, 74, "cart", 0.8),
        Box(140, 0, 192, 60, "cart", 0.6),
    )


def test_a_yolov8_model_that_has_dropped_boxes_itself_is_refused_with_the_cure(tmp_path: Path) -> None:
    model = write_answer(tmp_path / "a.onnx", np.zeros((1, 300, 6), np.float32), takes=(1, 3, 64, 96))
    text = refusal(model=model, decoder="yolov8", labels=("cart",))
    assert "expected the output 1x5x126 of YOLOv8 with 1 labels, got 1x300x6; " in text
    assert "nms=False" in text


def test_yoloxs_output_is_an_offset_in_its_cell_and_a_logarithm_of_its_size(tmp_path: Path) -> None:
    answer = np.zeros((1, 126, 5 + 1), np.float32)
    answer[0, 12 * 2 + 3] = (0.5, 0.5, np.log(2), np.log(3), 0.8, 0.5)  # the fourth cell of the third row, stride 8
    answer[0, 125] = (0, 0, 99, 99, 0.9, 0.9)  # the last of stride 32, and larger than anything
    model = write_answer(tmp_path / "a.onnx", answer, takes=(1, 3, 64, 96))
    backend = Network(Onnx(model=model, labels=("cart",)))
    assert backend.detect(np.zeros((64, 96, 3), np.uint8), 0.0).boxes == (
        Box(0, 0, 96, 64, "cart", 0.81),
        Box(20, 8, 36, 32, "cart", 0.4),
    )


def test_a_canvas_is_grey_beside_the_picture_whatever_was_on_it_before() -> None:
    canvas = Canvas(64, 96, is_rgb=False, white=255.0)
    for shape in ((64, 96), (40, 96), (200, 100)):
        image = np.random.default_rng(1).integers(0, 255, (*shape, 3), np.uint8)
        got, _ = canvas.fit(image)
        assert np.array_equal(got, plainly_fitted(image, 64, 96))


def test_a_network_that_wants_it_gets_red_first_and_white_as_one() -> None:
    picture, _ = Canvas(32, 32, is_rgb=True, white=1.0).fit(np.full((16, 32, 3), (0, 51, 255), np.uint8))
    assert picture[0, :, 0, 0] == pytest.approx([1.0, 0.2, 0.0])
    assert picture[0, :, 31, 31] == pytest.approx([114 / 255] * 3)


def test_cameras_that_are_configured_alike_share_a_model_and_those_without_one_share_nothing(tmp_path: Path) -> None:
    model = write_yolox(tmp_path / "a.onnx", height=64, width=96, labels=1)
    backends = Backends()
    first = backends.open(Onnx(model=model, labels=("cart",)))
    assert backends.open(Onnx(model=model, labels=("cart",))) is first
    assert backends.open(Onnx(model=model, labels=("cart",), confidence=0.5)) is not first
    assert Backends().open(Onnx(model=model, labels=("cart",))) is not first
    assert backends.open(Motion()) is not backends.open(Motion())


def test_only_a_network_says_that_a_picture_is_all_it_needs(tmp_path: Path) -> None:
    network = open_backend(Onnx(model=write_yolox(tmp_path / "a.onnx", height=64, width=96, labels=80)))
    assert (network.is_stateless, network.input_size) == (True, (96, 64))
    motion = open_backend(Motion())
    assert (motion.is_stateless, motion.input_size) == (False, None)


def test_threads_that_share_a_model_do_not_disturb_each_other(tmp_path: Path) -> None:
    model = write_yolox(tmp_path / "a.onnx", height=64, width=96, labels=2)
    backend = Network(Onnx(model=model, labels=("cart", "stall"), confidence=0.3))
    pictures = [np.random.default_rng(n).integers(0, 255, (60 + n, 96, 3), np.uint8) for n in range(8)]
    alone = [backend.detect(picture, 0.0) for picture in pictures]
    assert any(found.boxes for found in alone)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: backend.detect(pictures[n % 8], 0.0), range(400))) == alone * 50


def plainly_fitted(image: Image, height: int, width: int) -> np.ndarray:
    """A picture fitted to an input in the plainest way."""
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    fitted = np.full((height, width, 3), 114, np.uint8)
    fitted[: size[1], : size[0]] = cv2.resize(image, size)
    return fitted.transpose(2, 0, 1)[None].astype(np.float32)


def plainly_decoded(
    raw: np.ndarray, height: int, width: int, scale: float, floor: float
) -> Iterator[tuple[float, ...]]:
    """The boxes of YOLOX's raw output before any is dropped, as its authors write them: every row, every class."""
    row = 0
    for stride in (8, 16, 32):
        for y in range(height // stride):
            for x in range(width // stride):
                scores = raw[row, 4] * raw[row, 5:]
                if scores.max() >= floor:
                    centre = (raw[row, :2] + (x, y)) * stride / scale
                    half = np.exp(raw[row, 2:4]) * stride / scale / 2
                    yield (*(centre - half), *(centre + half), int(scores.argmax()), float(scores.max()))
                row += 1


@pytest.mark.data
def test_boxes_are_those_of_the_plain_way_to_a_tenth_of_a_pixel(recorded: Path) -> None:
    backend = Network(Onnx(model="yolox-nano-416x736", confidence=0.3))
    for name, size in (("footage/vtest.avi", (768, 576)), ("scenes/parking_simple.mp4", (640, 480))):
        for frame in frames(str(recorded / name), tick_hz=0.05, decode="full", size=size):
            scale = min(416 / size[1], 736 / size[0])
            raw = backend.runtime.run(plainly_fitted(frame.image, 416, 736))[0].copy()
            plain = list(plainly_decoded(raw, 416, 736, scale, 0.3))
            found = backend.detect(frame.image, 0.0).boxes
            assert found
            for box in found:
                same = [each for each in plain if abs(each[5] - box.confidence) < 1e-4]
                corners = np.clip([each[:4] for each in same], 0, (*size, *size))
                assert np.abs(corners - (box.x1, box.y1, box.x2, box.y2)).max(1).min() <= 0.1
            best = max(plain, key=lambda each: each[5])
            assert found[0].confidence == pytest.approx(best[5], abs=1e-4)


def iou(box: Box, place: tuple[int, int, int, int]) -> float:
    across = max(0.0, min(box.x2, place[2]) - max(box.x1, place[0]))
    down = max(0.0, min(box.y2, place[3]) - max(box.y1, place[1]))
    both = across * down
    return both / ((box.x2 - box.x1) * (box.y2 - box.y1) + (place[2] - place[0]) * (place[3] - place[1]) - both)


@pytest.mark.data
def test_both_parked_cars_are_found_in_every_picture_of_real_footage(recorded: Path) -> None:
    backend = Network(Onnx(model="yolox-nano-416x736"))
    pictures = frames(str(recorded / "footage" / "vtest.avi"), tick_hz=0.2, decode="full", size=(768, 576))
    for frame in pictures:
        vehicles = [box for box in backend.detect(frame.image, frame.time_s).boxes if box.label in {"car", "truck"}]
        for place in (VAN, PALE_CAR):
            (found,) = [box for box in vehicles if iou(box, place) > 0.6]
            assert found.confidence > 0.5


@pytest.mark.data
def test_boxes_stay_where_they_are_when_the_picture_is_scaled(recorded: Path) -> None:
    backend = Network(Onnx(model="yolox-nano-416x736"))
    source = str(recorded / "footage" / "vtest.avi")
    frame = next(iter(frames(source, tick_hz=1, decode="full", size=(768, 576))))
    doubled = cv2.resize(frame.image, (1536, 1152))
    best = max(
        backend.detect(np.asarray(doubled, np.uint8), 0.0).boxes, key=lambda box: iou(box, (1468, 100, 1536, 190))
    )
    assert iou(best, (1468, 100, 1536, 190)) > 0.7


@pytest.mark.data
def test_an_empty_picture_holds_nothing(recorded: Path) -> None:
    backend = Network(Onnx(model=str(recorded / "models" / "yolox_nano.onnx"), confidence=0.2))
    assert backend.detect(np.full((480, 640, 3), 114, np.uint8), 0.0).boxes == ()
