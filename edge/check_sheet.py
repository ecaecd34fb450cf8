"""A copy of a picture to draw on: lines, arrows and words that keep out of each other's way, and a caption below."""

from collections.abc import Sequence

import cv2
import numpy as np

from detectors.geometry import Floats, Point
from edge.video import Image

Colour = tuple[int, int, int]
_Area = tuple[int, int, int, int]
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WIDTH_MIN = 1500
"""Smaller pictures are enlarged, so that what is written on them can be read."""


class Sheet:
    """The copy that is drawn on; points are pixels of the camera's picture."""

    def __init__(self, image: Image) -> None:
        self.factor = -(-_WIDTH_MIN // image.shape[1])
        size = (image.shape[1] * self.factor, image.shape[0] * self.factor)
        self.canvas: Image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        self.unit = max(1, round(self.canvas.shape[1] / 1000))
        self._written: list[tuple[int, int, int, int]] = []

    def line(self, points: Floats, colour: Colour, thick: int = 1, *, is_closed: bool = False) -> None:
        """Draw a line through points of shape [N, 2]."""
        pixels = np.round(points * self.factor).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(self.canvas, [pixels], is_closed, colour, thick * self.unit, cv2.LINE_AA)

    def tint(self, polygon: Sequence[Point], colour: Colour) -> None:
        """Colour a polygon so that what is in it is still seen."""
        layer = self.canvas.copy()
        cv2.fillPoly(layer, [np.round(np.array(polygon) * self.factor).astype(np.int32)], colour)
        self.canvas = np.asarray(cv2.addWeighted(layer, 0.18, self.canvas, 0.82, 0), dtype=np.uint8)

    def arrow(self, start: Floats, end: Floats, colour: Colour) -> None:
        """Draw an arrow from point to point."""
        (x1, y1), (x2, y2) = (np.round(point * self.factor).astype(int).tolist() for point in (start, end))
        cv2.arrowedLine(self.canvas, (x1, y1), (x2, y2), colour, 3 * self.unit, cv2.LINE_AA, tipLength=0.25)

    def mark(self, point: Point, colour: Colour) -> None:
        """Draw a cross."""
        x, y = (round(each * self.factor) for each in point)
        cv2.drawMarker(self.canvas, (x, y), (0, 0, 0), cv2.MARKER_CROSS, 16 * self.unit, 4 * self.unit)
        cv2.drawMarker(self.canvas, (x, y), colour, cv2.MARKER_CROSS, 16 * self.unit, 2 * self.unit)

    def text(self, point: Point, text: str, colour: Colour, scale: float = 0.45) -> None:
        """Write beside a point, further down where something is written already."""
        scale *= self.unit
        text = text.encode("ascii", "replace").decode()
        (width, height), _ = cv2.getTextSize(text, _FONT, scale, self.unit)
        x = int(np.clip(point[0] * self.factor + 6 * self.unit, 0, max(0, self.canvas.shape[1] - width)))
        y = int(np.clip(point[1] * self.factor - 4 * self.unit, height, self.canvas.shape[0] - 2))
        taken = (x - 2, y - height - 2, x + width + 2, y + 4)
        for _ in range(8):
            if not any(_touch(taken, other) for other in self._written):
                break
            y += height + 7
            taken = (x - 2, y - height - 2, x + width + 2, y + 4)
        self._written.append(taken)
        # Words stand on a darkened ground: an outline would be wider than they are in some versions of OpenCV.
        left, top, right, bottom = (max(0, each) for each in (x - 2, y - height - 2, x + width + 2, y + 4))
        self.canvas[top:bottom, left:right] //= 3
        cv2.putText(self.canvas, text, (x, y), _FONT, scale, colour, self.unit, cv2.LINE_AA)

    def captioned(self, lines: Sequence[tuple[str, Colour]]) -> Image:
        """Return the picture with lines of text below it, each as large as its length allows, one size at most."""
        width = self.canvas.shape[1]
        row = 22 * self.unit
        strip = np.zeros((row * len(lines) + row // 2, width, 3), dtype=np.uint8)
        for number, (line, colour) in enumerate(lines, 1):
            longest = cv2.getTextSize(line, _FONT, 1.0, self.unit)[0][0]
            scale = min(0.5 * self.unit, 0.97 * width / longest)
            cv2.putText(strip, line, (row // 2, row * number), _FONT, scale, colour, self.unit, cv2.LINE_AA)
        return np.vstack((self.canvas, strip))


def _touch(a: _Area, b: _Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
