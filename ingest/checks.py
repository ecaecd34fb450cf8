"""What `wayside ingest check` inspects: each part says in one line how it is, or raises Refusal."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from ingest.broker import BrokerError, probe
from ingest.config import Centre
from ingest.serve import engine_of
from ingest.storage import Storage
from ingest.store.migrate import revisions
from shell.log import redact
from shell.refusal import Refusal


def checks_of(centre: Centre) -> dict[str, Callable[[], str]]:
    """Return the inspections by the name of their part."""
    return {
        "database": lambda: _database(centre),
        "broker": lambda: _broker(centre),
        "storage": lambda: _storage(centre),
    }


def _database(centre: Centre) -> str:
    engine = engine_of(centre)
    name = engine.url.render_as_string()
    try:
        current, newest = revisions(engine)
    except sa.exc.SQLAlchemyError as error:
        problem = str(getattr(error, "orig", error)).partition("\n")[0]
        raise Refusal(name, problem, "is the server there, and does it know the user?") from error
    finally:
        engine.dispose()
    if current == newest or (current is None and engine.dialect.name == "sqlite"):
        return name
    raise Refusal(name, f"its tables are at {current or 'nothing'}, expected {newest}", "run `wayside ingest migrate`")


def _broker(centre: Centre) -> str:
    name = redact(centre.broker)
    try:
        return f"{name} ({probe(centre)})"
    except BrokerError as error:
        raise Refusal(name, str(error), "is the broker there, and does it know the user?") from error


def _storage(centre: Centre) -> str:
    try:
        Storage(Path(centre.storage)).prepare()
    except OSError as error:
        raise Refusal(centre.storage, f"cannot be written: {error.strerror}", "check storage") from error
    return centre.storage
