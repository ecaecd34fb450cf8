"""Detection models in ONNX format, of any runtime and decoder that is known here."""

import threading
from importlib.resources import files
from pathlib import Path

import numpy as np

from detectors.tick import Box
from edge.config import Onnx
from edge.inference import Found
from edge.inference.canvas import PADDING, Canvas
from edge.inference.choice import Candidate, settled
from edge.inference.decoder import STRIDES, Candidates, decoder
from edge.inference.runtime import RUN_ERRORS, Runtime, open_runtime, said
from edge.inference.suppression import groups_of, kept
from edge.models import resolve
from edge.video import Image
from shell.refusal import Refusal

_BOXES_MAX = 200


class Network:
    """A model that finds boxes in a picture by itself alone. May be called from several threads at once."""

    is_stateless = True

    def __init__(self, config: Onnx, choice: Candidate | None = None) -> None:
        """Open a model by the runtime and with the threads that were chosen; else by those that are always the same."""
        path = resolve(config.model, config.sha256)
        choice = choice or settled(config)
        self.name = f"onnx {path.stem}"
        self.runtime = open_runtime(path, choice.runtime, choice.threads, config.input)
        self._labels = _coco() if config.labels == "coco" else config.labels
        self._groups = groups_of(self._labels)
        self._confidence = config.confidence
        height, width = _input_size(path, self.runtime, config.input)
        self.input_size = (width, height)
        self._decoder = decoder(config.decoder, height, width, len(self._labels))
        self._own = threading.local()
        self._check_output(path)

    def detect(self, image: Image, time_s: float) -> Found:  # noqa: ARG002  # a still picture is enough
        """Return every box of every class at or above the configured confidence, most confident first."""
        picture, scale = self.canvas.fit(image)
        found = self._decoder.candidates(self.runtime.run(picture), self._confidence)
        return Found(self._boxes(found, scale, image.shape[1], image.shape[0]))

    @property
    def canvas(self) -> Canvas:
        """The memory of this thread that pictures are fitted into."""
        own: Canvas | None = getattr(self._own, "canvas", None)
        if own is None:
            width, height = self.input_size
            own = Canvas(height, width, is_rgb=self._decoder.is_rgb, white=self._decoder.white)
            self._own.canvas = own
        return own

    def _boxes(self, found: Candidates, scale: float, width: int, height: int) -> tuple[Box, ...]:
        centre, size = found.centre / scale, found.size / scale
        corner = centre - size / 2
        stay = kept(
            np.hstack([corner, size]), found.confidences, self._groups[found.classes].tolist(), self._confidence
        )
        stay = stay[:_BOXES_MAX]
        limit = (width, height)
        low = np.clip(corner[stay], 0, limit).tolist()
        high = np.clip(corner[stay] + size[stay], 0, limit).tolist()
        boxes = [
            Box(round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1), self._labels[label], round(confidence, 4))
            for (x1, y1), (x2, y2), label, confidence in zip(
                low, high, found.classes[stay].tolist(), found.confidences[stay].tolist(), strict=True
            )
        ]
        return tuple(sorted(boxes, key=lambda box: -box.confidence))

    def _check_output(self, path: Path) -> None:
        """Run the model once on grey; raise Refusal unless it answers as its decoder expects for these labels."""
        width, height = self.input_size
        grey = np.full((1, 3, height, width), PADDING / 255 * self._decoder.white, np.float32)
        try:
            shape = self.runtime.run(grey).shape
        except (*RUN_ERRORS, IndexError) as error:
            raise Refusal(str(path), f"the model does not run: {said(error)}") from error
        expected = self._decoder.expected
        if shape != expected:
            raise Refusal(
                str(path),
                f"expected the output {_times(expected)} of {self._decoder.name} with {len(self._labels)} labels, "
                f"got {_times(shape)}",
                self._decoder.advice,
            )


def _input_size(path: Path, runtime: Runtime, configured: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width that the model takes."""
    takes = runtime.inputs
    if len(takes) != 1 or not takes[0].is_float or len(takes[0].shape) != 4 or takes[0].shape[1] != 3:
        got = ", ".join(f"{_times(each.shape)}{'' if each.is_float else ' that are no floats'}" for each in takes)
        raise Refusal(str(path), f"expected one input of 1x3xHEIGHTxWIDTH floats, got {got or 'none'}")
    height, width = takes[0].shape[2:]
    own = (height, width) if isinstance(height, int) and isinstance(width, int) else configured
    if own is None:
        raise Refusal(str(path), "the model takes pictures of any size", "say which: `input: [416, 736]`")
    if configured is not None and configured != own:
        raise Refusal(
            str(path),
            f"`input: {list(configured)}` is configured, but the model takes {list(own)}",
            "leave `input` out, it is read from the model",
        )
    if any(side % STRIDES[-1] for side in own):
        raise Refusal(str(path), f"expected sides that are multiples of {STRIDES[-1]}, got {_times(own)}")
    return own


def _coco() -> tuple[str, ...]:
    return tuple(files("edge.inference").joinpath("coco.txt").read_text("utf-8").split("\n")[:80])


def _times(shape: tuple[object, ...]) -> str:
    return "x".join("?" if side is None else str(side) for side in shape)
