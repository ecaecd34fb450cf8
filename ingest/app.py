"""The web side of the centre: every route hangs here."""

from typing import Any

import sqlalchemy as sa
from litestar import Litestar, Request, Response

from ingest.changes import Changes
from ingest.config import Centre
from ingest.console.site import Site
from ingest.evidence import evidence_router
from ingest.health import livez, prometheus, readyz


def make_app(centre: Centre, engine: sa.Engine, changes: Changes) -> Litestar:
    """Return the application; routes find centre, engine and changes in ``app.state``."""
    app = Litestar(
        route_handlers=[evidence_router(centre), livez, readyz, prometheus],
        plugins=[Site()],
        logging_config=None,  # shell.log has set it up
        exception_handlers={sa.exc.OperationalError: _database_is_away},
    )
    app.state.update({"centre": centre, "engine": engine, "changes": changes})
    return app


def _database_is_away(_request: Request[Any, Any, Any], _error: sa.exc.OperationalError) -> Response[dict[str, Any]]:
    """Ask to try again soon: agents keep what they have until then."""
    body = {"status_code": 503, "detail": "the database cannot be reached"}
    return Response(body, status_code=503, headers={"Retry-After": "5"})
