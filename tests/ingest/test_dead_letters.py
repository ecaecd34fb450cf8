"""What cannot be taken is put aside with its reason, and takes nothing else with it."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from ingest.sorting import Settings, item_of, redrive, take_all
from ingest.store.engine import open_engine, writing
from ingest.store.migrate import upgrade
from tests.fixtures.messages import EPOCH, T0, a_batch, an_event, some_observations

EVENTS = "wayside/up/box-1/events"


def as_json(*messages: Any, first_seq: int = 1) -> bytes:
    """Return a batch that holds messages no program of ours would send."""
    head = {"version": 1, "agent": "box-1", "stream": "events", "epoch": EPOCH, "first_seq": first_seq, "sent_ms": T0}
    return msgspec.json.encode({**head, "messages": messages})


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (EVENTS, b"", "zstd"),
        (EVENTS, b"\x00" * 50, "zstd"),
        (EVENTS, b"{", "truncated"),
        (EVENTS, b'{"version": 2}', "2"),
        ("wayside/up/box-2/events", a_batch([an_event()])[1], "box-1"),
        ("wayside/up/box-1/health", a_batch([an_event()])[1], "events"),
        ("wayside/up/box-1/elsewhere", b"x", "not an upward topic"),
        ("wayside/up/box-1/status", b"{}", "missing"),
        ("wayside/up/box-1/status", b"", "truncated"),
    ],
)
def test_what_is_no_batch_is_put_aside_with_its_reason(
    topic: str, payload: bytes, reason: str, send: Any, query: Any
) -> None:
    taken = send((topic, payload), a_batch([an_event()], 5))
    ((kept, said),) = query("select payload, reason from dead_letter")
    assert bytes(kept) == payload
    assert reason in said
    assert taken.messages == {"event": 1}


def test_a_bad_message_is_put_aside_alone_and_its_number_counts_as_had(send: Any, query: Any) -> None:
    good = msgspec.to_builtins(an_event())
    taken = send((EVENTS, as_json(good, {"type": "event"}, {"type": "later"}, good | {"phase": "end"})))
    (rejections,) = taken.rejected.values()
    assert [each.seq for each in rejections] == [2, 3]
    assert query("select seq from dead_letter order by id") == [(2,), (3,)]
    assert [cursor.through_seq for cursor in taken.cursors.values()] == [4]
    assert query("select count(*) from event") == [(2,)]


def test_the_same_dead_letter_is_kept_once_and_counted(send: Any, query: Any) -> None:
    for _ in range(3):
        send((EVENTS, b"rubbish"))
    assert query("select count from dead_letter") == [(3,)]


def test_a_large_payload_is_kept_in_part_and_says_so(send: Any, query: Any) -> None:
    send((EVENTS, b"x" * 100_000))
    ((payload, reason),) = query("select payload, reason from dead_letter")
    assert len(payload) == 64 * 1024
    assert "of 100000 bytes" in reason


def test_dead_letters_are_bounded_and_the_oldest_go(send: Any, query: Any) -> None:
    for number in range(130):
        send((EVENTS, b"rubbish %d" % number))
    assert query("select count(*) from dead_letter") == [(100,)]
    payloads = [bytes(row[0]) for row in query("select payload from dead_letter order by id")]
    assert payloads[0] == b"rubbish 30"


def test_what_only_the_database_refuses_is_found_among_thousands(send: Any, query: Any, engine: sa.Engine) -> None:
    with engine.begin() as connection:  # a limit that no schema knows of
        connection.execute(sa.text("create unique index once on observation (text)"))
    observations = [msgspec.structs.replace(each, result=str(n)) for n, each in enumerate(some_observations(3_000))]
    observations[1_234] = msgspec.structs.replace(observations[1_234], result="7")
    taken = send(
        a_batch([an_event()]),
        a_batch(observations, stream="observations"),
        a_batch(some_observations(5), stream="observations", agent="box-2"),
    )
    assert query("select count(*) from observation") == [(3_004,)]
    assert query("select count(*) from cases") == [(1,)]
    assert query("select agent, seq from dead_letter") == [("box-1", 1_235)]
    rejected = {key[0]: [each.seq for each in some] for key, some in taken.rejected.items() if some}
    assert rejected == {"box-1": [1_235]}
    assert {key[0]: cursor.through_seq for key, cursor in taken.cursors.items() if key[2] == "observations"} == {
        "box-1": 3_000,
        "box-2": 5,
    }


def test_a_dead_letter_is_taken_after_the_fix(send: Any, query: Any, engine: sa.Engine, settings: Settings) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create unique index once on observation (text)"))
    twice = [msgspec.structs.replace(each, result="wet") for each in some_observations(2)]
    send(a_batch(twice, stream="observations"))
    ((letter_id,),) = query("select id from dead_letter")
    assert "once" in redrive(settings, letter_id, T0) or "UNIQUE" in redrive(settings, letter_id, T0)
    with engine.begin() as connection:
        connection.execute(sa.text("drop index once"))

    assert redrive(settings, letter_id, T0) == ""

    assert query("select count(*) from observation") == [(2,)]
    assert query("select count(*) from dead_letter") == [(0,)]
    assert redrive(settings, letter_id, T0) == "there is no such dead letter"


def test_a_letter_that_is_still_wrong_stays(send: Any, query: Any, settings: Settings) -> None:
    send((EVENTS, as_json({"type": "later"})), (EVENTS, b"rubbish"))
    for (letter_id,) in query("select id from dead_letter"):
        assert redrive(settings, letter_id, T0) != ""
    assert query("select count(*) from dead_letter") == [(2,)]


def test_a_database_that_cannot_commit_makes_no_dead_letter(send: Any, query: Any, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("alter table observation rename to hidden"))
    with pytest.raises(sa.exc.DBAPIError):
        send(a_batch([an_event()]), a_batch(some_observations(1), stream="observations"))
    assert query("select count(*) from dead_letter") == [(0,)]
    assert query("select count(*) from cases") == [(0,)]


def test_a_locked_database_makes_no_dead_letter(tmp_path: Any) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'locked.sqlite'}")
    upgrade(engine)
    impatient = sa.create_engine(engine.url, connect_args={"timeout": 0})
    items = [item_of(*a_batch([an_event()])), item_of(EVENTS, b"rubbish")]
    with writing(engine), pytest.raises(sa.exc.OperationalError, match="locked"):
        take_all(Settings(engine=impatient, dead_letters_max=1), items, T0)
    engine.dispose()
    impatient.dispose()
