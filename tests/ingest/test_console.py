"""The console: what it shows, that what the wire brought is shown as text, and that it is live."""

import hashlib
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from ingest.console.language import read_words
from ingest.console.page import STATIC
from ingest.store.tables import audit, dead_letter, session
from tests.fixtures.console import Scene, csrf, enter, served
from tests.fixtures.messages import T0, a_batch, an_event

STILL = b"\xff\xd8 as if it were a picture " * 100
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture
def scene(engine: sa.Engine, tmp_path: Path) -> Scene:
    return Scene(engine, tmp_path)


@pytest.fixture
def client(scene: Scene) -> Iterator[TestClient[Litestar]]:
    with TestClient(scene.app) as client:
        client.follow_redirects = False
        yield client


# What is shown


def test_a_case_is_listed_found_and_told_in_full(scene: Scene, client: TestClient[Litestar]) -> None:
    event = an_event(facts={"visible_s": 171.5, "is_night": True})
    scene.take(event)
    original = scene.store(event, STILL, "arrival")
    sha256 = scene.store(event, STILL + b"with marks", "arrival", copy_of=original)
    enter(client, scene, "viewer")
    found = client.get("/api/cases").json()
    assert [(each["id"], each["still"]) for each in found["cases"]] == [(1, sha256)]
    told = client.get("/api/cases/1").json()
    assert told["missing"] == ["clip"]
    assert told["trace_id"] == event.trace_id
    page = client.get("/cases/1").text
    for words in (
        "Illegal parking",
        "Still missing: Clip",
        "171.5 s",
        event.trace_id,
        "hash checked",
        f"{sha256[:12]}…",
    ):
        assert words in page
    assert "standing for" in client.get("/cases").text
    scene.take(an_event(phase="end"))
    assert "left at" in client.get("/cases/1").text


def test_filters_and_pages_give_each_case_once_newest_first(scene: Scene, client: TestClient[Litestar]) -> None:
    events = [
        an_event(
            f"stay-{n}", place=n, time_ms=T0 + 180_000 + n, camera=f"cam-{n % 2}", label="bus" if n == 3 else "car"
        )
        for n in range(7)
    ]
    scene.take(*events)
    scene.take(an_event("stay-4", "end", place=4, camera="cam-0"))
    enter(client, scene, "viewer")

    def ids(**query: Any) -> list[int]:
        found, older = [], ""
        while older is not None:
            answer = client.get("/api/cases", params={"rows": 2, "before": older, **query}).json()
            found += [each["id"] for each in answer["cases"]]
            older = answer["older"]
        return found

    assert ids() == [7, 6, 5, 4, 3, 2, 1]
    assert ids(standing="left") == [5]
    assert ids(standing="standing", camera="cam-0") == [7, 3, 1]
    assert ids(text="BUS") == [4]
    assert ids(text="#6") == [6]
    assert ids(text="%") == []
    assert ids(zone="elsewhere") == []
    assert ids(from_ms=T0 + 180_002, to_ms=T0 + 180_004) == [4, 3]
    assert "#4" in client.get("/cases", params={"day": "2023-11-15", "tz": "Asia/Shanghai"}).text
    assert "No case fits" in client.get("/cases", params={"day": "2023-11-15", "tz": "UTC"}).text


def test_what_the_wire_and_people_wrote_is_shown_as_text(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    scene.take(an_event(label=NASTY[:20], facts={NASTY: NASTY}))
    enter(client, scene, "engineer")
    client.post("/api/cases/1/notes", json={"text": NASTY}, headers=csrf(client))
    letter = {"digest": "0" * 64, "topic": NASTY, "agent": NASTY[:20], "reason": NASTY, "payload": NASTY.encode()}
    with engine.begin() as connection:
        connection.execute(sa.insert(dead_letter).values(first_ms=T0, last_ms=T0, count=1, **letter))
    for path in (
        "/cases/1",
        "/cases",
        "/dead-letters",
        f"/cases?text={NASTY}",
        f"/cases/{NASTY}",
        f"/sign-in?to={NASTY}",
    ):
        page = client.get(path).text
        assert "<img src=x" not in page, path
    assert client.get("/cases/1").text.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert client.get("/dead-letters").text.count("&lt;img src=x onerror=alert(1)&gt;") == 3


def test_a_note_is_kept_with_its_writer_and_in_the_audit_log(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    scene.take(an_event())
    enter(client, scene, "operator")
    assert client.post("/api/cases/1/notes", json={"text": "司机不在车旁"}, headers=csrf(client)).status_code == 201
    assert client.post("/api/cases/2/notes", json={"text": "x"}, headers=csrf(client)).status_code == 404
    assert client.post("/api/cases/1/notes", json={"text": ""}, headers=csrf(client)).status_code == 400
    note = next(each for each in client.get("/api/cases/1").json()["entries"] if each["what"] == "note")
    assert (note["actor"], note["body"]["text"]) == ("a-operator", "司机不在车旁")
    with engine.connect() as connection:
        logged = connection.execute(sa.select(audit.c.actor, audit.c.subject).where(audit.c.action == "case.note"))
        assert [tuple(row) for row in logged] == [("a-operator", "1")]


def test_a_dead_letter_that_can_be_read_now_is_taken_and_gone(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    topic, payload = a_batch([an_event()])
    letter = {"topic": topic, "agent": "box-1", "reason": "was too new", "first_ms": T0, "last_ms": T0, "count": 1}
    with engine.begin() as connection:
        connection.execute(sa.insert(dead_letter).values(digest="0" * 64, payload=payload, **letter))
        connection.execute(sa.insert(dead_letter).values(digest="1" * 64, payload=b"still nothing", **letter))
    enter(client, scene, "engineer")
    assert client.get("/dead-letters").text.count("was too new") == 2
    headers = csrf(client)
    assert client.post("/dead-letters/1/redrive", headers=headers).headers["location"].endswith("redriven")
    assert client.post("/dead-letters/2/redrive", headers=headers).headers["location"].endswith("still_dead")
    assert client.get("/dead-letters").text.count("was too new") == 1
    assert len(client.get("/api/cases").json()["cases"]) == 1


def test_evidence_comes_whole_or_in_ranges_with_the_type_it_was_announced_with(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    event = an_event()
    scene.take(event)
    url = f"/api/evidence/{scene.store(event, STILL, 'arrival')}"
    enter(client, scene, "operator")
    whole = client.get(url)
    assert whole.content == STILL
    assert whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"].startswith('inline; filename="arrival-')
    assert client.get(url + "?download=true").headers["content-disposition"].startswith("attachment")
    part = client.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, STILL[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(STILL)}"
    assert client.get(url, headers={"Range": "bytes=-7"}).content == STILL[-7:]
    beyond = client.get(url, headers={"Range": f"bytes={len(STILL)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(STILL)}")
    assert client.get(url, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert client.get(f"/api/evidence/{'0' * 64}").status_code == 404


def test_every_answer_carries_the_headers_that_keep_pages_to_themselves(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    enter(client, scene, "admin")
    for path in ("/cases", "/map", "/fleet", "/you", "/nowhere", "/api/cases", "/api/nowhere", "/sign-in"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store", path
    assert "no-store" not in client.get("/static/console.css").headers["cache-control"]


def test_pages_hold_no_inline_script_or_style_and_name_no_other_host(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    scene.take(an_event())
    enter(client, scene, "admin")
    for path in ("/cases", "/cases/1", "/map", "/fleet", "/dead-letters", "/accounts", "/you", "/nowhere"):
        page = client.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|https?://", page), path


def test_what_goes_wrong_is_said_in_the_same_look_or_in_json(scene: Scene, client: TestClient[Litestar]) -> None:
    enter(client, scene, "viewer")
    for path, code in (("/nowhere", 404), ("/cases/77", 404), ("/accounts", 403), ("/cases?day=2023-02-31", 400)):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (code, "text/html; charset=utf-8")
        assert f'<p class="code">{code}</p>' in answer.text
    assert client.get("/api/cases/77").json() == {"status_code": 404, "detail": "no case 77"}
    assert client.get("/api/cases?standing=upright").status_code == 400


def test_the_schema_tells_of_the_api_and_loads_nothing_from_elsewhere(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    enter(client, scene, "viewer")
    schema = json.loads(client.get("/schema/openapi.json").content)
    assert {"/api/cases", "/api/cases/{case_id}", "/api/evidence/{sha256}", "/api/agents"} <= schema["paths"].keys()
    assert "/cases" not in schema["paths"]


# Words


def test_the_languages_have_the_same_words_with_the_same_places() -> None:
    english, chinese = read_words("en"), read_words("zh")
    assert english.keys() == chinese.keys()
    places = string.Formatter().parse
    for key, sentence in english.items():
        assert {part[1] for part in places(sentence) if part[1]} == {
            part[1] for part in places(chinese[key]) if part[1]
        }, key


def test_the_language_is_asked_for_remembered_or_what_the_browser_prefers(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    assert "登录" in client.get("/sign-in", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}).text
    assert "登录" not in client.get("/sign-in", headers={"Accept-Language": "fr, en"}).text
    client.get("/sign-in?lang=zh")
    assert "登录" in client.get("/sign-in", headers={"Accept-Language": "en"}).text
    enter(client, scene, "admin")
    scene.take(an_event())
    for path in (
        "/cases",
        "/cases/1",
        "/map",
        "/fleet",
        "/dead-letters",
        "/accounts",
        "/you",
        "/nowhere",
        "/lighting",
        "/devices",
    ):
        assert 'lang="zh-CN"' in client.get(path, headers={"Accept-Language": "zh"}).text


# Live


def test_a_page_hears_of_a_commit_and_of_the_end_of_its_session(scene: Scene, engine: sa.Engine) -> None:
    token = scene.account("viewer")
    with (
        served(scene.app) as address,
        httpx.stream("GET", f"{address}/api/changes", cookies={"wayside": token}, timeout=30) as stream,
    ):
        lines = (line for line in stream.iter_lines() if line)
        assert next(lines) == "event: ready"
        scene.take(an_event())
        heard = [next(lines) for _ in range(6)]
        assert 'data: {"kind":"case","id":"1"}' in heard
        with engine.begin() as connection:
            connection.execute(sa.delete(session))
        scene.take(an_event(phase="end"))
        assert "event: ended" in list(lines)


# Vendored files


def test_vendored_files_are_those_that_were_published() -> None:
    folder = STATIC / "vendor"
    named = re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "README.md").read_text(), re.MULTILINE)
    assert {path for _, path in named} == {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != "README.md"
    }
    for sha256, path in named:
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == sha256, path
