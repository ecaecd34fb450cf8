"""What lies flat: asphalt, marks, kerbs, paving; painted as a plan from above, then laid into the picture."""

import cv2
import numpy as np

from wayside.street.view import Floats, Image, View

PX = 30  # plan pixels a metre
WEST, EAST, SOUTH, NORTH = -14.0, 122.0, -6.0, 16.0
NEAR_LANE, FAR_LANE, STAND = 1.85, 5.2, 8.05  # middle lines of both lanes and of the strip along the far kerb
KERB = 9.3
ZONE = ((-0.6, 6.95), (11.2, 6.95), (11.2, 9.25), (-0.6, 9.25))
"""The strip where nobody may stand, metres on the road."""
MARKS = (
    *((-0.6, 7.05), (11.2, 7.05), (11.2, 9.1), (-0.6, 9.1)),  # the ends of the yellow box
    *((25.8, 0.25), (25.8, 3.25)),  # the stop line
    *((7.5, 5.2), (19.0, 5.1)),  # the middles of two covers
    (13.0, 6.82),  # the end of a dash
)
"""Points that are plain to see, for a calibration; metres on the road."""
CROSSING = (27.0, 30.4)
_PAINT = (206, 210, 212)
_YELLOW = (62, 178, 228)


def ground(view: View, rng: np.random.Generator) -> Image:
    """Return the picture of the empty ground."""
    plan = _plan(rng)
    lay = view.plane((WEST, NORTH, 0.0), np.array([1 / PX, 0, 0]), np.array([0, -1 / PX, 0]))
    return np.asarray(
        cv2.warpPerspective(plan, lay, view.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def clouds(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Floats:
    """Return smooth noise, mean 0, deviation about 1, with blots of about ``cell`` pixels."""
    small = rng.standard_normal((max(2, int(shape[0] / cell) + 2), max(2, int(shape[1] / cell) + 2)))
    return np.asarray(cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float64) * 1.3


def _plan(rng: np.random.Generator) -> Image:
    height, width = int((NORTH - SOUTH) * PX), int((EAST - WEST) * PX)
    shape = (height, width)
    grain = rng.standard_normal(shape).astype(np.float32)
    tone = (
        110
        + 5.5 * cv2.GaussianBlur(grain, (0, 0), 0.8) * 2
        + 2.2 * clouds(rng, shape, 60)
        + 2.5 * clouds(rng, shape, 400)
    )
    across = NORTH - (np.arange(height) + 0.5) / PX
    for middle in (NEAR_LANE, FAR_LANE):
        for side in (-0.78, 0.78):
            tone -= (6.5 * np.exp(-(((across - middle - side) / 0.32) ** 2)))[:, None]
        tone -= (2.5 * np.exp(-(((across - middle) / 0.35) ** 2)))[:, None]
    tone -= (9 * np.exp(-(((across - KERB + 0.1) / 0.35) ** 2)) + 9 * np.exp(-(((across - 0.1) / 0.35) ** 2)))[:, None]
    plan = np.clip(tone[..., None] * np.array([0.985, 0.995, 1.0]), 0, 255).astype(np.uint8)
    _repairs(plan, rng)
    marks = plan.copy()
    _marks(marks)
    worn = np.clip(0.80 + 0.10 * clouds(rng, shape, 14) + 0.05 * grain, 0.35, 1.0)[..., None]
    plan = np.asarray(plan * (1 - worn) + marks * worn, dtype=np.uint8)
    _paving(plan, rng, across)
    return plan


def _at(x: float, y: float) -> tuple[int, int]:
    return round((x - WEST) * PX), round((NORTH - y) * PX)


def _repairs(plan: Image, rng: np.random.Generator) -> None:
    """Dark patches, sealed cracks, a few covers."""
    for x, y, length, width in ((15.5, 1.0, 4.5, 1.2), (-6, 4.2, 3.0, 1.6), (41, 4.4, 7.0, 1.3), (1.5, 0.4, 2.6, 0.9)):
        (left, bottom), (right, top) = _at(x, y), _at(x + length, y + width)
        area = plan[top:bottom, left:right]
        area[:] = (area * 0.84).astype(np.uint8)
        cv2.rectangle(plan, (left, top), (right, bottom), (66, 66, 67), 1)
    for _ in range(16):
        x, y = rng.uniform(WEST, 60), rng.uniform(0.5, KERB - 0.5)
        steps = np.cumsum(rng.normal((0.28, 0.0), (0.15, 0.16), (int(rng.integers(5, 14)), 2)), axis=0)
        points = np.array([_at(x + dx, y + dy) for dx, dy in steps])
        cv2.polylines(plan, [points], False, (70, 70, 71), 1, cv2.LINE_AA)
    for x, y in ((-3.5, 1.85), (7.5, 5.2), (19.0, 5.1), (36.0, 1.8), (13.5, 2.7)):
        cv2.circle(plan, _at(x, y), int(0.36 * PX), (62, 62, 62), -1, cv2.LINE_AA)
        cv2.circle(plan, _at(x, y), int(0.36 * PX), (92, 92, 92), 2, cv2.LINE_AA)
        for step in range(-3, 4):
            cv2.line(plan, _at(x - 0.22, y + step * 0.08), _at(x + 0.22, y + step * 0.08), (80, 80, 80), 1)


def _bar(plan: Image, xs: tuple[float, float], y: float, width: float, colour: tuple[int, int, int]) -> None:
    cv2.rectangle(plan, _at(xs[0], y + width / 2), _at(xs[1], y - width / 2), colour, -1)


def _marks(plan: Image) -> None:
    """Centre line, lane edges, crossing, stop lines, and the yellow strip along the far kerb."""
    first, last = CROSSING
    for start, end in ((WEST, first - 1.4), (last + 1.4, EAST)):
        _bar(plan, (start, end), 3.42, 0.13, _YELLOW)
        _bar(plan, (start, end), 3.68, 0.13, _YELLOW)
    for x in np.arange(WEST, EAST, 6.0):
        if not first - 4 < x < last + 1:
            _bar(plan, (x, x + 3.0), 6.82, 0.12, _PAINT)
    for y in np.arange(0.45, KERB - 0.3, 0.95):
        _bar(plan, (first, last), y + 0.22, 0.48, _PAINT)
    _bar(plan, (first - 1.2, first - 0.8), 1.75, 3.0, _PAINT)
    _bar(plan, (last + 0.8, last + 1.2), 5.25, 3.0, _PAINT)
    (west, south), (east, north) = ZONE[0], ZONE[2]
    for y in (KERB - 0.22, KERB - 0.42):
        _bar(plan, (west, east), y, 0.10, _YELLOW)
    steps = np.linspace(west, east, 13)
    zigzag = [_at(x, south + 0.12 if n % 2 else north - 0.65) for n, x in enumerate(steps)]
    cv2.polylines(plan, [np.array(zigzag)], False, _YELLOW, round(0.13 * PX), cv2.LINE_AA)
    for x in (west, east):
        cv2.line(plan, _at(x, south + 0.1), _at(x, KERB - 0.2), _YELLOW, round(0.13 * PX))
    for x, heading in ((-7.0, -1), (17.5, 1), (48.0, 1)):
        _arrow(plan, x, NEAR_LANE if heading > 0 else FAR_LANE, heading)


def _arrow(plan: Image, x: float, y: float, heading: int) -> None:
    shape = np.array([(-1.5, -0.08), (0.3, -0.08), (0.3, -0.32), (1.5, 0.0), (0.3, 0.32), (0.3, 0.08), (-1.5, 0.08)])
    cv2.fillPoly(plan, [np.array([_at(x + heading * dx, y + dy) for dx, dy in shape])], _PAINT, cv2.LINE_AA)


def _paving(plan: Image, rng: np.random.Generator, across: Floats) -> None:
    """Kerb stones, slabs of many tints, the guiding path for blind people, both sides."""
    width = plan.shape[1]
    slab = PX * 0.6
    tints = rng.normal(0, 4.5, (60, int(width / slab) + 2))
    rows, columns = np.divmod(np.arange(len(across)), slab)[0].astype(int), (np.arange(width) / slab)
    shifted = (columns[None, :] + 0.5 * (rows % 2)[:, None]).astype(int)
    tint = tints[np.minimum(rows, 59)[:, None], np.minimum(shifted, tints.shape[1] - 1)]
    seam = ((np.arange(len(across)) % slab) < 1.2)[:, None] | (
        ((columns[None, :] + 0.5 * (rows % 2)[:, None]) % 1) < 0.05
    )
    tone = 158 + tint + 3 * clouds(rng, tint.shape, 90) - 17 * seam
    slabs = np.clip(tone[..., None] * np.array([0.94, 0.98, 1.0]), 0, 255)
    far, near = across > KERB, across < 0
    plan[far], plan[near] = slabs[far], slabs[near]
    for y, guide in ((11.9, True), (-2.4, True), (KERB + 0.09, False), (-0.09, False)):
        if guide:
            _bar(plan, (WEST, EAST), y, 0.5, (96, 172, 196))
            for line in (-0.15, 0.0, 0.15):
                _bar(plan, (WEST, EAST), y + line, 0.03, (80, 150, 174))
        else:
            _bar(plan, (WEST, EAST), y, 0.2, (182, 184, 184))
            for x in np.arange(WEST, EAST, 1.2):
                _bar(plan, (x, x + 0.03), y, 0.2, (120, 122, 122))
    _bar(plan, (WEST, EAST), KERB - 0.03, 0.12, (112, 114, 114))
