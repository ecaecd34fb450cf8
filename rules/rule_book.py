"""Book: all the rules of an agent, stepped together over stays; pure, so live, replay and tests are one."""

import math
from collections.abc import Iterable, Mapping

import msgspec

from config.document import ConfigError
from rules.rule import Parameters, Rule, Still, Trial
from wire.event import Phase
from wire.holding import Holding
from wire.identifiers import uuid7_of

Settings = tuple[tuple[Rule, Parameters], ...]
"""The rules that watch a zone, each with the values of its parameters there."""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Take this still now: it belongs to the event that may come of the stay."""

    event_id: str
    held: Holding
    role: Still


class Crop(msgspec.Struct, frozen=True, kw_only=True):
    """The thing is in plain view: keep this view of it if it is better than the best so far."""

    event_id: str
    held: Holding


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A stay has become an event."""

    event_id: str
    held: Holding
    rule: str
    kind: str


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The vehicle of an event has left."""

    event_id: str
    held: Holding
    rule: str
    kind: str


Outcome = Capture | Crop | Started | Ended
_SPAN_S = 10.0
"""For how long after its start an event may still get a later picture of the limit."""


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one rule remembers of one stay."""

    event_id: str
    kind: str
    captured: tuple[Still, ...] = ()
    captured_s: tuple[float, ...] = ()
    """The dwell at which each of them was taken; between two of them at least as much time has passed."""
    is_raised: bool = False
    is_spanned: bool = False
    """The first and the last still are further apart than the limit, or will never be."""


class BookState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a book remembers of one camera; it encodes."""

    watched: dict[str, dict[str, Watched]] = {}
    """By stay, then by rule."""


class Book:
    """Rules, none with the name of another."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Take the rules in the order of their names; raise ConfigError if a name is there twice."""
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.file.name, rule.document.source)))
        for rule, other in zip(self.rules, self.rules[1:], strict=False):
            if rule.file.name == other.file.name:
                raise other.document.error("name", f"{rule.document.source} has the name {rule.file.name!r} already")

    def settings(self, zone_type: str, given: Parameters, *, source: str, key: str) -> Settings:
        """Return the rules for a zone. Raise ConfigError, naming source and key, for a parameter none of them takes."""
        rules = [rule for rule in self.rules if zone_type in rule.file.zone_types]
        for name, value in given.items():
            refusals = [rule.refusal(name, value) for rule in rules if name in rule.file.parameters or len(rules) == 1]
            problem = next(filter(None, refusals), None) if refusals else ("unknown parameter", "no rule here takes it")
            if problem:
                raise ConfigError(source, 0, f"{key}.{name}", *problem)
        return tuple((rule, rule.values(given)) for rule in rules)

    @staticmethod
    def step(
        state: BookState, holdings: Iterable[Holding], zones: Mapping[str, Settings]
    ) -> tuple[BookState, list[Outcome]]:
        """Return the state after these holdings, and what comes of them; ``zones`` are the settings by zone."""
        watched, outcomes = dict(state.watched), list[Outcome]()
        for held in holdings:
            before = watched.get(held.id, {})
            if held.has_left:
                watched.pop(held.id, None)
                # Whoever was told of the start is told of the end, also when the rule has gone from the book.
                outcomes += [
                    Ended(event_id=each.event_id, held=held, rule=name, kind=each.kind)
                    for name, each in before.items()
                    if each.is_raised
                ]
                continue
            after = dict(before)
            for rule, parameters in zones.get(held.zone, ()):
                if not isinstance(held, rule.watched):
                    continue
                name = rule.file.name
                known = before.get(name) or Watched(
                    event_id=uuid7_of(held.start_ms, held.id, name), kind=rule.file.kind
                )
                advance = _span if known.is_raised else _advance
                after[name] = advance(known, rule, held, parameters, outcomes)
            watched[held.id] = after
        return BookState(watched=watched), outcomes


def _advance(known: Watched, rule: Rule, held: Holding, parameters: Parameters, outcomes: list[Outcome]) -> Watched:
    """Return what is known of a stay that is no event yet, and append what comes of it."""
    is_raised = rule.holds(held, parameters)
    is_seen = not held.unseen_s and not held.is_blind
    # An event has all its stills when it starts, even if traffic stood before the vehicle at the proper time.
    last_s = known.captured_s[-1] if known.captured_s else -math.inf
    is_apart = held.dwell_s - last_s >= rule.spacing_s(parameters)
    due = tuple(rule.file.stills) if is_raised else rule.stills_due(held, parameters) if is_seen and is_apart else ()
    fresh = tuple(role for role in due if role not in known.captured and (is_raised or role != "limit"))
    outcomes += [Capture(event_id=known.event_id, held=held, role=role) for role in fresh]
    if is_seen and rule.file.closeup:
        outcomes.append(Crop(event_id=known.event_id, held=held))
    if is_raised:
        outcomes.append(Started(event_id=known.event_id, held=held, rule=rule.file.name, kind=rule.file.kind))
    if not fresh and not is_raised:
        return known
    return msgspec.structs.replace(
        known,
        captured=known.captured + fresh,
        captured_s=known.captured_s + (held.dwell_s,) * len(fresh),
        is_raised=is_raised,
    )


def _span(known: Watched, rule: Rule, held: Holding, parameters: Parameters, outcomes: list[Outcome]) -> Watched:
    """Take one more picture of the limit as soon as it is further from the first still than the limit is long.

    The first still can only be taken once the vehicle is known to stand, some seconds after it came to a stand, so the
    one at the limit is that much less than the permitted time after it.
    """
    if known.is_spanned:
        return known
    first_s, last_s = min(known.captured_s, default=0.0), max(known.captured_s, default=0.0)
    limit_s = rule.limit_s(parameters)
    if "limit" not in known.captured or last_s - first_s > limit_s or held.dwell_s - last_s > _SPAN_S:
        return msgspec.structs.replace(known, is_spanned=True)
    if held.dwell_s - first_s <= limit_s or held.unseen_s or held.is_blind:
        return known
    outcomes.append(Capture(event_id=known.event_id, held=held, role="limit"))
    return msgspec.structs.replace(known, is_spanned=True)


_SAMPLES: dict[type, float | bool | str] = {float: 0.0, int: 0, bool: False, str: ""}
_COMMON = {
    "id": "00000000-0000-7000-8000-000000000000",
    "camera": "camera",
    "zone": "zone",
    "visible_share": 1.0,
    "label": "car",
    "confidence": 0.9,
    "bbox": (100.0, 100.0, 80.0, 60.0),
    "size": (640, 480),
}


def phases(rule: Rule, trial: Trial) -> list[tuple[float, Phase]]:
    """Return what a rule makes of a made-up holding, times and phases; raise ConfigError for a wrong kind of value."""
    zones = {"zone": ((rule, rule.values(trial.parameters)),)}
    state, found = BookState(), list[tuple[float, Phase]]()
    values: dict[str, object] = {name: _SAMPLES[kind] for name, kind in rule.names.items()} | _COMMON
    for number, row in enumerate(trial.series):
        values |= row
        try:
            held = msgspec.convert(values, rule.watched)
        except msgspec.ValidationError as error:
            key = f"tests[{rule.file.tests.index(trial)}].series[{number}]"
            raise rule.document.error(key, str(error)) from error
        state, outcomes = Book.step(state, (held,), zones)
        for outcome in outcomes:
            if isinstance(outcome, Started | Ended):
                found.append((held.time_s, "start" if isinstance(outcome, Started) else "end"))
    return found


def failures(rule: Rule) -> list[str]:
    """Return one line for each of a rule's own tests that comes out otherwise than it says."""
    found = ((trial, phases(rule, trial)) for trial in rule.file.tests)
    return [
        f"{trial.note}: expected {_words(trial.phases)}, got {_words(got)}"
        for trial, got in found
        if tuple(got) != trial.phases
    ]


def _words(found: Iterable[tuple[float, Phase]]) -> str:
    return ", ".join(f"{phase} at {time_s:g} s" for time_s, phase in found) or "nothing"
