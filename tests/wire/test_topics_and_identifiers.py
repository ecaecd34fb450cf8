"""Topics and identifiers: only what an access list can hold an agent to."""

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.identifiers import Epoch, Id, Sha256, TraceId, Uuid7, uuid7_of
from wire.streams import STREAMS, Stream
from wire.topics import batch_topic, parse_up, receipt_topic, status_topic

SAMPLES = [
    (Id, "box-1"),
    (Uuid7, uuid7_of(1_763_900_000_000, "cam-1")),
    (Sha256, "ab" * 32),
    (Epoch, "0123456789abcdef"),
    (TraceId, "4bf92f3577b34da6a3ce929d0e0e4736"),
]


@pytest.mark.parametrize(("kind", "good"), SAMPLES)
@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_an_identifier_is_taken_as_it_is_and_in_no_other_way(kind: Any, good: str, codec: Any) -> None:
    assert codec.decode(codec.encode(good), type=kind) == good
    for bad in (good + "\n", "\n" + good, good + " ", good.upper(), good[:-1] + "\0", good[:-1] + "é", good * 9, ""):
        with pytest.raises(msgspec.ValidationError):
            codec.decode(codec.encode(bad), type=kind)


@pytest.mark.parametrize("bad", ["a", "-a", "a/b", "a+b", "#", "a.b", "a_b", "x" * 42])
def test_an_id_can_be_part_of_a_topic_and_of_a_path(bad: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, Id)


def test_the_shortest_and_the_longest_id_are_taken() -> None:
    assert [msgspec.convert(each, Id) for each in ("a1", "x" * 41)] == ["a1", "x" * 41]


@given(st.integers(0, 2**48 - 1), st.lists(st.text(), max_size=3))
def test_an_id_made_from_its_parts_is_a_version_7_uuid_and_always_the_same(time_ms: int, parts: list[str]) -> None:
    made = uuid7_of(time_ms, *parts)
    assert msgspec.convert(made, Uuid7) == made == uuid7_of(time_ms, *parts)
    assert (uuid.UUID(made).version, uuid.UUID(made).int >> 80) == (7, time_ms)


def test_ids_of_different_things_differ_and_sort_by_time() -> None:
    made = [uuid7_of(1, "a", "b"), uuid7_of(1, "ab"), uuid7_of(2, "a", "b"), uuid7_of(1, "a", "c")]
    assert len(set(made)) == 4
    assert max(made) == uuid7_of(2, "a", "b")


@pytest.mark.parametrize("stream", STREAMS)
def test_an_upward_topic_is_parsed_to_what_it_was_built_from(stream: Stream) -> None:
    assert parse_up(batch_topic("box-1", stream)) == ("box-1", stream)
    assert parse_up(status_topic("box-1")) == ("box-1", "status")


@pytest.mark.parametrize(
    "topic",
    [
        receipt_topic("box-1"),
        "wayside/up/box-1/events\n",
        "wayside/up/box-1/events/",
        "wayside/up/box-1/events/x",
        "wayside/up//events",
        "wayside/up/box_1/events",
        "wayside/up/box-1/gossip",
        "x/wayside/up/box-1/events",
        "wayside/up/+/events",
        "",
    ],
)
def test_any_other_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="not an upward topic"):
        parse_up(topic)
