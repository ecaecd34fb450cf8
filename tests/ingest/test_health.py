"""What the centre says of itself to those who watch over it."""

import time
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from ingest.health import PROGRESS_MAX_S, livez, prometheus, readyz


def ask(engine: sa.Engine, path: str, **worker: Any) -> Any:
    app = Litestar([livez, readyz, prometheus], logging_config=None)
    state = {"is_connected": True, "trouble": "", "progress_s": time.monotonic()} | worker
    app.state.update({"engine": engine, "worker": SimpleNamespace(**state)})
    with TestClient(app) as client:
        return client.get(path)


def test_ready_means_that_a_row_was_committed(engine: sa.Engine, query: Any) -> None:
    before_ms = int(time.time() * 1000)
    assert ask(engine, "/readyz").status_code == 200
    ((time_ms,),) = query("select time_ms from pulse")
    assert time_ms >= before_ms
    assert ask(engine, "/readyz").status_code == 200


def test_a_database_that_cannot_commit_is_not_ready(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("drop table pulse"))
    answer = ask(engine, "/readyz")
    assert (answer.status_code, answer.text.partition(":")[0]) == (503, "database")


def test_without_its_broker_the_centre_is_alive_and_not_ready(engine: sa.Engine) -> None:
    away = {"is_connected": False, "trouble": "broker: refused"}
    assert ask(engine, "/readyz", **away).text == "broker: refused"
    assert ask(engine, "/livez", **away).status_code == 200


def test_a_worker_that_stands_still_is_not_alive(engine: sa.Engine) -> None:
    assert ask(engine, "/livez", progress_s=time.monotonic() - PROGRESS_MAX_S - 1).status_code == 503


def test_the_metrics_can_be_read_by_prometheus(engine: sa.Engine) -> None:
    families = {family.name for family in text_string_to_metric_families(ask(engine, "/metrics").text)}
    assert {"ingest_messages", "ingest_commit_seconds", "ingest_broker_connected", "ingest_rejected"} <= families
