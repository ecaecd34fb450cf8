"""Hypothesis: a place where something may occupy the street, and the clocks of that place."""

import copy
import math
from collections.abc import Sequence

import msgspec

from detectors.geometry import Point
from detectors.stall_evidence import DEEP, area_of, base_of, common
from detectors.stall_visits import Visits
from detectors.tick import Tick
from detectors.wants import Corners
from wire.identifiers import uuid7_of
from wire.stall import Stall

_AREA_MEMORY_S, _BOX_MEMORY_S, _PROXY_MEMORY_S = 4.0, 10.0, 60.0
_PACKING = 0.5
"""Share of the largest area below which a stall is being packed up."""
_PERSON_M = (1.1, 2.2, 1.1, 1.7)
"""A lone blob of a height between the first two metres, narrower than the third, and this many times as high as wide
may well be a person that the model does not see."""
_SURROUNDINGS_M = 2.5
"""How far around a stall those stand who belong to it."""


class Hypothesis(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One place; a candidate until it has an id. Detectors change copies only."""

    id: str = ""
    zone: str
    is_storefront: bool = False
    box: Corners
    """Slow mean of the bounds of what stands there, pixels."""
    metre: float
    """Pixels of an upright metre there."""
    start_s: float
    start_ms: int
    seen_s: float
    seen_ms: int
    visible_s: float = 0.0
    occluded_s: float = 0.0
    hidden_s: float = 0.0
    """Not seen since `seen_s`; becomes `occluded_s` when it is seen again, and is dropped if it has gone."""
    doubt_s: float = 0.0
    """For how long the place has looked empty with nobody before it."""
    misses: int = 0
    blind_s: float = 0.0
    age_s: float = 0.0
    """Seconds in which it was looked for."""
    area_m2: float = 0.0
    """Of what stands there and is not explained, mean of the last seconds."""
    peak_m2: float = 0.0
    edges: float = 0.0
    vehicle: float = 0.0
    solid_s: float = 0.0
    """Seconds in which enough of it was seen with nobody before it."""
    custom: float = 0.0
    """Share of the last minute in which the model saw a class of its own."""
    sells: bool = False
    """The class that was seen last says that somebody sells."""
    proxies: dict[str, float] = {}
    """By class, the share of the last minute in which it was seen."""
    cargo: float = 0.0
    visits: Visits = Visits()
    score: float = 0.0
    score_s: float = 0.0
    has_object: bool = False
    has_vendor: bool = False
    customers: int = 0
    is_trade: bool = False
    trade_dwell_s: float = 0.0
    resumes: str | None = None

    def copy(self) -> "Hypothesis":
        """Return a copy that may be changed."""
        fresh = copy.copy(self)
        fresh.proxies = dict(self.proxies)
        return fresh

    def see(self, bounds: Corners | None, tick: Tick, dt_s: float) -> None:
        """Take note that it is seen, and where; None where only part of it can be told."""
        self.visible_s += dt_s
        self.occluded_s += self.hidden_s
        self.hidden_s, self.doubt_s, self.misses = 0.0, 0.0, 0
        self.seen_s, self.seen_ms = tick.time_s, tick.time_ms
        if bounds is None:
            return
        weight = min(max(dt_s / _BOX_MEMORY_S, 1 / (1 + 2 * self.age_s)), 1.0)
        x1, y1, x2, y2 = self.box
        self.box = (
            x1 + weight * (bounds[0] - x1),
            y1 + weight * (bounds[1] - y1),
            x2 + weight * (bounds[2] - x2),
            y2 + weight * (bounds[3] - y2),
        )

    def miss(self, dt_s: float, *, covered: bool) -> None:
        """Take note that it is not seen; ``covered``: people or vehicles stand before its place."""
        self.hidden_s += dt_s
        if not covered:
            self.doubt_s += dt_s
            self.misses += 1

    def measure(self, area_m2: float, edges: float, vehicle: float, dt_s: float) -> None:
        """Take note of how much stands there, how structured it is and how much of it vehicles explain."""
        weight = dt_s / min(self.age_s + dt_s, _AREA_MEMORY_S) if dt_s else float(not self.age_s)
        weight = min(weight, 1.0)
        self.area_m2 += weight * (area_m2 - self.area_m2)
        if area_m2:
            self.edges += weight * (edges - self.edges)
            self.vehicle += weight * (vehicle - self.vehicle)
        self.peak_m2 = max(self.peak_m2, self.area_m2)

    def recognise(self, labels: frozenset[str], dt_s: float, *, custom: bool, cargo: bool) -> None:
        """Take note of the classes that were seen there."""
        weight = min(dt_s / max(min(self.age_s, _PROXY_MEMORY_S), 1e-6), 1.0)
        self.custom += weight * (custom - self.custom)
        self.cargo += weight * (cargo - self.cargo)
        for label in labels | self.proxies.keys():
            share = self.proxies.get(label, 0.0)
            self.proxies[label] = share + weight * ((label in labels) - share)
            if self.proxies[label] < 0.01:
                del self.proxies[label]

    def stand(self, camera: str) -> None:
        """Turn the candidate into a stall: give it its id."""
        self.id = uuid7_of(self.start_ms, camera, self.zone, ",".join(str(round(each)) for each in self.box))

    @property
    def is_person_shaped(self) -> bool:
        """It is as high and narrow as a person."""
        low, high, width_max, shape = _PERSON_M
        width, height = (self.box[2] - self.box[0]) / self.metre, (self.box[3] - self.box[1]) / self.metre
        return low <= height <= high and width <= width_max and height >= shape * width

    def surroundings(self) -> Corners:
        """Return the part of the picture that is of interest to it."""
        margin = _SURROUNDINGS_M * self.metre
        x1, y1, x2, y2 = self.box
        return max(x1 - margin, 0.0), max(y1 - margin, 0.0), x2 + margin, y2 + margin

    @property
    def dwell_s(self) -> float:
        """Seconds that count."""
        return self.visible_s + self.occluded_s + self.hidden_s

    def stall(self, tick: Tick, proxy_share: float, *, has_left: bool = False) -> Stall:
        """Return what rules see of it; ``proxy_share`` is how often a class must be seen to count."""
        hidden_s = 0.0 if has_left else self.hidden_s
        occluded_s = self.occluded_s + hidden_s
        watched_s = self.visible_s + occluded_s
        x1, y1, x2, y2 = self.box
        is_packing = self.area_m2 < _PACKING * self.peak_m2
        return Stall(
            id=self.id,
            camera=tick.camera,
            zone=self.zone,
            time_s=tick.time_s,
            time_ms=tick.time_ms,
            start_s=self.start_s,
            start_ms=self.start_ms,
            dwell_s=watched_s,
            visible_s=self.visible_s,
            occluded_s=occluded_s,
            blind_s=self.blind_s,
            visible_share=self.visible_s / watched_s if watched_s else 1.0,
            unseen_s=tick.time_s - self.seen_s,
            is_blind=bool(tick.blind),
            has_left=has_left,
            end_s=self.seen_s if has_left else None,
            end_ms=self.seen_ms if has_left else None,
            label="storefront" if self.is_storefront else "mobile_vendor" if self.is_trade else "goods_pile",
            confidence=1 / (1 + math.exp(-self.score)),
            bbox=(x1, y1, x2 - x1, y2 - y1),
            size=tick.size,
            resumes=self.resumes,
            phase="left" if has_left else "packing" if is_packing else "set_up",
            score=self.score,
            score_s=self.score_s,
            has_object=self.has_object,
            has_vendor=self.has_vendor,
            customers=float(self.customers),
            proxies=float(sum(share >= proxy_share for share in self.proxies.values())),
            is_custom=self.custom >= proxy_share,
            is_trade=self.is_trade,
            trade_dwell_s=self.trade_dwell_s,
            area_m2=self.area_m2,
        )


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """A stall that has left, which may come back."""

    id: str
    zone: str
    time_s: float
    point: Point
    metre: float


def resumed(fresh: Hypothesis, gone: Sequence[Gone], now_s: float, resume_s: float, resume_m: float) -> str | None:
    """Return the latest stall that left the zone within ``resume_m`` and ``resume_s`` of this one."""
    x, y = base_of(fresh.box)
    for each in reversed(gone):
        limit = resume_m * (each.metre + fresh.metre) / 2
        is_near = abs(each.point[0] - x) <= limit and abs(each.point[1] - y) * DEEP <= limit
        if each.zone == fresh.zone and is_near and now_s - each.time_s <= resume_s:
            return each.id
    return None


def merged(held: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Return the hypotheses without candidates that have grown into one that stands."""
    return [
        each
        for each in held
        if each.id
        or not any(
            other.id and common(each.box, other.box) >= 0.5 * min(area_of(each.box), area_of(other.box))
            for other in held
        )
    ]
