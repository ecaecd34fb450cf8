"""Whether the centre lives, whether it can commit, and what it counts."""

import time
from typing import Any

import sqlalchemy as sa
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ingest import metrics
from ingest.store.engine import writing
from ingest.store.tables import pulse
from ingest.store.upsert import insert_into

PROGRESS_MAX_S = 60.0
"""How long a thread may take for one round of its loop."""


@get("/livez", sync_to_thread=False)
def livez(request: Request[Any, Any, Any]) -> Response[str]:
    """Tell whether the worker and the dispatch still go round."""
    for name in ("worker", "dispatch"):
        thread = request.app.state.get(name)
        age_s = 0.0 if thread is None else time.monotonic() - thread.progress_s
        if age_s > PROGRESS_MAX_S:
            return Response(f"the {name} stands still for {age_s:.0f} s", status_code=503)
    return Response("ok")


@get("/readyz", sync_to_thread=True)
def readyz(request: Request[Any, Any, Any]) -> Response[str]:
    """Tell whether something sent now would be committed: the broker is there, and a row can be written."""
    try:
        commit_pulse(request.app.state.engine)
    except sa.exc.SQLAlchemyError as error:
        return Response(f"database: {type(error).__name__}", status_code=503)
    worker = request.app.state.get("worker")
    if worker is not None and (not worker.is_connected or worker.trouble):
        return Response(worker.trouble or "broker: not connected", status_code=503)
    return Response("ok")


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def prometheus() -> Response[bytes]:
    """Return every count, in the text format of Prometheus."""
    return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def commit_pulse(engine: sa.Engine) -> None:
    """Commit one tiny row; raise sqlalchemy.exc.SQLAlchemyError if that cannot be."""
    row = {"id": 1, "time_ms": int(time.time() * 1000)}
    with writing(engine) as connection:
        insert = insert_into(connection, pulse).values(row)
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_={"time_ms": row["time_ms"]}))
