"""Rule: one YAML file that says when what is watched becomes an event, with which evidence, and its own tests."""

import difflib
import hashlib
from datetime import datetime
from typing import Annotated, Literal, get_type_hints

import msgspec
from msgspec import Meta

from config.document import Document
from rules.expression import Expression, Value
from rules.hours import Allowance, Hours
from wire import sample
from wire.event import Phase, Role
from wire.holding import Holding
from wire.identifiers import Id
from wire.sample import Sample
from wire.spill import Spill
from wire.stall import Stall
from wire.stay import Stay
from wire.values import Label

Still = Literal["arrival", "middle", "limit", "after"]
Parameters = dict[str, float]

_LIMIT = "limit_s"
"""The parameter that the stills are spaced over."""
_APART_S = 10.0
WATCHED: dict[str, type[Holding] | type[Sample]] = {
    "stay": Stay,
    "stall": Stall,
    "spill": Spill,
    "device": sample.DeviceSample,
    "manhole": sample.ManholeSample,
    "level": sample.LevelSample,
    "vehicle": sample.VehicleSample,
    "weather": sample.WeatherSample,
    "cabinet": sample.CabinetSample,
    "meter": sample.MeterSample,
    "lamp": sample.LampSample,
}
"""What a rule may watch: what a detector holds on to, or what is known of a device."""
_CAMERA_KEYS = ("zone_types", "by_label", "hours", "allow", "yields_to", "stills", "closeup", "clip")
_DEVICE_KEYS = ("hold_s", "clear_s", "max_gap_s", "urgent")

ParameterName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,40}$(?!\n)")]
Duration = Annotated[float, Meta(ge=0, le=604_800, extra_json_schema={"unit": "s"})] | ParameterName
"""Seconds, or the name of the parameter that holds them."""


_OF_MESSAGE = ("device", "time_ms", "heard_ms", "is_tick")
"""What a sample says of itself, and no condition asks."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number that a zone or a device may set otherwise, within its bounds."""

    default: float
    unit: str
    min: float
    max: float
    help: str


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A made-up holding or device, and what the rule must make of it."""

    note: str
    parameters: Parameters = {}
    begins: datetime | None = None
    """The local time at ``time_s`` 0, for rules with hours: 2026-11-24T06:59:00."""
    series: Annotated[tuple[dict[str, Value | None], ...], Meta(min_length=1)]
    """Fields of what is watched at one instant after another; what a row leaves out stays as it was."""
    phases: tuple[tuple[float, Phase], ...]
    """At which ``time_s`` the event starts and ends; empty for none."""


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule's file holds."""

    name: Id
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,40}$(?!\n)")]
    watches: Literal[
        "stay", "stall", "spill",
        "device", "manhole", "level", "vehicle", "weather", "cabinet", "meter", "lamp",
    ]  # fmt: skip
    """What a camera's detectors hold on to, or what is known of a device."""
    zone_types: tuple[Literal["no_parking", "stall", "storefront", "lane"], ...] = ()
    """The zones that it is for; only for rules of cameras."""
    parameters: dict[ParameterName, Parameter] = {}
    by_label: dict[Label, Parameters] = {}
    """Parameters that are others for some labels: ``bus: {limit_s: 600}``."""
    hours: tuple[Hours, ...] = ()
    """When the rule holds, in the camera's time zone; always if left out. Time outside of them does not count."""
    allow: tuple[Allowance, ...] = ()
    """Who may stand there all the same; that time does not count either."""
    yields_to: tuple[Id, ...] = ()
    """Rules that come first: what one of them has raised, this one does not raise again."""
    when: str
    """The event starts when this holds; it ends when what is watched has gone, or, of a device, holds no more."""
    unless: str = "false"
    """The event does not start while this holds."""
    stills: dict[Still, Annotated[float, Meta(ge=0, le=1)]] = {}
    """Which pictures are kept, and at which share of ``limit_s`` each is taken; 1 is when the event starts."""
    closeup: bool = False
    """Whether the best view of the thing alone is kept, over all of its stay."""
    clip: bool = False
    hold_s: Duration = 0.0
    """For how long the condition of a device must hold before the event starts."""
    clear_s: Duration = 0.0
    """For how long it must not hold before the event ends."""
    max_gap_s: Duration = 600.0
    """No time is credited across a longer gap, and after one the condition must hold anew. Three periods of the device,
    where that is longer."""
    urgent: bool = False
    """Somebody may come to harm."""
    tests: tuple[Trial, ...] = ()


class Rule:
    """A rule that has been read: every name in it is known, and its expressions work."""

    def __init__(self, content: bytes, source: str) -> None:
        """Read a rule's file; raise ConfigError naming what is wrong with it."""
        self.document = Document(content, source)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.file = self.document.read(RuleFile)
        self.watched = WATCHED[self.file.watches]
        self.names = names_of(self.watched)
        self._check_keys()
        self._check_parameters()
        kinds = self.names | dict.fromkeys(self.file.parameters, float)
        self._when = Expression(self.document, "when", self.file.when, kinds)
        self._unless = Expression(self.document, "unless", self.file.unless, kinds)
        self.named = tuple(sorted({*self._when.names, *self._unless.names} & self.names.keys()))
        """The fields of what is watched that its condition speaks of."""
        passing = self.watched.passing if issubclass(self.watched, Sample) else frozenset()
        self.is_passing = not passing.isdisjoint(self.named)
        """Whether its condition may come to hold by the mere passing of time."""
        for label, given in self.file.by_label.items():
            for name, value in given.items():
                if refused := self.refusal(name, value):
                    raise self.document.error(f"by_label.{label}.{name}", *refused)
        for number, trial in enumerate(self.file.tests):
            self._check_trial(f"tests[{number}]", trial)

    @property
    def is_of_devices(self) -> bool:
        """Whether it watches devices, not what cameras see."""
        return issubclass(self.watched, Sample)

    @property
    def expects(self) -> tuple[Role, ...]:
        """The evidence that an event of this rule will have, in the order of its taking."""
        stills = sorted(self.file.stills, key=lambda role: self.file.stills[role])
        more: tuple[tuple[bool, Role], ...] = ((self.file.closeup, "closeup"), (self.file.clip, "clip"))
        return (*stills, *(role for is_asked, role in more if is_asked))

    def values(self, given: Parameters) -> Parameters:
        """Return the rule's parameters, with those that are ``given`` in place of the defaults."""
        return {name: given.get(name, parameter.default) for name, parameter in self.file.parameters.items()}

    def holds(self, held: Holding, parameters: Parameters) -> bool:
        """Say whether the condition holds for a holding, with the values of the zone's parameters."""
        return self._ask(self._when, held, parameters) and not self._ask(self._unless, held, parameters)

    def verdict(self, known: Sample, parameters: Parameters) -> bool | None:
        """Say whether the condition holds for a device; None if what is unknown could make it one or the other."""
        when = self._when.verdict(self._known(self._when, known, parameters))
        if when is False:
            return False
        unless = self._unless.verdict(self._known(self._unless, known, parameters))
        if unless:
            return False
        return None if when is None or unless is None else True

    def stills_due(self, held: Holding, parameters: Parameters) -> tuple[Still, ...]:
        """Return the stills whose time has come."""
        limit_s = self.limit_s(parameters)
        return tuple(role for role, share in self.file.stills.items() if held.dwell_s >= share * limit_s)

    @staticmethod
    def limit_s(parameters: Parameters) -> float:
        """Return the time that the stills are spaced over."""
        return parameters.get(_LIMIT, 0.0)

    def spacing_s(self, parameters: Parameters) -> float:
        """Return how far apart stills are at least: 10 s (GA/T 832-2014), less only where the limit has no room."""
        return min(_APART_S, self.limit_s(parameters) / max(1, len(self.file.stills) - 1))

    def _ask(self, expression: Expression, held: Holding, parameters: Parameters) -> bool:
        # CEL takes no integer for a number with a fraction, as Python does.
        return expression.holds(
            {
                name: parameters[name] if name in parameters else self.names[name](getattr(held, name))
                for name in expression.names
            }
        )

    @staticmethod
    def _known(expression: Expression, known: Sample, parameters: Parameters) -> dict[str, Value]:
        """Return the values of an expression's names, without those that are unknown."""
        values: dict[str, Value] = {}
        for name in expression.names:
            value = parameters[name] if name in parameters else getattr(known, name)
            if value is not None:
                values[name] = value
        return values

    def _check_keys(self) -> None:
        """Refuse what makes no sense for what is watched."""
        file, is_of_devices = self.file, self.is_of_devices
        for name in _CAMERA_KEYS if is_of_devices else _DEVICE_KEYS:
            if name in self.document.value:
                others = [kind for kind, watched in WATCHED.items() if issubclass(watched, Sample) != is_of_devices]
                raise self.document.error(name, f"only for a rule that watches a {' or '.join(others)}")
        if not is_of_devices and not file.zone_types:
            raise self.document.error("", "the key 'zone_types' is missing")
        for name in _DEVICE_KEYS[:3]:
            value = getattr(file, name)
            if isinstance(value, str) and (value not in file.parameters or file.parameters[value].unit != "s"):
                close = difflib.get_close_matches(value, file.parameters, n=1)
                suggestion = f"did you mean {close[0]!r}?" if close else ""
                raise self.document.error(name, f"expected seconds, or a parameter in s; got {value!r}", suggestion)

    def _check_parameters(self) -> None:
        for name, parameter in self.file.parameters.items():
            key = f"parameters.{name}"
            if name in self.watched.__struct_fields__:
                raise self.document.error(key, f"a {self.file.watches} has a field of this name", "choose another name")
            if problem := outside(parameter, parameter.default):
                raise self.document.error(f"{key}.default", problem)
        if _LIMIT not in self.file.parameters and any(share < 1 for share in self.file.stills.values()):
            raise self.document.error("stills", f"expected a parameter {_LIMIT!r}, over which they are spaced")

    def _check_trial(self, key: str, trial: Trial) -> None:
        for name, value in trial.parameters.items():
            if problem := self.refusal(name, value):
                raise self.document.error(f"{key}.parameters.{name}", *problem)
        # Of a device a row says when it was, which a condition cannot ask, and whether only time has passed.
        names = self.names | ({"time_s": float, "is_tick": bool} if self.is_of_devices else {})
        for number, row in enumerate(trial.series):
            if unknown := sorted(row.keys() - names.keys()):
                close = difflib.get_close_matches(unknown[0], names, n=1)
                suggestion = f"did you mean {close[0]!r}?" if close else "known names: " + ", ".join(sorted(names))
                raise self.document.error(f"{key}.series[{number}].{unknown[0]}", "unknown name", suggestion)

    def refusal(self, name: str, value: float) -> tuple[str, str] | None:
        """Return problem and suggestion if this rule cannot take ``value`` for its parameter ``name``."""
        parameter = self.file.parameters.get(name)
        if parameter is None:
            known = sorted(self.file.parameters)
            close = difflib.get_close_matches(name, known, n=1)
            return "unknown parameter", f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(known)
        problem = outside(parameter, value)
        return (problem, "") if problem else None


def names_of(watched: type[Holding] | type[Sample]) -> dict[str, type]:
    """Return what expressions may name of a holding or sample, and of which kind it is."""
    hints = get_type_hints(watched)
    if issubclass(watched, Sample):
        kinds = {bool | None: bool, float | None: float, float: float, str: str}
        return {name: kinds[hints[name]] for name in watched.__struct_fields__ if name not in _OF_MESSAGE}
    return {name: kind for name, kind in hints.items() if kind in {bool, float, int, str}}


def outside(parameter: Parameter, value: float) -> str:
    """Return what is wrong with a value, or an empty string."""
    if parameter.min <= value <= parameter.max:
        return ""
    return f"expected {parameter.min:g} to {parameter.max:g} {parameter.unit}, got {value:g}"
