"""Watch: all that one camera's ticks lead to, live and replayed alike; pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec

from detectors.health import HealthState
from detectors.parking import Ledger
from detectors.spills import SpillLedger
from detectors.stalls import StallLedger
from detectors.tick import Tick
from detectors.wants import Pace, Wants
from edge.config import Camera
from edge.site import evidence_facts, site_of
from edge.view_report import VIEW_SAID, view_observations
from rules.rule_book import Book, BookState, Capture, Crop, Ended, Started
from wire.event import Event
from wire.holding import Holding
from wire.observation import Observation

_SAY_AGAIN_S = 10.0
"""How often an observation is repeated that has not changed."""
_PACES: tuple[Pace, ...] = get_args(Pace)
_TICKS_A_GAP = 3
"""A camera with slow ticks may leave out two of them before it counts as blind."""


class Said(msgspec.Struct, frozen=True, array_like=True):
    """An observation's last result, and when."""

    time_s: float
    result: float | str


class WatchState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a watch remembers; it encodes, so that a restart goes on where the agent was killed."""

    health: HealthState
    ledger: Ledger
    stalls: StallLedger
    spills: SpillLedger
    book: BookState
    said: dict[str, Said]
    """By zone; the camera as a whole under an empty name."""

    @property
    def event_ids(self) -> frozenset[str]:
        """The events that are under way or may come of a stay; stills of any other are needed no more."""
        return frozenset(each.event_id for rules in self.book.watched.values() for each in rules.values())

    @property
    def raised_ids(self) -> frozenset[str]:
        """The events that are under way."""
        rules = self.book.watched.values()
        return frozenset(each.event_id for some in rules for each in some.values() if each.is_raised)


class Watch:
    """Steps one camera's detector and rules."""

    def __init__(self, camera: Camera, book: Book) -> None:
        """Bind the rules to the zones; raise ConfigError for a zone's parameter that no rule takes, or out of range."""
        self.camera, self.book = camera, book
        gap_s = max(camera.parking.max_gap_s, _TICKS_A_GAP / camera.tick_hz)
        self._parking = msgspec.structs.replace(camera.parking, max_gap_s=gap_s)
        self._stalls = msgspec.structs.replace(camera.stalls, max_gap_s=max(camera.stalls.max_gap_s, gap_s))
        self._health = msgspec.structs.replace(
            camera.health, gap_s=max(camera.health.gap_s, _TICKS_A_GAP / camera.tick_hz)
        )
        self._site, self._evidence_facts = site_of(camera), evidence_facts(camera)
        self._settings = {
            zone.id: book.settings(
                zone.type,
                zone.terms,
                source=f"camera {camera.id}",
                key=f"zones[{number}]",
                time_zone=ZoneInfo(camera.time_zone),
            )
            for number, zone in enumerate(camera.zones)
        }
        self._rules = {rule.file.name: rule for rule in book.rules}
        self._book_sha256 = hashlib.sha256("".join(rule.sha256 for rule in book.rules).encode()).hexdigest()

    def first(self) -> WatchState:
        """Return the state of a camera that has seen nothing."""
        camera = self.camera
        return WatchState(
            health=camera.health.first(),
            ledger=self._parking.first(),
            stalls=self._stalls.first(),
            spills=camera.spills.first(),
            book=BookState(),
            said={},
        )

    def wants(self, state: WatchState) -> Wants:
        """Return what the detectors ask of the next picture."""
        camera = self.camera
        asked = (
            self._parking.wants(state.ledger),
            self._stalls.wants(state.stalls),
            camera.spills.wants(state.spills),
        )
        return Wants(
            # What is in doubt of the camera's health is looked into at once.
            pace=max((*(each.pace for each in asked), "busy" if state.health.standings else "quiet"), key=_PACES.index),
            looks={name: corners for each in asked for name, corners in each.looks.items()},
            places=tuple(place for each in asked for place in each.places),
            steady=any(each.steady for each in asked),
            surfaces=tuple(surface for each in asked for surface in each.surfaces),
        )

    def step(self, state: WatchState, tick: Tick) -> tuple[WatchState, list[Event | Capture | Crop | Observation]]:
        """Return the state after a tick and what comes of it: pictures to take, then events, then observations."""
        if state.ledger.time_s is not None and tick.time_s <= state.ledger.time_s:
            return state, []
        health, verdict = self._health.step(state.health, tick)
        if verdict.faults and not tick.blind:
            tick = msgspec.structs.replace(tick, blind=", ".join(verdict.faults))
        ledger, stays = self._parking.step(state.ledger, tick, self._site)
        stall_ledger, stalls = self._stalls.step(state.stalls, tick, self._site)
        spill_ledger, spills = self.camera.spills.step(state.spills, tick, self._site)
        book, outcomes = self.book.step(state.book, [*stays, *stalls, *spills], self._settings)
        captures = [outcome for outcome in outcomes if isinstance(outcome, Capture | Crop)]
        events = [self._event(outcome, tick) for outcome in outcomes if isinstance(outcome, Started | Ended)]
        observations = [] if tick.blind else list(self._observe(state.said, stays, tick))
        said = dict(state.said)
        for each in observations:
            said[each.feature] = Said(tick.time_s, float(each.result))
        told = said.get(VIEW_SAID)
        if views := view_observations(tick, verdict, (told.time_s, str(told.result)) if told else None):
            said[VIEW_SAID] = Said(tick.time_s, str(views[0].result))
            observations += views
        after = WatchState(health=health, ledger=ledger, stalls=stall_ledger, spills=spill_ledger, book=book, said=said)
        return after, [*captures, *events, *observations]

    def _event(self, outcome: Started | Ended, tick: Tick) -> Event:
        held, rule = outcome.held, self._rules.get(outcome.rule)
        resumes = outcome.resumes if isinstance(outcome, Started) else None
        parameters = next(
            (each.values(held.label) for each in self._settings.get(held.zone, ()) if each.rule is rule), {}
        )
        return Event(
            id=outcome.event_id,
            phase="start" if isinstance(outcome, Started) else "end",
            rule=outcome.rule,
            kind=outcome.kind,
            camera=self.camera.id,
            zone=held.zone,
            time_ms=tick.time_ms,
            start_ms=held.start_ms,
            end_ms=held.end_ms,
            clock=tick.clock,
            # The 128 bits of the stay's id serve as a trace-id, so that every event of a stay is one trace.
            trace_id=held.id.replace("-", ""),
            bbox=_rounded(held.bbox),
            size=held.size,
            label=held.label,
            confidence=round(min(max(held.confidence, 0.0), 1.0), 3),
            position=self.camera.position,
            expects=("arrival",) if resumes else rule.expects if rule else (),
            resumes=resumes,
            facts={
                **parameters,
                "dwell_s": round(held.dwell_s, 3),
                "visible_s": round(held.visible_s, 3),
                "occluded_s": round(held.occluded_s, 3),
                "blind_s": round(held.blind_s, 3),
                "visible_share": round(held.visible_share, 3),
                **_own_facts(held),
                **self._evidence_facts.get(held.zone, {}),
                "book_sha256": self._book_sha256,
                **({"rule_sha256": rule.sha256} if rule else {}),
            },
        )

    def _observe(self, said: Mapping[str, Said], stays: Iterable[Holding], tick: Tick) -> Iterator[Observation]:
        """Yield the counts that have changed or were not said for a while."""
        parking, counts = self._parking, {place.id: 0 for place in self._site.of_type("no_parking")}
        for stay in stays:
            if not stay.has_left and stay.zone in counts:
                counts[stay.zone] += 1
        counts[""] = sum(
            box.confidence >= parking.birth_confidence and box.label in parking.classes for box in tick.boxes
        )
        for feature, count in counts.items():
            before = said.get(feature)
            if before is None or before.result != count or tick.time_s - before.time_s >= _SAY_AGAIN_S:
                yield Observation(
                    source=self.camera.id,
                    property="zone.stays" if feature else "vehicle.count",
                    result=float(count),
                    time_ms=tick.time_ms,
                    feature=feature,
                )


def _own_facts(held: Holding) -> dict[str, float | bool | str]:
    """Return what a kind of holding says beyond what all of them say: of a stay the jam, of a stall its score ..."""
    own = [name for name in held.__struct_fields__ if name not in Holding.__struct_fields__]
    values = {name: getattr(held, name) for name in own}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def _rounded(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    return round(x, 1), round(y, 1), round(width, 1), round(height, 1)
