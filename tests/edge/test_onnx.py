"""The onnx backend: what it finds on real footage, and what it says of a model that cannot be used."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.tick import Box
from edge.config import Onnx
from edge.inference import open_backend
from edge.inference.onnx import Network
from edge.video import frames
from shell.refusal import Refusal

VAN = (652, 42, 727, 98)
PALE_CAR = (734, 50, 768, 95)


def refusal(**config: object) -> str:
    with pytest.raises(Refusal) as raised:
        open_backend(Onnx(**config))  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    return str(raised.value)


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protobuf message, its number below 16."""
    if isinstance(content, int):
        return bytes([number << 3, *varint(content)])
    return bytes([number << 3 | 2, *varint(len(content))]) + content


def varint(value: int) -> list[int]:
    return [value] if value < 128 else [value & 127 | 128, *varint(value >> 7)]


def tensor_of(name: str, shape: tuple[int | str, ...]) -> bytes:
    """An ONNX ValueInfoProto of floats; a side that is a word is left open."""
    sides = b"".join(field(1, field(1, side) if isinstance(side, int) else field(2, side.encode())) for side in shape)
    return field(1, name.encode()) + field(2, field(1, field(1, 1) + field(2, sides)))


def write_model(path: Path, *, takes: tuple[int | str, ...], gives: tuple[int | str, ...]) -> str:
    """Write a model of one node, Identity: it gives back what it takes."""
    node = field(1, b"images") + field(2, b"output") + field(4, b"Identity")
    graph = (
        field(1, node) + field(2, b"g") + field(11, tensor_of("images", takes)) + field(12, tensor_of("output", gives))
    )
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return str(path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("weights, supposedly")
    assert "is not an ONNX model that can be opened" in refusal(model=str(tmp_path / "a.onnx"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file; expected an ONNX model" in refusal(model=str(tmp_path / "a.onnx"))


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    assert "did you mean yolox-nano?" in refusal(model="yolox-nanu")


def test_a_model_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a.onnx", takes=(1, 10), gives=(1, 10))
    assert "expected one input of 1x3xHEIGHTxWIDTH floats, got 1x10" in refusal(model=model)


def test_a_model_that_answers_otherwise_than_yolox_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a.onnx", takes=(1, 3, 64, 96), gives=(1, 3, 64, 96))
    assert "expected the output 1x126x85 of YOLOX with 80 labels, got 1x3x64x96" in refusal(model=model)


def test_a_model_of_any_size_wants_to_be_told_one(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a.onnx", takes=(1, 3, "h", "w"), gives=(1, 3, "h", "w"))
    assert "takes pictures of any size; say which: `input: [416, 736]`" in refusal(model=model)


def test_a_size_that_no_stride_divides_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a.onnx", takes=(1, 3, 100, 96), gives=(1, 3, 100, 96))
    assert "multiples of 32, got 100x96" in refusal(model=model)


def test_a_configured_input_that_the_model_does_not_take_is_refused(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a.onnx", takes=(1, 3, 64, 96), gives=(1, 3, 64, 96))
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
