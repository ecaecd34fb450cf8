"""Decoders: from a network's raw output to boxes that may be there, in pixels of the network's own input."""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Whole = NDArray[np.intp]
DecoderName = Literal["yolox", "yolov8"]
STRIDES = (8, 16, 32)
_LOG_SIZE_MAX = 10.0
"""A side larger than any picture already; without it a mad model's box would become infinite."""


class Candidates(NamedTuple):
    """Boxes at or above a confidence, before those that say the same are dropped; all of length N."""

    centre: Floats
    """[N, 2]."""
    size: Floats
    """[N, 2]."""
    classes: Whole
    confidences: Floats


class Decoder(Protocol):
    """A layout of outputs, and what such networks expect of a picture."""

    name: str
    is_rgb: bool
    """Red first; else blue first."""
    white: float
    """What the brightest pixel is: 255, or 1."""
    expected: tuple[int, ...]
    """Shape of the output."""
    advice: str
    """What to do about a model that answers otherwise."""

    def candidates(self, raw: Floats, confidence: float) -> Candidates:
        """Return what may be there."""


def decoder(name: DecoderName, height: int, width: int, labels: int) -> Decoder:
    """Return the decoder for a network of that input size with so many labels."""
    return (YoloX if name == "yolox" else YoloV8)(height, width, labels)


class YoloX:
    """YOLOX (Ge et al., 2021, arXiv 2107.08430), raw: rows of cell offset, log size, objectness, classes."""

    name, is_rgb, white = "YOLOX", False, 255.0
    advice = "give the model's own `labels`, and export it without its decoding step"

    def __init__(self, height: int, width: int, labels: int) -> None:
        self._grid, self._stride = _grid(height, width)
        self.expected: tuple[int, ...] = (1, len(self._grid), 5 + labels)

    def candidates(self, raw: Floats, confidence: float) -> Candidates:
        """Return what may be there."""
        # A score is objectness times class, both at most 1, so most rows are out before their classes are looked at.
        likely = np.flatnonzero(raw[0, :, 4] >= confidence)
        likely = likely[np.isfinite(raw[0, likely, :4]).all(1)]
        rows = raw[0, likely]
        scores = rows[:, 4:5] * rows[:, 5:]
        classes, confidences = scores.argmax(1), scores.max(1)
        sure = confidences >= confidence
        likely, rows = likely[sure], rows[sure]
        centre = (rows[:, :2] + self._grid[likely]) * self._stride[likely]
        size = np.exp(np.minimum(rows[:, 2:4], _LOG_SIZE_MAX)) * self._stride[likely]
        return Candidates(centre, size, classes[sure], confidences[sure])


class YoloV8:
    """YOLOv8 and its kin as ultralytics exports them: columns of centre, size in input pixels, then class scores."""

    name, is_rgb, white = "YOLOv8", True, 1.0
    advice = (
        "give the model's own `labels`, and export it with `format=onnx nms=False`, for YOLO26 also `end2end=False`"
    )

    def __init__(self, height: int, width: int, labels: int) -> None:
        self.expected: tuple[int, ...] = (1, 4 + labels, len(_grid(height, width)[0]))

    def candidates(self, raw: Floats, confidence: float) -> Candidates:
        """Return what may be there."""
        best = raw[0, 4:].max(0)
        likely = np.flatnonzero(best >= confidence)
        columns = raw[0, :, likely]  # fancy indexing puts the picked ones first: [N, 4 + labels]
        columns, confidences = columns[keep := np.isfinite(columns[:, :4]).all(1)], best[likely][keep]
        return Candidates(columns[:, :2], columns[:, 2:4], columns[:, 4:].argmax(1), confidences)


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return each output row's cell (x, y) and stride."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], 2).reshape(-1, 2))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)
