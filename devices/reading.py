"""Reading: one value that a device sent, before anybody says whose and when."""

from typing import Literal

import msgspec

Quality = Literal["good", "stale", "suspect", "impossible"]
"""``impossible``: outside of what the profile says can be; ``suspect``: the device itself doubts it, or it is stuck;
``stale``: older than three of its periods."""


class Reading(msgspec.Struct, frozen=True):
    """A property, its result, and the UCUM code of its unit (empty for words, counts and flags)."""

    property: str
    result: float | bool | str
    unit: str = ""
    feature: str = ""
    """What of the device it is about, where it has several of a kind: an output, a phase, a DALI address."""
    quality: Quality = "good"


class DecodeError(ValueError):
    """The bytes do not follow the profile.

    Attributes:
        at_byte: offset of the first byte that could not be read.
        problem: what is wrong with it.
    """

    def __init__(self, at_byte: int, problem: str) -> None:
        self.at_byte, self.problem = at_byte, problem
        super().__init__(f"byte {at_byte}: {problem}")
