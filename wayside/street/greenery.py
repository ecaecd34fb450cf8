"""What stands on the pavements: trees, lamps, troughs, the sign; painted once as a layer that walkers pass behind."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wayside.street.mesh import SUN
from wayside.street.view import Colour, Floats, Image, Sheet, View, darken, offset

ROW = 10.35  # metres across the road
_TREES = (-7.5, 1.9, 12.0, 21.5, 34.0, 43.0, 52.5, 62.0, 71.0, 80.0, 90.0, 101.0, 113.0)
_PLANTERS = (-3.5, 2.2, 7.9, 13.6, 19.3, 36.0, 44.0, 52.0)
_LAMPS = (-2.6, 16.8, 38.5, 57.5, 76.0, 96.0)


@dataclass(frozen=True)
class _Layer:
    """Colours, and how much they cover (0 to 255); far things pale in the haze."""

    colours: Sheet
    cover: Sheet

    def fill(self, points: Floats, colour: Colour, x: float) -> None:
        """Fill an outline of something that stands at ``x``."""
        share = float(np.clip((x - 15) / 190, 0, 0.6))
        blue, green, red = (channel * (1 - share) + 211 * share for channel in colour)
        self.colours.fill(points, (blue, green, red))
        self.cover.fill(points, (255,))

    def leaf(self, middle: Floats, size_m: float, colour: Colour, rng: np.random.Generator) -> None:
        """Fill a small crooked disc that faces the camera."""
        turn = np.linspace(0, 2 * np.pi, 8)[:-1] + rng.uniform(0, 1)
        reach = size_m * rng.uniform(0.75, 1.2, 7)
        ring = np.column_stack([0.57 * reach * np.cos(turn), -0.82 * reach * np.cos(turn), reach * np.sin(turn)])
        self.fill(middle + ring, colour, float(middle[0]))


def cast_shadows(picture: Image, view: View, rng: np.random.Generator) -> None:
    """Darken the paving under the trees, beside the troughs and along the house fronts."""
    height, width = picture.shape[:2]
    crowns, walls = (Sheet(np.zeros((height, width), dtype=np.uint8), view) for _ in range(2))
    for x in _TREES:
        for dx, dy in rng.normal(0, (1.25, 0.9), (46, 2)):
            middle = offset(x + dx - SUN[0] * 2.2, ROW + dy - SUN[1] * 1.2, 0.0)
            crowns.fill(middle + _round(float(rng.uniform(0.25, 0.6))), (70,))
    for x in _PLANTERS:
        crowns.fill(np.array([(x, -1.1, 0), (x + 2.4, -1.1, 0), (x + 2.75, -0.1, 0), (x + 0.35, -0.1, 0)]), (95,))
    walls.fill(np.array([(-20, 13.2, 0), (140, 13.2, 0), (140, 14.3, 0), (-20, 14.3, 0)]), (60,))
    darken(picture, crowns.canvas, 2.2 * width / 960)
    darken(picture, walls.canvas, 3 * width / 960)


def standing(view: View, rng: np.random.Generator) -> tuple[Image, Image]:
    """Return the layer's colours and its cover."""
    width, height = view.size
    colours, cover = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    layer = _Layer(Sheet(colours, view), Sheet(cover, view))
    things = [(x, True) for x in _TREES] + [(x, False) for x in _LAMPS]
    for x, is_tree in sorted(things, reverse=True):
        if is_tree:
            _tree(layer, x, rng)
        else:
            _lamp(layer, x)
    for x in reversed(_PLANTERS):
        _planter(layer, x, rng)
    _sign(layer)
    return colours, cover


def _round(radius: float) -> Floats:
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    return np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.zeros(16)])


def _lit(colour: Colour, light: float) -> Colour:
    blue, green, red = (min(235.0, channel * light) for channel in colour)
    return blue, green, red


def _pole(layer: _Layer, foot: Floats, rise: float, radius: float, colour: Colour) -> None:
    """Draw an upright pole, lighter on its sunny side."""
    for left, right, light in ((-1, 1, 0.62), (-1, 0.2, 1.0), (-0.9, -0.3, 1.2)):
        corners = [(left, 0), (right, 0), (right * 0.8, rise), (left * 0.8, rise)]
        points = foot + np.array([(side * radius, 0.0, z) for side, z in corners])
        layer.fill(points, _lit(colour, light), float(foot[0]))


def _tree(layer: _Layer, x: float, rng: np.random.Generator) -> None:
    """Draw a tree: a pit, a trunk, a crown of leaves lit by where they are in it."""
    foot = offset(x, ROW, 0.0)
    layer.fill(foot + _round(0.6), (46.0, 62.0, 78.0), x)
    _pole(layer, foot, 3.4, 0.14, (62.0, 74.0, 88.0))
    count = 1500 if x < 30 else 700 if x < 60 else 260
    spread = rng.normal(0, 1, (count, 3))
    spread /= np.maximum(np.linalg.norm(spread, axis=1, keepdims=True), 1e-6)
    bumps = 1 + 0.16 * np.sin(spread @ rng.normal(0, 5, (3, 1)) + 1)
    spread *= rng.uniform(0.25, 1.0, (count, 1)) ** (1 / 2.2) * bumps
    crown = spread * (1.75, 1.5, 1.5) * rng.uniform(0.92, 1.12) + rng.normal(0, 0.13, (count, 3)) + (x, ROW, 4.3)
    far = np.linalg.norm(np.asarray(layer.cover.view.eye) - crown, axis=1) + 0.8 * spread[:, 2]
    blue, green, red = np.array([52.0, 112, 84]) + rng.normal(0, (6, 8, 9))
    for number in np.argsort(-far):
        light = 0.52 + 0.33 * spread[number] @ SUN + 0.22 * spread[number][2] + rng.normal(0, 0.085)
        colour = _lit((blue, green, red), 1.25 * max(float(light), 0.25))
        layer.leaf(crown[number], float(rng.uniform(0.05, 0.17)), colour, rng)


def _planter(layer: _Layer, x: float, rng: np.random.Generator) -> None:
    """Draw a stone trough with a low shrub at the near kerb."""
    x2, y1, y2, top = x + 2.4, -1.05, -0.45, 0.42
    for corners, light in (
        ([(x, y1, 0), (x, y1, top), (x2, y1, top), (x2, y1, 0)], 0.92),
        ([(x, y1, 0), (x, y2, 0), (x, y2, top), (x, y1, top)], 0.80),
        ([(x, y1, top), (x2, y1, top), (x2, y2, top), (x, y2, top)], 1.12),
    ):
        layer.fill(np.array(corners, dtype=float), _lit((150.0, 156.0, 160.0), light), x)
    leaves = rng.uniform((x + 0.12, y1 + 0.1, top - 0.05), (x2 - 0.12, y2 - 0.1, top + 0.42), (330, 3))
    leaves[:, 2] -= 0.25 * np.abs((leaves[:, 0] - x - 1.2) / 1.2) ** 3
    for leaf in leaves[np.argsort(layer.cover.view.depth(leaves))[::-1]]:
        light = max(0.3, 0.55 + 0.9 * float(leaf[2] - top) + rng.normal(0, 0.1))
        colour = (110.0, 96.0, 214.0) if rng.random() < 0.05 else (58.0, 124.0, 88.0)
        layer.leaf(leaf, float(rng.uniform(0.04, 0.10)), _lit(colour, light), rng)


def _lamp(layer: _Layer, x: float) -> None:
    """Draw a lamp whose arm reaches over the road."""
    foot = offset(x, 9.75, 0.0)
    _pole(layer, foot, 0.9, 0.11, (84.0, 82.0, 78.0))
    _pole(layer, foot, 7.2, 0.065, (96.0, 94.0, 90.0))
    steps = np.linspace(0, 1, 9)
    arm = np.column_stack([np.full(9, x), 9.75 - 1.9 * steps, 7.1 + 0.5 * np.sin(steps * np.pi / 2)])
    thick = offset(0, 0, 0.05)
    for near, far in pairwise(arm):
        layer.fill(np.stack([near - thick, far - thick, far + thick, near + thick]), (104.0, 102.0, 98.0), x)
    head = [(x - 0.18, 8.0, 7.55), (x + 0.18, 8.0, 7.55), (x + 0.16, 7.2, 7.6), (x - 0.16, 7.2, 7.6)]
    layer.fill(np.array(head), (70.0, 70.0, 70.0), x)


def _sign(layer: _Layer) -> None:
    """Draw the sign that says what the zig-zag means: no stopping."""
    foot, height = offset(11.0, 9.8, 0.0), 2.75
    _pole(layer, foot, height, 0.045, (150.0, 150.0, 148.0))
    towards = offset(-0.78, -0.62, 0.0) / np.hypot(0.78, 0.62)
    level, up = offset(towards[1], -towards[0], 0.0), offset(0, 0, 1)
    turn = np.linspace(0, 2 * np.pi, 33)[:-1]
    middle = foot + offset(0, 0, height) + 0.06 * towards
    white, red, blue = (236.0, 238.0, 238.0), (38.0, 34.0, 196.0), (170.0, 78.0, 22.0)
    for radius, colour in ((0.48, white), (0.45, red), (0.345, blue)):
        ring = middle + radius * (np.cos(turn)[:, None] * level + np.sin(turn)[:, None] * up)
        layer.fill(ring, colour, 0.0)
    for tilt in (1, -1):
        along, thick = (level + tilt * up) / np.sqrt(2), (level - tilt * up) / np.sqrt(2)
        bar = [middle + 0.4 * s * along + 0.055 * t * thick for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        layer.fill(np.array(bar), red, 0.0)
