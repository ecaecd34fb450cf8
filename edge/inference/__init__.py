"""The one seam to whatever finds things in a picture."""

from typing import Protocol

import msgspec

from detectors.tick import Box
from edge.config import Motion, Onnx
from edge.video import Image


class Found(msgspec.Struct, frozen=True):
    """What a backend makes of one picture."""

    boxes: tuple[Box, ...]
    """In pixels of the picture that was given."""
    blind: str = ""
    """Why nothing may be concluded from this picture; empty if it may."""


class Backend(Protocol):
    """Finds things. One instance serves one camera and is called from one thread at a time, in order of time."""

    name: str

    def detect(self, image: Image, time_s: float) -> Found:
        """Return what is in a picture; equal calls in equal order give equal answers."""


def open_backend(config: Onnx | Motion) -> Backend:
    """Make the backend that a camera is configured for. Raise Refusal if its model cannot be used."""
    # Imported late: a camera without a model does not pay for the runtime.
    if isinstance(config, Onnx):
        from edge.inference.onnx import Yolox  # noqa: PLC0415

        return Yolox(config)
    from edge.inference.motion import Difference  # noqa: PLC0415

    return Difference(config)
