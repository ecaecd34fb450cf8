import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.config import Agent
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.upload import CHUNK_BYTES, Uploader, centre_client
from tests.fixtures.centre_http import EvidenceServer
from tests.fixtures.mosquitto import free_port
from wire.event import Role


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.sqlite", agent="box-1", bytes_max=10**9)
    yield outbox
    outbox.close()


@pytest.fixture
def server() -> Iterator[EvidenceServer]:
    server = EvidenceServer()
    yield server
    server.stop()


def _file(outbox: Outbox, folder: Path, size: int, role: Role = "limit", time_ms: int = 1) -> str:
    content = os.urandom(size)
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / f"{sha256}.jpg").write_bytes(content)
    upload = Upload(sha256=sha256, path=f"{sha256}.jpg", event_id="e", role=role, time_ms=time_ms)
    outbox.put(uploads=[upload]).result(10)
    return sha256


def _upload(outbox: Outbox, folder: Path, url: str, until: Callable[[], object]) -> None:
    """Run an uploader until something has come about."""
    agent = Agent(id="box-1", broker="mqtt://127.0.0.1", centre=url, rules="rules", cameras=("cam.yaml",))

    async def scenario() -> None:
        async with centre_client(agent, folder) as client:
            task = asyncio.create_task(Uploader(outbox, client, folder, advanced=lambda: None).run())
            async with asyncio.timeout(60):
                while not until():  # noqa: ASYNC110  # nobody sets an event for it
                    await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio.run(scenario())


def _waiting(outbox: Outbox) -> list[str]:
    return [each.sha256 for each in outbox.uploads().result(10)]


def _none_waits(outbox: Outbox, folder: Path) -> Callable[[], bool]:
    return lambda: not _waiting(outbox) and not list(folder.glob("*.jpg"))


def test_stills_go_before_clips_and_a_file_is_deleted_when_the_centre_has_it(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path
) -> None:
    clip = _file(outbox, tmp_path, 3 * CHUNK_BYTES + 1, "clip", time_ms=1)
    still = _file(outbox, tmp_path, 1000, "limit", time_ms=2)
    server.expected = {clip: 3 * CHUNK_BYTES + 1, still: 1000}
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.order == [still, clip]
    assert server.offsets == [0, *range(0, 3 * CHUNK_BYTES + 1, CHUNK_BYTES)]


def test_a_file_that_was_cut_mid_way_goes_on_where_the_centre_stopped(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path
) -> None:
    clip = _file(outbox, tmp_path, 5 * CHUNK_BYTES, "clip")
    server.expected = {clip: 5 * CHUNK_BYTES}
    server.cut_after_chunks = 2
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.offsets == [number * CHUNK_BYTES for number in range(5)]


def test_an_uploader_that_starts_anew_asks_how_far_the_centre_has_got(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path
) -> None:
    clip = _file(outbox, tmp_path, 5 * CHUNK_BYTES, "clip")
    content = next(tmp_path.glob("*.jpg")).read_bytes()
    server.expected = {clip: 5 * CHUNK_BYTES}
    server.partial[clip] = content[:100_000]
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.stored[clip] == content
    assert server.offsets[0] == 100_000


def test_a_wrong_offset_is_set_right_by_the_centres_answer(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path
) -> None:
    clip = _file(outbox, tmp_path, 4 * CHUNK_BYTES, "clip")
    server.expected = {clip: 4 * CHUNK_BYTES}
    server.forget_after_chunks = 2
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.offsets == [number * CHUNK_BYTES for number in (0, 1, 2, 1, 2, 3)]


def test_a_file_that_no_committed_message_names_yet_waits_and_lets_others_go_first(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path
) -> None:
    early = _file(outbox, tmp_path, 1000, time_ms=1)
    other = _file(outbox, tmp_path, 1000, time_ms=2)
    server.expected = {other: 1000}
    _upload(outbox, tmp_path, server.url, lambda: server.asked.count(early) >= 2 and other in server.stored)
    assert _waiting(outbox) == [early]
    server.expected[early] = 1000
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.order == [other, early]


def test_a_file_spoilt_on_its_way_is_sent_once_more(outbox: Outbox, server: EvidenceServer, tmp_path: Path) -> None:
    still = _file(outbox, tmp_path, 1000)
    server.expected = {still: 1000}
    server.spoil = 1
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.order == [still]


def test_a_file_the_centre_finds_wrong_twice_is_kept_aside(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = _file(outbox, tmp_path, 1000)
    server.expected = {still: 1000}
    server.spoil = 2
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert (tmp_path / "damaged" / f"{still}.jpg").exists()
    assert "is not what it was" in capsys.readouterr().out


def test_a_file_whose_bits_have_flipped_is_never_sent(outbox: Outbox, server: EvidenceServer, tmp_path: Path) -> None:
    still = _file(outbox, tmp_path, 1000)
    (tmp_path / f"{still}.jpg").write_bytes(b"x" * 1000)
    server.expected = {still: 1000}
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.offsets == []
    assert (tmp_path / "damaged" / f"{still}.jpg").read_bytes() == b"x" * 1000


def test_a_file_that_is_gone_is_done_if_the_centre_has_it(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path
) -> None:
    still = _file(outbox, tmp_path, 1000)
    (tmp_path / f"{still}.jpg").rename(tmp_path / "moved")
    server.stored[still] = b""
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert not (tmp_path / "damaged").exists()


def test_a_centre_that_refuses_the_token_or_is_away_loses_nothing(
    outbox: Outbox, server: EvidenceServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = _file(outbox, tmp_path, 1000)
    server.refuse = 401
    _upload(outbox, tmp_path, server.url, lambda: len(server.asked) >= 2)
    assert capsys.readouterr().out.count("refuses the token") == 1
    said: list[str] = []

    def says_why() -> bool:
        said.append(capsys.readouterr().out)
        return "takes no evidence" in "".join(said)

    _upload(outbox, tmp_path, f"http://127.0.0.1:{free_port()}", says_why)
    assert _waiting(outbox) == [still]
    server.refuse = 0
    server.expected = {still: 1000}
    _upload(outbox, tmp_path, server.url, _none_waits(outbox, tmp_path))
    assert server.order == [still]
