"""Masks: 0 or 255 for each pixel of a small grey picture. Thin names over OpenCV, whose functions here run in SIMD."""

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Average = NDArray[np.float32]

_SQUARE = np.ones((3, 3), np.uint8)


def apart(a: Grey, b: Grey, limit: int) -> Mask:
    """Return where two pictures are more than ``limit`` grey levels apart."""
    return above(np.asarray(cv2.absdiff(a, b), np.uint8), limit)


def above(grey: Grey, limit: float) -> Mask:
    """Return where a picture is above a limit."""
    return np.asarray(cv2.threshold(grey, limit, 255, cv2.THRESH_BINARY)[1], np.uint8)


def until(times: Average, time_s: float) -> Mask:
    """Return where a time is not later than another."""
    return (times <= np.float32(time_s)).view(np.uint8) * np.uint8(255)


def either(a: Mask, b: Mask) -> Mask:
    """Return where one is set or the other."""
    return np.asarray(cv2.bitwise_or(a, b), np.uint8)


def both(a: Mask, b: Mask) -> Mask:
    """Return where both are set; a picture keeps its values there."""
    return np.asarray(cv2.bitwise_and(a, b), np.uint8)


def without(a: Mask, b: Mask) -> Mask:
    """Return where the first is set and the second is not."""
    return both(a, opposite(b))


def opposite(mask: Mask) -> Mask:
    """Return where a mask is not set."""
    return np.asarray(cv2.bitwise_not(mask), np.uint8)


def set_in(mask: Mask) -> int:
    """Return how many pixels are set."""
    return int(cv2.countNonZero(mask))


def opened(mask: Mask) -> Mask:
    """Return a mask without specks."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SQUARE), np.uint8)


def contour(mask: Mask) -> Mask:
    """Return the pixels on both sides of a mask's edge; of a picture, by how much each neighbourhood varies."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, _SQUARE), np.uint8)


def inner(mask: Mask) -> Mask:
    """Return a mask without its outermost pixels."""
    return np.asarray(cv2.erode(mask, _SQUARE), np.uint8)


def joined(mask: Mask, pixels: int) -> Mask:
    """Return a mask whose parts that are nearer than ``pixels`` are one."""
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((pixels, pixels), np.uint8)), np.uint8)
