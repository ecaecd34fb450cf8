"""Likeness: whether two looks at one place show the same thing."""

import numpy as np

from detectors.wants import Look

NCC_MIN = 0.6
"""Grey levels that correlate better than this show the same thing, whatever the light."""
HUES_MIN = 0.7
"""Colours that correlate better than this do, too: a part of it may be hidden, or it has rolled on a little."""
STREET_MIN = 0.8
"""A place whose grey levels correlate better than this with the empty street is empty."""


def correlation(one: bytes, other: bytes) -> float:
    """Return Pearson's correlation of two rows of bytes, -1 to 1; 0 if one of them is even or their lengths differ.

    >>> correlation(bytes([0, 100, 200]), bytes([10, 60, 110]))
    1.0
    """
    if len(one) != len(other) or not one:
        return 0.0
    a, b = (np.frombuffer(each, np.uint8).astype(np.float64) for each in (one, other))
    a -= a.mean()
    b -= b.mean()
    scale = float(np.sqrt(a.dot(a) * b.dot(b)))
    return round(float(a.dot(b)) / scale, 9) if scale else 0.0


def is_alike(one: Look, other: Look) -> bool:
    """Say whether two looks may show the same thing: their shapes are alike, or their colours are."""
    return correlation(one.luma, other.luma) >= NCC_MIN or correlation(one.hues, other.hues) >= HUES_MIN


def is_street(look: Look) -> bool | None:
    """Say whether a look shows the empty street; None while the street is not known."""
    return look.street >= STREET_MIN if look.street else None
