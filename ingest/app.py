"""The web side of the centre: every route hangs here."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from litestar import Litestar, Request, Response

from ingest.changes import Changes
from ingest.config import Centre
from ingest.console.site import Site
from ingest.evidence import evidence_router
from ingest.health import livez, prometheus, readyz
from ingest.lighting.dispatch import Dispatch
from ingest.lighting.key import open_command_key
from ingest.lighting.orders import Desk


def make_app(centre: Centre, engine: sa.Engine, changes: Changes, dispatch: Dispatch | None = None) -> Litestar:
    """Return the application; routes find centre, engine, changes, desk and dispatch in ``app.state``.

    Without a dispatch orders are filed and signed, and reach nobody. Raise Refusal if the command key cannot be used.
    """
    desk = Desk(centre, engine, open_command_key(Path(centre.storage)))
    app = Litestar(
        route_handlers=[evidence_router(centre), livez, readyz, prometheus],
        plugins=[Site()],
        logging_config=None,  # shell.log has set it up
        exception_handlers={sa.exc.OperationalError: _database_is_away},
    )
    app.state.update({"centre": centre, "engine": engine, "changes": changes, "desk": desk, "dispatch": dispatch})
    return app


def _database_is_away(_request: Request[Any, Any, Any], _error: sa.exc.OperationalError) -> Response[dict[str, Any]]:
    """Ask to try again soon: agents keep what they have until then."""
    body = {"status_code": 503, "detail": "the database cannot be reached"}
    return Response(body, status_code=503, headers={"Retry-After": "5"})
