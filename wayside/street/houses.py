"""The far side of the street: sky, house fronts with shops, awnings, a skyline at the end."""

from itertools import pairwise

import cv2
import numpy as np

from wayside.street.ground import clouds
from wayside.street.view import Image, View

FRONT = 14.2  # metres across the road
_PX = 40
_NAMES = ("BAKERY", "FLOWERS", "NOODLES", "BOOKS", "PHARMACY", "TEA HOUSE", "BICYCLES", "FRUIT", "CAFE", "TAILOR")
_WALLS = ((176, 196, 208), (150, 172, 196), (196, 200, 200), (140, 158, 182), (168, 186, 190), (186, 190, 206))
_SHOPS = ((74, 92, 44), (48, 52, 132), (110, 74, 40), (52, 98, 130), (70, 64, 60), (96, 58, 92), (66, 104, 88))


def sky(view: View, rng: np.random.Generator) -> Image:
    """Return a mild sky with thin cloud."""
    width, height = view.size
    rise = np.linspace(0, 1, height)[:, None, None] * 2.2
    blue, haze = np.array([232.0, 204, 172]), np.array([236.0, 230, 222])
    picture = blue + (haze - blue) * np.clip(rise, 0, 1) + np.zeros((1, width, 1))
    soft = clouds(rng, (height, width), width / 5) + 0.5 * clouds(rng, (height, width), width / 14)
    return np.asarray(np.clip(picture + 9 * np.clip(soft, 0, 2)[..., None], 0, 250).astype(np.uint8))


def houses(picture: Image, view: View, rng: np.random.Generator) -> None:
    """Draw the row of houses, farthest first."""
    widths = [float(w) for w in rng.uniform(9, 14, 13)]
    starts = np.cumsum([-16.0, *widths])
    skyline(picture, view, rng)
    for number in reversed(range(len(widths))):
        start, width = float(starts[number]), widths[number]
        storeys = int(rng.integers(2, 4)) if start > 8 else 3
        front = _front(width, storeys, number, rng)
        _haze(front, start + width / 2)
        lay = view.plane((start, FRONT, 3.6 + 3.1 * storeys), np.array([1 / _PX, 0, 0]), np.array([0, 0, -1 / _PX]))
        _lay(picture, front, lay, view)
        _awning(picture, view, start, width, number)


def skyline(picture: Image, view: View, rng: np.random.Generator) -> None:
    """Draw pale towers where the street ends."""
    for x, y, width, height in (
        (190, 60, 22, 34),
        (175, 20, 24, 26),
        (150, -8, 20, 22),
        (230, 40, 30, 52),
        (210, -20, 26, 40),
    ):
        tone = np.array([206.0, 204, 200]) - rng.uniform(0, 14)
        corners = np.array([(x, y, 0), (x, y + width, 0), (x, y + width, height), (x, y, height)], dtype=float)
        cv2.fillPoly(picture, [view.project(corners).astype(np.int32)], tone.tolist(), cv2.LINE_AA)


def _lay(picture: Image, front: Image, lay: np.ndarray, view: View) -> None:
    height, width = front.shape[:2]
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), lay, view.size, flags=cv2.INTER_LINEAR)
    laid = cv2.warpPerspective(front, lay, view.size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    share = cover[..., None].astype(np.float32) / 255
    picture[:] = (laid * share + picture * (1 - share)).astype(np.uint8)


def _haze(front: Image, distance: float) -> None:
    share = float(np.clip((distance - 15) / 190, 0, 0.6))
    front[:] = (front * (1 - share) + np.array([218, 214, 208]) * share).astype(np.uint8)


def _front(width: float, storeys: int, number: int, rng: np.random.Generator) -> Image:
    """Paint one house front, flat."""
    columns, rows = int(width * _PX), int((3.6 + 3.1 * storeys) * _PX)
    wall = np.array(_WALLS[number % len(_WALLS)], dtype=float)
    tone = 1 + 0.02 * clouds(rng, (rows, columns), 70) + 0.012 * rng.standard_normal((rows, columns))
    front = np.clip(wall * tone[..., None] * 1.0, 0, 255).astype(np.uint8)
    if number % 3 == 1:
        front[:: _PX // 6] = (front[:: _PX // 6] * 0.88).astype(np.uint8)
    bays = max(3, round(width / 2.3))
    for storey in range(storeys):
        top = int((0.75 + 3.1 * storey) * _PX)
        for bay in range(bays):
            _window(front, int((bay + 0.5) * columns / bays), top, rng, balcony=number % 4 == 2 and bay % 2 == 0)
        cv2.rectangle(front, (0, top + int(2.28 * _PX)), (columns, top + int(2.34 * _PX)), (wall * 0.78).tolist(), -1)
    cv2.rectangle(front, (0, 0), (columns, int(0.28 * _PX)), (wall * 0.98).tolist(), -1)
    cv2.rectangle(front, (0, int(0.28 * _PX)), (columns, int(0.36 * _PX)), (wall * 0.6).tolist(), -1)
    cv2.rectangle(front, (0, 0), (3, rows), (wall * 0.72).tolist(), -1)
    _shop(front, number, rng)
    return front


def _window(front: Image, middle: int, top: int, rng: np.random.Generator, *, balcony: bool) -> None:
    half, height = int(0.62 * _PX), int(1.65 * _PX)
    left, right, bottom = middle - half, middle + half, top + height
    cv2.rectangle(front, (left - 4, top - 4), (right + 4, bottom + 5), (214, 220, 222), -1)
    pane = front[top:bottom, left:right]
    shine = np.linspace(1.25, 0.65, pane.shape[0])[:, None, None] * rng.uniform(0.75, 1.15)
    pane[:] = np.clip(np.array([136.0, 120, 102]) * shine, 0, 255).astype(np.uint8)
    if rng.random() < 0.45:
        drop = int(height * rng.uniform(0.25, 0.8))
        curtain = np.array([190, 204, 212]) * rng.uniform(0.7, 1.0)
        cv2.rectangle(front, (left, top), (right, top + drop), curtain.tolist(), -1)
    cv2.line(front, (middle, top), (middle, bottom), (206, 212, 214), 3)
    cv2.rectangle(front, (left - 8, bottom + 5), (right + 8, bottom + 10), (170, 176, 178), -1)
    if balcony:
        rail = bottom + 4
        cv2.rectangle(front, (left - 22, rail - 36), (right + 22, rail - 32), (60, 60, 62), -1)
        for x in range(left - 22, right + 24, 8):
            cv2.line(front, (x, rail - 34), (x, rail + 6), (66, 66, 68), 2)
        cv2.rectangle(front, (left - 24, rail + 4), (right + 24, rail + 12), (150, 156, 160), -1)
    elif rng.random() < 0.3:
        box = (left + 4, bottom + 14), (left + 38, bottom + 36)
        cv2.rectangle(front, *box, (206, 208, 208), -1)
        cv2.circle(front, (left + 24, bottom + 25), 8, (120, 122, 122), -1, cv2.LINE_AA)


def _shop(front: Image, number: int, rng: np.random.Generator) -> None:
    """Paint the ground floor: sign, windows lit from inside, a door."""
    rows, columns = front.shape[:2]
    shop = _SHOPS[number % len(_SHOPS)]
    top = rows - int(3.5 * _PX)
    cv2.rectangle(front, (6, top), (columns - 6, rows), (88, 92, 96), -1)
    cv2.rectangle(front, (6, top), (columns - 6, top + int(0.75 * _PX)), shop, -1)
    name = _NAMES[number % len(_NAMES)]
    scale, thickness = 0.95, 2
    (wide, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_DUPLEX, scale, thickness)
    cv2.putText(
        front,
        name,
        ((columns - wide) // 2, top + int(0.56 * _PX)),
        cv2.FONT_HERSHEY_DUPLEX,
        scale,
        (232, 240, 244),
        thickness,
        cv2.LINE_AA,
    )
    bays = max(3, round(columns / _PX / 2.6))
    for bay in range(bays):
        left, right = int(12 + bay * (columns - 24) / bays) + 4, int(12 + (bay + 1) * (columns - 24) / bays) - 4
        upper, lower = top + int(0.9 * _PX), rows - (2 if bay == bays // 2 else int(0.55 * _PX))
        pane = front[upper:lower, left:right]
        glow = np.linspace(0.8, 1.25, pane.shape[0])[:, None, None] * rng.uniform(0.8, 1.1)
        pane[:] = np.clip(np.array([96.0, 122, 138]) * glow, 0, 255).astype(np.uint8)
        for _ in range(7):
            x, y = int(rng.integers(left + 3, right - 10)), int(rng.integers(upper + 44, lower - 12))
            goods = rng.uniform(60, 190, 3)
            cv2.rectangle(front, (x, y), (x + int(rng.integers(6, 16)), lower - 2), goods.tolist(), -1)
        cv2.line(front, (left + 6, lower - 8), (right - 14, upper + 4), (168, 176, 178), 1, cv2.LINE_AA)
        cv2.rectangle(front, (left, upper), (right, lower), (58, 60, 62), 3)
        if bay == bays // 2:
            cv2.line(front, ((left + right) // 2, upper), ((left + right) // 2, lower), (58, 60, 62), 3)


def _awning(picture: Image, view: View, start: float, width: float, number: int) -> None:
    """Draw a striped awning over every other shop."""
    if number % 2:
        return
    bright, deep = np.array([222.0, 228, 230]), np.array(_SHOPS[number % len(_SHOPS)], dtype=float) * 1.45 + 20
    share = float(np.clip((start - 15) / 190, 0, 0.6))
    edges = np.linspace(start + 0.5, start + width - 0.5, int(width / 0.55) + 1)
    for stripe, (left, right) in enumerate(pairwise(edges)):
        colour = (deep if stripe % 2 else bright) * (1 - share) + 214 * share
        slope = [(left, FRONT, 2.95), (right, FRONT, 2.95), (right, FRONT - 1.25, 2.4), (left, FRONT - 1.25, 2.4)]
        skirt = [
            (left, FRONT - 1.25, 2.4),
            (right, FRONT - 1.25, 2.4),
            (right, FRONT - 1.25, 2.15),
            (left, FRONT - 1.25, 2.15),
        ]
        for corners, light in ((slope, 1.0), (skirt, 0.8)):
            pixels = np.round(view.project(np.array(corners)) * 16).astype(np.int32)
            cv2.fillConvexPoly(picture, pixels, np.clip(colour * light, 0, 255).tolist(), cv2.LINE_AA, 4)
