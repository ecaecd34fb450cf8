"""Stalls: things that occupy a place which should be free, told by what they are made of and by who stays with them.

Silver: `tests/test_stall_scenes.py` holds it on composited scenes. The place owns the clock; nobody has an identity: a
vendor is whoever stands there, a customer whoever comes and goes. People alone never make a stall, whatever they do.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from detectors.blob import Blob
from detectors.geometry import Point
from detectors.quantity import LogOdds, Metres, Seconds, Share, Speed, SquareMetres
from detectors.site import Place, Site
from detectors.stall_evidence import (
    DEEP,
    Evidence,
    base_of,
    belongs,
    corners_of,
    evidence_of,
    is_covered,
    is_looked_at,
    ramp,
    standing,
    those_near,
    united,
    zone_of,
)
from detectors.stall_hypothesis import Gone, Hypothesis, merged, resumed
from detectors.stall_scale import Scale
from detectors.tick import Tick
from detectors.wants import Wants
from wire.stall import Stall

__all__ = ["Hypothesis", "StallLedger", "Stalls"]

_MISSES_MIN = 3
_REMAINS = 0.3
"""Share of its largest area that must be left for a stall to be there still."""
_STANDS_M = 0.2
"""By how much the feet of one who stands may seem to move between two ticks."""
_SCALE_EVERY_S = 2.0


class StallLedger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the stall detector remembers of one camera."""

    time_s: float | None = None
    sighted_s: float = 0.0
    """Since when nothing has been blind: no start is dated back beyond it."""
    hypotheses: tuple[Hypothesis, ...] = ()
    feet: tuple[Point, ...] = ()
    """Where people stood at the last tick."""
    scale: Scale = Scale()
    scaled_s: float = -_SCALE_EVERY_S
    gone: tuple[Gone, ...] = ()


class Stalls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    proxies: tuple[str, ...] = (
        *("umbrella", "dining table", "chair", "bench", "handbag", "suitcase", "backpack", "bottle", "cup", "bowl"),
        *("banana", "apple", "orange", "sandwich", "carrot", "broccoli", "hot dog", "pizza", "donut", "cake"),
        *("potted plant", "vase", "tv", "refrigerator", "microwave", "oven", "teddy bear", "boat"),
    )
    """Labels of things that stalls are made of; each seen again and again is evidence."""
    custom: tuple[str, ...] = (
        "stall",
        "cart",
        "kiosk",
        "awning",
        "tent",
        "goods",
        "tricycle",
        "tricycle_cargo",
        "crate",
    )
    """Labels of the model's own that mean an occupation."""
    goods: tuple[str, ...] = ("goods", "crate")
    """Those of them that do not say that somebody sells."""
    person_confidence: Share = 0.3
    """A person needs a box at least this sure."""
    proxy_confidence: Share = 0.15
    """Things need a box at least this sure; low, for only what stays counts."""
    proxy_share: Share = 0.25
    """Share of the last minute in which a thing must have been seen to count as there."""
    area_min_m2: SquareMetres = 0.4
    """Something smaller, as upright square metres that nobody covers, is no occupation."""
    footprint_share: Share = 0.5
    """Share of the lower 35 % of a thing that must lie in the zone."""
    reach_m: Metres = 1.5
    """Things nearer to each other than this are one stall."""
    settle_s: Seconds = 4.0
    """How long something must have stood there, with nobody before it, to be held."""
    solid_s: Seconds = 20.0
    """After so long with nobody before it a thing is as surely a thing as it gets."""
    leave_s: Seconds = 6.0
    """How long an uncovered place must look empty, at least three times, before the stall has left."""
    hidden_max_s: Seconds = 300.0
    """How long crowds may hide a stall before it is taken to have left when last seen."""
    max_gap_s: Seconds = 3.0
    """A longer silence between two ticks counts as blind."""
    resume_s: Seconds = 600.0
    """Within this time and `resume_m` a stall that comes back goes on with the one that left; and after a longer gap
    nothing is held on to."""
    resume_m: Metres = 10.0
    """See `resume_s`."""
    vendor_m: Metres = 1.5
    """A vendor stands within this distance."""
    vendor_window_s: Seconds = 180.0
    """The time over which somebody must have stayed; of a younger stall, its age."""
    vendor_min_s: Seconds = 20.0
    """Nobody is a vendor before the stall has been watched for this long."""
    vendor_share: Share = 0.6
    """Share of that time in which somebody must have been there."""
    customer_m: Metres = 2.0
    """Customers stand within this distance."""
    customer_speed: Speed = 0.4
    """Who walks faster is a passer-by."""
    visit_min_s: Seconds = 5.0
    """A shorter visit is none."""
    visit_max_s: Seconds = 180.0
    """Who stays longer is no customer."""
    visits_window_s: Seconds = 600.0
    """Visits further back do not count."""
    customers_full: Annotated[int, Meta(ge=1, le=100, extra_json_schema={"unit": "1"})] = 2
    """So many visits give all of `customers_weight`, fewer their share."""
    prior: LogOdds = -2.5
    """Log-odds of an occupation before there is any evidence."""
    object_weight: LogOdds = 3.0
    """For a thing of `area_min_m2` with structure of its own that has stood for `solid_s`."""
    custom_weight: LogOdds = 3.0
    """For a class of the model's own."""
    proxy_weight: LogOdds = 0.8
    """For each class of things that stalls are made of, two at most."""
    cargo_weight: LogOdds = 0.8
    """For a bicycle, motorcycle, car or lorry that stands with it for `vendor_window_s`."""
    vendor_weight: LogOdds = 1.2
    """For somebody who stays with it."""
    customers_weight: LogOdds = 1.5
    """For visits of others."""
    vehicle_weight: LogOdds = -2.0
    """Where vehicles explain more than 80 % of it; the thing itself then counts for nothing."""
    flat_weight: LogOdds = -1.5
    """Where it has no structure of its own, as a shadow or a wet patch."""
    person_weight: LogOdds = -1.2
    """Where it is alone, and as high and narrow as a person."""
    people_weight: LogOdds = -2.0
    """Where there are people and no thing."""
    sure_score: LogOdds = 1.5
    """The score from which `score_s` counts, and somebody is said to sell there."""

    def first(self) -> StallLedger:
        """Return the ledger of a camera that has seen nothing."""
        return StallLedger()

    def wants(self, ledger: StallLedger) -> Wants:
        """Return what is asked of the next picture: on a quiet street, the surroundings of what is held."""
        if not ledger.hypotheses:
            return Wants(pace="quiet")
        return Wants(pace="armed", places=tuple(each.surroundings() for each in ledger.hypotheses))

    def step(self, ledger: StallLedger, tick: Tick, site: Site) -> tuple[StallLedger, list[Stall]]:
        """Return the ledger after a tick, and every stall as it now is; one that has gone is returned once more.

        A tick that is not later than the one before is passed over.
        """
        dt_s = tick.time_s - ledger.time_s if ledger.time_s is not None else 0.0
        if dt_s <= 0 and ledger.time_s is not None:
            return ledger, []
        if dt_s > self.resume_s:
            ended = [each.stall(tick, self.proxy_share, has_left=True) for each in ledger.hypotheses if each.id]
            ledger, stalls = self.step(StallLedger(scale=ledger.scale), tick, site)
            return ledger, ended + stalls
        is_gap = dt_s - tick.watched_s > self.max_gap_s
        if tick.blind or is_gap or ledger.time_s is None:
            ledger = self._wait(ledger, tick, dt_s)
            if tick.blind:
                return ledger, [each.stall(tick, self.proxy_share) for each in ledger.hypotheses]
            dt_s = 0.0
        return self._look(ledger, tick, site, dt_s)

    def _wait(self, ledger: StallLedger, tick: Tick, dt_s: float) -> StallLedger:
        """Return the ledger after blind time: what is held waits, and no start is dated back beyond this tick."""
        held = [each.copy() for each in ledger.hypotheses if each.id]
        for each in held:
            each.blind_s += dt_s
        return msgspec.structs.replace(
            ledger, time_s=tick.time_s, sighted_s=tick.time_s, hypotheses=tuple(held), feet=()
        )

    def _look(self, ledger: StallLedger, tick: Tick, site: Site, dt_s: float) -> tuple[StallLedger, list[Stall]]:
        """Return the ledger after a tick that can be seen."""
        scale, scaled_s = ledger.scale, ledger.scaled_s
        if site.ground is None and abs(tick.time_s - scaled_s) >= _SCALE_EVERY_S:
            scale, scaled_s = scale.with_sightings(tick.boxes, tick.size), tick.time_s
        after = msgspec.structs.replace(ledger, time_s=tick.time_s, scale=scale, scaled_s=scaled_s)
        places = site.of_type("stall", "storefront")
        if not places or not (ledger.hypotheses or tick.blobs or tick.boxes):
            return after, []
        evidence = evidence_of(
            tick,
            proxies=self.proxies,
            custom=self.custom,
            person=self.person_confidence,
            proxy=self.proxy_confidence,
        )
        held = [each.copy() for each in ledger.hypotheses]
        for each in held:
            if not tick.regions or is_looked_at(each.box, tick.regions):
                self._weigh(each, evidence, ledger, tick, dt_s)
            else:
                each.see(None, tick, dt_s)
        stalls: list[Stall] = []
        kept, left = self._settle(merged(held), ledger, tick, stalls)
        gone = self._gone(ledger, left, tick)
        kept += self._born(evidence, scale, tick, site, places)
        feet = tuple(evidence.feet) if kept else ()
        return msgspec.structs.replace(after, hypotheses=tuple(kept), feet=feet, gone=gone), stalls

    def _weigh(self, each: Hypothesis, evidence: Evidence, ledger: StallLedger, tick: Tick, dt_s: float) -> None:
        """Give a hypothesis the evidence that lies at its place, and sum up."""
        reach = self.reach_m * each.metre
        near = [blob for blob in evidence.blobs if belongs(corners_of(blob), each.box, reach, each.metre)]
        if near:
            evidence.blobs = [blob for blob in evidence.blobs if blob not in near]
        custom, proxies, cargo = (
            [box for box in boxes if belongs(corners_of(box), each.box, 0.0, each.metre)]
            for boxes in (evidence.custom, evidence.proxies, evidence.cargo)
        )
        if custom:
            evidence.custom = [box for box in evidence.custom if box not in custom]
        each.age_s += dt_s
        stands = standing(near, each.metre)
        each.measure(stands.area_m2, stands.edges, stands.vehicle, dt_s)
        each.recognise(frozenset(box.label for box in proxies), dt_s, custom=bool(custom), cargo=bool(cargo))
        if custom:
            each.sells = any(box.label not in self.goods for box in custom)
        if stands.bare_m2 >= self.area_min_m2:
            each.solid_s += dt_s
        if custom or (near and stands.area_m2 >= _REMAINS * each.peak_m2):
            over = [corners_of(box) for box in proxies if box.label == "umbrella"]
            each.see(united([*map(corners_of, near), *map(corners_of, custom), *over]), tick, dt_s)
        else:
            each.miss(dt_s, covered=is_covered(each.box, evidence))
        if not each.id:
            self._date(each, near, ledger, tick)
        self._watch_people(each, evidence, ledger, tick, dt_s)
        self._score(each, dt_s)

    def _date(self, each: Hypothesis, near: Sequence[Blob], ledger: StallLedger, tick: Tick) -> None:
        """Date a candidate back to when the largest thing that stands there came to stand."""
        if near:
            largest = max(near, key=lambda blob: blob.area * (1 - blob.explained))
            start_s = min(max(largest.since_s, ledger.sighted_s), tick.time_s)
            each.start_s, each.start_ms = start_s, tick.time_ms - round((tick.time_s - start_s) * 1000)

    def _watch_people(self, each: Hypothesis, evidence: Evidence, ledger: StallLedger, tick: Tick, dt_s: float) -> None:
        """Count who stands near, walkers left out, and say who sells and who buys."""
        near = around = 0
        metre = each.metre
        for apart_m, foot in those_near(evidence.feet, each.box, metre, max(self.customer_m, self.vendor_m)):
            if self._stands(foot, ledger.feet, metre, dt_s):
                near += apart_m <= self.vendor_m
                around += apart_m <= self.customer_m
        visits = each.visits.step(
            near,
            around,
            now_s=tick.time_s,
            dt_s=dt_s,
            window_s=self.vendor_window_s,
            visit_s=(self.visit_min_s, self.visit_max_s),
        ).since(tick.time_s - self.visits_window_s)
        each.visits = visits
        each.has_vendor = visits.watched_s >= self.vendor_min_s and visits.near_share >= self.vendor_share
        each.customers = visits.customers(tick.time_s, self.visit_max_s)

    def _stands(self, foot: Point, before: Sequence[Point], metre: float, dt_s: float) -> bool:
        x, y = foot
        limit = (_STANDS_M + self.customer_speed * dt_s) * metre
        deep = limit / DEEP
        for old_x, old_y in before:  # noqa: SIM110  # half the time of any() with a generator
            if -limit <= x - old_x <= limit and -deep <= y - old_y <= deep:
                return True
        return False

    def _score(self, each: Hypothesis, dt_s: float) -> None:
        """Sum the evidence up as log-odds, and say what follows from it."""
        flat = 1 - ramp(each.edges, 0.05, 0.2)
        vehicle = ramp(each.vehicle, 0.5, 0.8)
        thing = ramp(each.area_m2, 0.5 * self.area_min_m2, self.area_min_m2)
        thing *= ramp(each.solid_s, 0.0, self.solid_s) * (1 - flat) * (1 - vehicle)
        is_custom = each.custom >= self.proxy_share
        kinds = sum(share >= self.proxy_share for share in each.proxies.values())
        has_blob = each.area_m2 > 0.5 * self.area_min_m2
        each.has_object = is_custom or (has_blob and each.solid_s >= self.settle_s and flat < 1 and vehicle < 1)
        score = self.prior + self.object_weight * thing + self.proxy_weight * min(kinds, 2)
        score += self.custom_weight * is_custom + self.vendor_weight * each.has_vendor
        score += self.customers_weight * min(each.customers / self.customers_full, 1.0)
        if each.cargo >= 0.5 and each.age_s >= self.vendor_window_s:
            score += self.cargo_weight
        if has_blob and not is_custom:
            score += self.flat_weight * flat + self.vehicle_weight * vehicle
            if not kinds and each.is_person_shaped:
                score += self.person_weight
        if not each.has_object:
            score += self.people_weight
        each.score = score
        each.score_s = each.score_s + dt_s if score >= self.sure_score else 0.0
        is_sold = each.has_vendor and (each.customers > 0 or kinds >= 2) and score >= self.sure_score
        if not each.is_trade and each.id and each.has_object and (is_sold or (is_custom and each.sells)):
            each.is_trade, each.trade_dwell_s = True, each.dwell_s

    def _settle(
        self, held: Sequence[Hypothesis], ledger: StallLedger, tick: Tick, stalls: list[Stall]
    ) -> tuple[list[Hypothesis], list[Hypothesis]]:
        """Return the hypotheses that go on and the stalls that have left, and append what rules see of them."""
        kept: list[Hypothesis] = []
        left: list[Hypothesis] = []
        for each in held:
            has_left = (each.doubt_s >= self.leave_s and each.misses >= _MISSES_MIN) or (
                each.hidden_s > self.hidden_max_s
            )
            if not each.id and each.has_object and not has_left and self._is_large(each):
                # Moments in which the candidate was hidden lie within this time, and count once.
                each.visible_s = max(0.0, tick.time_s - each.start_s - each.hidden_s)
                each.occluded_s = 0.0
                each.stand(tick.camera)
                each.resumes = resumed(each, ledger.gone, tick.time_s, self.resume_s, self.resume_m)
            if each.id:
                stalls.append(each.stall(tick, self.proxy_share, has_left=has_left))
            if not has_left:
                kept.append(each)
            elif each.id:
                left.append(each)
        return kept, left

    def _is_large(self, each: Hypothesis) -> bool:
        return each.custom >= 0.5 or each.area_m2 >= self.area_min_m2

    def _gone(self, ledger: StallLedger, left: Sequence[Hypothesis], tick: Tick) -> tuple[Gone, ...]:
        """Return the stalls that may yet come back."""
        kept = tuple(each for each in ledger.gone if tick.time_s - each.time_s <= self.resume_s)
        return (*kept, *(Gone(each.id, each.zone, each.seen_s, base_of(each.box), each.metre) for each in left))

    def _born(
        self, evidence: Evidence, scale: Scale, tick: Tick, site: Site, places: Sequence[Place]
    ) -> list[Hypothesis]:
        """Return a candidate for every thing in a zone that nothing has claimed, near ones as one."""
        born: list[Hypothesis] = []
        for corners in [*map(corners_of, evidence.blobs), *map(corners_of, evidence.custom)]:
            if any(belongs(corners, each.box, self.reach_m * each.metre, each.metre) for each in born):
                continue
            place = zone_of(corners, places, self.footprint_share)
            if place is None:
                continue
            born.append(
                Hypothesis(
                    zone=place.id,
                    is_storefront=place.type == "storefront",
                    box=corners,
                    metre=scale.metre_at(base_of(corners), tick.size, site.ground),
                    start_s=tick.time_s,
                    start_ms=tick.time_ms,
                    seen_s=tick.time_s,
                    seen_ms=tick.time_ms,
                )
            )
        return born
