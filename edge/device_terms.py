"""Device terms: how conditions and rules hold for one device, with the parameters that its entry sets otherwise."""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from config.document import ConfigError, Document
from devices.conditions.device import AnyDevice
from devices.conditions.level import Level
from devices.conditions.manhole import Manhole
from devices.conditions.vehicle import Vehicle
from devices.conditions.weather import Weather
from devices.inventory import DeviceEntry
from rules.device_rules import DeviceSetting, setting_of
from rules.rule import Rule
from rules.rule_book import Book
from wire import sample
from wire.device import DeviceRole
from wire.sample import Sample

_WATCHED: dict[DeviceRole, tuple[type[Sample], ...]] = {
    "lamp": (sample.LampSample,),
    "circuit": (sample.LampSample, sample.CabinetSample),
    "cabinet": (sample.CabinetSample,),
    "manhole": (sample.ManholeSample, sample.LevelSample),
    "level": (sample.LevelSample,),
    "vehicle": (sample.VehicleSample,),
    "weather": (sample.WeatherSample,),
    "meter": (sample.MeterSample,),
    "other": (),
}
"""What is known of a device of each role, beside what is known of every device."""
_CONDITIONS: dict[type[Sample], Any] = {
    sample.DeviceSample: AnyDevice,
    sample.ManholeSample: Manhole,
    sample.LevelSample: Level,
    sample.VehicleSample: Vehicle,
    sample.WeatherSample: Weather,
}


class Place(NamedTuple):
    """Where a device's entry stands: the document, and the key of the entry in it."""

    document: Document
    key: str


class Terms(NamedTuple):
    """The conditions of one device, and its rules by name."""

    device: AnyDevice
    manhole: Manhole
    level: Level
    vehicle: Vehicle
    weather: Weather
    settings: Mapping[str, DeviceSetting]


def terms_of(entry: DeviceEntry, book: Book, place: Place | None = None) -> Terms:
    """Return the terms of a device; raise ConfigError for a parameter that nothing takes, or one out of range."""
    watched = (sample.DeviceSample, *_WATCHED[entry.role])
    conditions = [_CONDITIONS[each] for each in watched if each in _CONDITIONS]
    rules = [rule for rule in book.rules if rule.watched in watched]
    for name in entry.parameters:
        _check(entry, name, conditions, rules, place)
    return Terms(
        device=_condition(AnyDevice, entry),
        manhole=_condition(Manhole, entry),
        level=_condition(Level, entry),
        vehicle=_condition(Vehicle, entry),
        weather=_condition(Weather, entry),
        settings={rule.file.name: setting_of(rule, entry.parameters, period_s=entry.period_s) for rule in rules},
    )


def watched_by(rule: Rule) -> list[str]:
    """Return the roles of the devices that a rule watches.

    >>> from edge.rule_files import OWN_BOOK, read_book
    >>> [watched_by(rule) for rule in read_book(OWN_BOOK).rules if rule.file.name == "water-high"]
    [['manhole', 'level']]
    """
    return [role for role, kinds in _WATCHED.items() if rule.watched in (sample.DeviceSample, *kinds)]


def _condition(kind: Any, entry: DeviceEntry) -> Any:
    return kind(**{name: value for name, value in entry.parameters.items() if name in kind.__struct_fields__})


def _check(entry: DeviceEntry, name: str, conditions: list[Any], rules: list[Rule], place: Place | None) -> None:
    """Raise ConfigError unless something takes the parameter, and all that take it can take this value."""
    value = entry.parameters[name]
    key = f"{place.key}.parameters.{name}" if place else f"parameters.{name}"
    takers = [kind for kind in conditions if name in kind.__struct_fields__]
    refusals = [rule.refusal(name, value) for rule in rules if name in rule.file.parameters]
    if not takers and not refusals:
        known = {each for kind in conditions for each in kind.__struct_fields__}
        known |= {each for rule in rules for each in rule.file.parameters}
        close = difflib.get_close_matches(name, sorted(known), n=1)
        suggestion = f"did you mean {close[0]!r}?" if close else f"a {entry.role} has: {', '.join(sorted(known))}"
        raise _error(entry, place, key, f"no condition or rule of a {entry.role} takes it", suggestion)
    for kind in takers:
        try:
            msgspec.convert({name: value}, kind)
        except msgspec.ValidationError as error:
            problem = str(error).partition(" - at ")[0]
            raise _error(entry, place, key, f"{problem[:1].lower()}{problem[1:]}, got {value:g}") from error
    for refusal in filter(None, refusals):
        raise _error(entry, place, key, *refusal)


def _error(entry: DeviceEntry, place: Place | None, key: str, problem: str, suggestion: str = "") -> ConfigError:
    if place is None:
        return ConfigError(f"device {entry.id}", 0, key, problem, suggestion)
    return place.document.error(key, problem, suggestion)
