"""Header: what every device profile says, whatever its devices speak."""

from typing import Annotated

import msgspec
from msgspec import Meta

from config.document import Document
from devices.value import Scalar
from wire.identifiers import Id

Share = Annotated[float, Meta(ge=0, le=1)]


class LampCurve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The current that a lamp of this model draws once it is warm: what a switch is proven by."""

    warm_up_s: Annotated[float, Meta(ge=0, le=1_800, extra_json_schema={"unit": "s"})]
    """How long after a switch the current proves nothing."""
    rated_a: Annotated[float, Meta(gt=0, le=100, extra_json_schema={"unit": "A"})]
    """Current at full light, of a lamp whose own file names none."""
    points: Annotated[
        tuple[tuple[Annotated[int, Meta(ge=0, le=100)], Annotated[float, Meta(ge=0, le=2)]], ...], Meta(min_length=2)
    ]
    """Level in percent, and current as a share of that at full light; rising, with straight lines between."""
    tolerance: Share
    """By how much of the current at full light a measured one may be off the curve."""
    off_a: Annotated[float, Meta(ge=0, le=100, extra_json_schema={"unit": "A"})] = 0.02
    """Up to this current a lamp is off: what its controller draws itself."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What each file under ``firmware_profiles/<vendor>/`` begins with.

    A kind of profile is a subclass with a tag, and these methods: ``check(document)`` raises ConfigError for what is
    well-formed and yet wrong; ``decoded(payload, port)`` returns Decoded or raises DecodeError; ``request(command,
    values)`` returns a Request or raises CommandError; ``command_names`` and ``properties`` list what it has;
    ``failures()`` names the vectors that do not come out. What is made once is a ``cached_property``.
    """

    vendor: Id
    model: Id
    firmware: str
    """Which releases it is for, as the vendor writes them; ``any`` if all speak alike."""
    sources: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Where each fact is from: document and page, or repository, commit and path."""
    lamp: LampCurve | None = None

    @property
    def protocol(self) -> str:
        """What its devices speak."""
        return str(self.__struct_config__.tag)


class Vector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sent, and the readings or the error that it must give; a kind of profile adds what was sent."""

    note: str
    readings: dict[str, Scalar] | None = None
    """By ``property``, ``property@feature``, or ``property at 1665561758`` for one that was measured earlier."""
    impossible: tuple[str, ...] = ()
    """Which of the readings are outside of what can be."""
    faults: tuple[str, ...] = ()
    """Words that must be told of what could not be read, though the rest could."""
    error: str | None = None
    """Words that the error must hold."""


def check_vectors(vectors: tuple[Vector, ...], document: Document) -> None:
    """Raise ConfigError unless every vector says what it expects, and one of them an error."""
    for number, vector in enumerate(vectors):
        if (vector.readings is None) == (vector.error is None):
            raise document.error(f"vectors[{number}]", "expected either `readings` or `error`")
    if all(vector.error is None for vector in vectors):
        raise document.error("vectors", "expected at least one vector with an `error`")


def check_lamp(lamp: LampCurve | None, document: Document) -> None:
    """Raise ConfigError unless the curve rises from step to step."""
    points = lamp.points if lamp else ()
    for number in range(1, len(points)):
        (level, share), (before, share_before) = points[number], points[number - 1]
        if level <= before or share < share_before:
            raise document.error(
                f"lamp.points[{number}]", "expected a higher level, and no smaller current, than before"
            )
