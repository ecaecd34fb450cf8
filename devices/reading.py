"""Reading: one value that a device sent, before anybody says whose and when."""

from typing import Literal

import msgspec

Quality = Literal["good", "stale", "suspect", "impossible"]
"""``impossible``: outside of what the profile says can be; ``suspect``: the device itself doubts it, or it is stuck;
``stale``: older than three of its periods."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A property, its result, and the UCUM code of its unit (empty for words, counts and flags)."""

    property: str
    result: float | bool | str
    unit: str = ""
    feature: str = ""
    """What of the device it is about, where it has several of a kind: an output, a phase, a DALI address."""
    quality: Quality = "good"
    at_ms: int | None = None
    """When it was measured, where the device sends it later from its memory; it says nothing of now."""


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """All that one message says."""

    readings: list[Reading]
    faults: tuple[str, ...] = ()
    """What could not be read, though the rest could."""
    warnings: tuple[str, ...] = ()
    """What the device itself complains of, or its profile finds wrong: ``dali-1 lamp.failure``."""
    message: str = ""
    """Which of the profile's messages it was."""


class DecodeError(ValueError):
    """The bytes do not follow the profile.

    Attributes:
        at_byte: offset of the first byte that could not be read.
        problem: what is wrong with it.
        readings: what had been read before.
    """

    def __init__(self, at_byte: int, problem: str, readings: tuple[Reading, ...] = ()) -> None:
        self.at_byte, self.problem, self.readings = at_byte, problem, readings
        super().__init__(f"byte {at_byte}: {problem}")


class CommandError(ValueError):
    """A command that the profile does not have, or a value that it does not take."""
