"""The one seam to whatever finds things in a picture."""

from pathlib import Path
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
    """Finds things in pictures."""

    name: str
    is_stateless: bool
    """Whether a picture is all it goes by. Such a backend may serve many cameras, from several threads at once, and
    look at pictures that no camera took: a mosaic, the street behind the traffic. Any other serves one camera from one
    thread at a time, in order of time."""

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height of what its network takes, to which pictures are scaled; None if it has no network."""

    def detect(self, image: Image, time_s: float) -> Found:
        """Return what is in a picture; equal calls in equal order give equal answers."""


class Demand(msgspec.Struct, frozen=True):
    """What a box asks of its models."""

    pictures_hz: float = 2.0
    """Of all its cameras together."""
    callers: int = 1
    """Threads that let a model look at the same time."""


class Backends:
    """Backends of one box: each model is opened once for all cameras that are configured alike.

    With a ``folder`` to remember in, what the configuration leaves to ``auto`` is measured on this box; without, it is
    settled, the same everywhere.
    """

    def __init__(self, demand: Demand | None = None, folder: Path | None = None) -> None:
        self._demand, self._folder = demand or Demand(), folder
        self._shared: dict[Onnx, Backend] = {}

    def open(self, config: Onnx | Motion) -> Backend:
        """Return the backend that a camera is configured for. Raise Refusal if its model cannot be used."""
        # Imported late: a camera without a model does not pay for the runtime.
        if isinstance(config, Motion):
            from edge.inference.motion import Difference  # noqa: PLC0415

            return Difference(config)
        if config not in self._shared:
            from edge.inference.choice import choose  # noqa: PLC0415
            from edge.inference.onnx import Network  # noqa: PLC0415

            choice = choose(config, self._demand, self._folder) if self._folder else None
            self._shared[config] = Network(config, choice)
        return self._shared[config]


def open_backend(config: Onnx | Motion) -> Backend:
    """Make a backend of its own that does the same on every machine, as a replay needs it. Raise Refusal."""
    return Backends().open(config)
