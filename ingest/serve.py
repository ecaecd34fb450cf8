"""The centre as one process: the worker in a thread, the web in another, ended together."""

import signal
import socket
import threading
from pathlib import Path
from types import FrameType

import sqlalchemy as sa
import structlog
import uvicorn

from ingest.app import make_app
from ingest.changes import Changes
from ingest.config import Centre, read_centre
from ingest.evidence import heal
from ingest.lighting.dispatch import Dispatch
from ingest.storage import Storage
from ingest.store.engine import open_engine
from ingest.store.migrate import revisions, upgrade
from ingest.worker import Worker
from shell import log
from shell.refusal import Refusal
from shell.systemd import notify

_STOP_S = 10

_log = structlog.get_logger()


def engine_of(centre: Centre) -> sa.Engine:
    """Return the centre's database; raise Refusal if its password cannot be read."""
    url = centre.database
    if centre.database_password_file:
        try:
            password = Path(centre.database_password_file).read_text().strip()
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise Refusal(centre.database_password_file, problem, "check database_password_file") from error
        url = sa.make_url(url.replace("{password}", "")).set(password=password).render_as_string(hide_password=False)
    return open_engine(url)


def serve_centre(centre_yaml: Path) -> None:
    """Run until SIGTERM or SIGINT; raise ConfigError or Refusal if it cannot begin."""
    centre = read_centre(centre_yaml)
    engine = _ready_engine(centre)
    storage = Storage(Path(centre.storage))
    try:
        storage.prepare()
    except OSError as error:
        raise Refusal(centre.storage, f"cannot be written: {error.strerror}", "check storage") from error
    log.configure()
    changes = Changes()
    heal(engine, changes, storage)
    dispatch = Dispatch(centre, engine, changes)
    app = make_app(centre, engine, changes, dispatch)
    worker = Worker(centre, engine, changes)
    app.state.worker = worker
    listener = _listen(centre)
    # uvicorn stops on a signal and then raises it once more, for those who were there before: that must be us.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing)
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_STOP_S))
    thread = threading.Thread(target=_run_worker, args=(worker, server), name="worker")
    thread.start()
    dispatch.start()
    host, port = listener.getsockname()[:2]
    _log.info("serving", address=f"http://{host}:{port}", database=engine.url.render_as_string())
    try:
        server.run(sockets=[listener])
    finally:
        notify("STOPPING=1")
        worker.stop()
        dispatch.stop()
        thread.join()
        engine.dispose()
    if worker.has_failed:
        raise SystemExit(1)


class _Server(uvicorn.Server):
    """Tells systemd once requests are answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.changes.close()  # type: ignore[union-attr]  # it is what make_app made
        await super().shutdown(sockets)


def _run_worker(worker: Worker, server: uvicorn.Server) -> None:
    """Run the worker; if it ends by a fault of the program, end the process, for a half of it is of no use."""
    try:
        worker.run()
    finally:
        server.should_exit = True


def _ready_engine(centre: Centre) -> sa.Engine:
    """Return the database with its tables at their newest state; only SQLite is brought there by itself."""
    engine = engine_of(centre)
    name = engine.url.render_as_string()
    try:
        if engine.dialect.name == "sqlite":
            upgrade(engine)
        current, newest = revisions(engine)
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise Refusal(name, str(getattr(error, "orig", error)).partition("\n")[0], "is the database there?") from error
    if current != newest:
        engine.dispose()
        hint = "run `wayside ingest migrate` with the same file"
        raise Refusal(name, f"its tables are at {current or 'nothing'}, expected {newest}", hint)
    return engine


def _listen(centre: Centre) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in centre.host else socket.AF_INET
        return socket.create_server((centre.host, centre.port), family=family, backlog=512)
    except OSError as error:
        name = f"{centre.host}:{centre.port}"
        raise Refusal(name, f"cannot be listened on: {error.strerror}", "choose another port") from error


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Let a signal pass that uvicorn has already acted on."""
