"""Suppression: of boxes that say the same the surest stays (greedy non-maximum suppression)."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

OVERLAP_MAX = 0.45
"""Intersection over union above which two boxes of a group are one thing."""
_VEHICLES = frozenset({"car", "bus", "truck"})
"""Classes that a small model confuses for one and the same thing, so they suppress each other."""


def group_of(label: str) -> str:
    """Return what a label is suppressed with."""
    return "vehicle" if label in _VEHICLES else label


def groups_of(labels: Iterable[str]) -> NDArray[np.intp]:
    """Return each label's group as a number.

    >>> groups_of(["person", "car", "cart", "bus"]).tolist()
    [0, 1, 2, 1]
    """
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group_of(label), len(numbers)) for label in labels], np.intp)


def kept(
    boxes: NDArray[np.float32], confidences: NDArray[np.float32], groups: Sequence[int], floor: float
) -> list[int]:
    """Return which boxes stay, surest first. Boxes are rows x, y, width, height; those below ``floor`` are out."""
    found = cv2.dnn.NMSBoxesBatched(boxes.tolist(), confidences.tolist(), list(groups), floor, OVERLAP_MAX)
    return [int(n) for n in np.asarray(found, int).ravel()]
