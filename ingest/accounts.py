"""Accounts of the console: who may sign in, with which role, and the sessions of those who have.

Passwords are kept as argon2id, session tokens as their SHA-256; neither can be read back from the database.
"""

import functools
import hashlib
import hmac
import re
import secrets
import threading
from typing import Literal, get_args

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ingest.store.engine import writing
from ingest.store.rows import read_row
from ingest.store.tables import account as accounts
from ingest.store.tables import audit
from ingest.store.tables import session as sessions

Role = Literal["viewer", "operator", "engineer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Weakest first; each may do all that those before it may."""

IDLE_MS = 30 * 60 * 1000
ABSOLUTE_MS = 12 * 60 * 60 * 1000
PASSWORD_MIN = 10
PASSWORD_MAX = 200
_TOUCH_MS = 60 * 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,40}\Z")
_HASHER = PasswordHasher()
# One check takes 64 MiB: a flood of sign-ins must wait for its turn instead of filling the memory.
_TURN = threading.BoundedSemaphore(2)


class AccountError(ValueError):
    """An account cannot be made or changed as asked; ``reason`` is the word the console has a sentence for."""

    def __init__(self, reason: Literal["name", "taken", "short", "long", "unknown", "last_admin", "wrong"]) -> None:
        self.reason = reason
        super().__init__(_REASONS[reason])


_REASONS = {
    "name": "a name has 2 to 41 of a-z, 0-9 and '-'",
    "taken": "an account of this name is there already",
    "short": f"a password has at least {PASSWORD_MIN} characters",
    "long": f"a password has at most {PASSWORD_MAX} characters",
    "unknown": "there is no account of this name",
    "wrong": "the old password is not right",
    "last_admin": "the last admin cannot be disabled or given another role",
}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is at the centre."""

    id: int
    name: str
    role: Role
    is_enabled: bool
    created_ms: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in browser: its account and the token that every form must carry."""

    account: Account
    token_sha256: str
    csrf: str


def may(role: Role, needed: Role) -> bool:
    """Tell whether a role is enough.

    >>> may("operator", "viewer"), may("viewer", "operator")
    (True, False)
    """
    return ROLES.index(role) >= ROLES.index(needed)


def add_account(engine: Engine, *, name: str, password: str, role: Role, now_ms: int, actor: str) -> None:
    """Make an account; raise AccountError."""
    if not _NAME.match(name):
        raise AccountError("name")
    row = {"name": name, "password_hash": _hash(password), "role": role, "is_enabled": True, "created_ms": now_ms}
    try:
        with writing(engine) as connection:
            connection.execute(insert(accounts).values(row))
            record(connection, actor=actor, action="account.add", subject=name, now_ms=now_ms, body={"role": role})
    except IntegrityError as error:
        raise AccountError("taken") from error


def first_admin(engine: Engine, *, now_ms: int) -> str | None:
    """Make the account ``admin`` if there is none at all, and return its password, which is kept nowhere."""
    with engine.connect() as connection:
        if connection.scalar(select(func.count()).select_from(accounts)):
            return None
    password = "-".join(secrets.token_hex(2) for _ in range(5))
    try:
        add_account(engine, name="admin", password=password, role="admin", now_ms=now_ms, actor="first-start")
    except AccountError:  # another process of this centre was first
        return None
    return password


def list_accounts(engine: Engine) -> list[Account]:
    """Return every account, by name."""
    with engine.connect() as connection:
        return [
            read_row(Account, row) for row in connection.execute(select(accounts).order_by(accounts.c.name)).mappings()
        ]


def set_password(engine: Engine, *, name: str, password: str, now_ms: int, actor: str, keep: str = "") -> None:
    """Give an account another password and end its sessions, but for the one with the token hash ``keep``."""
    password_hash = _hash(password)
    with writing(engine) as connection:
        account_id = _id_of(connection, name)
        connection.execute(update(accounts).where(accounts.c.id == account_id).values(password_hash=password_hash))
        connection.execute(delete(sessions).where(sessions.c.account_id == account_id, sessions.c.token_sha256 != keep))
        record(connection, actor=actor, action="account.password", subject=name, now_ms=now_ms, body={})


def set_role(engine: Engine, *, name: str, role: Role, is_enabled: bool, now_ms: int, actor: str) -> None:
    """Change what an account may do; its sessions follow at their next request. Raise AccountError."""
    with writing(engine) as connection:
        account_id = _id_of(connection, name)
        others = select(func.count()).where(
            accounts.c.role == "admin", accounts.c.is_enabled, accounts.c.id != account_id
        )
        if not (role == "admin" and is_enabled) and not connection.scalar(others):
            raise AccountError("last_admin")
        connection.execute(update(accounts).where(accounts.c.id == account_id).values(role=role, is_enabled=is_enabled))
        body: dict[str, object] = {"role": role, "is_enabled": is_enabled}
        record(connection, actor=actor, action="account.role", subject=name, now_ms=now_ms, body=body)


def check_password(engine: Engine, name: str, password: str) -> Account | None:
    """Return the account if name and password are right; take the same time when there is no such account."""
    with engine.connect() as connection:
        row = connection.execute(select(accounts).where(accounts.c.name == name)).mappings().first()
    is_right = _verify(row["password_hash"] if row else _nobody(), password[:PASSWORD_MAX])
    return read_row(Account, row) if row and is_right and row["is_enabled"] else None


def open_session(engine: Engine, account: Account, *, now_ms: int) -> str:
    """Begin a session and return its token, the only copy there is; sweep out what has run out."""
    token = secrets.token_urlsafe(32)
    row = {"token_sha256": _digest(token), "account_id": account.id, "created_ms": now_ms, "seen_ms": now_ms}
    with writing(engine) as connection:
        connection.execute(
            delete(sessions).where(
                (sessions.c.seen_ms < now_ms - IDLE_MS) | (sessions.c.created_ms < now_ms - ABSOLUTE_MS)
            )
        )
        connection.execute(insert(sessions).values(row))
        record(connection, actor=account.name, action="session.open", subject=account.name, now_ms=now_ms, body={})
    return token


def read_session(engine: Engine, token: str, *, now_ms: int, touch: bool) -> Session | None:
    """Return the session of a token if it is still good; ``touch`` says that somebody is there and using it."""
    digest = _digest(token)
    query = (
        select(accounts, sessions.c.seen_ms)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(
            sessions.c.token_sha256 == digest,
            sessions.c.seen_ms >= now_ms - IDLE_MS,
            sessions.c.created_ms >= now_ms - ABSOLUTE_MS,
            accounts.c.is_enabled,
        )
    )
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    if touch and now_ms - row["seen_ms"] >= _TOUCH_MS:
        with writing(engine) as connection:
            connection.execute(update(sessions).where(sessions.c.token_sha256 == digest).values(seen_ms=now_ms))
    csrf = hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()
    return Session(account=read_row(Account, row), token_sha256=digest, csrf=csrf)


def close_session(engine: Engine, token_sha256: str) -> None:
    """End a session."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.token_sha256 == token_sha256))


def record(
    connection: Connection, *, actor: str, action: str, subject: str, now_ms: int, body: dict[str, object]
) -> None:
    """Write to the audit log, in the caller's transaction."""
    row = {"time_ms": now_ms, "actor": actor, "action": action, "subject": subject, "body": body}
    connection.execute(insert(audit).values(row))


def _id_of(connection: Connection, name: str) -> int:
    account_id = connection.scalar(select(accounts.c.id).where(accounts.c.name == name))
    if account_id is None:
        raise AccountError("unknown")
    return int(account_id)


def _hash(password: str) -> str:
    if len(password) < PASSWORD_MIN:
        raise AccountError("short")
    if len(password) > PASSWORD_MAX:
        raise AccountError("long")
    with _TURN:
        return _HASHER.hash(password)


def _verify(password_hash: str, password: str) -> bool:
    with _TURN:
        try:
            return _HASHER.verify(password_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False


@functools.cache
def _nobody() -> str:
    """Return the hash that a sign-in under an unknown name is checked against."""
    return _hash(secrets.token_hex(16))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
