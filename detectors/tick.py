"""Tick: all that a camera knew at one instant, in a form that can be recorded and replayed."""

import msgspec

from detectors.blob import Blob
from detectors.surface import Surface
from detectors.view import View
from detectors.wants import Corners, Look
from wire.clock import ClockState
from wire.identifiers import Id


class Box(msgspec.Struct, frozen=True, array_like=True):
    """One detection: corners in pixels of the frame, y pointing down."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str
    confidence: float


class Tick(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What detectors see. They never see a stream, a picture or a clock."""

    camera: Id
    time_s: float
    """The camera's steady clock, seconds: frame time, never set back, also across a restart of the agent."""
    time_ms: int
    """Wall time, a label only."""
    size: tuple[int, int]
    """Width and height, pixels, that the boxes are given in: the size in the camera's configuration."""
    boxes: tuple[Box, ...]
    blind: str = ""
    """Why nothing may be concluded from this tick (camera down, background still learning); empty if it may."""
    clock: ClockState = "unsynced"
    watched_s: float = 0.0
    """For how long before this tick the pictures were watched for motion, and nothing moved: such silence is no gap."""
    regions: tuple[Corners, ...] = ()
    """What the model has looked at; empty for all of the picture."""
    view: View | None = None
    """None where there was no picture, as in a text of detections."""
    blobs: tuple[Blob, ...] = ()
    looks: tuple[Look, ...] = ()
    """Answers to `Wants.looks`."""
    steady: tuple[Box, ...] | None = None
    """Answer to `Wants.steady`: what the model finds in the picture of the last seconds; None if it was not asked."""
    surfaces: tuple[Surface, ...] = ()
    """Answers to `Wants.surfaces`."""
