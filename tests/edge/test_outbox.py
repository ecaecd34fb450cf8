import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.outbox import Outbox
from edge.outbox_rows import HEALTH_ROWS_MAX, Run, Upload
from shell.refusal import Refusal
from tests.fixtures.messages import T0
from wire.batch import MESSAGES_MAX, PAYLOAD_BYTES_MAX, Message, decode
from wire.command import Ack
from wire.health import Health
from wire.identifiers import uuid7_of
from wire.loss import LossRecord
from wire.observation import Observation
from wire.receipt import Receipt, Rejection
from wire.streams import STREAMS, Stream

_ANY_BYTES = 10**9


def _observation(number: int, *, text: str = "") -> Observation:
    return Observation(source="cam-1", property="zone.stays", result=text or float(number), time_ms=number)


def _health(number: int) -> Health:
    return Health(
        time_ms=number, uptime_s=1, clock="synced", rss_bytes=1, disk_free_bytes=1, lanes={}, evidence_files=0
    )


def _receipt(run: Run, **changes: object) -> Receipt:
    receipt = Receipt(
        agent="box-1",
        stream=run.stream,
        epoch=run.epoch,
        first_seq=run.first_seq,
        last_seq=run.last_seq,
        digest=run.digest,
        through_seq=run.last_seq,
        time_ms=1,
    )
    return msgspec.structs.replace(receipt, **changes)


def _opened(path: Path, bytes_max: int = _ANY_BYTES) -> Outbox:
    return Outbox(path, agent="box-1", bytes_max=bytes_max)


def _put(outbox: Outbox, numbers: range, stream: Stream = "observations") -> None:
    outbox.put([(stream, _observation(number)) for number in numbers]).result(10)


def _take(outbox: Outbox, stream: Stream = "observations", bytes_max: int = _ANY_BYTES) -> Run | None:
    return outbox.next_run(stream, bytes_max=bytes_max).result(10)


def _messages(run: Run | None) -> list[Message]:
    assert run is not None
    return [message for _, message in decode(run.payload).messages]


def _drain(outbox: Outbox, stream: Stream) -> list[tuple[int, Message]]:
    found: list[tuple[int, Message]] = []
    while run := _take(outbox, stream):
        found += decode(run.payload).messages
        assert outbox.settle(_receipt(run)).result(10) == run
    return found


def test_a_message_put_is_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    _put(outbox, range(3))
    outbox.close()
    again = _opened(tmp_path / "outbox.sqlite")
    run = _take(again)
    assert run is not None
    assert (run.first_seq, run.last_seq, run.epoch) == (1, 3, outbox.epoch)
    assert _messages(run) == [_observation(number) for number in range(3)]
    again.close()


def test_each_stream_counts_from_one_and_never_again(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    _put(outbox, range(2), "events")
    _put(outbox, range(3), "observations")
    assert [seq for seq, _ in _drain(outbox, "events")] == [1, 2]
    outbox.close()
    again = _opened(tmp_path / "outbox.sqlite")
    _put(again, range(1), "events")
    assert [seq for seq, _ in _drain(again, "events")] == [3]
    assert [seq for seq, _ in _drain(again, "observations")] == [1, 2, 3]
    again.close()


def test_state_messages_and_uploads_of_one_put_stand_together(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    clip = Upload(sha256="c" * 64, path="c.mp4", event_id="e", role="clip", time_ms=1)
    still = Upload(sha256="a" * 64, path="a.jpg", event_id="e", role="limit", time_ms=2)
    outbox.put([("events", _observation(1))], {"camera/cam-1": b"ledger"}, [clip, still]).result(10)
    outbox.close()
    again = _opened(tmp_path / "outbox.sqlite")
    assert again.state("camera/cam-1").result(10) == b"ledger"
    assert again.state("camera/cam-2").result(10) is None
    assert again.uploads().result(10) == [still, clip]
    again.upload_done(still.sha256).result(10)
    again.upload_damaged(clip.sha256).result(10)
    assert again.uploads().result(10) == []
    again.close()


def test_only_the_receipt_of_that_very_batch_settles_it(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    _put(outbox, range(4))
    run = _take(outbox)
    assert run is not None
    forged: list[dict[str, object]] = [
        {"digest": hashlib.sha256(b"forged").hexdigest()},
        {"epoch": "0" * 16},
        {"last_seq": 3},
        {"first_seq": 2},
        {"stream": "events"},
    ]
    for changes in forged:
        assert outbox.settle(_receipt(run, **changes)).result(10) is None
    assert outbox.lanes().result(10)[0]["observations"].rows == 4
    assert outbox.settle(_receipt(run)).result(10) == run
    assert outbox.settle(_receipt(run)).result(10) is None
    assert outbox.strange_receipts == len(forged) + 1
    assert outbox.lanes().result(10)[0]["observations"].rows == 0
    outbox.close()


def test_a_receipt_before_the_batch_was_ever_taken_settles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = _opened(path)
    _put(outbox, range(4))
    run = _take(outbox)
    assert run is not None
    outbox.close()
    again = _opened(path)
    assert again.settle(_receipt(run)).result(10) is None
    assert len(_drain(again, "observations")) == 4
    again.close()


def test_rejected_messages_are_not_sent_again(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    _put(outbox, range(3))
    run = _take(outbox)
    assert run is not None
    rejected = (Rejection(seq=2, reason="no such property"),)
    assert outbox.settle(_receipt(run, rejected=rejected)).result(10) == run
    assert _take(outbox) is None
    outbox.close()


def test_a_run_in_flight_is_not_taken_twice_until_it_is_released(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    _put(outbox, range(4))
    first = _take(outbox, bytes_max=1)
    second = _take(outbox)
    assert first is not None
    assert second is not None
    assert (first.first_seq, first.last_seq, second.first_seq, second.last_seq) == (1, 1, 2, 4)
    assert _take(outbox) is None
    outbox.release(first).result(10)
    again = _take(outbox)
    assert again is not None
    assert (again.first_seq, again.last_seq) == (1, 1)
    outbox.close()


def test_a_batch_stays_within_the_limits_of_the_wire(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    _put(outbox, range(MESSAGES_MAX + 10))
    run = _take(outbox)
    assert run is not None
    assert run.rows == MESSAGES_MAX
    noise = [_observation(number, text=os.urandom(1_000).hex()) for number in range(400)]
    outbox.put([("health", message) for message in noise]).result(10)
    run = _take(outbox, "health")
    assert run is not None
    assert 100 < run.rows < 400
    assert len(run.payload) <= PAYLOAD_BYTES_MAX
    outbox.close()


def test_a_message_too_large_for_any_batch_is_refused_at_once(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    with pytest.raises(ValueError, match="does not fit a batch"):
        outbox.put([("events", _observation(1, text="x" * (PAYLOAD_BYTES_MAX // 2)))])
    outbox.close()


def test_only_what_ages_gets_an_expiry(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    for stream in STREAMS:
        _put(outbox, range(1), stream)
    expiries = {stream: decode(run.payload).expires_ms for stream in STREAMS if (run := _take(outbox, stream))}
    assert expiries["events"] is None
    assert expiries["health"] is not None
    assert expiries["observations"] is not None
    outbox.close()


def test_over_its_quota_the_oldest_observations_go_and_a_loss_record_names_them(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite", bytes_max=20_000)
    _put(outbox, range(20), "events")
    outbox.put([("health", _health(1))]).result(10)
    for start in range(0, 1000, 50):
        _put(outbox, range(start, start + 50))
    lanes, shed = outbox.lanes().result(10)
    assert sum(lane.bytes for lane in lanes.values()) <= 20_000
    events = _drain(outbox, "events")
    losses = [message for _, message in events if isinstance(message, LossRecord)]
    kept = [seq for seq, _ in _drain(outbox, "observations")]
    assert {(loss.stream, loss.epoch, loss.reason) for loss in losses} == {("observations", outbox.epoch, "quota")}
    lost = [seq for loss in losses for seq in range(loss.first_seq, loss.last_seq + 1)]
    assert sorted(lost + kept) == list(range(1, 1001))
    assert kept == list(range(1001 - len(kept), 1001))
    assert shed == {"observations": len(lost)}
    assert [message for _, message in events if isinstance(message, Observation)] == [
        _observation(number) for number in range(20)
    ]
    assert len(_drain(outbox, "health")) == 1
    outbox.close()


def test_events_are_kept_even_beyond_the_quota(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite", bytes_max=1_000)
    _put(outbox, range(500), "events")
    assert len(_drain(outbox, "events")) == 500
    outbox.close()


def test_old_health_makes_room_for_new(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    count = HEALTH_ROWS_MAX + 1_000
    for first in range(1, count, 500):
        outbox.put([("health", _health(number)) for number in range(first, first + 500)])
    kept = [seq for seq, _ in _drain(outbox, "health")]
    losses = [message for _, message in _drain(outbox, "events") if isinstance(message, LossRecord)]
    lost = [seq for loss in losses for seq in range(loss.first_seq, loss.last_seq + 1)]
    assert sorted(lost + kept) == list(range(1, count + 1))
    assert kept[-1] == count
    assert len(kept) <= HEALTH_ROWS_MAX
    outbox.close()


def test_what_lamps_were_ordered_and_did_is_never_shed(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite", bytes_max=10_000)
    acks: list[tuple[Stream, Message]] = [("acks", an_ack(number)) for number in range(500)]
    outbox.put(acks)
    _put(outbox, range(200))
    assert len(_drain(outbox, "acks")) == 500
    assert len(_drain(outbox, "observations")) < 200
    outbox.close()


def test_what_is_urgent_is_committed_at_once_and_takes_along_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.outbox._GATHER_S", 3600.0)
    outbox = _opened(tmp_path / "outbox.sqlite")
    waiting = outbox.put([("acks", an_ack(1))])
    outbox.put([("acks", an_ack(2))], {"lamp/lamp-1": b"state"}, is_urgent=True).result(10)
    assert waiting.done()
    assert len(_messages(_take(outbox, "acks"))) == 2
    outbox.close()


def test_states_are_found_by_the_beginning_of_their_names_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    outbox.put(states={"lamp/a": b"1", "lamp/b": b"2", "lamps": b"3", "device/a": b"4"}).result(10)
    outbox.close()
    with sqlite3.connect(tmp_path / "outbox.sqlite") as connection:
        connection.execute("UPDATE state SET body = x'00' WHERE name = 'lamp/b'")
    connection.close()
    outbox = _opened(tmp_path / "outbox.sqlite")
    assert outbox.states("lamp/").result(10) == {"lamp/a": b"1"}
    outbox.close()


def an_ack(number: int) -> Ack:
    return Ack(command_id=uuid7_of(T0, str(number)), lamps=("lamp-1",), stage="accepted", time_ms=T0)


def test_a_row_in_flight_is_never_shed(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite", bytes_max=2_000)
    _put(outbox, range(10))
    run = _take(outbox)
    assert run is not None
    _put(outbox, range(10, 200))
    assert outbox.settle(_receipt(run)).result(10) == run
    losses = [message for _, message in _drain(outbox, "events") if isinstance(message, LossRecord)]
    assert min(loss.first_seq for loss in losses) == 11
    outbox.close()


def _spoil(path: Path, change: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()


def test_a_row_whose_hash_fails_is_taken_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = _opened(path)
    _put(outbox, range(5))
    outbox.put(states={"camera/cam-1": b"ledger"}).result(10)
    outbox.close()
    _spoil(path, "UPDATE message SET body = x'00' WHERE seq = 3")
    _spoil(path, "UPDATE state SET body = x'00'")
    again = _opened(path)
    assert [seq for seq, _ in _drain(again, "observations")] == [1, 2, 4, 5]
    (loss,) = _messages(_take(again, "events"))
    assert isinstance(loss, LossRecord)
    assert (loss.stream, loss.first_seq, loss.last_seq, loss.reason) == ("observations", 3, 3, "corrupt")
    assert again.state("camera/cam-1").result(10) is None
    again.close()


@pytest.mark.parametrize("damage", ["header", "text", "truncated"])
def test_a_broken_file_is_put_aside_and_a_new_epoch_begun(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = _opened(path)
    _put(outbox, range(300))
    outbox.close()
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:64] = os.urandom(64)
    elif damage == "text":
        content = bytearray(b"this is no database at all\n" * 100)
    else:
        content = content[: len(content) // 2 // 4096 * 4096]
    path.write_bytes(content)
    again = _opened(path)
    assert again.epoch != outbox.epoch
    (aside,) = tmp_path.glob("outbox.sqlite.corrupt-*")
    assert aside.read_bytes() == content
    assert "the outbox is broken" in capsys.readouterr().out
    _put(again, range(2))
    assert [seq for seq, _ in _drain(again, "observations")] == [1, 2]
    again.close()


def test_what_a_broken_file_still_holds_of_events_acks_state_and_uploads_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    outbox = _opened(path)
    upload = Upload(sha256="a" * 64, path="a.jpg", event_id="e", role="limit", time_ms=2)
    messages: list[tuple[Stream, Message]] = [("events", _observation(7)), ("acks", an_ack(1))]
    outbox.put(messages, {"camera/cam-1": b"ledger"}, [upload]).result(10)
    _put(outbox, range(20))
    outbox.close()
    _spoil(path, "PRAGMA writable_schema=1")
    connection = sqlite3.connect(path)
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'stream'").fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    again = _opened(path)
    assert again.epoch != outbox.epoch
    assert [message for _, message in _drain(again, "events") if isinstance(message, Observation)] == [_observation(7)]
    assert [message for _, message in _drain(again, "acks")] == [an_ack(1)]
    assert again.state("camera/cam-1").result(10) == b"ledger"
    assert again.uploads().result(10) == [upload]
    again.close()


def test_two_agents_cannot_share_one_outbox(tmp_path: Path) -> None:
    outbox = _opened(tmp_path / "outbox.sqlite")
    with pytest.raises(Refusal, match="is in use by another process"):
        _opened(tmp_path / "outbox.sqlite")
    outbox.close()


def test_a_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").mkdir()
    with pytest.raises(Refusal, match="cannot be opened"):
        _opened(tmp_path / "outbox.sqlite")


@pytest.mark.parametrize(("point", "rows"), [("outbox.before-commit", 0), ("outbox.after-commit", 3)])
def test_a_kill_at_the_commit_leaves_all_of_a_put_or_nothing(point: str, rows: int, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    script = """
import sys
import tempfile
from pathlib import Path
from edge.outbox import Outbox
from wire.observation import Observation
outbox = Outbox(Path(sys.argv[1]), agent="box-1", bytes_max=10**9)
messages = [("events", Observation(source="cam-1", property="p", result=1.0, time_ms=n)) for n in range(3)]
outbox.put(messages, {"camera/cam-1": b"ledger"}).result(10)
"""
    ended = subprocess.run([sys.executable, "-c", script, path], env={**os.environ, "CRASH_AT": point}, check=False)
    assert ended.returncode == 137
    outbox = _opened(path)
    assert len(_drain(outbox, "events")) == rows
    assert outbox.state("camera/cam-1").result(10) == (b"ledger" if rows else None)
    outbox.close()


class _AnyOrder(RuleBasedStateMachine):
    """Puts, runs, receipts, releases and crashes in any order, against what was promised."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "outbox.sqlite"
        self.outbox = _opened(self.path)
        self.epoch = self.outbox.epoch
        self.count = 0
        self.committed: dict[tuple[Stream, int], float] = {}
        self.settled: set[tuple[Stream, int]] = set()
        self.flights: list[Run] = []
        self.stale: list[Run] = []

    @rule(stream=st.sampled_from(STREAMS), rows=st.integers(1, 30))
    def put(self, stream: Stream, rows: int) -> None:
        if stream == "health":  # a lane that sheds its older half at so many rows
            waiting = sum((stream, seq) not in self.settled for lane, seq in self.committed if lane == stream)
            rows = min(rows, HEALTH_ROWS_MAX - waiting)
        numbers = range(self.count, self.count + rows)
        self.count += rows
        _put(self.outbox, numbers, stream)
        first = 1 + max((seq for lane, seq in self.committed if lane == stream), default=0)
        self.committed.update({(stream, first + place): float(number) for place, number in enumerate(numbers)})

    @rule(stream=st.sampled_from(STREAMS), bytes_max=st.integers(1, 2_000))
    def take(self, stream: Stream, bytes_max: int) -> None:
        run = _take(self.outbox, stream, bytes_max)
        if run is None:
            return
        assert run.epoch == self.epoch
        for seq, message in decode(run.payload).messages:
            assert isinstance(message, Observation)
            assert message.result == self.committed[stream, seq]
            assert (stream, seq) not in self.settled
            assert not any(run.stream == stream and run.first_seq <= seq <= run.last_seq for run in self.flights)
        self.flights.append(run)

    @rule(choice=st.randoms(use_true_random=False))
    def settle(self, choice: random.Random) -> None:
        if self.flights:
            run = self.flights.pop(choice.randrange(len(self.flights)))
            assert self.outbox.settle(_receipt(run)).result(10) == run
            self.settled |= {(run.stream, seq) for seq in range(run.first_seq, run.last_seq + 1)}

    @rule(choice=st.randoms(use_true_random=False))
    def release(self, choice: random.Random) -> None:
        if self.flights:
            run = self.flights.pop(choice.randrange(len(self.flights)))
            self.outbox.release(run).result(10)
            self.stale.append(run)

    @rule()
    def late_receipts(self) -> None:
        waiting = {(run.stream, run.first_seq, run.digest) for run in self.flights}
        for run in self.stale:
            if (run.stream, run.first_seq, run.digest) not in waiting:
                assert self.outbox.settle(_receipt(run)).result(10) is None

    @rule()
    def crash(self) -> None:
        """Leave the file as a kill would: copied without closing what has it open."""
        crashed = self.path.with_name(f"after-{self.count}-{len(self.stale)}-{id(self.outbox)}.sqlite")
        for suffix in ("", "-wal"):
            source = Path(f"{self.path}{suffix}")
            if source.exists():
                Path(f"{crashed}{suffix}").write_bytes(source.read_bytes())
        self.outbox.close()
        self.path = crashed
        self.outbox = _opened(crashed)
        self.stale += self.flights
        self.flights = []

    @invariant()
    def what_is_not_settled_waits(self) -> None:
        if not hasattr(self, "outbox"):
            return
        lanes, _ = self.outbox.lanes().result(10)
        assert sum(lane.rows for lane in lanes.values()) == len(self.committed) - len(self.settled)

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        for run in self.flights:
            self.outbox.release(run).result(10)
        rest = {(stream, seq) for stream in STREAMS for seq, _ in _drain(self.outbox, stream)}
        assert rest == set(self.committed) - self.settled
        self.outbox.close()
        self.folder.cleanup()


test_nothing_is_lost_and_nothing_settled_comes_again = _AnyOrder.TestCase
test_nothing_is_lost_and_nothing_settled_comes_again.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None
)
