"""The web side of the centre: every route hangs here."""

import sqlalchemy as sa
from litestar import Litestar
from litestar.openapi import OpenAPIConfig

from ingest.changes import Changes
from ingest.config import Centre


def make_app(centre: Centre, engine: sa.Engine, changes: Changes) -> Litestar:
    """Return the application; routes find centre, engine and changes in ``app.state``."""
    app = Litestar(
        route_handlers=[],
        openapi_config=OpenAPIConfig(title="Wayside", version="1"),
    )
    app.state.update({"centre": centre, "engine": engine, "changes": changes})
    return app
