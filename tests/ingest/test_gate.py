"""The console's gate: who gets in, for how long, and who may do what."""

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from ingest.accounts import ABSOLUTE_MS, IDLE_MS, ROLES, first_admin, list_accounts
from ingest.console.gate import PUBLIC
from ingest.store.tables import account, session
from tests.fixtures.console import PASSWORD, Scene, csrf, enter, token_in
from tests.fixtures.messages import T0, an_event

OPEN_TO_MACHINES = {
    ("HEAD", "/api/evidence/{sha256:str}"),
    ("PATCH", "/api/evidence/{sha256:str}"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}


@pytest.fixture
def scene(engine: sa.Engine, tmp_path: Path) -> Scene:
    return Scene(engine, tmp_path)


@pytest.fixture
def client(scene: Scene) -> Iterator[TestClient[Litestar]]:
    with TestClient(scene.app) as client:
        client.follow_redirects = False
        yield client


# Signing in


def test_the_form_opens_a_session_and_signing_out_ends_it(scene: Scene, client: TestClient[Litestar]) -> None:
    scene.account("operator", "amara")
    answer = client.post("/sign-in", data={"name": "amara", "password": PASSWORD, "to": "/map"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/map"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert client.get("/api/me").json()["name"] == "amara"
    token = token_in(client.get("/you").text)
    client.post("/sign-out", data={"csrf_token": token})
    assert client.get("/api/me").status_code == 401


def test_the_cookie_is_bound_to_https_where_browsers_come_by_https(engine: sa.Engine, tmp_path: Path) -> None:
    scene = Scene(engine, tmp_path, is_https=True)
    scene.account("viewer", "lin")
    with TestClient(scene.app, base_url="https://centre.test") as client:
        client.follow_redirects = False
        answer = client.post("/sign-in", data={"name": "lin", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("__Host-wayside=")
        assert "secure" in answer.headers["set-cookie"].lower()
        assert client.get("/api/me").json()["name"] == "lin"


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(scene: Scene, client: TestClient[Litestar]) -> None:
    scene.account("viewer", "lin")
    wrong = client.post("/sign-in", data={"name": "lin", "password": "not the password"})
    unknown = client.post("/sign-in", data={"name": "nobody", "password": "not the password"})
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    same = re.compile(r'data-now="\d+"')
    assert same.sub("", wrong.text) == same.sub("", unknown.text)


def test_the_eleventh_try_within_ten_minutes_must_wait(scene: Scene, client: TestClient[Litestar]) -> None:
    scene.account("viewer", "lin")
    for _ in range(10):
        assert client.post("/sign-in", data={"name": "lin", "password": "guess"}).status_code == 403
    answer = client.post("/sign-in", data={"name": "lin", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_nobody_is_led_to_another_site_after_signing_in(scene: Scene, client: TestClient[Litestar]) -> None:
    scene.account("viewer", "lin")
    for to in ("https://elsewhere.test", "//elsewhere.test", "/\\elsewhere.test"):
        answer = client.post("/sign-in", data={"name": "lin", "password": PASSWORD, "to": to})
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize(("column", "age_ms"), [("seen_ms", IDLE_MS), ("created_ms", ABSOLUTE_MS)])
def test_a_session_ends_when_idle_or_old(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine, column: str, age_ms: int
) -> None:
    enter(client, scene, "viewer")
    assert client.get("/cases").status_code == 200
    with engine.begin() as connection:
        connection.execute(sa.update(session).values({column: int(time.time() * 1000) - age_ms - 1_000}))
    assert client.get("/cases").headers["location"] == "/sign-in?to=/cases"


def test_what_a_page_fetches_by_itself_does_not_keep_a_session_alive(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    enter(client, scene, "viewer")
    seen_ms = int(time.time() * 1000) - IDLE_MS + 60_000
    with engine.begin() as connection:
        connection.execute(sa.update(session).values(seen_ms=seen_ms))
    client.get("/cases", headers={"X-Live": "1"})
    with engine.connect() as connection:
        assert connection.scalar(sa.select(session.c.seen_ms)) == seen_ms
    client.get("/cases")
    with engine.connect() as connection:
        assert (connection.scalar(sa.select(session.c.seen_ms)) or 0) > seen_ms


def test_the_database_holds_neither_passwords_nor_tokens(scene: Scene, engine: sa.Engine) -> None:
    token = scene.account("viewer")
    with engine.connect() as connection:
        password_hash = connection.scalar(sa.select(account.c.password_hash)) or ""
        token_sha256 = connection.scalar(sa.select(session.c.token_sha256))
    assert password_hash.startswith("$argon2id$")
    assert token_sha256 == hashlib.sha256(token.encode()).hexdigest()


def test_the_first_start_makes_an_admin_and_prints_the_password_once(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with TestClient(scene.app) as client:
        password = re.search(r"password ([0-9a-f-]{24})", capsys.readouterr().out)
        assert password is not None
        client.post("/sign-in", data={"name": "admin", "password": password[1]})
        assert client.get("/api/me").json()["role"] == "admin"
    assert first_admin(scene.engine, now_ms=T0) is None


# Who may do what


def routes_of(app: Litestar) -> list[tuple[str, str, str | None]]:
    """Return method, path and needed role of every route."""
    found = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                found += [(method, route.path, handler.opt.get("role")) for method in handler.http_methods]
    return sorted((found for found in found if found[0] != "OPTIONS"), key=str)


def filled(path: str) -> str:
    path = path.replace("{case_id:int}", "999").replace("{letter_id:int}", "999").replace("{name:str}", "nobody")
    path = path.replace("{command_id:str}", "0" * 36).replace("_id:str}", "}").replace("{agent:str}", "nobody")
    path = path.replace("{lamp}", "nothing").replace("{device}", "nothing")
    return path.replace("{sha256:str}", "0" * 64).replace("{file_path:path}", "none.css")


def test_every_route_names_the_role_it_needs_or_is_known_to_be_for_machines(scene: Scene) -> None:
    nameless = {(method, path) for method, path, role in routes_of(scene.app) if role is None}
    assert nameless == OPEN_TO_MACHINES


@pytest.mark.parametrize("role", [None, *ROLES])
def test_every_route_holds_to_its_role(scene: Scene, client: TestClient[Litestar], role: Any) -> None:
    tried = 0
    for method, path, needed in routes_of(scene.app):
        if needed in (None, PUBLIC):
            continue
        tried += 1
        client.cookies.clear()
        headers = {}
        if role is not None:
            enter(client, scene, role)
            headers = csrf(client)
        is_enough = role is not None and ROLES.index(role) >= ROLES.index(needed)
        if is_enough and path == "/api/changes":
            continue  # it would not end; tests below read it
        answer = client.request(method, filled(path), headers=headers)
        where = f"{method} {path} as {role}"
        if role is None:
            is_refused = answer.status_code == 401 or answer.headers.get("location", "").startswith("/sign-in")
            assert is_refused, where
        elif is_enough:
            assert answer.status_code not in (401, 403, 405, 500), where
        else:
            assert answer.status_code == 403, where
    assert tried > 20


def test_a_form_without_its_token_or_with_another_sessions_is_refused(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    scene.take(an_event())
    enter(client, scene, "operator")
    other = token_in(client.get("/cases/1").text)
    enter(client, scene, "operator")
    assert client.post("/cases/1/notes", data={"text": "seen"}).status_code == 403
    assert client.post("/cases/1/notes", data={"text": "seen", "csrf_token": other}).status_code == 403
    own = token_in(client.get("/cases/1").text)
    assert client.post("/cases/1/notes", data={"text": "seen", "csrf_token": own}).status_code == 303


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_what_another_site_makes_a_browser_send_is_refused(
    scene: Scene, client: TestClient[Litestar], headers: dict[str, str]
) -> None:
    scene.account("viewer", "lin")
    assert client.post("/sign-in", data={"name": "lin", "password": PASSWORD}, headers=headers).status_code == 403
    enter(client, scene, "operator")
    assert client.post("/sign-out", headers=headers | csrf(client)).status_code == 403


def test_a_disabled_account_is_out_at_once_and_the_last_admin_cannot_be(
    scene: Scene, client: TestClient[Litestar], engine: sa.Engine
) -> None:
    token = scene.account("operator", "amara")
    enter(client, scene, "admin")
    headers = csrf(client)
    assert client.post("/accounts/amara", data={"role": "operator"}, headers=headers).status_code == 303
    client.post("/accounts/admin", data={"role": "viewer"}, headers=headers)  # the one of the first start
    assert client.post("/accounts/a-admin", data={"role": "viewer"}, headers=headers).status_code == 422
    client.cookies.set("wayside", token)
    assert client.get("/api/me").status_code == 401
    assert {each.name: each.is_enabled for each in list_accounts(engine)}["a-admin"]


def test_another_password_signs_out_other_browsers_and_asks_for_the_old_one(
    scene: Scene, client: TestClient[Litestar]
) -> None:
    elsewhere = scene.account("viewer", "lin")
    client.cookies.set("wayside", scene.account("viewer", "lin"))
    headers = csrf(client)
    new = "another good password"
    assert client.post("/you/password", data={"old": "wrong", "password": new}, headers=headers).status_code == 422
    assert client.post("/you/password", data={"old": PASSWORD, "password": "short"}, headers=headers).status_code == 422
    assert client.post("/you/password", data={"old": PASSWORD, "password": new}, headers=headers).status_code == 303
    assert client.get("/api/me").status_code == 200
    client.cookies.set("wayside", elsewhere)
    assert client.get("/api/me").status_code == 401
