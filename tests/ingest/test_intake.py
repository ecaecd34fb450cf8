"""What is sent is taken once, whatever order, overlap and company it comes in."""

from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.changes import Change
from ingest.cursor import Cursor
from ingest.store.engine import writing
from ingest.store.observations import forget_observations
from tests.fixtures.messages import EPOCH, T0, a_batch, an_event, some_evidence, some_observations
from wire.batch import Batch
from wire.health import Health, Status
from wire.loss import LossRecord
from wire.topics import status_topic

KEY = ("box-1", EPOCH, "events")
OBSERVATIONS = ("box-1", EPOCH, "observations")


def a_health(time_ms: int, **changes: Any) -> Health:
    health = Health(
        time_ms=time_ms, uptime_s=1.0, clock="synced", rss_bytes=1, disk_free_bytes=1, lanes={}, evidence_files=0
    )
    return msgspec.structs.replace(health, **changes)


def test_a_started_and_ended_stay_is_one_case(send: Any, query: Any) -> None:
    taken = send(a_batch([an_event()]), a_batch([an_event(phase="end")], 2))
    assert query("select stage, agent, camera, end_ms, is_complete from cases") == [
        ("filed", "box-1", "cam-1", T0 + 500_000, False)
    ]
    assert query("select phase from event order by phase") == [("end",), ("start",)]
    assert query("select what, actor from case_entry order by id") == [("opened", "box-1"), ("ended", "box-1")]
    assert taken.cursors[KEY] == Cursor(2)
    assert Change(kind="case", id="1") in taken.changes


def test_the_same_batch_again_changes_nothing(send: Any, query: Any) -> None:
    deliveries = [a_batch([an_event()]), a_batch(some_observations(10), stream="observations")]
    send(*deliveries)
    before = [query(f"select * from {table}") for table in ("cases", "event", "case_entry", "observation", "cursor")]
    taken = send(*deliveries, *deliveries)
    after = [query(f"select * from {table}") for table in ("cases", "event", "case_entry", "observation", "cursor")]
    assert after == before
    assert taken.repeated == 22
    assert taken.messages == {}


def test_batches_that_overlap_are_taken_up_to_their_new_part(send: Any, query: Any) -> None:
    observations = some_observations(30)
    send(a_batch(observations[:20], 1, stream="observations"))
    taken = send(
        a_batch(observations[10:], 11, stream="observations"), a_batch(observations[5:25], 6, stream="observations")
    )
    assert query("select count(*), count(distinct time_ms) from observation") == [(30, 30)]
    assert taken.cursors[OBSERVATIONS] == Cursor(30)


def test_what_comes_out_of_order_is_taken_and_the_gap_is_known_until_it_closes(send: Any, query: Any) -> None:
    observations = some_observations(9)
    assert send(a_batch(observations[6:], 7, stream="observations")).cursors[OBSERVATIONS].missing() == ((1, 6),)
    assert send(a_batch(observations[:3], 1, stream="observations")).cursors[OBSERVATIONS].missing() == ((4, 6),)
    assert send(a_batch(observations[3:6], 4, stream="observations")).cursors[OBSERVATIONS] == Cursor(9)
    assert query("select count(*) from observation") == [(9,)]


def test_a_loss_record_closes_the_gap_of_the_stream_it_speaks_of(send: Any, query: Any) -> None:
    send(a_batch(some_observations(2), 1, stream="observations"))
    send(a_batch(some_observations(2, 50), 51, stream="observations"))
    lost = LossRecord(time_ms=T0, stream="observations", epoch=EPOCH, first_seq=3, last_seq=50, reason="quota")
    taken = send(a_batch([lost]), a_batch([lost]))
    assert taken.cursors[OBSERVATIONS] == Cursor(52)
    assert query("select stream, first_seq, last_seq, reason from loss") == [("observations", 3, 50, "quota")]
    assert query("select through_seq from cursor where stream = 'observations'") == [(52,)]


def test_an_event_of_a_new_outbox_that_was_sent_before_opens_no_second_case(send: Any, query: Any) -> None:
    send(a_batch([an_event()]))
    send(a_batch([an_event(), an_event(phase="end")], epoch="f" * 16))
    assert query("select count(*) from cases") == [(1,)]
    assert query("select count(*) from event") == [(2,)]


def test_two_events_at_one_place_are_one_case_also_across_transactions(send: Any, query: Any) -> None:
    send(a_batch([an_event("a"), an_event("b", zone="crossing")]))
    send(a_batch([an_event("c")], 3))
    assert query("select count(*) from cases") == [(1,)]
    assert query("select distinct case_id from event") == [(1,)]
    assert query("select what from case_entry order by id") == [("opened",), ("merged",), ("merged",)]


def test_an_end_before_its_start_is_kept_and_the_start_adds_what_only_it_knows(send: Any, query: Any) -> None:
    send(a_batch([an_event(phase="end")], 2))
    send(a_batch([an_event()], 1))
    assert query("select opened_ms, end_ms, is_complete from cases") == [(T0 + 180_000, T0 + 500_000, False)]


def test_five_thousand_events_in_one_batch_are_five_thousand_cases(send: Any, query: Any) -> None:
    events = [an_event(f"stay-{n}", place=n % 600, camera=f"cam-{n // 600}") for n in range(5_000)]
    taken = send(a_batch(events, sent_ms=T0))
    assert query("select count(*), count(distinct merge_key) from cases") == [(5_000, 5_000)]
    assert taken.messages == {"event": 5_000}
    send(a_batch(events))
    assert query("select count(*) from event") == [(5_000,)]


def test_every_kind_of_result_is_kept(send: Any, query: Any) -> None:
    first = some_observations(1)[0]
    results: tuple[float | bool | str, ...] = (1.5, True, "wet")
    send(a_batch([msgspec.structs.replace(first, result=result) for result in results], stream="observations"))
    assert query("select number, text from observation order by number") in (
        [(None, "wet"), (1.0, None), (1.5, None)],
        [(1.0, None), (1.5, None), (None, "wet")],
    )


def test_no_agent_adds_to_the_event_of_another(send: Any, query: Any) -> None:
    send(a_batch([an_event()]))
    taken = send(
        a_batch([an_event(phase="end"), some_evidence(an_event(), b"x"), an_event("own", place=3)], agent="box-2")
    )
    (rejections,) = taken.rejected.values()
    assert [each.seq for each in rejections] == [1, 2]
    assert query("select agent, seq from dead_letter order by id") == [("box-2", 1), ("box-2", 2)]
    assert query("select agent, end_ms from cases order by id") == [("box-1", None), ("box-2", None)]
    assert query("select count(*) from evidence") == [(0,)]


def test_the_newest_health_stays_and_says_when_the_agent_was_last_heard(send: Any, query: Any) -> None:
    taken = send(a_batch([a_health(T0 + 5, rss_bytes=7), a_health(T0 + 1)], stream="health", sent_ms=T0 - 250))
    assert Change(kind="agent", id="box-1") in taken.changes
    send(a_batch([a_health(T0 + 2, rss_bytes=9)], 3, stream="health"))
    ((seen_ms, skew_ms),) = query("select seen_ms, skew_ms from agent")
    assert (seen_ms, skew_ms) == (T0, 0)
    assert 7 in [row[0]["rss_bytes"] for row in _with_json(query, "health")]


def _with_json(query: Any, column: str) -> list[Any]:
    rows = query(f"select {column} from agent")
    return [(msgspec.json.decode(row[0]) if isinstance(row[0], str) else row[0],) for row in rows]


def test_birth_and_last_will_say_whether_an_agent_is_there(send: Any, query: Any) -> None:
    def status(state: Any, time_ms: int) -> tuple[str, bytes]:
        word = Status(agent="box-1", state=state, time_ms=time_ms, epoch=EPOCH, version="1")
        return status_topic("box-1"), msgspec.json.encode(word)

    send(status("online", T0))
    assert query("select id, state from agent") == [("box-1", "online")]
    send(status("offline", T0))  # the will bears the time of the birth
    assert query("select state from agent") == [("offline",)]
    send(status("online", T0 + 10))
    send(status("offline", T0))  # the will of the connection before, late
    assert query("select state from agent") == [("online",)]


def test_json_batches_are_taken_like_packed_ones(send: Any, query: Any) -> None:
    batch = Batch(agent="box-1", stream="events", epoch=EPOCH, first_seq=1, sent_ms=T0, messages=(an_event(),))
    send(("wayside/up/box-1/events", msgspec.json.encode(batch)))
    assert query("select count(*) from cases") == [(1,)]


def test_observations_that_came_long_ago_are_forgotten_oldest_first(send: Any, engine: sa.Engine, query: Any) -> None:
    for n in range(5):  # whatever the agent's clock says
        send(a_batch(some_observations(20), 1 + 20 * n, stream="observations"), now_ms=T0 + n)
    with writing(engine) as connection:
        assert forget_observations(connection, T0 + 3, 40) == 40
    assert query("select min(received_ms) from observation") == [(T0 + 2,)]
    with writing(engine) as connection:
        assert forget_observations(connection, T0 + 3, 40) == 20
        assert forget_observations(connection, T0 + 3, 40) == 0
    assert query("select count(*) from observation") == [(40,)]


def test_a_stay_that_comes_back_hours_later_in_another_batch_is_the_same_case(send: Any, query: Any) -> None:
    first, back = an_event(), an_event("back", place=5, resumes=an_event().id, expects=("arrival",))
    send(a_batch([first, an_event(phase="end")]))
    send(a_batch([back], 3))
    assert query("select count(*), max(end_ms) from cases") == [(1, None)]
    assert query("select what from case_entry order by id") == [("opened",), ("ended",), ("resumed",)]
    send(a_batch([an_event("back", "end", place=5)], 4))
    assert query("select end_ms from cases") == [(T0 + 500_000,)]
