"""Turn: one step of the spill detector, on a copy of its ledger."""

from typing import TYPE_CHECKING

import numpy as np

from detectors.ground import Ground
from detectors.scale import CAR_HEIGHT_M
from detectors.site import Place
from detectors.spill_ledger import SpillLedger
from detectors.spill_passage import Find, Passage, bounds
from detectors.spill_strip import strip_of
from detectors.spill_truck import Kind, Seen, Truck, contains, follow, once
from detectors.surface import Piece, Surface
from detectors.tick import Box, Tick
from wire.identifiers import uuid7_of
from wire.spill import Spill

if TYPE_CHECKING:
    from detectors.spills import Spills

_LEARN_S, _RELEARN_S = 1.0, 10.0
"""How often cars are measured until the scale is known, and afterwards."""
_NAMED_RATIO = 0.85
"""What the model calls a heavy vehicle by name may be this much lower."""
_NAMED_SHARE = 0.5
_SIGHTINGS_MIN = 2
_PASSAGES_MAX = 6
_PARTICLES_MIN, _PARTICLE_TICKS = 3, 2
"""Small things in one picture, and pictures with so many, that make a cue."""
_FLIGHT_S = 0.5
"""What falls comes to rest within this time."""
_AMONG = 0.15
"""Sides of a spill's box by which it is widened when others' pieces are told from its own."""
_BEFORE_S = 1.0
"""The road is remembered as of this long before a truck is first seen."""


class Turn:
    """A ledger while it is changed."""

    def __init__(self, own: "Spills", ledger: SpillLedger, tick: Tick) -> None:
        self.own, self.tick, self.before = own, tick, ledger
        self.trucks = [truck.copy() for truck in ledger.trucks]
        self.passages = [passage.copy() for passage in ledger.passages]
        self.scale, self.learnt_s, self.looked_s = ledger.scale, ledger.learnt_s, ledger.looked_s
        self.number, self.decided, self.undecided = ledger.number, ledger.decided, ledger.undecided
        self.ended: list[Spill] = []

    def ledger(self) -> SpillLedger:
        """Return the ledger as it now is."""
        return SpillLedger(
            time_s=self.tick.time_s,
            looked_s=self.looked_s,
            learnt_s=self.learnt_s,
            scale=self.scale,
            trucks=tuple(self.trucks),
            number=self.number,
            passages=tuple(self.passages),
            decided=self.decided,
            undecided=self.undecided,
        )

    def spills(self) -> list[Spill]:
        """Return what is suspected or sure, and what has ended with this tick."""
        return [*(self._spill(each) for each in self.passages if each.phase in {"confirm", "watch"}), *self.ended]

    def go_blind(self, dt_s: float) -> None:
        """Give up what is not sure: nobody knows what happened on the road meanwhile."""
        self.trucks = []
        for passage in list(self.passages):
            passage.blind_s += dt_s
            if passage.phase != "watch":
                self._give_up(passage, "blind")

    def learn(self) -> None:
        """Measure the cars, now and then."""
        every_s = _LEARN_S if self.scale.line is None else _RELEARN_S
        if self.learnt_s is None or self.tick.time_s - self.learnt_s >= every_s:
            self.learnt_s = self.tick.time_s
            self.scale = self.scale.learn([box for box in self.tick.boxes if box.label == "car"], self.tick.size)

    def follow(self, lanes: tuple[Place, ...], ground: Ground | None) -> None:
        """Follow the heavy vehicles, open a passage for each that comes, and close it when it has gone."""
        time_s, own = self.tick.time_s, self.own
        self._count_particles()
        self.looked_s = time_s
        for seen in follow(self.trucks, self._seen(lanes, ground), time_s, self.tick.time_ms):
            if seen.box.confidence >= own.birth_confidence:
                self._notice(seen)
        for truck in self.trucks:
            if not truck.passage and truck.sightings >= _SIGHTINGS_MIN and self._is_heavy(truck):
                self._arm(truck)
        gone = [truck for truck in self.trucks if time_s - truck.seen_s > own.lost_s]
        if not gone:
            return
        self.trucks = [truck for truck in self.trucks if time_s - truck.seen_s <= own.lost_s]
        for truck in gone:
            passage = next((each for each in self.passages if each.id == truck.passage), None)
            if passage is not None:
                self._settle(passage, truck, lanes, ground)

    def _seen(self, lanes: tuple[Place, ...], ground: Ground | None) -> list[Seen]:
        """Return the vehicles in lanes that are larger than a car, each once."""
        boxes = [box for box in self.tick.boxes if box.confidence >= self.own.keep_confidence]
        large = [(box, *size) for box in boxes if (size := self._size(box, ground))]
        if not large:
            return []
        sizes = {id(box): (ratio, kind) for box, ratio, kind in large}
        found = []
        for box in once([box for box, _, _ in large]):
            base = (box.x1 + box.x2) / 2, box.y2
            lane = next((place.id for place in lanes if contains(place.polygon, base)), None)
            if lane is not None:
                ratio, kind = sizes[id(box)]
                found.append(Seen(box, ratio, lane, kind))
        return found

    def _size(self, box: Box, ground: Ground | None) -> tuple[float, Kind] | None:
        """Return how many times as high as a car a box is, and its kind; None if it is no large vehicle."""
        own, label = self.own, box.label
        if label in own.sweeper_classes:
            return 0.0, "sweeper"
        if label in own.custom_classes:
            return 0.0, "custom"
        if label not in own.classes:
            return None
        kind: Kind = "heavy" if label in own.heavy_classes else ""
        car_px = self.scale.car_px(box.y2)
        if car_px is None and ground is not None:
            ends = ground.metres(np.array([(box.x1, box.y2), (box.x2, box.y2)]))
            car_px = CAR_HEIGHT_M * (box.x2 - box.x1) / max(float(np.hypot(*(ends[1] - ends[0]))), 1e-6)
        if car_px is None:
            # Its passage is counted as one that nothing can be said of.
            return (0.0, kind) if kind and self.scale.line is None else None
        ratio = (box.y2 - box.y1) / max(car_px, 1.0)
        return (ratio, kind) if ratio >= own.tall_ratio * _NAMED_RATIO else None

    def _notice(self, seen: Seen) -> None:
        tick, box = self.tick, seen.box
        truck = Truck(
            number=self.number,
            lane=seen.lane,
            box=(box.x1, box.y1, box.x2, box.y2),
            first_s=tick.time_s,
            first_ms=tick.time_ms,
            seen_s=tick.time_s,
            seen_ms=tick.time_ms,
        )
        truck.note(seen)
        self.trucks.append(truck)
        self.number += 1

    def _is_heavy(self, truck: Truck) -> bool:
        if truck.is_custom or truck.is_sweeper or truck.ratio >= self.own.tall_ratio:
            return True
        return truck.named >= _NAMED_SHARE * truck.sightings

    def _count_particles(self) -> None:
        """Note behind which trucks small things fly."""
        flying = {surface.id for surface in self.tick.surfaces if surface.particles >= _PARTICLES_MIN}
        for truck in self.trucks if flying else ():
            if truck.passage in flying and truck.seen_s == self.looked_s:
                truck.particle_ticks += 1
                if truck.particle_ticks == _PARTICLE_TICKS:
                    for passage in self._pending():
                        is_own = passage.id == truck.passage
                        passage.is_cued |= is_own
                        passage.has_rival |= not is_own

    def _pending(self) -> list[Passage]:
        """Return the passages whose road has not been seen afterwards: whoever passes now can have done it."""
        return [passage for passage in self.passages if passage.phase in {"armed", "settle"}]

    def _arm(self, truck: Truck) -> None:
        """Open a passage; whoever is on the road between the two looks at it can have done what is found there."""
        pending = self._pending()
        for passage in pending:
            passage.heavy += 1
        if len(self.passages) >= _PASSAGES_MAX:
            truck.passage = "none"
            self._count_undecided("busy")
            return
        truck.passage = uuid7_of(truck.first_ms, self.tick.camera, truck.lane, str(truck.number))
        self.passages.append(
            Passage(
                id=truck.passage,
                lane=truck.lane,
                before_s=truck.first_s - _BEFORE_S,
                first_s=truck.first_s,
                heavy=1 + len(pending),
                has_rival=any(passage.is_cued for passage in pending),
            )
        )

    def _settle(self, passage: Passage, truck: Truck, lanes: tuple[Place, ...], ground: Ground | None) -> None:
        """Ask for the road behind a truck that has gone, if it was heavy, driving and followed for long enough."""
        own = self.own
        passage.exit_s, passage.exit_ms, passage.confidence = truck.seen_s, truck.seen_ms, truck.confidence
        place = next(each for each in lanes if each.id == truck.lane)
        road = ground or self.scale.ground(self.tick.size)
        across, down = truck.way()
        is_against = place.direction is not None and across * place.direction[0] + down * place.direction[1] <= 0
        is_short = truck.seen_s - truck.first_s < own.track_s
        if is_short or is_against or not self._is_heavy(truck):
            self.passages.remove(passage)
        elif road is None:
            self._give_up(passage, "scale not known")
        elif truck.speed_mps(road) < own.speed_min_mps:
            self.passages.remove(passage)
        elif truck.is_sweeper:
            self._give_up(passage, "sweeper")
        else:
            passage.strip = strip_of(
                truck.path,
                place.polygon,
                road,
                beside_m=own.beside_m,
                beyond_m=own.beyond_m,
                resolution_max_m=own.resolution_max_m,
            )
            passage.phase = "settle"
            passage.after_s = passage.due_s = passage.exit_s + _FLIGHT_S
            if passage.strip is None:
                self._give_up(passage, "too far away")

    def compare(self) -> None:
        """Take what the eyes say of the road, and note where they could not."""
        answers = {surface.id: surface for surface in self.tick.surfaces}
        for passage in list(self.passages):
            answer = answers.get(passage.id)
            if passage.phase == "settle":
                self._see_first(passage, answer)
            elif passage.phase == "confirm":
                self._see_again(passage, answer)
            elif passage.phase == "watch":
                self._watch(passage, answer)

    def _see_first(self, passage: Passage, answer: Surface | None) -> None:
        own, tick = self.own, self.tick
        if answer is not None and answer.refusal:
            self._give_up(passage, answer.refusal)
        elif answer is None or answer.pieces is None:
            if tick.time_s - passage.exit_s > own.settle_max_s:
                self._give_up(passage, "traffic")
        else:
            self.decided += 1
            passage.finds = tuple(Find(piece) for piece in self._new(passage, answer.pieces))
            if sum(find.piece.area_m2 for find in passage.finds) < own.area_min_m2:
                self.passages.remove(passage)
                return
            passage.phase = "confirm"
            passage.found_s, passage.seen_s, passage.seen_ms = tick.time_s, tick.time_s, tick.time_ms
            passage.after_s, passage.due_s = tick.time_s, tick.time_s + own.checks_s[0]

    def _new(self, passage: Passage, pieces: tuple[Piece, ...]) -> list[Piece]:
        """Return the pieces that do not lie among those of another passage: one spill is one, whoever passes it."""
        held = [
            bounds(find.piece for find in other.finds)
            for other in self.passages
            if other is not passage and other.finds
        ]
        return [piece for piece in pieces if not any(_is_among(piece, box) for box in held)]

    def _see_again(self, passage: Passage, answer: Surface | None) -> None:
        own, now_s = self.own, self.tick.time_s
        if answer is not None and answer.refusal:
            self._give_up(passage, answer.refusal)
            return
        if answer is None or answer.pieces is None:
            if now_s - passage.due_s <= own.settle_max_s:
                return
            passage.unanswered += 1
        else:
            passage.checks += 1
            if passage.compare(answer.pieces, own.area_min_m2):
                passage.confirmed += 1
                passage.seen_s, passage.seen_ms = now_s, self.tick.time_ms
        tried = passage.checks + passage.unanswered
        is_sure = sum(piece.area_m2 for piece in passage.sure(own.again_min)) >= own.area_min_m2
        if is_sure or (tried == len(own.checks_s) and passage.has_cue and not passage.unanswered):
            passage.phase = "watch"
            passage.after_s, passage.due_s = now_s, now_s + own.watch_every_s
        elif tried < len(own.checks_s):
            passage.after_s, passage.due_s = now_s, max(passage.found_s + own.checks_s[tried], now_s)
        elif passage.confirmed + passage.unanswered >= own.again_min:
            self._give_up(passage, "traffic")
        else:
            self._end(passage)

    def _watch(self, passage: Passage, answer: Surface | None) -> None:
        own, now_s = self.own, self.tick.time_s
        if answer is not None and (answer.pieces is not None or answer.refusal):
            passage.due_s, passage.after_s = now_s + own.watch_every_s, now_s
            if answer.pieces is not None:
                is_there = passage.compare(answer.pieces, 1e-9)
                passage.missed = 0 if is_there else passage.missed + 1
                if is_there:
                    passage.seen_s, passage.seen_ms = now_s, self.tick.time_ms
        if passage.missed >= own.cleared_after or now_s - passage.seen_s > own.forget_s:
            self._end(passage)

    def _give_up(self, passage: Passage, reason: str) -> None:
        """Decide nothing: that is an answer too, and it is counted."""
        self._count_undecided(reason)
        if passage.phase == "confirm":
            self._end(passage)
        else:
            self.passages.remove(passage)

    def _count_undecided(self, reason: str) -> None:
        self.undecided = {**self.undecided, reason: self.undecided.get(reason, 0) + 1}

    def _end(self, passage: Passage) -> None:
        self.passages.remove(passage)
        self.ended.append(self._spill(passage, has_left=True))

    def _spill(self, passage: Passage, *, has_left: bool = False) -> Spill:
        return passage.spill(self.tick, self.own.again_min, has_left=has_left)


def _is_among(piece: Piece, box: tuple[float, float, float, float]) -> bool:
    """Tell whether the middle of a piece lies in a box, a little widened (both x, y, width, height)."""
    x, y, width, height = box
    middle_x, middle_y = piece.bbox[0] + piece.bbox[2] / 2, piece.bbox[1] + piece.bbox[3] / 2
    is_beside = abs(middle_x - x - width / 2) > (0.5 + _AMONG) * width
    return not is_beside and abs(middle_y - y - height / 2) <= (0.5 + _AMONG) * height
