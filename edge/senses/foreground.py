"""Static foreground: what stands on the street and is not street, at about 0.1 ms a picture.

Two exponential averages of a small grey picture and a code of two bits, as in Porikli et al., "Robust abandoned object
detection using dual foregrounds", EURASIP JASP 2008: a pixel that differs from the slow average, the empty street, and
agrees with the fast one belongs to something that stands still. The street is not taught by what stands on it, nor by
people and vehicles (selective update, Cioppa et al., "Real-time semantic background subtraction", ICIP 2020).

A pixel that people cover or have covered is theirs: only when they have been away for as long as they had earned by
staying, 20 s at most, may it become part of a thing. So somebody who stands and sways is no thing, also while the
model misses him now and then, and a stall keeps its pixels while customers stand before it.
"""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from detectors.blob import Blob
from detectors.tick import Box
from detectors.wants import Corners
from edge.senses.blobs import Piece, pieces
from edge.senses.masks import Average, Grey, Mask, above, apart, both, either, opposite, set_in, until, without
from edge.senses.street import Street
from edge.video import Image

WIDTH = 320
"""Of the small picture that all this is done on, pixels."""
_LEARN_S = 5.0
_FAST_S = 4.0
"""Time constant of the fast average."""
_FAST_LIMIT = 12
"""Grey levels by which a picture may differ from the fast average and still agree with it."""
_CHANGE_LIMIT = 14
"""Grey levels between two pictures that make a pixel's clock start again."""
_STAND_S = 4.0
"""How long a pixel must have been the same before it can be part of a thing."""
_CLEAR_S = 1.5
"""How long a pixel must look like street before it is no longer part of a thing."""
_DOUBT_S = 6.0
"""How long a pixel may move, with nobody before it, and still be part of a thing."""
_STEP_MAX_S = 2.0
"""A longer gap between pictures teaches no more than this: nobody knows what was there."""
_CREDIT_MAX = 200
_CREDIT_RATE = 4.0
"""Tenths of a second that a pixel stays somebody's after he has gone, at most, and how many a tenth of staying earns:
one who walks past has hardly any, one who has stood for five seconds has all."""
_PERSON, _VEHICLE = 0.15, 0.3
"""Confidence from which a box explains what stands there."""
_VEHICLES = frozenset({"car", "truck", "bus", "train", "motorcycle", "bicycle"})
_DILATION = 0.08
"""Heights of a box by which it is widened all around: limbs, hair, the shadow at the feet."""
_SUDDEN_SHARE = 0.6
"""If more of the known street than this differs at once, the light has changed and not the street."""
_RELEARN_S, _RELEARN_RATE_S = 20.0, 3.0
_FLAT_EDGES, _FLAT_AGE_S, _FLAT_S = 0.12, 30.0, 300.0
"""A change without structure of its own, a shadow or a wet patch, becomes street from this age on, with this time
constant."""


class Foreground:
    """Looks at one camera's pictures, in order of time."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as when the view has moved."""
        self._street = Street()
        self._shape = (0, 0)
        self._time_s: float | None = None
        self._scale = (1.0, 1.0)
        self._told: tuple[Blob, ...] = ()
        self._tenths = 0.0
        self._relearn_until_s = -math.inf

    @property
    def is_learning(self) -> bool:
        """The street is not known, or the light has just changed: no further blobs are told, and that means nothing."""
        return not self._street.is_known or (self._time_s is not None and self._time_s < self._relearn_until_s)

    @property
    def street(self) -> Grey | None:
        """The empty street, grey and small; None until it is known."""
        return self._street.grey if self._street.is_known else None

    def street_at(self, corners: Corners, size: tuple[int, int]) -> Grey | None:
        """Return the empty street within corners of a frame of ``size`` (width, height); None where it is not known."""
        if not self._street.is_known:
            return None
        columns, rows = self._spans(corners, size)
        if not self._street.known[rows, columns].all():
            return None
        crop = self._street.grey[rows, columns]
        return crop if crop.size else None

    def save(self) -> bytes:
        """Return the street and what stands on it as a small PNG; empty while it is not known."""
        return self._street.save(self._things) if self._street.is_known else b""

    def load(self, saved: bytes, time_s: float) -> bool:
        """Go on with a saved street, so that what stands there after a restart is not taken for street."""
        street = Street()
        things = street.load(saved, time_s)
        if things is None:
            return False
        self._start(street.grey)
        self._street, self._things = street, things
        self._began_s, self._time_s = time_s, None
        return True

    def see(
        self, image: Image, time_s: float, boxes: Sequence[Box], regions: Sequence[Corners] = ()
    ) -> tuple[Blob, ...]:
        """Return what stands on the street; ``regions`` is where the model has looked, empty for everywhere."""
        grey = small(image)
        dt_s = 0.0 if self._time_s is None else min(max(time_s - self._time_s, 0.0), _STEP_MAX_S)
        self._time_s = time_s
        if grey.shape != self._shape:
            self._street = Street()
            self._start(grey)
        self._scale = image.shape[1] / grey.shape[1], image.shape[0] / grey.shape[0]
        self._look_for_owners(boxes, regions, dt_s)
        if not self._street.is_known:
            self._street.learn(grey, either(self._people, self._vehicles), time_s, _LEARN_S)
            self._fast[:] = grey
            return ()
        usable = without(self._street.known, self._things)
        cv2.convertScaleAbs(grey, grey, self._street.gain(grey, usable))
        differs, agrees = self.average(grey, time_s, dt_s)
        if self._is_relearning(grey, differs, time_s, dt_s):
            return self._told  # whether they are still there cannot be said; nobody is told that they have gone
        self._latch(grey, differs, agrees, time_s)
        self._told = self._blobs(grey, differs, agrees, time_s, dt_s)
        return self._told

    def average(self, grey: Grey, time_s: float, dt_s: float) -> tuple[Mask, Mask]:
        """Return the two bits, differs from the street and agrees with the fast average, and move both averages on."""
        differs = self._street.differs(grey, time_s)
        cv2.convertScaleAbs(self._fast, self._fast_grey)
        agrees = opposite(apart(grey, self._fast_grey, _FAST_LIMIT))
        # Somebody who stands does not become what the fast average shows: he never seems to be a thing.
        cv2.accumulateWeighted(grey, self._fast, 1 - math.exp(-dt_s / _FAST_S), opposite(self._people))
        held = either(self._things, either(self._people_credit, self._vehicle_credit))
        self._street.follow(grey, opposite(above(held, 0)), differs, time_s, dt_s)
        return differs, agrees

    def _start(self, grey: Grey) -> None:
        shape = grey.shape
        self._shape = shape
        self._fast: Average = grey.astype(np.float32)
        self._fast_grey, self._before = grey.copy(), grey.copy()
        self._began_s = self._time_s or 0.0
        self._since: Average = np.zeros(shape, np.float32)
        """Seconds since `_began_s`; so the clock of a camera that has run for months keeps its tenths."""
        self._now: Average = np.zeros(shape, np.float32)
        masks = [np.zeros(shape, np.uint8) for _ in range(7)]
        self._things, self._people, self._vehicles, self._people_credit, self._vehicle_credit = masks[:5]
        self._clear, self._doubt = masks[5:]
        """Tenths of a second."""
        self._step = 0
        self._told = ()

    def _look_for_owners(self, boxes: Iterable[Box], regions: Sequence[Corners], dt_s: float) -> None:
        """Mark where people and vehicles are, and for how long the places that they have left are still theirs."""
        self._tenths += dt_s * 10
        self._step = int(self._tenths)
        self._tenths -= self._step
        for mask in (self._people, self._vehicles):
            mask[:] = 0
        sx, sy = self._scale
        for box in boxes:
            is_person = box.label == "person"
            if box.confidence < (_PERSON if is_person else _VEHICLE) or not (is_person or box.label in _VEHICLES):
                continue
            wide = _DILATION * (box.y2 - box.y1)
            mask = self._people if is_person else self._vehicles
            low = int((box.x1 - wide) / sx), int((box.y1 - wide) / sy)
            cv2.rectangle(mask, low, (int((box.x2 + wide) / sx), int((box.y2 + wide) / sy)), 255, cv2.FILLED)
        size = round(self._shape[1] * sx), round(self._shape[0] * sy)
        spans = [self._spans(region, size) for region in regions]
        self._people_credit = self._credited(self._people_credit, self._people, spans)
        self._vehicle_credit = self._credited(self._vehicle_credit, self._vehicles, spans)

    def _credited(self, credit: Mask, owned: Mask, spans: Sequence[tuple[slice, slice]]) -> Mask:
        """Return how long places stay somebody's: longer where he is, shorter where the model has looked in vain."""
        spent = np.full_like(credit, 0 if spans else self._step)
        for columns, rows in spans:
            spent[rows, columns] = self._step
        earned = both(owned, np.full_like(credit, min(round(self._step * (_CREDIT_RATE + 1)), 255)))
        left = cv2.add(cv2.subtract(credit, spent), earned)
        return np.minimum(np.asarray(left, np.uint8), np.uint8(_CREDIT_MAX))

    def _is_relearning(self, grey: Grey, differs: Mask, time_s: float, dt_s: float) -> bool:
        """Say whether the light has just changed at once; if so learn the street in it, but not under things."""
        known = max(set_in(self._street.known), 1)
        if set_in(differs) > _SUDDEN_SHARE * known and time_s >= self._relearn_until_s:
            self._relearn_until_s = time_s + _RELEARN_S
            self._fast[:] = grey
        if time_s >= self._relearn_until_s:
            return False
        free = opposite(either(self._things, either(self._people, self._vehicles)))
        self._street.teach(grey, free, dt_s, _RELEARN_RATE_S)
        self._since[:] = time_s - self._began_s
        self._before = grey
        return True

    def _latch(self, grey: Grey, differs: Mask, agrees: Mask, time_s: float) -> None:
        """Add the pixels that have come to stand to the things, and take those away that have gone."""
        changed = apart(grey, self._before, _CHANGE_LIMIT)
        self._before = grey
        restless = without(either(either(changed, opposite(differs)), self._people), self._things)
        now_s = time_s - self._began_s
        self._now[:] = now_s
        cv2.copyTo(self._now, restless, self._since)
        stands = both(differs, agrees)
        ready = both(without(stands, above(self._people_credit, 0)), until(self._since, now_s - _STAND_S))
        self._things = either(self._things, ready)
        if not set_in(self._things):
            return
        bare = without(self._things, self._people)
        # Whoever stood before a thing has gone when it looks as it did before him.
        self._people_credit = without(self._people_credit, both(bare, stands))
        self._clear = _counted(self._clear, without(bare, differs), self._step)
        self._doubt = _counted(self._doubt, without(bare, agrees), self._step)
        gone = either(above(self._clear, _CLEAR_S * 10 - 1), above(self._doubt, _DOUBT_S * 10 - 1))
        self._things = without(self._things, gone)

    def _blobs(self, grey: Grey, differs: Mask, agrees: Mask, time_s: float, dt_s: float) -> tuple[Blob, ...]:
        """Return the things as blobs; what turns out to be street becomes street."""
        self._adopt_unknown(grey, agrees)
        if not set_in(self._things):
            return ()
        found = []
        for piece in pieces(self._things):
            if piece.is_bared(self._fast_grey, self._street.grey):
                # With it goes what differs more, and has not come to rest in the fast average yet.
                bared = without(both(piece.surroundings(self._shape), either(differs, self._things)), self._people)
                self._street.adopt(grey, bared)
                self._things = without(self._things, bared)
                continue
            edges = piece.edges(self._fast_grey, self._street.grey)
            if edges < _FLAT_EDGES and time_s - self._began_s - piece.median(self._since) > _FLAT_AGE_S:
                self._street.teach(grey, piece.whole(self._shape), dt_s, _FLAT_S)
            found.append(self._blob(piece, edges))
        return tuple(sorted(found, key=lambda blob: (-blob.area, blob.x1, blob.y1)))

    def _adopt_unknown(self, grey: Grey, agrees: Mask) -> None:
        """Take for street what somebody hid while it was learnt, once he has gone."""
        unknown = opposite(self._street.known)
        if set_in(unknown):
            owned = either(self._people_credit, self._vehicle_credit)
            self._street.adopt(grey, without(both(unknown, agrees), above(owned, 0)))

    def _blob(self, piece: Piece, edges: float) -> Blob:
        sx, sy = self._scale
        x1, y1, x2, y2 = piece.bounds
        return Blob(
            round(x1 * sx, 1),
            round(y1 * sy, 1),
            round(x2 * sx, 1),
            round(y2 * sy, 1),
            area=round(piece.area * sx * sy, 1),
            edges=round(edges, 3),
            explained=round(piece.share(self._people_credit), 3),
            vehicle=round(piece.share(self._vehicle_credit), 3),
            since_s=round(self._began_s + piece.median(self._since), 2),
        )

    def _spans(self, corners: Corners, size: tuple[int, int]) -> tuple[slice, slice]:
        """Return the columns and rows of the small picture that corners of a frame of ``size`` are."""
        height, width = self._shape
        x1, y1, x2, y2 = corners
        sx, sy = size[0] / width, size[1] / height
        low_x, low_y = max(int(x1 / sx), 0), max(int(y1 / sy), 0)
        return slice(low_x, max(math.ceil(x2 / sx), low_x + 1)), slice(low_y, max(math.ceil(y2 / sy), low_y + 1))


def small(image: Image) -> Grey:
    """Return a picture as grey, `WIDTH` wide, smoothed against noise."""
    height = round(image.shape[0] * WIDTH / image.shape[1])
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.blur(cv2.resize(grey, (WIDTH, height), interpolation=cv2.INTER_AREA), (3, 3)), np.uint8)


def _counted(counts: Mask, up: Mask, step: int) -> Mask:
    """Return counts of tenths of a second, higher by ``step`` where ``up`` and from the start elsewhere."""
    return both(np.asarray(cv2.add(counts, np.full_like(counts, step)), np.uint8), up)
