"""Road: remembers what the bare road of the lanes looks like, and compares it before and after a truck.

Of every pixel of the lanes the last 15 clear samples are kept, one a second at most: not under a road user's box, and
when the picture is sound. Their median is the road. 54 bytes a pixel and 260 000 pixels at most are under 14 MiB a
camera; a road that is kept for a passage adds one byte a pixel, 2 MiB for seven.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.surface import CELL_M, Piece, Surface, SurfaceWant
from detectors.tick import Box
from edge.senses.particles import Particles
from edge.senses.surface import Blob, Grey, Mask, compare
from edge.video import Frame, Image

Bytes = NDArray[np.uint8]
Polygon = Sequence[tuple[float, float]]

_SAMPLES = 15
_EVERY_S = 0.95
"""Between two samples; a little less than a second, so that a tick that comes early is not passed over."""
_BEFORE_MIN = 5
"""Clear samples without which nobody knows what the road looked like."""
_PIXELS_MAX = 260_000
_KEPT_MAX = 7
_PIECES_MAX = 40
_SIDE_MIN = 3.0
"""Pixels of the picture that a piece must measure both ways; less is noise drawn out."""
_SEEN_SHARE = 0.2
"""The least seen part of a strip is the fifth of it that has the fewest samples; what has too few is not judged."""
_MARGIN = 0.06
"""Road beside the lanes that is remembered too, in heights of the picture: a median needs what is around it."""
_DARK = 15
"""Grey level of the road under which it is too dark to judge."""
_TICKS_A_S = 4
_EPOCH = 40_000
"""Times are kept as quarters of a second in 16 bits, from a start that moves on."""
_USERS = {"car", "truck", "bus", "motorcycle", "bicycle", "person", "thing", "muck_truck", "sweeper"}
_USER_CONFIDENCE = 0.2
_WHOLE = 0.5
"""A box over more than this share of the picture is a mistake of the model."""
_SHAKE = np.ones((3, 3), np.uint8)
_MOVED, _MOVED_RIM = 12, np.ones((9, 9), np.uint8)
"""Grey levels by which a pixel must leave what was around it in the picture before to be moving, and what is so too."""
_WIDEN, _DEEPEN = 0.12, 0.12
"""How much of a box's width at each side, and of its height above and below, may be its shadow or a bad fit."""


class Road:
    """The memory of one camera's lanes; called in order of time, from one thread at a time."""

    def __init__(self, size: tuple[int, int], lanes: Iterable[Polygon]) -> None:
        """Remember the lanes, whose polygons are in pixels of a picture of ``size``, width and height."""
        self._scale, inside = _region(size, tuple(lanes))
        self._shape = inside.shape
        self._pixels = np.flatnonzero(inside)
        count = len(self._pixels)
        self._ring = np.zeros((_SAMPLES, count), np.uint8)
        self._times = np.zeros((_SAMPLES, count), np.uint16)
        self._turn = np.zeros(count, np.uint8)
        self._inside: Mask = inside
        self._epoch_s: float | None = None
        self._sample_s: float | None = None
        self._last: Grey | None = None
        self._kept: OrderedDict[str, Bytes | None] = OrderedDict()
        self._pictures: OrderedDict[str, tuple[Image, Image]] = OrderedDict()
        self._particles: OrderedDict[str, Particles] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Return what the memory takes, without the roads that are kept for passages."""
        return self._ring.nbytes + self._times.nbytes + self._turn.nbytes + self._inside.nbytes + self._pixels.nbytes

    def look(
        self, frame: Frame, boxes: Sequence[Box], wants: Sequence[SurfaceWant], *, blind: str = ""
    ) -> tuple[Surface, ...]:
        """Remember a picture unless it is ``blind``, and return what can be said of the wants now."""
        if not len(self._pixels):
            return ()
        for want in wants:
            self._keep(want)
        is_due = self._sample_s is None or frame.time_s - self._sample_s >= _EVERY_S
        last, self._last = self._last, None if blind else self._grey(frame.image)
        grey = self._last
        trailing = {want.id: want.rear for want in wants if want.rear and not blind}
        is_fresh = grey is not None and is_due and not blind
        if grey is not None and is_fresh:
            self._remember(grey, self._clear(boxes) & _still(grey, last), frame.time_s)
        answers: dict[str, Surface] = {}
        if grey is not None and trailing:
            clear = self._clear(boxes)
            for name, rear in trailing.items():
                answers[name] = Surface(id=name, particles=int(self._fly(name, grey, clear, rear)))
        for want in wants:
            if is_fresh and want.after_s is not None:
                answers[want.id] = self._compare(want, want.after_s)
        return tuple(answers[want.id] for want in wants if want.id in answers)

    def pictures(self, passage: str) -> tuple[Image, Image] | None:
        """Return the road before and after, as last compared for a passage: grey, in the frame's own perspective.

        Both are height x width of the strip's bounds; what was not seen is black. None if it was never compared.
        """
        return self._pictures.get(passage)

    def _grey(self, image: Image) -> Grey:
        height, width = self._shape
        if image.shape[:2] != self._shape:
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)

    def _remember(self, grey: Grey, is_clear: Mask, time_s: float) -> None:
        self._sample_s = time_s
        self._epoch_s = time_s - 1 if self._epoch_s is None else self._epoch_s
        if time_s - self._epoch_s > _EPOCH / _TICKS_A_S:
            self._times = np.maximum(self._times, _EPOCH // 2) - np.uint16(_EPOCH // 2)
            self._epoch_s += _EPOCH / 2 / _TICKS_A_S
        clear = np.flatnonzero(is_clear.ravel()[self._pixels])
        turn = self._turn[clear]
        at = turn * np.intp(len(self._pixels)) + clear
        self._ring.ravel()[at] = np.maximum(grey.ravel()[self._pixels[clear]], 1)
        self._times.ravel()[at] = self._quarters(time_s)
        turn += 1
        turn[turn == _SAMPLES] = 0
        self._turn[clear] = turn

    def _quarters(self, time_s: float) -> int:
        return round(min(max((time_s - (self._epoch_s or 0.0)) * _TICKS_A_S, 0), 65_535))

    def _clear(self, boxes: Sequence[Box]) -> Mask:
        """Return where no road user is."""
        clear = np.ones(self._shape, np.bool_)
        area_max = _WHOLE * clear.size / self._scale**2
        for box in boxes:
            width, height = box.x2 - box.x1, box.y2 - box.y1
            if box.label in _USERS and box.confidence >= _USER_CONFIDENCE and width * height <= area_max:
                x1, x2 = (box.x1 - _WIDEN * width) * self._scale, (box.x2 + _WIDEN * width) * self._scale
                y1, y2 = (box.y1 - _DEEPEN * height) * self._scale, (box.y2 + _DEEPEN * height) * self._scale
                clear[max(int(y1), 0) : max(int(y2) + 1, 0), max(int(x1), 0) : max(int(x2) + 1, 0)] = False
        return clear

    def _keep(self, want: SurfaceWant) -> None:
        """Keep the road as of the want's ``before_s`` when it is asked for the first time."""
        if want.id in self._kept:
            self._kept.move_to_end(want.id)
            return
        has_seen = self._epoch_s is not None and self._epoch_s < want.before_s
        is_valid = (self._times > 0) & (self._times <= self._quarters(want.before_s)) if has_seen else None
        self._kept[want.id] = None if is_valid is None else _median(self._ring, is_valid, _BEFORE_MIN)
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)

    def _fly(self, passage: str, grey: Grey, clear: Mask, rear: Sequence[float]) -> int:
        road = self._kept.get(passage)
        if road is None:
            return 0
        counter = self._particles.setdefault(passage, Particles())
        while len(self._particles) > _KEPT_MAX:
            self._particles.popitem(last=False)
        return counter.count(grey, self._picture(road), clear, [each * self._scale for each in rear])

    def _picture(self, values: Bytes) -> Grey:
        """Return values of the lanes' pixels as a picture; 0 elsewhere."""
        picture = np.zeros(self._shape, np.uint8)
        picture.ravel()[self._pixels] = values
        return picture

    def _compare(self, want: SurfaceWant, after_s: float) -> Surface:
        before = self._kept[want.id]
        if before is None:
            return Surface(id=want.id, refusal="the road before was not seen")
        around, flat = self._around(want), self._flat(want)
        strip = np.zeros(self._shape, np.uint8)
        cv2.fillPoly(strip, [np.round(np.array(want.strip) * self._scale).astype(np.int32)], 255)
        is_in = self._laid(strip, flat, want) > 0
        is_fresh = self._times[:, around] > self._quarters(after_s)
        counts = np.zeros_like(before)
        counts[around] = np.sum(is_fresh.view(np.uint8), axis=0, dtype=np.uint8)
        samples = _low(self._laid(self._picture(counts), flat, want)[is_in])
        if samples < want.samples:
            return Surface(id=want.id, samples=samples)
        known = self._laid(self._picture(before), flat, want)[is_in]
        if not _low(known):
            return Surface(id=want.id, samples=samples, refusal="the road before was not seen")
        if np.median(known[known > 0][::7]) < _DARK:
            return Surface(id=want.id, samples=samples, refusal="too dark")
        after = np.zeros_like(before)
        after[around] = _median(self._ring[:, around], is_fresh, _BEFORE_MIN)
        pictures = self._picture(before), self._picture(after)
        self._show(want.id, pictures, strip)
        return Surface(id=want.id, samples=samples, pieces=self._pieces(want, pictures, flat, is_in))

    def _flat(self, want: SurfaceWant) -> NDArray[np.float64]:
        """Return what maps pixels of the memory to those of the strip laid flat."""
        return np.array(want.matrix).reshape(3, 3) @ np.diag((1 / self._scale, 1 / self._scale, 1.0))

    @staticmethod
    def _laid(picture: Grey, flat: NDArray[np.float64], want: SurfaceWant, how: int = cv2.INTER_NEAREST) -> Grey:
        return np.asarray(cv2.warpPerspective(picture, flat, want.size, flags=how), np.uint8)

    def _around(self, want: SurfaceWant) -> slice:
        """Return which of the lanes' pixels lie in the rows of the strip, or near them; these follow on each other."""
        rows = np.array(want.strip)[:, 1] * self._scale
        near, width = _MARGIN * self._shape[0], self._shape[1]
        top, bottom = max(int(rows.min() - near), 0) * width, max(int(rows.max() + near) + 1, 0) * width
        first, last = np.searchsorted(self._pixels, (top, bottom)).tolist()
        return slice(first, last)

    def _pieces(
        self, want: SurfaceWant, pictures: tuple[Grey, Grey], flat: NDArray[np.float64], is_in: Mask
    ) -> tuple[Piece, ...]:
        before, after = pictures
        known = self._laid(((before > 0) & (after > 0)).astype(np.uint8), flat, want)
        # The warp mixes in what lies beside a pixel, so the rim of what is known is not.
        known = np.asarray(cv2.erode(known, np.ones((7, 7), np.uint8)), np.uint8)
        laid = [self._laid(picture, flat, want, cv2.INTER_LINEAR) for picture in pictures]
        blobs = compare(laid[0], laid[1], known > 0)
        back = np.linalg.inv(np.array(want.matrix).reshape(3, 3))
        pieces = (_piece(blob, back) for blob in blobs if is_in[blob.y + blob.height // 2, blob.x + blob.width // 2])
        return tuple(piece for piece in pieces if min(piece.bbox[2:]) * self._scale >= _SIDE_MIN)[:_PIECES_MAX]

    def _show(self, passage: str, pictures: tuple[Grey, Grey], strip: Grey) -> None:
        """Keep the two pictures of the strip's bounds for evidence."""
        x, y, width, height = cv2.boundingRect(strip)
        before, after = (np.ascontiguousarray(each[y : y + height, x : x + width]) for each in pictures)
        self._pictures[passage] = (before, after)
        self._pictures.move_to_end(passage)
        while len(self._pictures) > _KEPT_MAX:
            self._pictures.popitem(last=False)


def _region(size: tuple[int, int], lanes: Sequence[Polygon]) -> tuple[float, Mask]:
    """Return the scale at which the lanes and what is beside them have few enough pixels, and which those are."""
    scale = 1.0
    while True:
        width, height = (max(round(side * scale), 1) for side in size)
        mask = np.zeros((height, width), np.uint8)
        for lane in lanes:
            cv2.fillPoly(mask, [np.round(np.array(lane) * scale).astype(np.int32)], 1)
        margin = max(round(_MARGIN * height), 1)
        inside = cv2.dilate(mask, np.ones((2 * margin + 1,) * 2, np.uint8)) > 0
        if np.count_nonzero(inside) <= _PIXELS_MAX:
            return scale, np.asarray(inside, np.bool_)
        scale *= 0.98 * (_PIXELS_MAX / np.count_nonzero(inside)) ** 0.5


def _still(grey: Grey, last: Grey | None) -> Mask:
    """Return where nothing moves: the model misses what is small, far away or hardly lit."""
    if last is None:
        return np.ones(grey.shape, np.bool_)
    # A picture that shakes by a pixel moves the edges of every marking.
    above = cv2.subtract(grey, cv2.dilate(last, _SHAKE))
    moves = cv2.max(above, cv2.subtract(cv2.erode(last, _SHAKE), grey)) > _MOVED
    return np.asarray(cv2.dilate(moves.astype(np.uint8), _MOVED_RIM) == 0, np.bool_)


def _low(values: Bytes) -> int:
    """Return the value that all but the least seen part have."""
    if not len(values):
        return 0
    up_to = np.cumsum(np.bincount(values, minlength=256))
    return int(np.searchsorted(up_to, _SEEN_SHARE * len(values), side="right"))


def _median(samples: Bytes, is_valid: Mask, samples_min: int) -> Bytes:
    """Return the median of each column's valid samples, the lower of two in the middle; 0 where there are too few.

    Forgetful selection: the least and the greatest of a growing set are dropped, which a median can never be. It runs
    over whole rows, and is several times as fast as a sort of each column.
    """
    # Bitwise on bytes: several times as fast as choosing by a mask.
    is_known = is_valid.view(np.uint8) * np.uint8(255)
    count = np.sum(is_valid.view(np.uint8), axis=0, dtype=np.uint8)
    flip = np.zeros(samples.shape[1], np.uint8)
    rows = []
    for row, known in zip(samples, is_known, strict=True):
        # What is not valid counts as very dark and very bright in turn, so it takes no side.
        rows.append((row & known) | (flip & ~known))
        flip ^= ~known
    pool, waiting = rows[: len(rows) // 2 + 2], rows[len(rows) // 2 + 2 :]
    while len(pool) > 1:
        for low in range(1, len(pool)):
            pool[0], pool[low] = np.minimum(pool[0], pool[low]), np.maximum(pool[0], pool[low])
        for high in range(1, len(pool) - 1):
            pool[high], pool[-1] = np.minimum(pool[high], pool[-1]), np.maximum(pool[high], pool[-1])
        pool = pool[1:-1] + waiting[:1]
        waiting = waiting[1:]
    return np.asarray(pool[0] * (count >= samples_min), np.uint8)


def _piece(blob: Blob, back: NDArray[np.float64]) -> Piece:
    """Return a blob of the strip as a thing of the frame; ``back`` maps the strip's pixels to the frame's."""
    x1, y1, x2, y2 = blob.x, blob.y, blob.x + blob.width, blob.y + blob.height
    corners = np.array([(x1, y1, 1), (x2, y1, 1), (x2, y2, 1), (x1, y2, 1)], np.float64) @ back.T
    points = corners[:, :2] / corners[:, 2:]
    (left, top), (right, bottom) = points.min(axis=0).round(1).tolist(), points.max(axis=0).round(1).tolist()
    return Piece(
        bbox=(left, top, round(right - left, 1), round(bottom - top, 1)),
        area_m2=round(blob.area * CELL_M**2, 4),
        along_m=round((y1 + y2) / 2 * CELL_M, 2),
        across_m=round((x1 + x2) / 2 * CELL_M, 2),
    )
