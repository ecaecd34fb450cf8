"""Blob: a part of the picture that is not street and stands still."""

import msgspec


class Blob(msgspec.Struct, frozen=True, array_like=True):
    """Static foreground, in pixels of the frame, y pointing down."""

    x1: float
    y1: float
    x2: float
    y2: float
    area: float
    """Of its mask, square pixels of the frame."""
    edges: float
    """Share of the structure within it that the empty street does not have, 0 to 1: a shadow has none, a thing much."""
    explained: float
    """Share of it that people cover or have covered lately, 0 to 1."""
    vehicle: float = 0.0
    """Share of it that vehicles cover or have covered lately, 0 to 1."""
    since_s: float = 0.0
    """When most of it came to stand there, on the camera's steady clock."""
