"""The forms: sign in and out, notes, accounts, passwords, another try for a dead letter."""

import time
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from msgspec import Meta

from ingest import accounts, sorting
from ingest.accounts import AccountError, Role
from ingest.changes import Change
from ingest.console.gate import PUBLIC, now_ms, session_cookie, session_of, signed_out
from ingest.console.page import render
from ingest.store.engine import writing
from ingest.store.queries import NOTE_MAX, add_note
from ingest.throttle import Throttle

Anyone = Request[Any, Any, Any]
Short = Annotated[str, Meta(max_length=500)]


class Throttles:
    """Failed sign-ins, counted by account and by address."""

    def __init__(self) -> None:
        self.by_name = Throttle(failures_max=10, window_s=600, keys_max=10_000)
        self.by_address = Throttle(failures_max=40, window_s=600, keys_max=10_000)


class SignIn(msgspec.Struct):
    """A name and a password."""

    name: Short
    password: Short
    to: Short = "/"


class Note(msgspec.Struct):
    """What an operator has to say."""

    text: Annotated[str, Meta(min_length=1, max_length=NOTE_MAX)]


class NewAccount(msgspec.Struct):
    """An account to make."""

    name: Short
    password: Short
    role: Role


class ChangedAccount(msgspec.Struct):
    """What an account may do from now on."""

    role: Role
    enabled: Short = ""


class NewPassword(msgspec.Struct):
    """A password; ``old`` is asked of those who change their own."""

    password: Short
    old: Short = ""


@post("/sign-in", opt={"role": PUBLIC}, status_code=200, sync_to_thread=True, include_in_schema=False)
def sign_in(request: Anyone, data: URLEncodedBody[SignIn]) -> Response[Any]:
    """Begin a session, or say that name or password is not right, whichever of them it is."""
    centre, engine = request.app.state.centre, request.app.state.engine
    address = request.client.host if request.client else ""
    name, now_s = data.name.strip().lower(), time.monotonic()
    throttles: Throttles = request.app.state.throttles
    wait_s = max(throttles.by_name.wait_s(name, now_s), throttles.by_address.wait_s(address, now_s))
    if wait_s > 0:
        response = render(request, "sign_in.html", status_code=429, to=data.to, refused="wait", wait_s=wait_s)
        response.headers["Retry-After"] = str(int(wait_s) + 1)
        return response
    account = accounts.check_password(engine, name, data.password)
    if account is None:
        throttles.by_name.failed(name, now_s)
        throttles.by_address.failed(address, now_s)
        return render(request, "sign_in.html", status_code=403, to=data.to, refused="refused")
    throttles.by_name.succeeded(name)
    token = accounts.open_session(engine, account, now_ms=now_ms())
    response = Redirect(own_path(data.to), status_code=303)
    response.set_cookie(session_cookie(centre, token))
    return response


@post("/sign-out", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def sign_out(request: Anyone) -> Response[Any]:
    """End the session."""
    accounts.close_session(request.app.state.engine, session_of(request).token_sha256)
    return signed_out(Redirect("/sign-in", status_code=303), request.app.state.centre)


@post("/cases/{case_id:int}/notes", opt={"role": "operator"}, sync_to_thread=True, include_in_schema=False)
def note(request: Anyone, case_id: FromPath[int], data: URLEncodedBody[Note]) -> Redirect:
    """Add a note to a case."""
    save_note(request, case_id, data.text)
    return Redirect(f"/cases/{case_id}#notes", status_code=303)


def save_note(request: Anyone, case_id: int, text: str) -> None:
    """Store a note and tell who is looking; raise 404."""
    actor = session_of(request).account.name
    if not add_note(request.app.state.engine, case_id, text=text.strip(), actor=actor, now_ms=now_ms()):
        raise NotFoundException(f"no case {case_id}")
    request.app.state.changes.tell([Change(kind="case", id=str(case_id))])


@post("/dead-letters/{letter_id:int}/redrive", opt={"role": "engineer"}, sync_to_thread=True, include_in_schema=False)
def redrive(request: Anyone, letter_id: FromPath[int]) -> Redirect:
    """Try a dead letter again, now that somebody has changed what was in its way."""
    state = request.app.state
    settings = sorting.settings_of(state.centre, state.engine)
    reason = sorting.redrive(settings, letter_id, now_ms())
    actor = session_of(request).account.name
    with writing(state.engine) as connection:
        accounts.record(
            connection,
            actor=actor,
            action="dead-letter.redrive",
            subject=str(letter_id),
            now_ms=now_ms(),
            body={"reason": reason},
        )
    if reason:
        return Redirect("/dead-letters?outcome=still_dead", status_code=303)
    state.changes.tell([Change(kind="everything")])
    return Redirect("/dead-letters?outcome=redriven", status_code=303)


@post("/accounts", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False)
def add_account(request: Anyone, data: URLEncodedBody[NewAccount]) -> Response[Any]:
    """Make an account."""
    try:
        accounts.add_account(
            request.app.state.engine,
            name=data.name.strip(),
            password=data.password,
            role=data.role,
            now_ms=now_ms(),
            actor=session_of(request).account.name,
        )
    except AccountError as error:
        return _accounts_again(request, error)
    return Redirect("/accounts?done=true", status_code=303)


@post("/accounts/{name:str}", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False)
def change_account(request: Anyone, name: FromPath[str], data: URLEncodedBody[ChangedAccount]) -> Response[Any]:
    """Change what an account may do."""
    try:
        accounts.set_role(
            request.app.state.engine,
            name=name,
            role=data.role,
            is_enabled=bool(data.enabled),
            now_ms=now_ms(),
            actor=session_of(request).account.name,
        )
    except AccountError as error:
        return _accounts_again(request, error)
    return Redirect("/accounts?done=true", status_code=303)


@post("/accounts/{name:str}/password", opt={"role": "admin"}, sync_to_thread=True, include_in_schema=False)
def reset_password(request: Anyone, name: FromPath[str], data: URLEncodedBody[NewPassword]) -> Response[Any]:
    """Give an account another password; its sessions end."""
    session = session_of(request)
    try:
        accounts.set_password(
            request.app.state.engine,
            name=name,
            password=data.password,
            now_ms=now_ms(),
            actor=session.account.name,
            keep=session.token_sha256,
        )
    except AccountError as error:
        return _accounts_again(request, error)
    return Redirect("/accounts?done=true", status_code=303)


@post("/you/password", opt={"role": "viewer"}, sync_to_thread=True, include_in_schema=False)
def change_password(request: Anyone, data: URLEncodedBody[NewPassword]) -> Response[Any]:
    """Change one's own password; every other session of the account ends."""
    engine, session = request.app.state.engine, session_of(request)
    by_name: Throttle = request.app.state.throttles.by_name
    name, now_s = session.account.name, time.monotonic()
    if by_name.wait_s(name, now_s) > 0 or accounts.check_password(engine, name, data.old) is None:
        by_name.failed(name, now_s)
        return _you_again(request, AccountError("wrong"))
    try:
        accounts.set_password(
            engine, name=name, password=data.password, now_ms=now_ms(), actor=name, keep=session.token_sha256
        )
    except AccountError as error:
        return _you_again(request, error)
    return Redirect("/you?done=true", status_code=303)


def own_path(to: str) -> str:
    r"""Return where to go after signing in: a path of this centre, never another site.

    >>> own_path("/cases/7"), own_path("//elsewhere"), own_path("/\\elsewhere"), own_path("https://elsewhere")
    ('/cases/7', '/', '/', '/')
    """
    is_own = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if is_own else "/"


def _you_again(request: Anyone, error: AccountError) -> Response[str]:
    account = session_of(request).account
    return render(request, "you.html", status_code=422, account=account, problem=error.reason, done=False)


def _accounts_again(request: Anyone, error: AccountError) -> Response[str]:
    everyone = accounts.list_accounts(request.app.state.engine)
    return render(request, "accounts.html", status_code=422, accounts=everyone, problem=error.reason, done=False)


FORMS = (sign_in, sign_out, note, redrive, add_account, change_account, reset_password, change_password)
