"""A vehicle in the picture: its shadow, then its parts, drawn large and made small again so that edges are soft."""

from dataclasses import dataclass

import cv2
import numpy as np

from wayside.street.mesh import SUN, draw
from wayside.street.vehicles import Lamps, Vehicle, Wheel
from wayside.street.view import SHIFT, Floats, Image, Sheet, View, darken, enlarged, offset

Pose = tuple[float, float, float]
"""Where on the road (x, y, metres) and heading (radians, 0 along +x)."""
# Arch, tyre, rim, its hollow, the hub: share of the radius, metres outwards, grey.
_DISCS = ((1.22, 0.0, 10), (1.0, 0.012, 14), (0.68, 0.02, 139), (0.60, 0.022, 91), (0.16, 0.024, 153))


@dataclass(frozen=True)
class Driving:
    """What a vehicle does at one instant; ``travelled_m`` has turned its wheels."""

    pose: Pose
    lamps: Lamps
    travelled_m: float


def bounds(vehicle: Vehicle, pose: Pose, view: View) -> tuple[float, float, float, float]:
    """Return the vehicle's box in the picture: left, top, right, bottom, pixels; it may lie outside."""
    length, width, height = vehicle.size
    corners = np.array(
        [(x, y, z) for x in (-length / 2, length / 2) for y in (-width / 2, width / 2) for z in (0.0, height)]
    )
    rotation, position = placed(pose)
    pixels = view.project(corners @ rotation.T + position)
    (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    return float(left), float(top), float(right), float(bottom)


def placed(pose: Pose) -> tuple[Floats, Floats]:
    """Return rotation and position of a pose."""
    x, y, heading = pose
    cosine, sine = np.cos(heading), np.sin(heading)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]]), np.array([x, y, 0.0])


def paint(picture: Image, vehicle: Vehicle, driving: Driving, view: View) -> None:
    """Draw a vehicle and its shadow into ``picture``."""
    x, y, _ = driving.pose
    if view.depth(offset(x, y, 0.0)) < 3 + vehicle.size[0] / 2:
        return
    left, top, right, bottom = bounds(vehicle, driving.pose, view)
    height, width = picture.shape[:2]
    margin = int(0.14 * (right - left)) + 6
    x1, y1 = max(0, int(left) - margin), max(0, int(top) - margin)
    x2, y2 = min(width, int(right) + margin), min(height, int(bottom) + margin)
    if x2 - x1 < 3 or y2 - y1 < 3:
        return
    area = picture[y1:y2, x1:x2]
    _shadow(area, vehicle, driving.pose, view, (x1, y1))
    factor = 3 if right - left < 120 else 2
    sheet = Sheet(enlarged(area, factor), view, (x1, y1), factor)
    place = placed(driving.pose)
    body, *others = vehicle.parts
    draw(sheet, body, place)
    for wheel in vehicle.wheels:
        _wheel(sheet, wheel, driving.travelled_m, place)
    for part in (*others, vehicle.lamps(driving.lamps)):
        draw(sheet, part, place)
    area[:] = cv2.resize(sheet.canvas, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)


def _shadow(area: Image, vehicle: Vehicle, pose: Pose, view: View, corner: tuple[int, int]) -> None:
    """Darken the ground: deep beneath the vehicle, soft where it keeps off the sun."""
    length, width, height = vehicle.size
    rotation, position = placed(pose)
    half_x, half_y = length / 2, width / 2
    foot = np.array([(-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y)])
    ground = np.column_stack([foot, np.zeros(4)]) @ rotation.T + position
    roof = ground + np.append(-SUN[:2] / SUN[2] * height * 0.55, 0.0)
    scale = float(np.linalg.norm(np.diff(view.project(ground[:2]), axis=0))) / length
    cast, beneath = (Sheet(np.zeros(area.shape[:2], dtype=np.uint8), view, corner) for _ in range(2))
    hull = cv2.convexHull(cast.pixels(np.vstack([ground, roof])))
    cv2.fillConvexPoly(cast.canvas, hull, (105,), cv2.LINE_AA, SHIFT)
    darken(area, cast.canvas, float(np.clip(scale * 0.22, 0.8, 9.0)))
    beneath.fill((ground - position) * 0.97 + position, (175,))
    darken(area, beneath.canvas, float(np.clip(scale * 0.09, 0.7, 5.0)))


def _wheel(sheet: Sheet, wheel: Wheel, travelled_m: float, place: tuple[Floats, Floats]) -> None:
    """Draw arch, tyre and rim as discs on the flank, if that flank is seen."""
    rotation, position = place
    outward = rotation @ np.array([0.0, np.sign(wheel.y), 0.0])
    hub = rotation @ np.array([wheel.x, wheel.y, wheel.radius]) + position
    if outward @ (np.asarray(sheet.view.eye) - hub) <= 0:
        return
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    circle = np.column_stack([np.cos(turn), np.zeros(24), np.sin(turn)]) @ rotation.T
    for size, out, grey in _DISCS:
        sheet.fill(hub + circle * wheel.radius * size + outward * out, (grey, grey, grey))
    spin = -travelled_m / wheel.radius * np.sign(rotation[0, 0] or 1.0)
    for spoke in range(5):
        angle = spin + spoke * 2 * np.pi / 5
        beam = np.array([np.cos(angle), 0.0, np.sin(angle)]) @ rotation.T * wheel.radius * 0.6
        sheet.line(np.stack([hub, hub + beam]) + outward * 0.03, (172, 172, 170), sheet.factor - 1)
