"""How alembic runs here: on the connection that ingest.store.migrate gives it."""

from alembic import context

from ingest.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column only by making its table anew
)
context.run_migrations()
