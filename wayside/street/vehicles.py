"""Cars, a van and a bus: rounded bodies, glass, wheels, lamps."""

from dataclasses import dataclass

import numpy as np

from wayside.street.mesh import Mesh, outline, patch, solid
from wayside.street.view import Colour, Floats

Span = tuple[float, float]
GLASS: Colour = (0.17, 0.145, 0.12)
RUBBER: Colour = (0.055, 0.05, 0.05)
_FINE = 2  # how many faces a rounding is given
_WHITE: Colour = (0.96, 0.97, 0.97)
_RED: Colour = (0.10, 0.07, 0.55)
_LIT_RED: Colour = (0.22, 0.16, 1.0)
_AMBER: Colour = (0.15, 0.6, 1.0)


@dataclass(frozen=True)
class Lamps:
    """Which lamps are lit."""

    brake: bool = False
    blink: bool = False


@dataclass(frozen=True)
class Wheel:
    """Where a wheel stands: along the vehicle, its side (+1 left), radius; metres."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Vehicle:
    """Parts in the order in which they are painted, wheels after the first."""

    size: tuple[float, float, float]
    """Length, width, height, metres."""
    parts: tuple[Mesh, ...]
    wheels: tuple[Wheel, ...]

    def lamps(self, lit: Lamps) -> Mesh:
        """Return the lamps at both ends, as they glow now."""
        length, width, height = self.size
        front, rear = length / 2 + 0.012, -length / 2 - 0.012
        level = 0.62 if height < 2 else 0.85
        tail = 0.68 if height < 2 else 0.95
        inner, outer = width * 0.23, width * (0.365 if height < 2 else 0.42)
        meshes = []
        for side in (1, -1):
            meshes.append(_facing(front, (side * inner, side * outer), (level, level + 0.13), _WHITE, 0.9))
            red = (_LIT_RED, 1.0) if lit.brake else (_RED, 0.35)
            meshes.append(_facing(rear, (side * inner, side * outer), (tail, tail + 0.16), *red))
            if lit.blink:
                meshes.append(
                    _facing(rear - 0.01, (side * outer * 0.8, side * outer), (tail, tail + 0.16), _AMBER, 1.0)
                )
                meshes.append(
                    _facing(front + 0.01, (side * outer * 0.8, side * outer), (level, level + 0.13), _AMBER, 1.0)
                )
        return join(meshes)


def join(meshes: list[Mesh]) -> Mesh:
    """Return several meshes as one."""
    return Mesh(
        *(
            np.concatenate([getattr(mesh, name) for mesh in meshes])
            for name in ("corners", "normals", "colour", "gloss", "glow")
        )
    )


def car(colour: Colour, kind: str = "sedan") -> Vehicle:
    """Return a sedan, hatchback or suv."""
    length, width, height, belt, glass = {
        "sedan": (4.6, 1.8, 1.45, 0.92, (-1.75, 1.05, -1.0, 0.25)),
        "hatch": (4.0, 1.74, 1.5, 0.95, (-1.88, 0.95, -1.45, 0.2)),
        "suv": (4.65, 1.88, 1.68, 1.06, (-2.15, 1.0, -1.75, 0.3)),
    }[kind]
    body = _car_body(length, width, belt, glass, colour)
    cabin = _cabin(glass, width, belt - 0.05, height, colour)
    trim = _car_trim(length, width, belt)
    radius = 0.32 if kind != "suv" else 0.37
    wheels = tuple(Wheel(x * length, side * width / 2, radius) for x in (-0.29, 0.30) for side in (1, -1))
    return Vehicle((length, width, height), (body, trim, _mirrors(glass[1] - 0.2, width, belt, colour), cabin), wheels)


def taxi(colour: Colour) -> Vehicle:
    """Return a sedan with a light on its roof and a band along its side."""
    base = car(colour, "sedan")
    sign = _block((-0.55, 0.0, 1.44), (0.12, 0.34, 0.16), (0.75, 0.95, 1.0), glow=0.75)
    half = base.size[1] / 2 + 0.006
    band = join([_along(side * half, (-1.7, 1.75), (0.56, 0.70), _WHITE, 0.3) for side in (1, -1)])
    return Vehicle(base.size, (*base.parts, band, sign), base.wheels)


def van(colour: Colour, band: Colour) -> Vehicle:
    """Return a delivery van with a coloured band."""
    length, width, height = 5.6, 2.0, 2.45
    stations = [
        (-2.80, 0.90, 2.30),
        (-2.76, 0.98, 2.42),
        (-1.5, 1.0, 2.45),
        (0.9, 1.0, 2.44),
        (1.35, 0.99, 2.30),
        (1.95, 0.98, 1.45),
        (2.15, 0.97, 1.22),
        (2.65, 0.92, 1.05),
        (2.78, 0.84, 0.92),
        (2.80, 0.76, 0.8),
    ]
    body = _loft(stations, 0.28, colour, 0.75, power=7.0)
    centres, up = body.centres, body.normals[:, 2]
    screen = (centres[:, 0] > 1.3) & (centres[:, 2] > 1.32) & (np.abs(centres[:, 1]) < 0.84) & (up > 0.1)
    body = body.painted(screen, GLASS, 1.0)
    half = width / 2 + 0.008
    sides = [_along(side * half, (-2.5, 0.75), (0.95, 1.45), band, 0.5) for side in (1, -1)]
    sides += [_along(side * half, (-1.9, -0.3), (1.62, 1.92), band, 0.5) for side in (1, -1)]
    sides += [_along(side * half, (0.78, 1.52), (1.36, 1.95), GLASS, 1.0) for side in (1, -1)]
    sides += [_along(side * half, (0.70, 0.72), (0.5, 2.1), (0.25, 0.25, 0.25), 0.0) for side in (1, -1)]
    rear = [
        _facing(-length / 2 - 0.01, (0.06, 0.82), (1.45, 2.05), GLASS, 0.0),
        _facing(-length / 2 - 0.01, (-0.82, -0.06), (1.45, 2.05), GLASS, 0.0),
    ]
    wheels = tuple(Wheel(x, side * width / 2, 0.36) for x in (-1.75, 1.9) for side in (1, -1))
    trim = join([*sides, *rear, _grille(length, 0.55, 0.34)])
    return Vehicle((length, width, height), (body, trim, _mirrors(1.55, width, 1.35, RUBBER)), wheels)


def bus(colour: Colour, band: Colour) -> Vehicle:
    """Return a city bus with doors on its right."""
    length, width, height = 11.5, 2.5, 3.05
    stations = [
        (-5.75, 1.10, 2.8),
        (-5.70, 1.22, 2.98),
        (-5.2, 1.25, 3.05),
        (5.0, 1.25, 3.05),
        (5.55, 1.24, 3.0),
        (5.72, 1.18, 2.85),
        (5.75, 1.08, 2.7),
    ]
    body = _loft(stations, 0.30, colour, 0.7, power=9.0)
    half = width / 2 + 0.01
    sides: list[Mesh] = []
    for side in (1, -1):
        sides.append(_along(side * half, (-5.55, 5.6), (0.45, 1.02), band, 0.6))
        sides.append(_along(side * half, (-5.5, 5.55), (1.35, 2.45), GLASS, 1.0))
        sides += [
            _along(side * (half + 0.004), (x, x + 0.07), (1.35, 2.45), RUBBER, 0.2) for x in np.arange(-4.2, 5.2, 1.36)
        ]
        sides.append(_along(side * (half + 0.004), (-5.5, 5.55), (1.98, 2.03), RUBBER, 0.2))
    for door in (-0.9, 3.95):
        sides.append(_along(-(half + 0.006), (door, door + 1.2), (0.42, 2.5), (0.30, 0.28, 0.26), 0.5))
        sides += [_along(-(half + 0.008), (door + x, door + x + 0.5), (0.62, 2.4), GLASS, 1.0) for x in (0.07, 0.63)]
    ends = [
        _facing(length / 2 + 0.01, (-1.05, 1.05), (1.1, 2.45), GLASS, 0.0),
        _facing(length / 2 + 0.012, (-0.75, 0.75), (2.5, 2.75), (0.05, 0.06, 0.08), 0.0),
        _facing(length / 2 + 0.014, (-0.55, 0.45), (2.56, 2.69), (0.2, 0.65, 1.0), 1.0),
        _facing(-length / 2 - 0.01, (-0.95, 0.95), (1.6, 2.5), GLASS, 0.0),
    ]
    roof = _block((-2.4, 0.0, 3.04), (1.3, 0.8, 0.22), (0.78, 0.78, 0.77))
    wheels = tuple(Wheel(x, side * width / 2, 0.48) for x in (-2.9, 3.0) for side in (1, -1))
    return Vehicle((length, width, height), (body, join([*sides, *ends]), roof), wheels)


def _car_body(length: float, width: float, belt: float, glass: tuple[float, ...], colour: Colour) -> Mesh:
    half, tail = length / 2, glass[0]
    stations = [
        (-half, 0.72, belt - 0.22),
        (-half + 0.06, 0.80, belt - 0.08),
        (-half + 0.3, 0.86, belt + 0.0),
        (tail + 0.2, 0.895, belt + 0.01),
        (-0.5, 0.90, belt),
        (0.6, 0.90, belt - 0.01),
        (glass[1], 0.895, belt - 0.03),
        (half - 0.7, 0.87, belt - 0.14),
        (half - 0.25, 0.82, belt - 0.22),
        (half - 0.05, 0.74, belt - 0.32),
        (half, 0.64, belt - 0.40),
    ]
    return _loft([(x, w * width / 1.8, z) for x, w, z in stations], 0.19, colour, 0.85, power=4.5)


def _loft(stations: list[tuple[float, float, float]], low: float, colour: Colour, gloss: float, power: float) -> Mesh:
    """Skin a body over cross-sections (x, half width, top), all standing on ``low``; the ends are closed."""
    xs, halves, tops = (np.array(column) for column in zip(*stations, strict=True))
    fine = np.unique(np.concatenate([xs, np.linspace(xs[0], xs[-1], 10 * _FINE)]))
    rings = []
    count = 12 * _FINE
    for x in fine:
        half, top = np.interp(x, xs, halves), np.interp(x, xs, tops)
        ring = outline(half, (top - low) / 2, power, count, np.pi / count)
        lean = 1 - 0.045 * np.clip(ring[:, 1] / ((top - low) / 2), 0, 1)
        rings.append(np.column_stack([np.full(count, x), ring[:, 0] * lean, ring[:, 1] + (top + low) / 2]))
    first, last = rings[0], rings[-1]
    closed = [_shrunk(first), *rings, _shrunk(last)]
    return solid(np.stack(closed), colour, gloss)


def _shrunk(ring: Floats) -> Floats:
    middle = ring.mean(axis=0)
    return np.asarray(middle + (ring - middle) * 0.02)


def _cabin(glass: tuple[float, ...], width: float, low: float, high: float, colour: Colour) -> Mesh:
    """Return the glasshouse: outlines that narrow from the belt to the roof, glass between the pillars."""
    levels = [(0.0, 0), (0.10, 0), (0.45, 1), (0.82, 1), (0.93, 0), (0.985, 0), (1.0, 0), (1.0, 0), (1.0, 0)]
    shrink = [1, 1, 1, 1, 1, 0.95, 0.86, 0.45, 0.02]
    rear_low, front_low, rear_high, front_high = glass
    rings, count = [], 20 * _FINE
    for (share, _), keep in zip(levels, shrink, strict=True):
        rear, front = np.interp(share, (0, 1), (rear_low, rear_high)), np.interp(share, (0, 1), (front_low, front_high))
        half = np.interp(share, (0, 1), (width * 0.455, width * 0.355))
        flat = outline((front - rear) / 2 * keep, half * keep, 6.0, count, np.pi / count)
        crown = 0.035 * (1 - keep)
        rings.append(
            np.column_stack(
                [flat[:, 0] + (front + rear) / 2, flat[:, 1], np.full(count, low + (high - low) * share + crown)]
            )
        )
    mesh = solid(np.stack(rings), colour, 0.85)
    level = (mesh.centres[:, 2] - low) / (high - low)
    sideways = np.abs(mesh.normals[:, 1]) > 0.75
    endways = np.abs(mesh.normals[:, 0]) > 0.35
    pillar = sideways & (np.abs(mesh.centres[:, 0] - (rear_low + front_low) / 2 - 0.05) < 0.06)
    panes = (level > 0.09) & (level < 0.9) & (sideways | endways) & ~pillar
    corner = ~sideways & (np.abs(mesh.normals[:, 1]) > 0.45)
    return mesh.painted(panes & ~corner, GLASS, 1.0)


def _car_trim(length: float, width: float, belt: float) -> Mesh:
    """Return sills, door gaps, handles, grille and number plates."""
    half = width / 2 + 0.004
    dark: Colour = (0.09, 0.09, 0.09)
    parts = [_grille(length, 0.40, 0.30)]
    for side in (1, -1):
        parts.append(_along(side * (half - 0.03), (-length * 0.2, length * 0.21), (0.21, 0.29), dark, 0.0))
        parts += [
            _along(side * (half + 0.002), (x, x + 0.018), (0.32, belt - 0.06), dark, 0.0) for x in (-0.95, -0.05, 0.92)
        ]
        parts += [
            _along(side * (half + 0.004), (x, x + 0.16), (belt - 0.17, belt - 0.135), (0.6, 0.6, 0.6), 0.6)
            for x in (-0.85, 0.05)
        ]
    parts.append(_facing(length / 2 + 0.02, (-0.23, 0.23), (0.33, 0.45), (0.75, 0.42, 0.18), 0.3))
    parts.append(_facing(-length / 2 - 0.02, (-0.23, 0.23), (0.48, 0.60), (0.75, 0.42, 0.18), 0.3))
    return join(parts)


def _grille(length: float, level: float, half_height: float) -> Mesh:
    return _facing(
        length / 2 + 0.008, (-0.5, 0.5), (level - half_height / 2, level + half_height / 2), (0.10, 0.10, 0.10), 0.0
    )


def _mirrors(x: float, width: float, level: float, colour: Colour) -> Mesh:
    return join([_block((x, side * (width / 2 - 0.01), level - 0.02), (0.07, 0.10, 0.13), colour) for side in (1, -1)])


def _block(
    middle: tuple[float, float, float], half: tuple[float, float, float], colour: Colour, glow: float = 0.0
) -> Mesh:
    """Return a box standing on ``middle``; half sizes along and across, whole height."""
    x, y, z = middle
    flat = outline(half[0], half[1], 8.0, 12, np.pi / 12)
    heights = [(0.0, 1.0), (0.8, 1.0), (1.0, 0.85), (1.0, 0.02)]
    rings = [np.column_stack([flat * keep + (x, y), np.full(12, z + half[2] * share)]) for share, keep in heights]
    mesh = solid(np.stack(rings), colour, 0.5)
    return mesh.painted(np.ones(len(mesh.gloss), dtype=bool), colour, 0.4, glow)


def _along(y: float, xs: Span, zs: Span, colour: Colour, gloss: float) -> Mesh:
    """Return a rectangle on a flank: the left one if ``y`` is positive."""
    (x1, x2), (z1, z2) = xs, zs
    corners = [(x1, y, z1), (x2, y, z1), (x2, y, z2), (x1, y, z2)]
    return patch(np.array(corners if y < 0 else corners[::-1]), colour, gloss)


def _facing(x: float, ys: Span, zs: Span, colour: Colour, glow: float) -> Mesh:
    """Return a rectangle at an end: the front if ``x`` is positive."""
    (y1, y2), (z1, z2) = sorted(ys), zs
    corners = [(x, y1, z1), (x, y2, z1), (x, y2, z2), (x, y1, z2)]
    return patch(np.array(corners if x > 0 else corners[::-1]), colour, 0.6 * (1 - glow), glow)
