"""Loss record: what an outbox had to shed, so that the centre knows exactly what it lacks and why."""

from typing import Literal

import msgspec

from wire.identifiers import Epoch
from wire.streams import Stream
from wire.values import Seq, TimeMs


class LossRecord(msgspec.Struct, frozen=True, kw_only=True, tag="loss", tag_field="type"):
    """A run of sequence numbers that will never come."""

    time_ms: TimeMs
    stream: Stream
    epoch: Epoch
    first_seq: Seq
    last_seq: Seq
    reason: Literal["quota", "refused", "corrupt"]
    """quota: shed for room; refused: the centre rejected the content; corrupt: the row failed its own hash."""
