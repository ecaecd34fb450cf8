"""The fixed camera that looks at the street."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
SHIFT = 4  # OpenCV takes sixteenths of a pixel
Colour = tuple[float, float, float]


def offset(x: float, y: float, z: float) -> Floats:
    """Return a step in the street, metres."""
    return np.array([x, y, z], dtype=float)


@dataclass(frozen=True)
class View:
    """A pinhole camera: where it stands and looks (metres), how wide it sees (degrees), its picture (pixels)."""

    eye: tuple[float, float, float] = (-13.0, -7.6, 9.2)
    target: tuple[float, float, float] = (8.0, 7.0, 2.6)
    field_deg: float = 56.0
    size: tuple[int, int] = (960, 540)

    @cached_property
    def matrix(self) -> Floats:
        """The 3x4 projection from street to picture."""
        eye = np.asarray(self.eye)
        forward = np.asarray(self.target) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        width, height = self.size
        focal = width / 2 / np.tan(np.radians(self.field_deg) / 2)
        intrinsic = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return np.asarray(intrinsic @ np.hstack([rotation, (-rotation @ eye)[:, None]]))

    def scaled(self, factor: int) -> "View":
        """Return the same view with a picture ``factor`` times as large."""
        width, height = self.size
        return View(self.eye, self.target, self.field_deg, (width * factor, height * factor))

    def project(self, points: Floats) -> Floats:
        """Return pixels [..., 2] of street points [..., 3]."""
        flat = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        return np.asarray(flat[..., :2] / np.maximum(flat[..., 2:], 0.05))

    def depth(self, points: Floats) -> Floats:
        """Return the distance of street points [..., 3] along the line of sight, metres."""
        return np.asarray(points @ self.matrix[2, :3] + self.matrix[2, 3])

    def plane(self, origin: tuple[float, float, float], across: Floats, down: Floats) -> Floats:
        """Return the 3x3 homography from a plane's own metres to the picture."""
        corner = self.matrix @ np.append(np.asarray(origin, dtype=float), 1.0)
        return np.stack([self.matrix[:, :3] @ across, self.matrix[:, :3] @ down, corner], axis=1)


@dataclass(frozen=True)
class Sheet:
    """A part of the picture to draw on, enlarged ``factor`` times; ``corner`` is its left and top in the picture."""

    canvas: Image
    view: View
    corner: tuple[int, int] = (0, 0)
    factor: int = 1

    def pixels(self, points: Floats) -> NDArray[np.int32]:
        """Return street points [..., 3] in sixteenths of this sheet's pixels, as OpenCV draws them."""
        pixels = (self.view.project(points) - self.corner) * self.factor - 0.5 * (self.factor > 1)
        return np.asarray(np.round(pixels * (1 << SHIFT)).astype(np.int32))

    def fill(self, points: Floats, colour: tuple[float, ...]) -> None:
        """Fill the convex outline through street ``points`` [n, 3]; one number a channel, 0 to 255."""
        cv2.fillConvexPoly(self.canvas, self.pixels(points), colour, cv2.LINE_AA, SHIFT)

    def line(self, points: Floats, colour: tuple[float, ...], thick_px: int) -> None:
        """Draw a line through street ``points`` [n, 3]."""
        cv2.polylines(self.canvas, [self.pixels(points)], False, colour, max(1, thick_px), cv2.LINE_AA, SHIFT)


def enlarged(area: Image, factor: int) -> Image:
    """Return ``area`` with every pixel repeated: made small again it is what it was, but for what was drawn on it."""
    return np.asarray(cv2.resize(area, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def darken(area: Image, mask: Image, softness_px: float) -> None:
    """Take light away where ``mask`` (0 to 255) is, with soft edges."""
    soft = cv2.GaussianBlur(mask, (0, 0), softness_px)
    area[:] = cv2.multiply(area, cv2.merge([255 - soft] * 3), scale=1 / 255)
