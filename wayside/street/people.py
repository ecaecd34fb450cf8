"""People who walk: a few jointed strokes each, enough to read as a person at forty pixels."""

from dataclasses import dataclass

import cv2
import numpy as np

from wayside.street.view import Colour, Floats, Image, Sheet, View, darken, enlarged, offset

_FINE = 3


@dataclass(frozen=True)
class Walker:
    """One person: where the walk begins (x, y, metres), speed (m/s, signed along x), size, clothes (BGR, 0-255)."""

    x: float
    y: float
    speed: float
    height: float
    coat: Colour
    legs: Colour
    hair: Colour = (34.0, 38.0, 48.0)
    skin: Colour = (138.0, 168.0, 205.0)
    bag: Colour | None = None


def paint_walker(picture: Image, walker: Walker, x: float, strides: float, view: View) -> None:
    """Draw one person at ``x``, after so many strides."""
    foot = np.array([x, walker.y, 0.0])
    head = view.project(foot + offset(0, 0, walker.height))
    base = view.project(foot)
    tall = float(base[1] - head[1])
    height, width = picture.shape[:2]
    x1, x2 = int(base[0] - tall * 0.7) - 3, int(base[0] + tall * 0.7) + 4
    y1, y2 = int(head[1]) - 4, int(base[1] + tall * 0.2) + 4
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(width, x2), min(height, y2)
    if tall < 4 or x2 - x1 < 4 or y2 - y1 < 4:
        return
    area = picture[y1:y2, x1:x2]
    _shadow(area, foot, view, (x1, y1))
    sheet = Sheet(enlarged(area, _FINE), view, (x1, y1), _FINE)
    _figure(_Pen(sheet, tall * _FINE / walker.height), walker, foot, strides)
    area[:] = cv2.resize(sheet.canvas, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class _Pen:
    """Draws strokes of a width in metres; ``scale`` is the sheet's pixels a metre here."""

    sheet: Sheet
    scale: float

    def stroke(self, points: list[Floats], width_m: float, colour: Colour) -> None:
        self.sheet.line(np.stack(points), colour, round(width_m * self.scale))

    def dot(self, middle: Floats, width_m: float, colour: Colour) -> None:
        self.stroke([middle, middle], width_m, colour)


def _figure(pen: _Pen, walker: Walker, foot: Floats, strides: float) -> None:
    """Draw from far to near: far arm, legs, trunk, bag, near arm, head."""
    tall, ahead = walker.height, float(np.sign(walker.speed))
    turn = 2 * np.pi * strides
    swing = float(np.sin(turn))
    bob = 0.02 * (1 - abs(swing))
    hip, shoulder = foot + offset(0, 0, 0.50 * tall + bob), foot + offset(0.02 * ahead, 0, 0.80 * tall + bob)
    for side, colour in ((1, _dim(walker.legs)), (-1, walker.legs)):
        step = side * swing * 0.24 * tall * ahead
        lift = max(0.0, side * float(np.cos(turn))) * 0.05
        knee = hip + offset(step * 0.55 + 0.03 * ahead, side * 0.07, -0.25 * tall)
        heel = foot + offset(step, side * 0.07, 0.04 + lift)
        pen.stroke([hip + offset(0, side * 0.06, 0), knee, heel], 0.135, colour)
        pen.stroke([heel, heel + offset(0.13 * ahead, 0, -0.01)], 0.09, (40.0, 40.0, 44.0))
    _arm(pen, walker, shoulder + offset(0, 0.19, -0.04), -swing * ahead, _dim(walker.coat))
    pen.stroke([hip - offset(0, 0, 0.02), shoulder], 0.30, _dim(walker.coat))
    pen.stroke([hip - offset(0.02, 0.03, 0.0), shoulder - offset(0.02, 0.03, 0.0)], 0.23, walker.coat)
    pen.stroke([shoulder - offset(0, 0.17, 0.03), shoulder + offset(0, 0.17, -0.03)], 0.13, walker.coat)
    if walker.bag is not None:
        pack = hip + offset(-0.17 * ahead, -0.05, 0.10 * tall)
        pen.stroke([pack, pack + offset(0, 0, 0.14 * tall)], 0.20, walker.bag)
    _arm(pen, walker, shoulder - offset(0, 0.19, 0.04), swing * ahead, walker.coat)
    neck = shoulder + offset(0.02 * ahead, 0, 0.05 * tall)
    pen.stroke([shoulder, neck], 0.10, walker.skin)
    face = neck + offset(0.02 * ahead, 0, 0.055 * tall)
    pen.dot(face, 0.20, walker.skin)
    pen.dot(face + offset(-0.025 * ahead, 0, 0.035), 0.205, walker.hair)


def _arm(pen: _Pen, walker: Walker, top: Floats, swing: float, colour: Colour) -> None:
    elbow = top + offset(swing * 0.08 * walker.height, 0, -0.17 * walker.height)
    hand = elbow + offset(swing * 0.11 * walker.height, 0, -0.14 * walker.height)
    pen.stroke([top, elbow, hand], 0.095, colour)
    pen.dot(hand, 0.085, walker.skin)


def _dim(colour: Colour) -> Colour:
    blue, green, red = colour
    return 0.73 * blue, 0.73 * green, 0.73 * red


def _shadow(area: Image, foot: Floats, view: View, corner: tuple[int, int]) -> None:
    sheet = Sheet(np.zeros(area.shape[:2], dtype=np.uint8), view, corner)
    turn = np.linspace(0, 2 * np.pi, 17)[:-1]
    sheet.fill(
        foot + offset(0.14, 0.12, 0) + np.column_stack([0.34 * np.cos(turn), 0.24 * np.sin(turn), np.zeros(16)]), (110,)
    )
    darken(area, sheet.canvas, 1.5)
