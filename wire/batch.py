"""Batch: many messages of one stream in one publish, msgpack in zstd; JSON is accepted too.

The payload carries everything that matters (version, expiry, sequence), so brokers that speak MQTT 3.1.1 lose nothing.
"""

from typing import Annotated, Literal

import msgspec
import zstandard
from msgspec import Meta

from wire.command import Ack, LampState
from wire.device import Device, Presence, Stranger
from wire.event import Event, Evidence
from wire.fix import Fix
from wire.health import Health
from wire.identifiers import Epoch, Id
from wire.loss import LossRecord
from wire.observation import Observation
from wire.streams import Stream
from wire.values import Seq, TimeMs

Message = Event | Evidence | Ack | LampState | Device | Presence | Stranger | Health | LossRecord | Observation | Fix

VERSION: Literal[1] = 1
MESSAGES_MAX = 5_000
PAYLOAD_BYTES_MAX = 256 * 1024
"""Most bytes of a batch as published; brokers are set to refuse more."""
UNPACKED_BYTES_MAX = 4 * 1024 * 1024
REASON_LENGTH_MAX = 500
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class BatchError(ValueError):
    """A payload that is no batch; the text says why."""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a batch beside its messages; none is left out, for the version must be seen on the wire."""

    version: Literal[1] = msgspec.field(default=VERSION)
    agent: Id
    stream: Stream
    epoch: Epoch
    first_seq: Seq
    sent_ms: TimeMs
    expires_ms: TimeMs | None = None
    """After this instant nobody needs the messages any more."""


class Batch(_Head, frozen=True, kw_only=True):
    """A run of messages with rising sequence numbers, the first of them ``first_seq``."""

    messages: Annotated[tuple[Message, ...], Meta(min_length=1, max_length=MESSAGES_MAX)]

    @property
    def last_seq(self) -> int:
        """The sequence number of the last message."""
        return self.first_seq + len(self.messages) - 1


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a batch that does not follow its schema."""

    seq: int
    reason: str
    raw: bytes
    is_json: bool
    """Whether ``raw`` is JSON; msgpack otherwise."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as received: its head, its good messages with their numbers, and those refused."""

    agent: str
    stream: Stream
    epoch: str
    first_seq: int
    last_seq: int
    sent_ms: int
    expires_ms: int | None
    messages: tuple[tuple[int, Message], ...]
    refused: tuple[Refused, ...] = ()


class _RawBatch(_Head, frozen=True, kw_only=True):
    messages: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=MESSAGES_MAX)]


_ENCODER = msgspec.msgpack.Encoder()
_MSGPACK = msgspec.msgpack.Decoder(Batch)
_MSGPACK_RAW = msgspec.msgpack.Decoder(_RawBatch)
_MSGPACK_ONE = msgspec.msgpack.Decoder(Message)
_JSON = msgspec.json.Decoder(Batch)
_JSON_RAW = msgspec.json.Decoder(_RawBatch)
_JSON_ONE = msgspec.json.Decoder(Message)


def encode(batch: Batch) -> bytes:
    """Return the payload to publish."""
    return zstandard.ZstdCompressor(level=6).compress(_ENCODER.encode(batch))


def decode(payload: bytes) -> Opened:
    """Return the batch of a payload; a bad message is refused alone. Raise BatchError if the payload is no batch."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise BatchError(f"expected at most {PAYLOAD_BYTES_MAX} bytes, got {len(payload)}")
    is_json = payload[:1] == b"{"
    packed = payload if is_json else _unpack(payload)
    try:
        batch = (_JSON if is_json else _MSGPACK).decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _salvage(packed, is_json=is_json, first_error=error)
    numbered = tuple(enumerate(batch.messages, batch.first_seq))
    return _opened(batch, last_seq=batch.last_seq, messages=numbered, refused=())


def alone(opened: Opened, message: Message | Refused) -> bytes:
    """Return a payload that holds one message of a batch, so that it can be kept and opened again by itself.

    A refused message keeps its bytes, JSON or msgpack as they came.
    """
    head = {name: getattr(opened, name) for name in ("agent", "stream", "epoch", "sent_ms", "expires_ms")}
    if not isinstance(message, Refused):
        seq = next(seq for seq, each in opened.messages if each is message)
        return encode(Batch(first_seq=seq, messages=(message,), **head))
    raw = _RawBatch(first_seq=message.seq, messages=(msgspec.Raw(message.raw),), **head)
    if message.is_json:
        return msgspec.json.encode(raw)
    return zstandard.ZstdCompressor(level=6).compress(_ENCODER.encode(raw))


def _salvage(packed: bytes, *, is_json: bool, first_error: Exception) -> Opened:
    """Return what of a batch can be read message by message."""
    try:
        raw = (_JSON_RAW if is_json else _MSGPACK_RAW).decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BatchError(_reason(first_error)) from first_error
    one = _JSON_ONE if is_json else _MSGPACK_ONE
    messages: list[tuple[int, Message]] = []
    refused: list[Refused] = []
    for seq, each in enumerate(raw.messages, raw.first_seq):
        try:
            messages.append((seq, one.decode(each)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refused.append(Refused(seq=seq, reason=_reason(error), raw=bytes(each), is_json=is_json))
    last_seq = raw.first_seq + len(raw.messages) - 1
    return _opened(raw, last_seq=last_seq, messages=tuple(messages), refused=tuple(refused))


def _opened(
    head: _Head, *, last_seq: int, messages: tuple[tuple[int, Message], ...], refused: tuple[Refused, ...]
) -> Opened:
    return Opened(
        agent=head.agent,
        stream=head.stream,
        epoch=head.epoch,
        first_seq=head.first_seq,
        last_seq=last_seq,
        sent_ms=head.sent_ms,
        expires_ms=head.expires_ms,
        messages=messages,
        refused=refused,
    )


def _reason(error: Exception) -> str:
    """Return an error's text without what the sender put in it that a database refuses or a log drowns in."""
    return str(error).replace("\0", "\\0")[:REASON_LENGTH_MAX]


def _unpack(payload: bytes) -> bytes:
    """Return the content of a zstd frame, never more than UNPACKED_BYTES_MAX of it."""
    if payload[:4] != _ZSTD_MAGIC:
        raise BatchError("expected a zstd frame or a JSON object")
    try:
        with zstandard.ZstdDecompressor(max_window_size=2**23).stream_reader(payload) as reader:
            content = bytes(reader.read(UNPACKED_BYTES_MAX + 1))
    except zstandard.ZstdError as error:
        raise BatchError(f"broken zstd frame: {error}") from error
    if len(content) > UNPACKED_BYTES_MAX:
        raise BatchError(f"more than {UNPACKED_BYTES_MAX} bytes when unpacked")
    return content
