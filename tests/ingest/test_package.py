"""Originals and packages: for operators, written down, and as the agent sealed them."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient
from typer.testing import CliRunner

from ingest.console.files import Openings
from ingest.console.package import _dos_time
from ingest.sorting import Settings, item_of, take_all
from ingest.store.tables import audit
from tests.fixtures.console import Scene, enter
from tests.fixtures.messages import T0, an_event
from tests.fixtures.package import CONTENTS, Chain, a_draft
from wayside.evidence import evidence_app
from wire.health import Status
from wire.topics import status_topic


@pytest.fixture
def scene(engine: sa.Engine, tmp_path: Path) -> Scene:
    return Scene(engine, tmp_path)


@pytest.fixture
def client(scene: Scene) -> Iterator[TestClient[Litestar]]:
    with TestClient(scene.app) as client:
        client.follow_redirects = False
        yield client


def _logged(engine: sa.Engine, action: str) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(audit.c.actor, audit.c.subject).where(audit.c.action == action))
        return [(row.actor, row.subject) for row in rows]


def _sealed_case(scene: Scene, folder: Path, name: str = "stay", **changes: Any) -> None:
    """Let a case of one event arrive with all of its files and its manifest."""
    draft = a_draft(name, expects=("arrival", "limit", "clip", "manifest"), **changes)
    scene.take(draft.event)
    for listed in draft.files:
        scene.store(draft.event, CONTENTS[listed.name], listed.role, time_ms=listed.time_ms)
    scene.store(draft.event, Chain(folder / name).seal(draft), "manifest", time_ms=T0 + 300_000)


# Originals


def test_an_original_is_for_operators_and_each_opening_is_written_down(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    event = an_event()
    scene.take(event)
    original = scene.store(event, b"as it was", "arrival")
    copy = scene.store(event, b"with people hidden", "arrival", copy_of=original)
    clip = scene.store(event, b"moving pictures", "clip")
    enter(client, scene, "viewer")
    assert client.get(f"/api/evidence/{copy}").status_code == 200
    assert [client.get(f"/api/evidence/{each}").status_code for each in (original, clip)] == [403, 403]
    page = client.get("/cases/1?originals=true").text
    assert f'src="/api/evidence/{copy}"' in page
    assert f"/api/evidence/{original}" not in page
    assert f"/api/evidence/{clip}" not in page
    assert "for operators only" in page
    assert _logged(engine, "evidence.original") == []
    enter(client, scene, "operator")
    assert client.get(f"/api/evidence/{original}").content == b"as it was"
    assert client.get(f"/api/evidence/{original}").status_code == 200
    assert _logged(engine, "evidence.original") == [("a-operator", original)] * 2
    page = client.get("/cases/1").text
    assert f'src="/api/evidence/{original}"' not in page
    assert "written in the audit log" in page
    assert f'src="/api/evidence/{original}"' in client.get("/cases/1?originals=true").text


def test_one_look_at_a_clip_is_one_line_however_many_ranges_the_player_asks_for(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    event = an_event()
    scene.take(event)
    clip = scene.store(event, b"moving pictures", "clip")
    enter(client, scene, "operator")
    for part in ("bytes=5-", "bytes=0-3", "bytes=4-"):  # no part is free of being noted
        assert client.get(f"/api/evidence/{clip}", headers={"Range": part}).status_code == 206
    assert _logged(engine, "evidence.original") == [("a-operator", clip)]
    client.get(f"/api/evidence/{clip}")
    assert len(_logged(engine, "evidence.original")) == 2


def test_a_part_counts_as_new_after_ten_minutes() -> None:
    openings = Openings()
    asked = [openings.is_news("s", "f", minute * 60_000, is_part=True) for minute in (0, 5, 9, 11, 20)]
    assert asked == [True, False, False, True, False]
    assert openings.is_news("other", "f", 20 * 60_000, is_part=True)


def test_bytes_that_are_an_original_anywhere_are_an_original(scene: Scene, client: TestClient[Litestar]) -> None:
    first, second = an_event("one"), an_event("two", place=3)
    scene.take(first, second)
    scene.store(first, b"the same", "arrival", copy_of="0" * 64)
    sha256 = scene.store(second, b"the same", "arrival")
    enter(client, scene, "viewer")
    assert client.get(f"/api/evidence/{sha256}").status_code == 403


# Packages


def test_a_package_is_what_verify_takes_and_is_written_down(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine, tmp_path: Path
) -> None:
    _sealed_case(scene, tmp_path)
    enter(client, scene, "operator")
    answer = client.get("/api/cases/1/package")
    assert answer.headers["content-disposition"] == 'attachment; filename="case-1.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {*CONTENTS, "manifest.json", "manifest.sig"}
    path = tmp_path / "case-1.zip"
    path.write_bytes(answer.content)
    result = CliRunner().invoke(evidence_app, ["verify", str(path), "--profile", "ga-t-832"])
    assert result.exit_code == 0, result.output
    assert "ga-t-832: MISSING: close-up" in result.output
    assert _logged(engine, "evidence.package") == [("a-operator", "1")]
    enter(client, scene, "viewer")
    assert client.get("/api/cases/1/package").status_code == 403
    assert "/api/cases/1/package" not in client.get("/cases/1").text


def test_a_case_of_two_events_is_a_package_of_two_folders(
    scene: Scene, client: TestClient[Litestar], tmp_path: Path
) -> None:
    _sealed_case(scene, tmp_path)
    _sealed_case(scene, tmp_path, "again")  # the same place: one case
    enter(client, scene, "operator")
    path = tmp_path / "case.zip"
    path.write_bytes(client.get("/api/cases/1/package").content)
    with zipfile.ZipFile(path) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"event-1", "event-2"}
        assert len(archive.namelist()) == 10


def test_a_case_without_files_or_manifest_has_no_package_or_an_unsealed_one(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    event = an_event()
    scene.take(event)
    enter(client, scene, "operator")
    assert client.get("/api/cases/1/package").status_code == 404
    assert client.get("/api/cases/7/package").status_code == 404
    sha256 = scene.store(event, b"alone", "arrival")
    with zipfile.ZipFile(io.BytesIO(client.get("/api/cases/1/package").content)) as archive:
        assert archive.namelist() == [f"arrival-{sha256[:12]}.jpg"]


def test_the_page_says_what_the_standards_miss(scene: Scene, client: TestClient[Litestar], tmp_path: Path) -> None:
    scene.take(an_event())
    enter(client, scene, "viewer")
    assert "Not sealed yet" in client.get("/cases/1").text
    _sealed_case(scene, tmp_path)
    page = client.get("/cases/1").text
    assert "GA/T 832-2014" in page
    assert "Close-ups: 0, at least 1 asked <strong>not met</strong>" in page
    assert "Sealed manifest" in page
    assert "特写图 0 张" in client.get("/cases/1?lang=zh").text


def test_an_envelope_that_is_none_breaks_no_page(scene: Scene, client: TestClient[Litestar]) -> None:
    event = an_event()
    scene.take(event)
    scene.store(event, b'{"manifest": {"format": 2}, "seal": ""}', "manifest")
    scene.store(event, b"no JSON at all", "manifest")
    enter(client, scene, "operator")
    assert "Not sealed yet" in client.get("/cases/1").text
    assert client.get("/api/cases/1/package").status_code == 200


def test_a_time_that_no_zip_can_hold_is_brought_within_its_bounds() -> None:
    assert _dos_time(0)[0] == 1980
    assert _dos_time(2**53 - 1)[0] == 2107


# Keys


def test_every_key_of_an_agent_is_kept_and_the_fleet_shows_the_last(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    for number, key in enumerate(("A" * 43 + "=", "A" * 43 + "=", "B" * 43 + "=")):
        status = Status(agent="box-1", state="online", time_ms=T0 + number, epoch="0" * 16, version="1", public_key=key)
        item = item_of(status_topic("box-1"), msgspec.json.encode(status))
        take_all(Settings(engine=engine, dead_letters_max=10), [item], T0 + number)
    assert _logged(engine, "agent.key") == [("box-1", "box-1")] * 2
    enter(client, scene, "viewer")
    assert "B" * 43 + "=" in client.get("/fleet").text
