"""Event: a condition that starts and ends, and the evidence that belongs to it."""

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from wire.clock import ClockState
from wire.holding import BoxXywh
from wire.identifiers import Id, Sha256, TraceId, Uuid7
from wire.values import Label, Name, Pixels, Position, Real, Share, Text, TimeMs

Phase = Literal["start", "end"]
Role = Literal["arrival", "middle", "limit", "closeup", "before", "after", "clip", "manifest"]
MediaType = Literal["image/jpeg", "video/mp4", "application/json"]


class Seen(NamedTuple):
    """Where in a camera's picture something is."""

    camera: str
    zone: str
    bbox: BoxXywh
    size: tuple[int, int]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="event", tag_field="type"):
    """One change in the life of a condition that a rule watches.

    ``id`` names the condition for its whole life; ``(id, phase)`` names this message, and the centre takes each once.
    """

    id: Uuid7
    phase: Phase
    rule: Id
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,40}$(?!\n)")]
    camera: Id | None = None
    zone: Id | None = None
    device: Id | None = None
    """What raised it: a camera in one of its zones, or a device."""
    time_ms: TimeMs
    """When this phase was decided."""
    start_ms: TimeMs
    """When the condition began: the vehicle came to a stand."""
    end_ms: TimeMs | None = None
    """When it was last seen to hold; set in phase ``end``."""
    clock: ClockState
    trace_id: TraceId
    bbox: BoxXywh | None = None
    size: tuple[Pixels, Pixels] | None = None
    """Width and height of the frame that ``bbox`` is given in, pixels."""
    label: Label
    """What is there: a class of the camera's model, or the role of the device."""
    confidence: Share = 1.0
    urgent: bool = False
    """Somebody may come to harm: an open manhole."""
    position: Position | None = None
    """WGS-84 latitude and longitude, degrees."""
    expects: Annotated[tuple[Role, ...], Meta(max_length=16)] = ()
    """The evidence that this event will have when it is complete."""
    resumes: Uuid7 | None = None
    """An event that had ended and goes on with this one: the vehicle came back, or moved by less than its length."""
    facts: Annotated[dict[Name, Real | bool | Text], Meta(max_length=64)] = {}
    """What an officer may ask for: visible, occluded and blind seconds, the limit, hashes of model and rules."""

    @property
    def seen(self) -> Seen:
        """Where a camera saw it; raise ValueError for an event of a device."""
        if self.camera is None or self.zone is None or self.bbox is None or self.size is None:
            raise ValueError(f"event {self.id} is of no camera")
        return Seen(self.camera, self.zone, self.bbox, self.size)


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="evidence", tag_field="type"):
    """A file that shows an event; the file itself travels by HTTP and is stored under its hash."""

    event_id: Uuid7
    role: Role
    sha256: Sha256
    size: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """Bytes."""
    media_type: MediaType
    time_ms: TimeMs
    """When it was taken; a clip: its first picture."""
    copy_of: Sha256 | None = None
    """The untouched original, if this is a working copy: with an overlay, and with bystanders made unrecognisable."""
