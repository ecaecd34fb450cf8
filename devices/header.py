"""Header: what every device profile says, whatever its devices speak."""

from typing import Annotated

import msgspec
from msgspec import Meta

from wire.identifiers import Id

Property = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$(?!\n)", max_length=64)]
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


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each file under ``firmware_profiles/<vendor>/`` begins with."""

    vendor: Id
    model: Id
    firmware: str
    """Which releases it is for, as the vendor writes them; ``any`` if all speak alike."""
    sources: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Where each fact is from: document and page, or repository, commit and path."""
    lamp: LampCurve | None = None
