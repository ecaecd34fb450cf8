"""Book: all the rules of an agent, stepped together over holdings; pure, so live, replay and tests are one."""

import difflib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from graphlib import CycleError, TopologicalSorter
from typing import cast

import msgspec

from config.document import ConfigError
from rules import device_rules
from rules.rule import Rule, Still, Trial
from rules.setting import Setting, Terms, setting_of
from wire.event import Phase
from wire.holding import Holding
from wire.identifiers import uuid7_of

Settings = tuple[Setting, ...]
"""The rules that watch a zone, in the order of their names."""

_RESUME_S = 900.0
"""For how long the events of what has gone are remembered; detectors resume nothing that was away for longer."""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """Take this still now: it belongs to the event that may come of what is held."""

    event_id: str
    held: Holding
    role: Still


class Crop(msgspec.Struct, frozen=True, kw_only=True):
    """The thing is in plain view: keep this view of it if it is better than the best so far."""

    event_id: str
    held: Holding


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What is held has become an event."""

    event_id: str
    held: Holding
    rule: str
    kind: str
    resumes: str | None = None
    """The ended event that goes on with this one."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What an event was raised for has gone."""

    event_id: str
    held: Holding
    rule: str
    kind: str


Outcome = Capture | Crop | Started | Ended
_SPAN_S = 10.0
"""For how long after its start an event may still get a later picture of the limit."""


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one rule remembers of one holding."""

    event_id: str
    kind: str
    captured: tuple[Still, ...] = ()
    captured_s: tuple[float, ...] = ()
    """The dwell at which each of them was taken; between two of them at least as much time has passed."""
    is_raised: bool = False
    is_spanned: bool = False
    """The first and the last still are further apart than the limit, or will never be."""
    is_free: bool = False
    """It may stand now: outside of the rule's hours, or allowed."""
    free_s: float = 0.0
    """Dwell that does not count, since it might stand ..."""
    free_until_s: float = 0.0
    """... until then."""


class Gone(msgspec.Struct, frozen=True, array_like=True):
    """The events of something that has gone, should it come back."""

    time_s: float
    events: dict[str, str]
    """By rule."""


class BookState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a book remembers of one camera; it encodes."""

    watched: dict[str, dict[str, Watched]] = {}
    """By holding, then by rule."""
    gone: dict[str, Gone] = {}
    """By holding."""


class Book:
    """Rules, none with the name of another."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Take the rules in the order of their names, each after those that it yields to.

        Raises ConfigError if a name is there twice, or a rule yields to one that is not there or to itself.
        """
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.file.name, rule.document.source)))
        for rule, other in zip(self.rules, self.rules[1:], strict=False):
            if rule.file.name == other.file.name:
                raise other.document.error("name", f"{rule.document.source} has the name {rule.file.name!r} already")
        self.rules = _in_turn(self.rules)

    def settings(self, zone_type: str, terms: Terms, *, source: str, key: str, time_zone: tzinfo = UTC) -> Settings:
        """Return the rules for a zone. Raise ConfigError, naming source and key, for a parameter none of them takes."""
        rules = [rule for rule in self.rules if zone_type in rule.file.zone_types]
        named = {f"{key}.parameters": terms.parameters}
        named |= {f"{key}.by_label.{label}": given for label, given in terms.by_label.items()}
        for where, given in named.items():
            for name, value in given.items():
                if problem := _refusal(rules, name, value):
                    raise ConfigError(source, 0, f"{where}.{name}", *problem)
        return tuple(setting_of(rule, terms, time_zone) for rule in rules)

    @staticmethod
    def step(
        state: BookState, holdings: Iterable[Holding], zones: Mapping[str, Settings]
    ) -> tuple[BookState, list[Outcome]]:
        """Return the state after these holdings, and what comes of them; ``zones`` are the settings by zone."""
        watched, gone, outcomes = dict(state.watched), state.gone, list[Outcome]()
        for held in holdings:
            before = watched.get(held.id, {})
            if held.has_left:
                watched.pop(held.id, None)
                # Whoever was told of the start is told of the end, also when the rule has gone from the book.
                ended = {name: each for name, each in before.items() if each.is_raised}
                outcomes += [
                    Ended(event_id=each.event_id, held=held, rule=name, kind=each.kind) for name, each in ended.items()
                ]
                if ended:
                    gone = _remembered(gone, held, {name: each.event_id for name, each in ended.items()})
                continue
            after = dict(before)
            resumed = gone[held.resumes].events if not before and held.resumes in gone else {}
            for setting in zones.get(held.zone, ()):
                rule = setting.rule
                if not isinstance(held, rule.watched):
                    continue
                name = rule.file.name
                known = before.get(name) or _fresh(held, rule)
                if name in resumed:
                    known = _resume(known, held, rule, resumed[name], outcomes)
                elif known.is_raised:
                    known = _span(known, setting, held, outcomes)
                elif not any(other in after and after[other].is_raised for other in rule.file.yields_to):
                    known = _advance(known, setting, held, outcomes)
                after[name] = known
            watched[held.id] = after
        return BookState(watched=watched, gone=gone), outcomes


def _in_turn(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    named = {rule.file.name: rule for rule in rules}
    for rule in rules:
        for number, other in enumerate(rule.file.yields_to):
            if other not in named:
                close = difflib.get_close_matches(other, named, n=1)
                suggestion = f"did you mean {close[0]!r}?" if close else ""
                raise rule.document.error(f"yields_to[{number}]", f"there is no rule {other!r} here", suggestion)
    try:
        order = TopologicalSorter({name: rule.file.yields_to for name, rule in named.items()}).static_order()
        return tuple(named[name] for name in order)
    except CycleError as error:
        names = [str(name) for name in error.args[1]]
        raise named[names[0]].document.error("yields_to", f"rules yield in a ring: {', '.join(names)}") from error


def _refusal(rules: list[Rule], name: str, value: float) -> tuple[str, str] | None:
    """Return problem and suggestion if none of the rules of a zone takes this parameter."""
    refusals = [rule.refusal(name, value) for rule in rules if name in rule.file.parameters or len(rules) == 1]
    return next(filter(None, refusals), None) if refusals else ("unknown parameter", "no rule here takes it")


def _remembered(gone: dict[str, Gone], held: Holding, events: dict[str, str]) -> dict[str, Gone]:
    recent = {name: each for name, each in gone.items() if held.time_s - each.time_s <= _RESUME_S}
    return {**recent, held.id: Gone(held.time_s, events)}


def _fresh(held: Holding, rule: Rule, *since: str) -> Watched:
    return Watched(event_id=uuid7_of(held.start_ms, held.id, rule.file.name, *since), kind=rule.file.kind)


def _resume(known: Watched, held: Holding, rule: Rule, ended: str, outcomes: list[Outcome]) -> Watched:
    """Let an event that had ended go on: with a picture of where it goes on."""
    outcomes.append(Capture(event_id=known.event_id, held=held, role="arrival"))
    outcomes.append(
        Started(event_id=known.event_id, held=held, rule=rule.file.name, kind=rule.file.kind, resumes=ended)
    )
    return msgspec.structs.replace(known, captured=("arrival",), is_raised=True)


def _advance(known: Watched, setting: Setting, held: Holding, outcomes: list[Outcome]) -> Watched:
    """Return what is known of something that is no event yet, and append what comes of it."""
    rule = setting.rule
    if not setting.applies(held):
        # Pictures of a time that does not count belong to no event; the event that may come has another id.
        return msgspec.structs.replace(_fresh(held, rule, str(held.time_ms)), is_free=True)
    if known.is_free:
        known = msgspec.structs.replace(known, is_free=False, free_s=held.dwell_s, free_until_s=held.time_s)
    held, parameters = _counted(known, held), setting.values(held.label)
    is_raised = rule.holds(held, parameters)
    is_seen = not held.unseen_s and not held.is_blind
    # An event has all its stills when it starts, even if traffic stood before the vehicle at the proper time.
    last_s = known.captured_s[-1] if known.captured_s else -math.inf
    is_apart = held.dwell_s - last_s >= rule.spacing_s(parameters)
    due = tuple(rule.file.stills) if is_raised else rule.stills_due(held, parameters) if is_seen and is_apart else ()
    fresh = tuple(role for role in due if role not in known.captured and (is_raised or rule.file.stills[role] < 1))
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


def _counted(known: Watched, held: Holding) -> Holding:
    """Return a holding with the dwell that counts for a rule."""
    if not known.free_until_s:
        return held
    counted_s = min(held.dwell_s - known.free_s, held.time_s - known.free_until_s)
    return msgspec.structs.replace(held, dwell_s=max(0.0, counted_s))


def _span(known: Watched, setting: Setting, held: Holding, outcomes: list[Outcome]) -> Watched:
    """Take one more picture of the limit as soon as it is further from the first still than the limit is long.

    The first still can only be taken once the vehicle is known to stand, some seconds after it came to a stand, so the
    one at the limit is that much less than the permitted time after it.
    """
    if known.is_spanned:
        return known
    held, limit_s = _counted(known, held), setting.rule.limit_s(setting.values(held.label))
    first_s, last_s = min(known.captured_s, default=0.0), max(known.captured_s, default=0.0)
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
    """Return what a rule makes of what is made up, times and phases; raise ConfigError for a wrong kind of value."""
    if rule.is_of_devices:
        return device_rules.phases(rule, trial)
    zones = {"zone": (setting_of(rule, Terms(parameters=trial.parameters), UTC),)}
    begins_ms = round(trial.begins.replace(tzinfo=UTC).timestamp() * 1000) if trial.begins else 0
    state, found = BookState(), list[tuple[float, Phase]]()
    values: dict[str, object] = {name: _SAMPLES[kind] for name, kind in rule.names.items()} | _COMMON
    for number, row in enumerate(trial.series):
        values |= row
        values["time_ms"] = begins_ms + round(cast("float", values["time_s"]) * 1000)
        try:
            held = cast("Holding", msgspec.convert(values, rule.watched))
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
