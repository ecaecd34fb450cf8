"""The real servers that tests run against, each on a port and in a folder of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fixtures.mosquitto import Mosquitto, find_mosquitto
from tests.fixtures.postgres import Postgres, find_postgres

# In CI the same examples each time, so that a change fails for what it changed; elsewhere new ones, which find more.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "search")


def _running_mosquitto(folder: Path) -> Iterator[Mosquitto]:
    if find_mosquitto() is None:
        pytest.skip("no mosquitto on this machine: apt-get install mosquitto")
    server = Mosquitto(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for the whole run; for tests that leave it running."""
    yield from _running_mosquitto(tmp_path_factory.mktemp("mosquitto"))


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that the test may kill, stop and start."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    yield from _running_mosquitto(folder)


def _running_postgres() -> Iterator[Postgres]:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run; `postgres.new_database()` gives a database of one's own."""
    yield from _running_postgres()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that the test may stop and start."""
    yield from _running_postgres()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind, as a SQLAlchemy URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'centre.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()
