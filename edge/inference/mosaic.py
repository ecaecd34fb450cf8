"""Mosaic: up to nine places of a picture in one input of a network, so that one inference looks at all of them.

What stands on a quiet street needs no more than a look at where it stands; and a small thing is seen better there than
in the whole picture, which is scaled down to the network's input. Each tile is filled with the street around its place:
a network that is shown a car cut out tightly, or very large, often does not know it (docs/models.md has the figures).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from detectors.tick import Box
from detectors.wants import Corners
from edge.inference import Backend
from edge.inference.canvas import PADDING
from edge.inference.suppression import OVERLAP_MAX, group_of
from edge.video import Image

PLACES_MAX = 9
_GROWN = 1.5
"""A tile shows at least a place of this many times its sides: networks know things by what is around them."""
_ZOOM_MAX = 2.0
"""A picture that is enlarged further shows nothing more."""
_SIDE = 64.0
"""Pixels of the mosaic that a place's longer side gets, if that enlarges it: what networks know most surely."""
_GAP = 2
"""Grey pixels at each side of a tile, so that nothing is seen across a seam."""
_INSIDE_MIN = 0.5
"""Share of a box that must lie in its own tile; one that lies mostly outside is of two tiles, or of what is cut off."""
_EDGE = 1.5
"""A box that ends so near to a cut, pixels of the mosaic, is of a thing that goes on beyond it."""
_BORDER = 8.0
"""Pixels of the mosaic along a cut where a thing may seem to go on beyond it, and does not."""
_COVERS_MIN = 0.3
"""Share of a place that such a box must cover to say anything of the place."""


class _Tile(NamedTuple):
    """Where a region of the picture lies in the mosaic."""

    place: Corners
    region: tuple[int, int, int, int]
    """Corners in pixels of the picture."""
    x: int
    y: int
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the mosaic for one of the picture, across and down."""
        x1, y1, x2, y2 = self.region
        return self.width / (x2 - x1), self.height / (y2 - y1)


def look(backend: Backend, image: Image, places: Sequence[Corners]) -> tuple[tuple[Box, ...], tuple[Corners, ...]]:
    """Return the boxes at one to nine places, in pixels of the picture, and the regions that were looked at.

    Each place is looked at with what is around it: what lies wholly in a region was looked at. Of what the edge cuts
    there is a box only if it covers the place, for then it hides what stands there. The backend must be stateless and
    have a network; else ValueError.
    """
    if not backend.is_stateless or backend.input_size is None:
        raise ValueError(f"{backend.name} looks at whole pictures only")
    if not 1 <= len(places) <= PLACES_MAX:
        raise ValueError(f"expected 1 to {PLACES_MAX} places, got {len(places)}")
    height, width = image.shape[:2]
    tiles = _tiles(backend.input_size, (width, height), places)
    found = backend.detect(_painted(image, tiles, backend.input_size), 0.0)
    boxes = _one_each([mapped for box in found.boxes if (mapped := _mapped(box, tiles, (width, height)))])
    return boxes, tuple(_looked_at(tile, (width, height)) for tile in tiles)


def shows_all(backend: Backend, picture: tuple[int, int], places: Sequence[Corners]) -> bool:
    """Tell whether a mosaic shows each place as large as it needs, and no smaller than the whole picture shows it.

    Many large places do not fit into one: the whole picture is then the better look, for the same cost.
    """
    if not backend.is_stateless or backend.input_size is None or not 1 <= len(places) <= PLACES_MAX:
        return False
    whole = _whole(backend.input_size, picture)
    cell = _cell(len(places), backend.input_size)
    return all(_fits(cell, place) >= _wanted(place, whole) for place in places)


def grid(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return columns and rows for so many tiles in a network's input: more columns than rows where it is wide.

    >>> [grid(count, (736, 416)) for count in (1, 2, 3, 5, 7, 9)]
    [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (3, 3)]
    >>> grid(5, (416, 736))
    (2, 3)
    """
    more = next(side for side in (1, 2, 3) if side * side >= count)
    less = -(-count // more)
    return (more, less) if size[0] >= size[1] else (less, more)


def _tiles(size: tuple[int, int], picture: tuple[int, int], places: Sequence[Corners]) -> list[_Tile]:
    columns = grid(len(places), size)[0]
    whole, cell = _whole(size, picture), _cell(len(places), size)
    tiles = []
    for n, place in enumerate(places):
        zoom = min(_fits(cell, place), _wanted(place, whole))
        x1, x2 = _span(place[0], place[2], cell[0] / zoom, picture[0])
        y1, y2 = _span(place[1], place[3], cell[1] / zoom, picture[1])
        across, down = min(cell[0], round((x2 - x1) * zoom)), min(cell[1], round((y2 - y1) * zoom))
        left, top = n % columns * (cell[0] + 2 * _GAP) + _GAP, n // columns * (cell[1] + 2 * _GAP) + _GAP
        tiles.append(_Tile(place, (x1, y1, x2, y2), left, top, across, down))
    return tiles


def _whole(size: tuple[int, int], picture: tuple[int, int]) -> float:
    """Return by how much a whole picture is scaled."""
    return min(size[0] / picture[0], size[1] / picture[1])


def _cell(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a tile without the grey around it."""
    columns, rows = grid(count, size)
    return size[0] // columns - 2 * _GAP, size[1] // rows - 2 * _GAP


def _sides(place: Corners) -> tuple[float, float]:
    return max(place[2] - place[0], 1.0), max(place[3] - place[1], 1.0)


def _wanted(place: Corners, whole: float) -> float:
    """Return the zoom at which a place is seen best: no smaller than in the whole picture, no larger than needed."""
    return min(_ZOOM_MAX, max(_SIDE / max(_sides(place)), whole))


def _fits(cell: tuple[int, int], place: Corners) -> float:
    """Return the zoom at which a place and what is around it just fit into a tile."""
    wide, high = _sides(place)
    return min(cell[0] / wide, cell[1] / high) / _GROWN


def _span(low: float, high: float, length: float, limit: int) -> tuple[int, int]:
    """Return whole pixels of that length around an interval, moved and cut so that they lie in the picture."""
    whole = min(max(math.ceil(length), 2), limit)
    first = min(max(round((low + high - whole) / 2), 0), limit - whole)
    return first, first + whole


def _painted(image: Image, tiles: Sequence[_Tile], size: tuple[int, int]) -> Image:
    mosaic = np.full((size[1], size[0], 3), PADDING, np.uint8)
    for tile in tiles:
        x1, y1, x2, y2 = tile.region
        part = image[y1:y2, x1:x2]
        # Averaging keeps what is scaled down free of patterns that are not there.
        kind = cv2.INTER_AREA if tile.width < x2 - x1 else cv2.INTER_LINEAR
        view = mosaic[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
        view[:] = cv2.resize(part, (tile.width, tile.height), interpolation=kind)
    return mosaic


class _Mapped(NamedTuple):
    box: Box
    is_cut: bool


def _mapped(box: Box, tiles: Sequence[_Tile], picture: tuple[int, int]) -> _Mapped | None:
    """Return a box of the mosaic as one of the picture; None if it says nothing there."""
    tile = max(tiles, key=lambda each: _common(box, each))
    if _common(box, tile) < _INSIDE_MIN * (box.x2 - box.x1) * (box.y2 - box.y1):
        return None
    x1, y1, x2, y2 = tile.region
    left, top, right, bottom = box.x1 - tile.x, box.y1 - tile.y, box.x2 - tile.x, box.y2 - tile.y
    is_cut = (
        (left < _EDGE and x1 > 0)
        or (top < _EDGE and y1 > 0)
        or (right > tile.width - _EDGE and x2 < picture[0])
        or (bottom > tile.height - _EDGE and y2 < picture[1])
    )
    across, down = tile.scale
    corners = (
        max(x1 + left / across, x1),
        max(y1 + top / down, y1),
        min(x1 + right / across, x2),
        min(y1 + bottom / down, y2),
    )
    if is_cut and _covered(tile.place, corners) < _COVERS_MIN:
        return None
    low_x, low_y, high_x, high_y = (round(float(each), 1) for each in corners)
    return _Mapped(Box(low_x, low_y, high_x, high_y, box.label, box.confidence), is_cut)


def _one_each(found: Sequence[_Mapped]) -> tuple[Box, ...]:
    """Drop what two tiles saw both; a thing seen whole stays before one that was cut."""
    stay: list[Box] = []
    for box, _ in sorted(found, key=lambda each: (each.is_cut, -each.box.confidence)):
        same = (each for each in stay if group_of(each.label) == group_of(box.label))
        if all(_overlap(box, each) <= OVERLAP_MAX for each in same):
            stay.append(box)
    return tuple(sorted(stay, key=lambda box: -box.confidence))


def _common(box: Box, tile: _Tile) -> float:
    return _both((box.x1, box.y1, box.x2, box.y2), (tile.x, tile.y, tile.x + tile.width, tile.y + tile.height))


def _looked_at(tile: _Tile, picture: tuple[int, int]) -> Corners:
    """Return a tile's region without its border where the picture goes on."""
    x1, y1, x2, y2 = tile.region
    across, down = (_BORDER / scale for scale in tile.scale)
    return (
        round(x1 + across, 1) if x1 > 0 else 0.0,
        round(y1 + down, 1) if y1 > 0 else 0.0,
        round(x2 - across, 1) if x2 < picture[0] else float(x2),
        round(y2 - down, 1) if y2 < picture[1] else float(y2),
    )


def _covered(place: Corners, corners: Corners) -> float:
    return _both(place, corners) / max((place[2] - place[0]) * (place[3] - place[1]), 1e-6)


def _overlap(a: Box, b: Box) -> float:
    """Return intersection over union."""
    both = _both((a.x1, a.y1, a.x2, a.y2), (b.x1, b.y1, b.x2, b.y2))
    return both / max((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both, 1e-6)


def _both(a: Corners, b: Corners) -> float:
    """Return the area that two rectangles share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
