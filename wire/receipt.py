"""Receipt: the centre has committed a batch. Only this lets an outbox forget."""

import msgspec

from wire.identifiers import Epoch, Id, Sha256
from wire.streams import Stream
from wire.values import Count, Seq, TimeMs


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the batch that the centre put aside as a dead letter; sending it again will not help."""

    seq: Seq
    reason: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="receipt", tag_field="type"):
    """Names one batch by its place and its digest, so that no forged or early receipt can settle other rows."""

    agent: Id
    stream: Stream
    epoch: Epoch
    first_seq: Seq
    last_seq: Seq
    digest: Sha256
    """SHA-256 of the batch's payload as it was published."""
    through_seq: Count
    """Everything up to here has been committed or is on the loss ledger."""
    missing: tuple[tuple[Seq, Seq], ...] = ()
    """Runs above ``through_seq`` that the centre lacks."""
    rejected: tuple[Rejection, ...] = ()
    time_ms: TimeMs
