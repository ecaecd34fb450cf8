"""Tick: all that a camera knew at one instant, in a form that can be recorded and replayed."""

import msgspec

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
