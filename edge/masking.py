"""Masking: on working copies, people who only pass by and other vehicles' plates are made unrecognisable.

What is hidden is averaged to a few cells and then blurred: nothing of it is left to be brought back. It hides what the
model has found; whoever it missed stays visible, which is why originals and clips are shown to few (docs/evidence.md).
"""

from collections.abc import Iterable

import cv2

from detectors.tick import Box
from edge.video import Image
from wire.holding import BoxXywh

_CONFIDENCE_MIN = 0.2
_VEHICLES = frozenset({"car", "truck", "bus", "motorcycle", "tricycle"})
_HEAD_SHARE = 0.25
"""Of a person's box, from the top."""
_DILATE = 0.2
"""Of the region's own size, on every side."""
_PLATE = (0.15, 0.5, 0.85, 0.98)
"""Left, top, right and bottom of where plates are, in shares of a vehicle's box."""
_SAME_SHARE = 0.7
"""A box that lies in the subject's by so much is the subject, or a second name for it."""
_CELLS = 4

Region = tuple[float, float, float, float]


def masked(image: Image, boxes: Iterable[Box], subject: BoxXywh, size: tuple[int, int]) -> Image:
    """Return a copy with heads and other vehicles' plates hidden; boxes and subject are in pixels of ``size``."""
    copy = image.copy()
    scale_x, scale_y = image.shape[1] / size[0], image.shape[0] / size[1]
    own = (subject[0], subject[1], subject[0] + subject[2], subject[1] + subject[3])
    for left, top, right, bottom in hidden(boxes, own):
        x1, x2 = max(0, int(left * scale_x)), min(copy.shape[1], int(right * scale_x) + 1)
        y1, y2 = max(0, int(top * scale_y)), min(copy.shape[0], int(bottom * scale_y) + 1)
        if x2 - x1 > 1 and y2 - y1 > 1:
            _hide(copy[y1:y2, x1:x2])
    return copy


def hidden(boxes: Iterable[Box], subject: Region) -> list[Region]:
    """Return the regions to hide: left, top, right, bottom."""
    regions = []
    for box in boxes:
        width, height = box.x2 - box.x1, box.y2 - box.y1
        if box.confidence < _CONFIDENCE_MIN or width <= 0 or height <= 0:
            continue
        if box.label == "person":
            head = (box.x1, box.y1, box.x2, box.y1 + _HEAD_SHARE * height)
            regions.append(_dilated(head))
        elif box.label in _VEHICLES and _share_within(box, subject) < _SAME_SHARE:
            left, top, right, bottom = _PLATE
            plate = box.x1 + left * width, box.y1 + top * height, box.x1 + right * width, box.y1 + bottom * height
            regions += [plate] if box.y2 >= subject[3] else _outside(plate, subject)
    return regions


def _outside(region: Region, subject: Region) -> list[Region]:
    """Return the parts of a region that a nearer subject does not stand before; else its own plate could be hidden."""
    left, top, right, bottom = region
    inner = (max(left, subject[0]), max(top, subject[1]), min(right, subject[2]), min(bottom, subject[3]))
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        return [region]
    parts = (
        (left, top, inner[0], bottom),
        (inner[2], top, right, bottom),
        (inner[0], top, inner[2], inner[1]),
        (inner[0], inner[3], inner[2], bottom),
    )
    return [part for part in parts if part[0] < part[2] and part[1] < part[3]]


def _dilated(region: Region) -> Region:
    x_by, y_by = _DILATE * (region[2] - region[0]), _DILATE * (region[3] - region[1])
    return region[0] - x_by, region[1] - y_by, region[2] + x_by, region[3] + y_by


def _share_within(box: Box, subject: Region) -> float:
    width = min(box.x2, subject[2]) - max(box.x1, subject[0])
    height = min(box.y2, subject[3]) - max(box.y1, subject[1])
    area = (box.x2 - box.x1) * (box.y2 - box.y1)
    return max(0.0, width) * max(0.0, height) / area


def _hide(part: Image) -> None:
    """Average a part of a picture, in place, to a few cells, then blur these."""
    height, width = part.shape[:2]
    cells = cv2.resize(part, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    part[:] = cv2.blur(coarse, (max(1, width // _CELLS), max(1, height // _CELLS)))
