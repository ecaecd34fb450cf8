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
    """Share of its edges that the empty street does not have, 0 to 1: a shadow has few, a thing has many."""
    explained: float
    """Share of it that people and vehicles cover or have covered lately, 0 to 1."""
