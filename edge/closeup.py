"""Close-up: the best view of one vehicle over all of its stay, cut from the picture as it is, never made larger."""

import cv2
import numpy as np

from edge.video import Image
from wire.holding import Holding

_MARGIN = 0.08
_SIDE_MIN = 32
"""Pixels; of anything smaller nothing can be read."""


def crop(image: Image, held: Holding) -> Image | None:
    """Return the part of a picture that shows the holding and a little around it; None if that is too small."""
    height, width = image.shape[:2]
    scale_x, scale_y = width / held.size[0], height / held.size[1]
    x, y, box_width, box_height = held.bbox
    left, right = max(0, round((x - _MARGIN * box_width) * scale_x)), round((x + (1 + _MARGIN) * box_width) * scale_x)
    top, bottom = max(0, round((y - _MARGIN * box_height) * scale_y)), round((y + (1 + _MARGIN) * box_height) * scale_y)
    part = image[top:bottom, left:right]
    return part if min(part.shape[:2]) >= _SIDE_MIN else None


def score_of(part: Image) -> float:
    """Return how much can be seen: sharpness times size.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., 2000), size the root of the number of pixels: a
    view twice as large is worth as much as one twice as sharp, and noise in a large dark view does not win.
    """
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    edges = np.asarray(cv2.Laplacian(cv2.blur(grey, (3, 3)), cv2.CV_32F))
    return float(edges.var() * np.sqrt(grey.size))
