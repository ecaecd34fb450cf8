"""The migrations make just the tables that the program believes in, on both databases."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ingest.store.engine import open_engine
from ingest.store.migrate import revisions, upgrade
from ingest.store.tables import metadata


def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = open_engine(database_url)
    assert revisions(engine)[0] is None
    upgrade(engine)
    current, head = revisions(engine)
    assert current == head is not None
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    upgrade(engine)  # a second time changes nothing
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:  # in the way of a later table of the first migration
        connection.execute(sa.text("create table session (id integer)"))
    with pytest.raises(sa.exc.DBAPIError, match="session"):
        upgrade(engine)
    assert sa.inspect(engine).get_table_names() == ["session"]
    engine.dispose()
