"""Loss record: what an outbox had to shed, so that the centre knows exactly what it lacks and why."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wire.identifiers import Epoch
from wire.streams import Stream


class LossRecord(msgspec.Struct, frozen=True, kw_only=True, tag="loss", tag_field="type"):
    """A run of sequence numbers that will never come."""

    time_ms: int
    stream: Stream
    epoch: Epoch
    first_seq: Annotated[int, Meta(ge=1)]
    last_seq: Annotated[int, Meta(ge=1)]
    reason: Literal["quota", "refused", "corrupt"]
    """quota: shed for room; refused: the centre rejected the content; corrupt: the row failed its own hash."""
