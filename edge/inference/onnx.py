"""Detection models in ONNX format; decoder: YOLOX (Ge et al., 2021, arXiv 2107.08430)."""

import re
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from detectors.tick import Box
from edge.config import Onnx
from edge.inference import Found
from edge.models import resolve
from edge.video import Image
from shell.refusal import Refusal

_STRIDES = (8, 16, 32)
_PADDING = 114
_OVERLAP_MAX = 0.45
_BOXES_MAX = 200
_VEHICLES = frozenset({"car", "bus", "truck"})
"""Classes that a small model confuses for one and the same thing, so they suppress each other."""
_OPEN_ERRORS = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.InvalidProtobuf,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
)


class Yolox:
    """A YOLOX network: blue green red 0 to 255, fitted to the top left, padded with grey; raw output."""

    def __init__(self, config: Onnx) -> None:
        path = resolve(config.model, config.sha256)
        self.name = f"onnx {path.stem}"
        self._labels = _coco() if config.labels == "coco" else config.labels
        self._confidence = config.confidence
        self._session = _open_session(path, config.threads)
        self._height, self._width = _input_shape(path, self._session, config.input)
        self._input = self._session.get_inputs()[0].name
        self._grid, self._stride = _grid(self._height, self._width)
        vehicle = next((n for n, label in enumerate(self._labels) if label in _VEHICLES), -1)
        self._groups = np.array([vehicle if label in _VEHICLES else n for n, label in enumerate(self._labels)])
        self._check_output(path)

    def detect(self, image: Image, time_s: float) -> Found:  # noqa: ARG002  # a still picture is enough
        """Return every box of every class at or above the configured confidence, most confident first."""
        scale = min(self._height / image.shape[0], self._width / image.shape[1])
        return Found(self._boxes(self._run(self._fit(image, scale)), scale, image.shape[1], image.shape[0]))

    def _fit(self, image: Image, scale: float) -> NDArray[np.float32]:
        height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
        fitted = np.full((self._height, self._width, 3), _PADDING, np.uint8)
        fitted[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(fitted.transpose(2, 0, 1)[None], np.float32)

    def _run(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = self._session.run(None, {self._input: picture})[0]
        return output

    def _boxes(self, raw: NDArray[np.float32], scale: float, width: int, height: int) -> tuple[Box, ...]:
        # A score is objectness times class, both at most 1, so most rows are out before their classes are looked at.
        likely = np.flatnonzero((raw[0, :, 4] >= self._confidence) & np.isfinite(raw[0, :, :4]).all(1))
        scores = raw[0, likely, 4:5] * raw[0, likely, 5:]
        classes, confidences = scores.argmax(1), scores.max(1)
        sure = confidences >= self._confidence
        likely, classes, confidences = likely[sure], classes[sure], confidences[sure]
        rows = raw[0, likely]
        centre = (rows[:, :2] + self._grid[likely]) * self._stride[likely] / scale
        size = np.exp(rows[:, 2:4]) * self._stride[likely] / scale
        corner = centre - size / 2
        kept = cv2.dnn.NMSBoxesBatched(
            np.hstack([corner, size]).tolist(),
            confidences.tolist(),
            self._groups[classes].tolist(),
            self._confidence,
            _OVERLAP_MAX,
        )
        limit = (width, height)
        boxes = []
        for n in np.asarray(kept, int).ravel()[:_BOXES_MAX]:
            x1, y1 = np.clip(corner[n], 0, limit)
            x2, y2 = np.clip(corner[n] + size[n], 0, limit)
            label = self._labels[classes[n]]
            boxes.append(Box(_tenth(x1), _tenth(y1), _tenth(x2), _tenth(y2), label, round(float(confidences[n]), 4)))
        return tuple(sorted(boxes, key=lambda box: -box.confidence))

    def _check_output(self, path: Path) -> None:
        """Run the model once on grey; raise Refusal unless it answers as YOLOX does for these labels."""
        expected = (1, len(self._grid), 5 + len(self._labels))
        try:
            shape = self._run(np.full((1, 3, self._height, self._width), _PADDING, np.float32)).shape
        except (*_OPEN_ERRORS, IndexError) as error:
            raise Refusal(str(path), f"the model does not run: {_first_line(error)}") from error
        if shape != expected:
            raise Refusal(
                str(path),
                f"expected the output {_times(expected)} of YOLOX with {len(self._labels)} labels, got {_times(shape)}",
                "give the model's own `labels`, and export it without its decoding step",
            )


def _open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Threads that spin while they wait would take the cores from the cameras' decoders.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _OPEN_ERRORS as error:
        raise Refusal(str(path), f"is not an ONNX model that can be opened: {_first_line(error)}") from error


def _input_shape(
    path: Path, session: onnxruntime.InferenceSession, configured: tuple[int, int] | None
) -> tuple[int, int]:
    """Return the height and width that the model takes."""
    takes = session.get_inputs()
    shape = takes[0].shape
    if len(takes) != 1 or takes[0].type != "tensor(float)" or len(shape) != 4 or shape[1] != 3:
        raise Refusal(str(path), f"expected one input of 1x3xHEIGHTxWIDTH floats, got {_times(shape)} {takes[0].type}")
    fixed = all(isinstance(side, int) for side in shape[2:])
    own = (shape[2], shape[3]) if fixed else configured
    if own is None:
        raise Refusal(str(path), "the model takes pictures of any size", "say which: `input: [416, 736]`")
    if configured is not None and configured != own:
        raise Refusal(
            str(path),
            f"`input: {list(configured)}` is configured, but the model takes {list(own)}",
            "leave `input` out, it is read from the model",
        )
    if any(side % _STRIDES[-1] for side in own):
        raise Refusal(str(path), f"expected sides that are multiples of {_STRIDES[-1]}, got {_times(own)}")
    return own


def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each output row's cell (x, y) and stride."""
    cells, strides = [], []
    for stride in _STRIDES:
        rows, columns = height // stride, width // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], 2).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _coco() -> tuple[str, ...]:
    return tuple(files("edge.inference").joinpath("coco.txt").read_text("utf-8").split("\n")[:80])


def _tenth(pixels: float) -> float:
    return round(float(pixels), 1)


def _times(shape: object) -> str:
    return "x".join(str(side) for side in shape) if isinstance(shape, list | tuple) else str(shape)


def _first_line(error: BaseException) -> str:
    """Return what the runtime says, without its error codes."""
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).split("\n")[0]
