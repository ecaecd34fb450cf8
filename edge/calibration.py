"""Calibration: points measured on the road and seen in the picture, and the plane through them.

The homography is the one that puts the measured points nearest to where they are seen (least squares, pixels), by
`cv2.findHomography`. It is imported late, so that replaying a text of an uncalibrated camera needs no vision library.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from config.document import ConfigError
from detectors.geometry import Floats, Point
from detectors.ground import Ground

POINTS_MIN = 4
_COLLINEAR_PX = 2.0
"""How exactly anybody can mark a point; three points nearer to one line than that are on it."""
_COLLINEAR_SHARE = 0.01

Pixels = Annotated[float, Meta(gt=0, le=100, extra_json_schema={"unit": "px"})]
MetresPerPixel = Annotated[float, Meta(gt=0, le=10, extra_json_schema={"unit": "m/px"})]


class GroundPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point of the road that is seen and was measured."""

    pixel: Point
    """x from the left and y from the top, pixels of `size`."""
    metres: Point
    """X and Y on the road in a frame of your own, seen from above: Y points to the left of X. A national grid's east
    and north will do."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the camera's pixels lie on the road."""

    points: Annotated[tuple[GroundPoint, ...], Meta(max_length=32)]
    """Four or more, no three on one line; six and more are checked against each other."""
    rms_px_max: Pixels = 4.0
    """Refuse the calibration if its points are further off than this, root mean square."""
    m_per_px_max: MetresPerPixel = 0.25
    """A zone with a corner where a pixel covers more road than this is too far away for evidence."""


class Survey(msgspec.Struct, frozen=True):
    """What comes of a calibration."""

    ground: Ground
    errors_px: tuple[float, ...]
    """Of each point: how far from where it is seen the plane puts it."""
    m_per_px_max: float

    @property
    def rms_px(self) -> float:
        """Root mean square of the errors. Of four points it is always zero, whatever they are."""
        return float(np.sqrt(np.mean(np.square(self.errors_px))))

    @property
    def worst(self) -> int:
        """Which point is the furthest off."""
        return int(np.argmax(self.errors_px))

    @property
    def is_checked(self) -> bool:
        """Whether there are more points than the plane needs."""
        return len(self.errors_px) > POINTS_MIN

    def too_far(self, polygon: Sequence[Point]) -> int | None:
        """Return the corner with the most road a pixel, if that is too much for evidence."""
        scales = self.ground.scales(np.array(polygon, dtype=np.float64))
        corner = int(np.argmax(np.nan_to_num(scales, nan=np.inf)))
        return None if scales[corner] <= self.m_per_px_max else corner


def survey(calibration: Calibration, size: tuple[int, int]) -> Survey:
    """Fit the plane. Raise ConfigError, its key below the camera's, if the points do not give one."""
    points = calibration.points
    if len(points) < POINTS_MIN:
        raise _error("points", f"expected at least {POINTS_MIN} points, got {len(points)}")
    for number, point in enumerate(points):
        x, y = point.pixel
        if not (0 <= x <= size[0] and 0 <= y <= size[1]):
            raise _error(
                f"points[{number}].pixel",
                f"({x:g}, {y:g}) lies outside the frame of {size[0]}x{size[1]}",
                f"x goes from 0 to {size[0]}, y from 0 to {size[1]}",
            )
    seen = np.array([point.pixel for point in points], dtype=np.float64)
    measured = np.array([point.metres for point in points], dtype=np.float64)
    _refuse_lines(seen, measured)
    ground = Ground.of(_fitted(seen, measured))
    errors = np.linalg.norm(ground.pixels(measured) - seen, axis=1)
    result = Survey(ground, tuple(round(float(each), 3) for each in errors), calibration.m_per_px_max)
    if not result.rms_px <= calibration.rms_px_max:
        worst = result.worst
        raise _error(
            f"points[{worst}]",
            f"the points do not fit one plane: {result.rms_px:.1f} px off (rms), at most {calibration.rms_px_max:g}; "
            f"this one is the worst, {result.errors_px[worst]:.1f} px off",
            "measure it again, or raise rms_px_max",
        )
    return result


def refuse_horizon(result: Survey, polygon: Sequence[Point], key: str) -> None:
    """Raise ConfigError for a polygon of the road that reaches the sky."""
    for corner, metres in enumerate(result.ground.metres(np.array(polygon, dtype=np.float64))):
        if np.isnan(metres).any():
            x, y = polygon[corner]
            raise ConfigError(
                "",
                0,
                f"{key}[{corner}]",
                f"({x:g}, {y:g}) lies on or above the horizon that the calibration gives",
                "move the corner down, or measure the points again",
            )


def calibration_sha256(calibration: Calibration, size: tuple[int, int]) -> str:
    """Return the version of a calibration: the hash of its points and of the frame they are seen in."""
    return hashlib.sha256(msgspec.json.encode([size, calibration.points])).hexdigest()


def _fitted(seen: Floats, measured: Floats) -> Floats:
    """Return the matrix from pixels to metres, its third coordinate positive at the points; raise ConfigError."""
    import cv2  # noqa: PLC0415

    # Coordinates of a national grid are large: the plane is fitted about their middle.
    middle = measured.mean(axis=0)
    to_pixels, _ = cv2.findHomography(measured - middle, seen, 0)
    if to_pixels is None or abs(np.linalg.det(to_pixels)) < np.finfo(np.float64).tiny:
        raise _error("points", "no plane can be laid through the points", "choose points that are further apart")
    matrix = np.linalg.inv(to_pixels)
    depths = seen @ matrix[2, :2] + matrix[2, 2]
    if depths.min() < 0 < depths.max():
        raise _error(
            "points", "no camera sees a plane so: a line through these points turns inside out", _LOOK_FOR_SWAPPED
        )
    # Along x, then up in the picture, the road turns as it does on a plan: counter-clockwise.
    matrix *= np.sign(depths[0])
    if np.linalg.det(matrix) > 0:
        raise _error(
            "points",
            "the metres run mirrored: seen from above, Y must point to the left of X",
            "swap X and Y of every point, or turn the sign of every Y; or two points are exchanged",
        )
    shift = np.array([(1, 0, middle[0]), (0, 1, middle[1]), (0, 0, 1)])
    matrix = shift @ matrix
    return np.asarray(matrix / np.abs(matrix[2]).max(), dtype=np.float64)


_LOOK_FOR_SWAPPED = "look for two points whose pixels or metres are exchanged"


def _refuse_lines(seen: Floats, measured: Floats) -> None:
    """Refuse points of which no four fix a plane: of any four, three lie on one line."""

    @cache
    def is_line(three: tuple[int, ...]) -> bool:
        return _is_line(seen[list(three)], _COLLINEAR_PX) or _is_line(measured[list(three)], 0.0)

    fours = list(combinations(range(len(seen)), POINTS_MIN))
    if any(not any(map(is_line, combinations(four, 3))) for four in fours):
        return
    first = next(filter(is_line, combinations(fours[0], 3)))
    named = ", ".join(str(number + 1) for number in first[:2])
    raise _error(
        f"points[{first[2]}]",
        f"points {named} and {first[2] + 1} lie on one line; four are needed of which no three do",
        "choose the corners of a wide quadrangle, and some points within",
    )


def _is_line(three: Floats, height_min: float) -> bool:
    """Tell whether the triangle of three points has no height to speak of."""
    first, second, third = three
    (a, b), (c, d) = second - first, third - first
    longest = max(np.hypot(a, b), np.hypot(c, d), np.hypot(a - c, b - d))
    return bool(abs(a * d - b * c) <= longest * max(height_min, _COLLINEAR_SHARE * longest))


def _error(key: str, problem: str, suggestion: str = "") -> ConfigError:
    return ConfigError("", 0, f"calibration.{key}", problem, suggestion)
