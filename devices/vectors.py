"""Vectors: whether a profile makes of its own samples what they say."""

from collections.abc import Callable

from devices.header import Vector
from devices.reading import Decoded, DecodeError, Reading
from devices.value import Scalar


def failure(vector: Vector, decode: Callable[[], Decoded]) -> str:
    """Return how a vector comes out otherwise than it says, or an empty string."""
    try:
        decoded = decode()
    except DecodeError as error:
        if vector.error is not None and vector.error in str(error):
            return ""
        expected = vector.readings if vector.error is None else f"an error with {vector.error!r}"
        return f"expected {expected}, got {str(error)!r}"
    found = by_name(decoded.readings)
    if vector.error is not None:
        return f"expected an error with {vector.error!r}, got {found}"
    missing = [words for words in vector.faults if not any(words in fault for fault in decoded.faults)]
    if missing or (decoded.faults and not vector.faults):
        return f"expected the faults {list(vector.faults)}, got {list(decoded.faults)}"
    impossible = sorted(name for name, reading in _named(decoded.readings) if reading.quality == "impossible")
    if impossible != sorted(vector.impossible):
        return f"expected as impossible {sorted(vector.impossible)}, got {impossible}"
    return difference(vector.readings or {}, found)


def difference(expected: dict[str, Scalar], found: dict[str, Scalar]) -> str:
    """Return in which names two sets of results are not the same, or an empty string; a flag is no number."""
    lines = []
    for name in [*expected, *(name for name in found if name not in expected)]:
        one, other = expected.get(name), found.get(name)
        if one != other or isinstance(one, bool) != isinstance(other, bool):
            said = ["nothing" if each is None else repr(each) for each in (one, other)]
            lines.append(f"{name}: expected {said[0]}, got {said[1]}")
    return "; ".join(lines)


def by_name(readings: list[Reading]) -> dict[str, Scalar]:
    """Return results by property, feature and time, written as vectors write them."""
    return {name: reading.result for name, reading in _named(readings)}


def _named(readings: list[Reading]) -> list[tuple[str, Reading]]:
    named: dict[str, Reading] = {}
    for reading in readings:
        name = f"{reading.property}@{reading.feature}" if reading.feature else reading.property
        if reading.at_ms is not None:
            name = f"{name} at {reading.at_ms // 1000}"
        number = 1
        while (full := name if number == 1 else f"{name} #{number}") in named:
            number += 1
        named[full] = reading
    return list(named.items())
