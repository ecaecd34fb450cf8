"""Pieces of a mask, and what tells a thing from a shadow and from a bare patch that something has left."""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.senses.masks import Average, Grey, Mask, both, contour, inner, joined, opened, set_in

_Pixel = TypeVar("_Pixel", np.uint8, np.float32)

_AREA_MIN = 24
"""Smallest piece, pixels of the small picture."""
_JOIN = 7
"""Parts that are nearer than this are one piece, pixels."""
_OFFSET = 16.0
"""Added before the logarithm: the noise of dark pixels is no structure."""
_STEEP = 0.09
"""Change of a logarithm from pixel to pixel that is structure; light and shade that fall on a street change less."""
_PLAIN = 0.05
"""Structure in this share of the pixels counts half: a plain patch has too little to judge by."""
_MARGIN = 2
"""Pixels around a piece that are looked at too."""
_BARED, _CONTOUR_MIN = 2.0, 10.0
"""The street has more contour there than the picture, by this factor and at least so many grey levels."""


class Piece(NamedTuple):
    """A connected piece: the corner of its window in the picture and, within it, its mask (0 or 255)."""

    x: int
    y: int
    mask: Mask
    body: Mask
    """The mask with its cracks closed: a thing looks like the street here and there."""
    bounds: tuple[int, int, int, int]
    """Of the mask in the picture: left, top, right and bottom."""
    area: int
    """Of the mask, pixels."""

    def of(self, picture: NDArray[_Pixel]) -> NDArray[_Pixel]:
        """Return the part of a picture that lies in the piece's bounds."""
        height, width = self.mask.shape
        return picture[self.y : self.y + height, self.x : self.x + width]

    def whole(self, shape: tuple[int, int]) -> Mask:
        """Return the piece as a mask of the whole picture."""
        mask = np.zeros(shape, np.uint8)
        self.of(mask)[:] = self.mask
        return mask

    def surroundings(self, shape: tuple[int, int]) -> Mask:
        """Return the piece's window as a mask of the whole picture."""
        mask = np.zeros(shape, np.uint8)
        self.of(mask)[:] = 255
        return mask

    def share(self, counts: Mask) -> float:
        """Return the share of the piece where counts are not zero."""
        return float(np.count_nonzero(self.of(counts)[self.mask > 0])) / self.area

    def median(self, times: Average) -> float:
        """Return the median over the piece."""
        return float(np.median(self.of(times)[self.mask > 0]))

    def edges(self, grey: Grey, street: Grey) -> float:
        """Return the share of the structure within the piece that the street does not have.

        Shade, light and water multiply the street by something smooth, so the logarithm of their quotient is smooth
        within; a thing brings structure of its own, and hides the street's.
        """
        within = inner(self.body) > 0
        count = int(np.count_nonzero(within))
        if not count:
            return 0.0
        now = np.log(self.of(grey) + np.float32(_OFFSET))
        before = np.log(self.of(street) + np.float32(_OFFSET))
        own = int(np.count_nonzero(_steepness(now - before)[within] > _STEEP))
        kept = int(np.count_nonzero(_steepness(before)[within] > _STEEP))
        return own / (own + kept + _PLAIN * count)

    def is_bared(self, grey: Grey, street: Grey) -> bool:
        """Say whether a thing that was learnt as street has gone: its contour stands in the street, not in the picture.

        After Tian et al., "Robust detection of abandoned and removed objects in complex surveillance videos", IEEE
        Trans. SMC-C 2011.
        """
        rim = contour(self.body) > 0
        now, before = (_steepness(self.of(each).astype(np.float32))[rim].mean() for each in (grey, street))
        return bool(before >= _CONTOUR_MIN and before >= _BARED * now)


def pieces(mask: Mask) -> Iterator[Piece]:
    """Yield each piece of a mask that is large enough, specks removed and near parts joined."""
    clean = opened(mask)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined(clean, _JOIN), connectivity=8)
    for n in range(1, count):
        x, y, width, height, area = (int(each) for each in stats[n])
        if area < _AREA_MIN:
            continue
        low_x, low_y = max(x - _MARGIN, 0), max(y - _MARGIN, 0)
        window = slice(low_y, y + height + _MARGIN), slice(low_x, x + width + _MARGIN)
        body = (labels[window] == n).view(np.uint8) * np.uint8(255)
        part = both(body, clean[window])
        area = set_in(part)
        if area >= _AREA_MIN:
            yield Piece(low_x, low_y, part, body, (x, y, x + width, y + height), area)


def _steepness(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much a picture changes from pixel to pixel, in the steeper direction."""
    across = np.asarray(cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    down = np.asarray(cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    return np.maximum(np.abs(across), np.abs(down))
