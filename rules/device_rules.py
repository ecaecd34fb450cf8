"""Device rules: from what is known of a device, sample by sample, to what begins and ends; pure.

Only event time counts, and only time that was observed: between two samples that say the same, no further apart than
the gap that the rule allows. A late sample changes nothing, and what is unknown never starts or ends anything.
"""

from collections.abc import Iterable
from typing import NamedTuple, cast

import msgspec

from rules.rule import Parameters, Rule, Trial
from wire.event import Phase
from wire.identifiers import uuid7_of
from wire.sample import Sample

_PERIODS = 3
"""A device that speaks seldom may leave out two of its messages before that is a gap."""


class DeviceSetting(NamedTuple):
    """One rule for one device."""

    rule: Rule
    parameters: Parameters
    hold_ms: int
    clear_ms: int
    gap_ms: int


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one rule remembers of one device."""

    time_ms: int = -1
    """Of the last sample that told whether the condition holds; -1 before the first."""
    holds: bool = False
    since_ms: int = 0
    """Since when all samples have said the same, without a gap."""
    credited_ms: int = 0
    """How much of the time since then was observed."""
    is_unknown: bool = False
    """The last sample did not tell; the time until the next one is not credited."""
    is_unclear: bool = False
    """Nobody could tell for longer than the gap."""
    event_id: str = ""
    """The event under way, if there is one."""
    kind: str = ""
    start_ms: int = 0
    last_ms: int = 0
    """When it was last seen to hold."""


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """A condition has held for long enough."""

    event_id: str
    rule: str
    kind: str
    start_ms: int
    sample: Sample


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """A condition has not held for long enough, or its rule is asked no more."""

    event_id: str
    rule: str
    kind: str
    start_ms: int
    end_ms: int
    sample: Sample


class Unclear(msgspec.Struct, frozen=True, kw_only=True):
    """For longer than the gap nobody could tell whether a condition holds; or, at last, somebody can again."""

    rule: str
    is_unclear: bool
    time_ms: int


Outcome = Raised | Cleared | Unclear
RulesState = dict[str, Progress]
"""What the rules remember of one device, by rule; it encodes."""


def setting_of(rule: Rule, given: Parameters, *, period_s: float = 0.0) -> DeviceSetting:
    """Return a rule for a device that speaks every ``period_s``, with the parameters that are ``given`` for it."""
    file, parameters = rule.file, rule.values(given)
    hold_s, clear_s, gap_s = (
        parameters[each] if isinstance(each, str) else each for each in (file.hold_s, file.clear_s, file.max_gap_s)
    )
    gap_s = max(gap_s, _PERIODS * period_s)
    return DeviceSetting(rule, parameters, round(hold_s * 1000), round(clear_s * 1000), round(gap_s * 1000))


def step(state: RulesState, sample: Sample, settings: Iterable[DeviceSetting]) -> tuple[RulesState, list[Outcome]]:
    """Return the state after a sample, and what comes of it."""
    after, outcomes = dict(state), list[Outcome]()
    for setting in settings:
        rule = setting.rule
        if not isinstance(sample, rule.watched):
            continue
        known = state.get(rule.file.name, Progress())
        if sample.is_tick and not rule.is_passing:
            if sample.silent_s * 1000 > setting.gap_ms:
                known = _doubted(known, rule, sample.heard_ms, outcomes)
        else:
            known = _told(known, setting, sample, outcomes)
        if known.time_ms >= 0:
            after[rule.file.name] = known
    return after, outcomes


def dropped(state: RulesState, sample: Sample, settings: Iterable[DeviceSetting]) -> tuple[RulesState, list[Outcome]]:
    """End what was raised by rules that watch the device no more: whoever was told of the start is told of the end."""
    names = {setting.rule.file.name for setting in settings}
    gone = {name: known for name, known in state.items() if name not in names}
    ended: list[Outcome] = [_cleared(known, name, sample) for name, known in gone.items() if known.event_id]
    return {name: known for name, known in state.items() if name in names}, ended


def _told(known: Progress, setting: DeviceSetting, sample: Sample, outcomes: list[Outcome]) -> Progress:
    """Return what is known after a sample that was asked."""
    rule = setting.rule
    # Silence is measured by who listens, everything else by who speaks.
    time_ms = sample.heard_ms if rule.is_passing else sample.time_ms
    if time_ms < known.time_ms and not rule.is_passing and known.time_ms <= sample.heard_ms:
        return known  # late; were it not for the second condition, a clock that was set back would silence the rule
    holds = rule.verdict(sample, setting.parameters)
    passed_ms = time_ms - known.time_ms
    if holds is None:
        known = msgspec.structs.replace(known, is_unknown=True) if known.time_ms >= 0 else known
        return _doubted(known, rule, time_ms, outcomes) if passed_ms > setting.gap_ms else known
    if known.time_ms >= 0 and passed_ms > setting.gap_ms:
        known = _doubted(known, rule, known.time_ms + setting.gap_ms, outcomes)
    if known.is_unclear:
        outcomes.append(Unclear(rule=rule.file.name, is_unclear=False, time_ms=time_ms))
    goes_on = known.time_ms >= 0 and known.holds is holds and 0 <= passed_ms <= setting.gap_ms
    known = msgspec.structs.replace(
        known,
        time_ms=time_ms,
        holds=holds,
        since_ms=known.since_ms if goes_on else time_ms,
        credited_ms=known.credited_ms + (0 if known.is_unknown else passed_ms) if goes_on else 0,
        is_unknown=False,
        is_unclear=False,
        last_ms=time_ms if holds else known.last_ms,
    )
    if holds and not known.event_id and known.credited_ms >= setting.hold_ms:
        known = _raised(known, rule, sample, outcomes)
    elif not holds and known.event_id and known.credited_ms >= setting.clear_ms:
        outcomes.append(_cleared(known, rule.file.name, sample))
        known = msgspec.structs.replace(known, event_id="", kind="", start_ms=0, last_ms=0)
    return known


def _doubted(known: Progress, rule: Rule, time_ms: int, outcomes: list[Outcome]) -> Progress:
    """Say, once, that nobody can tell; of a condition that nobody could ever tell nothing is said."""
    if known.is_unclear or known.time_ms < 0:
        return known
    outcomes.append(Unclear(rule=rule.file.name, is_unclear=True, time_ms=time_ms))
    return msgspec.structs.replace(known, is_unclear=True)


def _raised(known: Progress, rule: Rule, sample: Sample, outcomes: list[Outcome]) -> Progress:
    name, kind, start_ms = rule.file.name, rule.file.kind, known.since_ms
    event_id = uuid7_of(start_ms, sample.device, name)
    outcomes.append(Raised(event_id=event_id, rule=name, kind=kind, start_ms=start_ms, sample=sample))
    return msgspec.structs.replace(known, event_id=event_id, kind=kind, start_ms=start_ms)


def _cleared(known: Progress, name: str, sample: Sample) -> Cleared:
    return Cleared(
        event_id=known.event_id,
        rule=name,
        kind=known.kind,
        start_ms=known.start_ms,
        end_ms=max(known.start_ms, known.last_ms),
        sample=sample,
    )


def phases(rule: Rule, trial: Trial) -> list[tuple[float, Phase]]:
    """Return what a rule makes of a made-up device, times and phases; raise ConfigError for a wrong kind of value."""
    settings = (setting_of(rule, trial.parameters),)
    state, found = RulesState(), list[tuple[float, Phase]]()
    values: dict[str, object] = {"device": "device", "role": "lamp", "time_s": 0.0, "is_tick": False}
    for number, row in enumerate(trial.series):
        values |= row
        time_s = cast("float", values["time_s"])
        time_ms = round(time_s * 1000)
        try:
            sample = msgspec.convert({**values, "time_ms": time_ms, "heard_ms": time_ms}, rule.watched)
        except msgspec.ValidationError as error:
            key = f"tests[{rule.file.tests.index(trial)}].series[{number}]"
            raise rule.document.error(key, str(error)) from error
        state, outcomes = step(state, cast("Sample", sample), settings)
        for outcome in outcomes:
            if isinstance(outcome, Raised | Cleared):
                found.append((time_s, "start" if isinstance(outcome, Raised) else "end"))
    return found
