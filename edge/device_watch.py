"""Device watch: all that one device's reports lead to, live and replayed alike; pure."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import tzinfo

import msgspec

from devices import presence, telling
from devices.conditions.device import DeviceState
from devices.conditions.level import LevelState
from devices.conditions.manhole import ManholeState
from devices.conditions.supply import cabinet_sample, meter_sample
from devices.conditions.vehicle import VehicleState
from devices.conditions.weather import WeatherState
from devices.inventory import DeviceEntry
from devices.presence import Hearing
from devices.reading import Reading
from devices.report import Position, Report
from devices.seen import Seen, Values, is_of_now, taken
from devices.telling import TellingState
from edge.device_terms import Place, Terms, terms_of
from rules import device_rules
from rules.device_rules import Cleared, Outcome, Raised, RulesState, Unclear
from rules.rule_book import Book
from wire.clock import ClockState
from wire.device import Presence
from wire.event import Event
from wire.fix import Fix
from wire.observation import Observation
from wire.sample import LevelSample, Sample, VehicleSample, WeatherSample

Output = Event | Observation | Fix | Presence
_POSITIONS_MAX = 256
"""Of one report."""
_DERIVED: dict[type[Sample], tuple[tuple[str, str, str], ...]] = {
    LevelSample: (("water.level", "level_m", "m"), ("water.rise", "rise_m_per_h", "m/h")),
    VehicleSample: (("coverage", "coverage_share", "1"),),
    WeatherSample: (("raining", "is_raining", ""), ("snowing", "is_snowing", "")),
}
"""What is told of a sample beside the readings: property, field and unit."""


class DeviceWatchState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is remembered of one device; it encodes, so that a restart goes on where the gateway was killed."""

    time_ms: int = -1
    """Of the newest report."""
    hearing: Hearing = Hearing()
    telling: TellingState = TellingState()
    values: Values = {}
    device: DeviceState = DeviceState()
    manhole: ManholeState = ManholeState()
    level: LevelState = LevelState()
    vehicle: VehicleState = VehicleState()
    weather: WeatherState = WeatherState()
    rules: RulesState = {}


class DeviceWatch:
    """Steps the conditions and rules of all devices of a gateway; what it remembers of each is that one's state."""

    def __init__(
        self,
        entries: Iterable[DeviceEntry],
        book: Book,
        time_zone: tzinfo,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        """Bind rules and conditions to the devices.

        Raises ConfigError for a device's parameter that none of them takes, or that is out of range, at the place where
        the device stands: ``places`` are the document and key of each, by its id.
        """
        places = places or {}
        self._terms = {entry.id: terms_of(entry, book, places.get(entry.id)) for entry in entries}
        self._rules = {rule.file.name: rule for rule in book.rules}
        self._zone = time_zone
        self._book_sha256 = hashlib.sha256("".join(rule.sha256 for rule in book.rules).encode()).hexdigest()

    @staticmethod
    def first(entry: DeviceEntry) -> DeviceWatchState:  # noqa: ARG004  # as every watch has it
        """Return the state of a device that was never heard."""
        return DeviceWatchState()

    def step(
        self, state: DeviceWatchState, entry: DeviceEntry, report: Report, clock: ClockState
    ) -> tuple[DeviceWatchState, list[Output]]:
        """Return the state after a report, and what comes of it."""
        hearing, outputs = _heard(state.hearing, entry, report.received_ms)
        # No clock of a device is believed to be ahead of ours.
        time_ms = max(0, min(report.time_ms, report.received_ms))
        readings, positions = telling.clean(report.readings), report.positions[:_POSITIONS_MAX]
        # Were it not for the second condition, a gateway's clock that was set back would silence its devices.
        is_old = time_ms < state.time_ms <= report.received_ms
        if is_old:
            readings = tuple(each if each.at_ms else msgspec.structs.replace(each, at_ms=time_ms) for each in readings)
            positions = tuple(msgspec.structs.replace(each, is_late=True) for each in positions)
        live = tuple(each for each in readings if is_of_now(each))
        now = tuple(each for each in positions if not each.is_late)
        late = tuple((time_ms, each) for each in positions if each.is_late)
        state = msgspec.structs.replace(
            state,
            hearing=hearing,
            time_ms=time_ms if live or now else state.time_ms,
            values=taken(state.values, live, time_ms),
        )
        seen = Seen(
            entry=entry,
            time_ms=time_ms,
            heard_ms=report.received_ms,
            listened_s=hearing.listened_ms / 1000,
            values=state.values,
            positions=now,
            time_zone=self._zone,
        )
        state, samples, suspects = self._conditions(state, seen, late, is_said=bool(live or now))
        readings = (*readings, *_derived(samples))
        state, told = _tell(state, entry, readings, positions, time_ms=time_ms, suspects=suspects)
        state, outcomes = self._ask(state, entry, samples)
        return state, [*outputs, *self._outputs(state, entry, outcomes, clock), *told]

    def tick(
        self, state: DeviceWatchState, entry: DeviceEntry, time_ms: int, clock: ClockState, *, trouble: str = ""
    ) -> tuple[DeviceWatchState, list[Output]]:
        """Return the state after a time in which nothing was heard, and what comes of it.

        Args:
            state: before it.
            entry: the device.
            time_ms: by the gateway's clock.
            clock: what is known of that clock.
            trouble: what the link says is wrong with the wire, if anything is.
        """
        hearing, presences = presence.step(state.hearing, entry, time_ms, is_heard=False, trouble=trouble)
        outputs: list[Output] = [presences] if presences else []
        is_gone = presences is not None and presences.state == "offline" and state.hearing.told != "offline"
        faded, stale = telling.faded(state.telling, entry, time_ms) if is_gone else (state.telling, [])
        state = msgspec.structs.replace(state, hearing=hearing, telling=faded)
        seen = Seen(
            entry=entry,
            time_ms=time_ms,
            heard_ms=time_ms,
            is_tick=True,
            silent_s=hearing.silent_s,
            listened_s=hearing.listened_ms / 1000,
            is_link_down=bool(trouble),
            values=state.values,
            time_zone=self._zone,
        )
        state, samples, _ = self._conditions(state, seen, (), is_said=hearing.last_ms is not None)
        state, outcomes = self._ask(state, entry, samples)
        return state, [*outputs, *self._outputs(state, entry, outcomes, clock), *stale]

    def take(
        self, state: DeviceWatchState, entry: DeviceEntry, sample: Sample, clock: ClockState
    ) -> tuple[DeviceWatchState, list[Output]]:
        """Return the state after a sample that was made elsewhere: what a lamp's current shows."""
        state, outcomes = self._ask(state, entry, (sample,))
        return state, list(self._outputs(state, entry, outcomes, clock))

    def _conditions(
        self, state: DeviceWatchState, seen: Seen, late: tuple[tuple[int, Position], ...], *, is_said: bool
    ) -> tuple[DeviceWatchState, tuple[Sample, ...], frozenset[str]]:
        """Return the state, what is known of the device now, and which of its properties are not to be believed."""
        terms: Terms = self._terms[seen.entry.id]
        role = seen.entry.role
        device, sample = terms.device.step(state.device, seen)
        state = msgspec.structs.replace(state, device=device)
        samples, suspects = list[Sample]([sample]), frozenset[str]()
        if role == "vehicle" and (seen.positions or late or seen.is_tick):
            vehicle, moving = terms.vehicle.step(state.vehicle, seen, late)
            state = msgspec.structs.replace(state, vehicle=vehicle)
            if is_said:
                samples.append(moving)
        if not is_said:
            return state, tuple(samples), suspects
        if role == "manhole":
            manhole, cover = terms.manhole.step(state.manhole, seen)
            state = msgspec.structs.replace(state, manhole=manhole)
            samples.append(cover)
        if role in ("manhole", "level") and {"water.depth", "distance"} & seen.values.keys():
            level, water = terms.level.step(state.level, seen)
            state = msgspec.structs.replace(state, level=level)
            samples.append(water)
            suspects = frozenset({terms.level.stuck_property(level, seen)})
        elif role == "weather":
            weather, sky = terms.weather.step(state.weather, seen)
            state = msgspec.structs.replace(state, weather=weather)
            samples.append(sky)
        elif role in ("cabinet", "circuit"):
            samples.append(cabinet_sample(seen))
        elif role == "meter":
            samples.append(meter_sample(seen))
        return state, tuple(samples), suspects

    def _ask(
        self, state: DeviceWatchState, entry: DeviceEntry, samples: tuple[Sample, ...]
    ) -> tuple[DeviceWatchState, list[Outcome]]:
        """Ask the rules of a device."""
        rules, outcomes, settings = state.rules, list[Outcome](), self._terms[entry.id].settings
        for sample in samples:
            if not rules.keys() <= settings.keys():
                rules, ended = device_rules.dropped(rules, sample, settings.values())
                outcomes += ended
            rules, found = device_rules.step(rules, sample, settings.values())
            outcomes += found
        return msgspec.structs.replace(state, rules=rules), outcomes

    def _outputs(
        self, state: DeviceWatchState, entry: DeviceEntry, outcomes: Iterable[Outcome], clock: ClockState
    ) -> Iterable[Output]:
        for outcome in outcomes:
            if isinstance(outcome, Unclear):
                yield Observation(
                    source=entry.id,
                    property="rule.unknown",
                    result=outcome.is_unclear,
                    time_ms=outcome.time_ms,
                    feature=outcome.rule,
                )
            else:
                yield self._event(state, entry, outcome, clock)

    def _event(
        self, state: DeviceWatchState, entry: DeviceEntry, outcome: Raised | Cleared, clock: ClockState
    ) -> Event:
        rule, sample = self._rules.get(outcome.rule), outcome.sample
        setting = self._terms[entry.id].settings.get(outcome.rule)
        clauses = rule.named if rule and setting and isinstance(sample, rule.watched) else ()
        known = {name: getattr(sample, name) for name in clauses if getattr(sample, name) is not None}
        spot = state.vehicle.spot
        facts = {
            **(setting.parameters if setting else {}),
            **{name: round(value, 3) if isinstance(value, float) else value for name, value in known.items()},
            "book_sha256": self._book_sha256,
            **({"rule_sha256": rule.sha256} if rule else {}),
        }
        return Event(
            id=outcome.event_id,
            phase="start" if isinstance(outcome, Raised) else "end",
            rule=outcome.rule,
            kind=outcome.kind,
            device=entry.id,
            time_ms=sample.time_ms,
            start_ms=outcome.start_ms,
            end_ms=None if isinstance(outcome, Raised) else outcome.end_ms,
            clock=clock,
            trace_id=outcome.event_id.replace("-", ""),
            label=entry.role,
            urgent=bool(rule and rule.file.urgent),
            position=spot.place if entry.role == "vehicle" and spot else entry.position,
            facts=facts,
        )


def _heard(hearing: Hearing, entry: DeviceEntry, time_ms: int) -> tuple[Hearing, list[Output]]:
    hearing, told = presence.step(hearing, entry, time_ms, is_heard=True)
    return hearing, [told] if told else []


def _derived(samples: Iterable[Sample]) -> Iterable[Reading]:
    """Yield what follows from the values, as if the device had said it."""
    for sample in samples:
        for name, field, unit in _DERIVED.get(type(sample), ()):
            if (value := getattr(sample, field)) is not None:
                yield Reading(name, value, unit)


def _tell(
    state: DeviceWatchState,
    entry: DeviceEntry,
    readings: Iterable[Reading],
    positions: Iterable[Position],
    *,
    time_ms: int,
    suspects: frozenset[str],
) -> tuple[DeviceWatchState, list[Output]]:
    """Return the state and what is told of readings and positions."""
    told, observations = telling.step(state.telling, entry, readings, time_ms, suspects)
    outputs: list[Output] = [*observations]
    for position in positions:
        told, fix = telling.step_fix(told, entry, position, time_ms)
        if fix is not None:
            outputs.append(fix)
    return msgspec.structs.replace(state, telling=told), outputs
