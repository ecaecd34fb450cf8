"""Value: how a raw number or word that a device sent becomes a reading, and back; shared by every kind of profile."""

import math
import sys
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from config.document import Document
from devices.reading import CommandError, Quality, Reading
from devices.units import is_unit

Property = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$(?!\n)", max_length=64)]
Scalar = bool | float | str
WORDS_SHOWN = 12
Real = Annotated[float, Meta(ge=-1e18, le=1e18)]


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a raw value means."""

    property: Property | None = None
    """Its canonical name; without one there is no reading."""
    feature: Annotated[str, Meta(max_length=64)] = ""
    """What of the device it is about: an output, a phase, an address."""
    unit: Annotated[str, Meta(max_length=16)] = ""
    """UCUM code; empty for words, counts and flags."""
    scale: Real = 1.0
    """What the raw number is multiplied by to be in ``unit``."""
    add: Real = 0.0
    """What is added after that."""
    power_of: Annotated[float, Meta(gt=1, le=10)] | None = None
    """For logarithmic numbers: the result is this base to the power of the scaled number, then ``times``."""
    times: Real = 1.0
    decimals: Annotated[int, Meta(ge=0, le=12)] = 6
    """Digits kept, so that 308 tenths are 30.8 and not 30.800000000000001."""
    words: dict[int, Scalar] = {}
    """What a raw number means, if it stands for a word, a flag or a number of a table; one not listed is an error."""
    none: dict[int, str] = {}
    """Raw numbers that are no measurement, and what they say: there is no reading then."""
    min: Real | None = None
    """In ``unit``; a result below it is told with the quality ``impossible``, and refused in a command."""
    max: Real | None = None
    suspect: bool = False
    """The device is known to be wrong here; the result is told with the quality ``suspect``."""
    warning: Annotated[str, Meta(max_length=64)] = ""
    """What the device complains of when this flag is set, this number is impossible, or this word is any but empty."""
    called: Annotated[str, Meta(max_length=96)] = ""
    """The vendor's own name, with its unit in brackets if it is another: ``distance [mm]``."""
    calls: dict[int, Scalar] = {}
    """The vendor's own words for raw numbers, where they are others than ``words``."""


Make = Callable[[float, str, int | None], Reading | None]
"""Raw number, feature and time -> its reading, if it is one. Raises KeyError for a number that has no word."""


def maker(value: Value) -> Make | None:
    """Return what makes readings of a value, or none if it has no property."""
    if value.property is None:
        return None
    name, unit, none = value.property, value.unit, value.none
    low = -sys.float_info.max if value.min is None else value.min
    high = sys.float_info.max if value.max is None else value.max
    quality: Quality = "suspect" if value.suspect else "good"
    if value.words:
        words = value.words

        def word(raw: float, feature: str, at_ms: int | None) -> Reading | None:
            if raw in none:
                return None
            return Reading(name, words[raw], unit, feature, quality, at_ms)  # type: ignore[index]

        return word
    shift, divisor = _exact(value)
    result_of = _conversion(value)

    def number(raw: float, feature: str, at_ms: int | None) -> Reading | None:
        if raw in none:
            return None
        result = (raw + shift) / divisor if divisor and type(raw) is int else result_of(raw)
        if low <= result <= high:
            return Reading(name, result, unit, feature, quality, at_ms)
        if result - result:  # NaN and infinities, by which a device says that it has no number
            return None
        return Reading(name, result, unit, feature, "impossible", at_ms)

    return number


def raw_of(value: Value, given: object, name: str) -> float:
    """Return the raw number that stands for ``given`` in a command; raise CommandError."""
    if isinstance(given, str):
        by_word = {word: raw for raw, word in (*value.none.items(), *value.words.items()) if isinstance(word, str)}
        if given in by_word:
            return by_word[given]
    for raw, word in value.words.items():
        if word == given and isinstance(word, bool) == isinstance(given, bool):
            return raw
    takes = [
        str(word).lower() if isinstance(word, bool) else str(word)
        for word in (*value.words.values(), *value.none.values())
    ]
    takes = [*takes[:WORDS_SHOWN], "..."] if len(takes) > WORDS_SHOWN else takes
    if value.words:
        raise CommandError(f"{name}: expected one of: {', '.join(takes)}; got {_shown(given)}")
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        expected = ", ".join(["a number", *takes])
        raise CommandError(f"{name}: expected {expected}; got {_shown(given)}")
    if (value.min is not None and given < value.min) or (value.max is not None and given > value.max):
        raise CommandError(f"{name}: expected {_bounds(value)}; got {given:g}")
    scaled = float(given)
    if value.power_of is not None:
        if scaled / value.times <= 0:
            raise CommandError(f"{name}: expected more than 0; got {given:g}")
        scaled = math.log(scaled / value.times, value.power_of)
    return (scaled - value.add) / value.scale


def check_value(value: Value, key: str, document: Document) -> None:
    """Raise ConfigError for what is wrong with a value at ``key``."""
    if not is_unit(value.unit):
        raise document.error(f"{key}.unit", f"{value.unit!r} is no unit of UCUM", "for example Cel, %, kW.h, m/s")
    if value.words and (value.scale != 1 or value.add != 0):
        raise document.error(f"{key}.words", "expected either `words`, or `scale` and `add`")
    if value.scale == 0 or value.times == 0:
        raise document.error(f"{key}.scale", "expected any number but 0")
    if value.min is not None and value.max is not None and value.min > value.max:
        raise document.error(f"{key}.min", "expected no more than `max`")


def _exact(value: Value) -> tuple[int, int]:
    """Return what is added to a raw number, and what the sum is divided by, where that gives all its digits.

    308 tenths are 308 / 10 = 30.8, which needs no rounding, while 308 * 0.1 would. The divisor is 0 if there is none.
    """
    divisor = round(1 / value.scale) if abs(value.scale) <= 1 else 0
    shift = round(value.add * divisor)
    is_exact = divisor != 0 and abs(divisor * value.scale - 1) < 1e-12 and abs(shift - value.add * divisor) < 1e-9
    has_digits = divisor != 0 and 10**value.decimals % divisor == 0
    return (shift, divisor) if is_exact and has_digits and value.power_of is None else (0, 0)


def _conversion(value: Value) -> Callable[[float], float]:
    """Return what turns a raw number into a result, rounded to the value's decimals."""
    scale, add, decimals, base, times = value.scale, value.add, value.decimals, value.power_of, value.times
    if base is not None:
        return lambda raw: round(base ** (raw * scale + add) * times, decimals)
    return lambda raw: round(raw * scale + add, decimals)


def _bounds(value: Value) -> str:
    low = "" if value.min is None else f"at least {value.min:g}"
    high = "" if value.max is None else f"at most {value.max:g}"
    return f"{' and '.join(each for each in (low, high) if each)} {value.unit}".rstrip()


def _shown(given: object) -> str:
    return repr(given)[:40]
