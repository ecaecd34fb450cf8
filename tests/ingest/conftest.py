"""A store of either kind, and a short way to put things into it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from ingest.intake import Taken
from ingest.sorting import Settings, item_of, take_all
from ingest.store.engine import open_engine
from ingest.store.migrate import upgrade
from tests.fixtures.messages import T0

Query = Callable[[str], list[Any]]
Send = Callable[..., Taken]


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(database_url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(engine: sa.Engine) -> Settings:
    return Settings(engine=engine, dead_letters_max=100)


@pytest.fixture
def query(engine: sa.Engine) -> Query:
    """Ask by SQL; rows come as tuples."""

    def ask(statement: str) -> list[Any]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

    return ask


@pytest.fixture
def send(settings: Settings) -> Send:
    """Take (topic, payload) pairs as one group."""

    def take(*deliveries: tuple[str, bytes], now_ms: int = T0) -> Taken:
        return take_all(settings, [item_of(topic, payload) for topic, payload in deliveries], now_ms)

    return take
