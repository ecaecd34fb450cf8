"""Evidence arrives in chunks, is believed only by its hash, and completes its case."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from ingest.changes import Changes
from ingest.config import Centre
from ingest.evidence import evidence_router, heal, token_of
from ingest.storage import Storage, path_of
from tests.fixtures.messages import a_batch, an_event, some_evidence

SECRET = b"0123456789abcdef0123456789abcdef"
CHUNK = 64 * 1024
STILL = random.Random(1).randbytes(CHUNK + 1_000)
CLIP = random.Random(2).randbytes(500)
EVENT = an_event()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path / "evidence")
    storage.prepare()
    return storage


@pytest.fixture
def client(engine: sa.Engine, storage: Storage, tmp_path: Path) -> Iterator[TestClient[Litestar]]:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    centre = Centre(broker="mqtt://x", storage=str(storage.root), agent_secret_file=str(secret))
    app = Litestar([evidence_router(centre)], logging_config=None)
    app.state.update({"centre": centre, "engine": engine, "changes": Changes()})
    with TestClient(app) as client:
        yield client


@pytest.fixture
def named(send: Any) -> None:
    """The centre knows an event, a still and a clip of it."""
    send(a_batch([EVENT, some_evidence(EVENT, STILL), some_evidence(EVENT, CLIP, "clip")]))


def url_of(content: bytes) -> str:
    return f"/api/evidence/{hashlib.sha256(content).hexdigest()}"


def headers_of(agent: str = "box-1", **more: str) -> dict[str, str]:
    return {"X-Agent": agent, "Authorization": f"Bearer {token_of(SECRET, agent)}"} | more


def patch(client: TestClient[Litestar], content: bytes, offset: int, chunk: bytes, **more: Any) -> Any:
    headers = headers_of(**more) | {"Upload-Offset": str(offset)}
    return client.patch(url_of(content), content=chunk, headers=headers)


@pytest.mark.usefixtures("named")
def test_a_file_arrives_in_chunks_and_the_case_is_complete(
    client: TestClient[Litestar], query: Any, storage: Storage
) -> None:
    asked = client.head(url_of(STILL), headers=headers_of())
    assert (asked.status_code, asked.headers["Upload-Offset"]) == (200, "0")
    first = patch(client, STILL, 0, STILL[:CHUNK])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(CHUNK))
    assert client.head(url_of(STILL), headers=headers_of()).headers["Upload-Offset"] == str(CHUNK)
    last = patch(client, STILL, CHUNK, STILL[CHUNK:])
    assert (last.status_code, last.headers["Upload-Complete"]) == (204, "1")
    assert path_of(storage.root, hashlib.sha256(STILL).hexdigest()).read_bytes() == STILL
    assert query("select is_complete from cases") == [(False,)]
    patch(client, CLIP, 0, CLIP)
    assert query("select is_complete from cases") == [(True,)]
    assert [row[0] for row in query("select what from case_entry order by id")] == [
        "opened", "evidence", "evidence", "complete",
    ]  # fmt: skip
    done = client.head(url_of(STILL), headers=headers_of())
    assert (done.status_code, done.headers["Upload-Complete"]) == (200, "1")


@pytest.mark.usefixtures("named")
def test_a_chunk_at_the_wrong_place_is_told_the_right_one(client: TestClient[Litestar]) -> None:
    patch(client, STILL, 0, STILL[:1_000])
    for offset in (0, 999, 1_001):
        answer = patch(client, STILL, offset, b"x")
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, "1000")


@pytest.mark.usefixtures("named")
def test_after_the_last_byte_nothing_more_is_taken(client: TestClient[Litestar]) -> None:
    patch(client, CLIP, 0, CLIP)
    again = patch(client, CLIP, 0, CLIP)
    assert (again.status_code, again.headers["Upload-Offset"], again.headers["Upload-Complete"]) == (409, "500", "1")


@pytest.mark.usefixtures("named")
def test_a_file_with_the_wrong_hash_is_dropped_and_can_be_sent_again(
    client: TestClient[Litestar], query: Any, storage: Storage
) -> None:
    assert patch(client, CLIP, 0, CLIP[::-1]).status_code == 422
    assert query("select count(*) from evidence where stored_ms is not null") == [(0,)]
    assert client.head(url_of(CLIP), headers=headers_of()).headers["Upload-Offset"] == "0"
    assert patch(client, CLIP, 0, CLIP).status_code == 204
    assert storage.has(hashlib.sha256(CLIP).hexdigest())


@pytest.mark.usefixtures("named")
def test_chunks_that_are_too_large_are_refused(client: TestClient[Litestar]) -> None:
    assert patch(client, STILL, 0, STILL[: CHUNK + 1]).status_code == 413
    assert patch(client, CLIP, 0, CLIP + b"x").status_code == 413
    assert client.head(url_of(CLIP), headers=headers_of()).headers["Upload-Offset"] == "0"


@pytest.mark.usefixtures("named")
def test_files_that_no_committed_message_of_the_agent_names_are_not_taken(client: TestClient[Litestar]) -> None:
    assert client.head(url_of(b"unknown"), headers=headers_of()).status_code == 404
    assert patch(client, b"unknown", 0, b"unknown").status_code == 404
    assert patch(client, CLIP, 0, CLIP, agent="box-2").status_code == 404


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Agent": "box-1"},
        {"X-Agent": "box-1", "Authorization": "Bearer " + "0" * 64},
        {"X-Agent": "box-1", "Authorization": f"Bearer {token_of(SECRET, 'box-2')}"},
        {"X-Agent": "../box-1", "Authorization": f"Bearer {token_of(SECRET, '../box-1')}"},
    ],
)
def test_without_its_own_token_no_agent_is_let_in(client: TestClient[Litestar], headers: dict[str, str]) -> None:
    assert client.head(url_of(CLIP), headers=headers).status_code == 401
    assert client.patch(url_of(CLIP), content=CLIP, headers=headers | {"Upload-Offset": "0"}).status_code == 401


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("offset", ["-1", "x", "1.5", ""])
def test_offsets_that_are_no_numbers_are_refused(client: TestClient[Litestar], offset: str) -> None:
    answer = client.patch(url_of(CLIP), content=CLIP, headers=headers_of() | {"Upload-Offset": offset})
    assert answer.status_code == 400


@pytest.mark.parametrize("sha256", ["..", "A" * 64, "0" * 63, "%2e%2e%2fpasswd", "0" * 64 + "%0a"])
def test_names_that_are_no_hashes_are_refused(client: TestClient[Litestar], sha256: str) -> None:
    assert client.head(f"/api/evidence/{sha256}", headers=headers_of()).status_code in (400, 404, 405)


def test_evidence_that_was_named_before_its_event_completes_the_case_once_it_comes(
    send: Any, client: TestClient[Litestar], query: Any
) -> None:
    send(a_batch([some_evidence(EVENT, STILL), some_evidence(EVENT, CLIP, "clip")], 2))
    patch(client, CLIP, 0, CLIP)
    patch(client, STILL, 0, STILL[:CHUNK])
    patch(client, STILL, CHUNK, STILL[CHUNK:])
    send(a_batch([EVENT], 1))
    assert query("select is_complete from cases") == [(True,)]


@pytest.mark.usefixtures("named")
def test_a_copy_with_an_overlay_does_not_stand_for_the_original(
    send: Any, client: TestClient[Litestar], query: Any
) -> None:
    copy = b"overlay"
    send(a_batch([some_evidence(EVENT, copy, copy_of=hashlib.sha256(STILL).hexdigest())], 4))
    patch(client, CLIP, 0, CLIP)
    assert patch(client, copy, 0, copy).status_code == 204
    assert query("select is_complete from cases") == [(False,)]


@pytest.mark.usefixtures("named")
def test_a_file_that_is_here_already_counts_for_the_next_event_that_names_it(
    send: Any, client: TestClient[Litestar], query: Any
) -> None:
    patch(client, CLIP, 0, CLIP)
    other = an_event("other", place=3, expects=("clip",))
    send(a_batch([other, some_evidence(other, CLIP, "clip")], 4))
    assert query("select is_complete from cases order by id") == [(False,), (True,)]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("is_moved", [False, True])
def test_a_file_whose_row_was_not_written_is_found_at_the_next_start(
    is_moved: Any, engine: sa.Engine, storage: Storage, query: Any
) -> None:
    sha256 = hashlib.sha256(CLIP).hexdigest()
    storage.append("box-1", sha256, 0, CLIP)
    if is_moved:
        storage.finish("box-1", sha256)
    heal(engine, Changes(), storage)
    assert query("select role from evidence where stored_ms is not null") == [("clip",)]
    assert storage.has(sha256)


@pytest.mark.usefixtures("named")
def test_asking_after_a_file_heals_it_too(client: TestClient[Litestar], storage: Storage, query: Any) -> None:
    storage.append("box-1", hashlib.sha256(CLIP).hexdigest(), 0, CLIP)
    assert client.head(url_of(CLIP), headers=headers_of()).headers["Upload-Complete"] == "1"
    assert query("select role from evidence where stored_ms is not null") == [("clip",)]
