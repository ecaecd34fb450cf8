"""Batches: what goes in comes out; what is broken is refused, alone where that is possible, and cheaply."""

import contextlib
import resource
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wire.batch import (
    MESSAGES_MAX,
    PAYLOAD_BYTES_MAX,
    REASON_LENGTH_MAX,
    UNPACKED_BYTES_MAX,
    Batch,
    BatchError,
    alone,
    decode,
    encode,
)
from wire.observation import Observation

HEAD = {"version": 1, "agent": "box-1", "stream": "events", "epoch": "0123456789abcdef", "first_seq": 7, "sent_ms": 1}
GOOD = {"type": "observation", "source": "cam-1", "property": "zone.stays", "result": 1.0, "time_ms": 1}
DEEP = 100_000


def as_json(*messages: Any, **head: Any) -> bytes:
    return msgspec.json.encode({**HEAD, **head, "messages": messages})


def as_msgpack(*messages: Any, **head: Any) -> bytes:
    return zstandard.compress(msgspec.msgpack.encode({**HEAD, **head, "messages": messages}))


def raw_json(message: bytes) -> bytes:
    """Return a batch of a good message and one of just these bytes."""
    return as_json(GOOD, msgspec.Raw(message))


BOTH = pytest.mark.parametrize("packed", [as_json, as_msgpack])

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=64)
reals = st.floats(min_value=-1e300, max_value=1e300)
observations = st.builds(
    Observation,
    source=st.from_regex(r"[a-z0-9][a-z0-9-]{1,40}", fullmatch=True),
    property=texts,
    result=st.one_of(reals, st.booleans(), texts),
    time_ms=st.integers(0, 2**53 - 1),
    feature=texts,
)


@given(st.lists(observations, min_size=1, max_size=20), st.integers(1, 2**52))
def test_what_goes_in_comes_out(messages: list[Observation], first_seq: int) -> None:
    batch = Batch(
        agent="box-1",
        stream="observations",
        epoch="0123456789abcdef",
        first_seq=first_seq,
        sent_ms=1,
        messages=tuple(messages),
    )
    for payload in (encode(batch), msgspec.json.encode(batch)):
        opened = decode(payload)
        assert opened.messages == tuple(enumerate(messages, first_seq))
        assert opened.last_seq == batch.last_seq


@given(st.binary(max_size=400))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    for payload in (noise, b"{" + noise, zstandard.compress(noise), zstandard.compress(noise)[: len(noise)]):
        with pytest.raises(BatchError):
            decode(payload)


@given(st.data())
def test_a_flipped_or_cut_batch_is_opened_or_refused_and_nothing_else(data: st.DataObject) -> None:
    payload = bytearray(data.draw(st.sampled_from([as_json, as_msgpack]))(GOOD, GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    payload = payload[: data.draw(st.integers(0, len(payload)))]
    with contextlib.suppress(BatchError):
        opened = decode(bytes(payload))
        assert opened.last_seq - opened.first_seq + 1 == len(opened.messages) + len(opened.refused)


@BOTH
def test_one_bad_message_of_many_is_refused_alone(packed: Any) -> None:
    opened = decode(packed(GOOD, {**GOOD, "time_ms": "noon"}, GOOD))
    assert [seq for seq, _ in opened.messages] == [7, 9]
    (refused,) = opened.refused
    assert (refused.seq, refused.reason) == (8, "Expected `int`, got `str` - at `$.time_ms`")
    assert opened.last_seq == 9


@BOTH
def test_a_message_of_an_unknown_type_is_refused_alone(packed: Any) -> None:
    opened = decode(packed(GOOD, {"type": "hologram"}))
    assert (len(opened.messages), [each.reason for each in opened.refused]) == (
        1,
        ["Invalid value 'hologram' - at `$.type`"],
    )


@BOTH
def test_a_refused_message_kept_by_itself_is_refused_for_the_same_reason(packed: Any) -> None:
    for bad in ({**GOOD, "time_ms": "noon"}, 123, "word", None, [1]):
        opened = decode(packed(GOOD, bad))
        again = decode(alone(opened, opened.refused[0]))
        assert again.refused == opened.refused
        assert (again.first_seq, again.last_seq, again.messages) == (8, 8, ())


@BOTH
def test_a_good_message_kept_by_itself_keeps_its_number(packed: Any) -> None:
    opened = decode(packed(GOOD, {**GOOD, "result": 2.0}))
    assert decode(alone(opened, opened.messages[1][1])).messages == (opened.messages[1],)


@BOTH
@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({"version": 2}, "Invalid enum value 2 - at `$.version`"),
        ({"agent": "box-1\n"}, "at `$.agent`"),
        ({"agent": "../box"}, "at `$.agent`"),
        ({"stream": "gossip"}, "Invalid enum value 'gossip' - at `$.stream`"),
        ({"epoch": "0123456789ABCDEF"}, "at `$.epoch`"),
        ({"first_seq": 0}, "Expected `int` >= 1 - at `$.first_seq`"),
        ({"first_seq": 2**63}, "Expected `int` <= 4503599627370496 - at `$.first_seq`"),
        ({"first_seq": 1.5}, "Expected `int`, got `float` - at `$.first_seq`"),
        ({"sent_ms": -1}, "Expected `int` >= 0 - at `$.sent_ms`"),
    ],
)
def test_a_wrong_head_refuses_the_batch(packed: Any, head: dict[str, Any], reason: str) -> None:
    with pytest.raises(BatchError) as caught:
        decode(packed(GOOD, **head))
    assert reason in str(caught.value)


@BOTH
def test_a_batch_holds_between_one_and_five_thousand_messages(packed: Any) -> None:
    for count in (0, MESSAGES_MAX + 1):
        with pytest.raises(BatchError):
            decode(packed(*[0] * count))
    assert len(decode(packed(*[0] * MESSAGES_MAX)).refused) == MESSAGES_MAX


def test_a_bomb_is_refused_within_its_cap() -> None:
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(1024)) + packer.flush()
    assert len(bomb) < PAYLOAD_BYTES_MAX
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BatchError, match=f"more than {UNPACKED_BYTES_MAX} bytes when unpacked"):
        decode(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


def test_a_window_that_would_need_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BatchError, match="broken zstd frame"):
        decode(packer.compress(b"\0" * 100) + packer.flush())


def test_a_payload_over_the_limit_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(BatchError, match="expected at most 262144 bytes, got 262145"):
        decode(b"{" + b" " * PAYLOAD_BYTES_MAX)


@pytest.mark.parametrize(
    "content",
    [
        raw_json(b"[" * DEEP + b"]" * DEEP),
        raw_json(b'{"type":"observation","x":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        b'{"x":' + b"[" * DEEP,
        b'{"x":' * (DEEP // 4),
        zstandard.compress(b"\x91" * DEEP + b"\xc0"),
        zstandard.compress(b"\x81\xa1x" * DEEP + b"\xc0"),
        zstandard.compress(b"\xdd\xff\xff\xff\xff"),
    ],
    ids=["message", "field", "open lists", "open objects", "msgpack lists", "msgpack maps", "huge array"],
)
def test_deep_or_endless_nesting_is_refused(content: bytes) -> None:
    with pytest.raises(BatchError):
        decode(content)


@pytest.mark.parametrize(
    "message",
    [
        {**GOOD, "result": float("nan")},
        {**GOOD, "result": float("inf")},
        {**GOOD, "time_ms": 2**64 - 1},
        {**GOOD, "time_ms": -1},
        {**GOOD, "property": "a\0b"},
        {**GOOD, "property": "a" * 65},
        {**GOOD, "source": "cam-1\n"},
        {**GOOD, "source": None},
        {**GOOD, "result": [1]},
        {key: value for key, value in GOOD.items() if key != "time_ms"},
    ],
    ids=repr,
)
def test_a_value_that_a_store_cannot_hold_is_refused(message: dict[str, Any]) -> None:
    opened = decode(as_msgpack(GOOD, message))
    assert (len(opened.messages), len(opened.refused)) == (1, 1)


@pytest.mark.parametrize("number", [b"1e400", b"9" * 400, b"1" * 30, b"-1"])
def test_a_huge_or_negative_time_in_json_is_refused(number: bytes) -> None:
    opened = decode(
        raw_json(b'{"type":"observation","source":"cam-1","property":"a","result":1,"time_ms":' + number + b"}")
    )
    assert (len(opened.messages), len(opened.refused)) == (1, 1)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"nul"])
def test_words_that_are_no_json_refuse_the_batch(word: bytes) -> None:
    with pytest.raises(BatchError, match="malformed"):
        decode(raw_json(b'{"type":"observation","result":' + word + b"}"))


def test_of_a_key_sent_twice_the_last_counts() -> None:
    opened = decode(raw_json(msgspec.json.encode(GOOD)[:-1] + b',"result":2.5}'))
    assert [message.result for _, message in opened.messages if isinstance(message, Observation)] == [1.0, 2.5]


def test_bytes_after_the_batch_are_refused() -> None:
    with pytest.raises(BatchError, match="trailing"):
        decode(as_json(GOOD) + b"{}")


def test_a_reason_is_short_and_can_be_stored() -> None:
    opened = decode(as_msgpack(GOOD, {"type": "a\0" + "b" * 5_000}))
    (refused,) = opened.refused
    assert "\0" not in refused.reason
    assert len(refused.reason) == REASON_LENGTH_MAX
