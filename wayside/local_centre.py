"""Local centre: a broker and a centre on this machine, for a demo or an invented city; ended with the command."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx
from rich.console import Console

from ingest.accounts import first_admin
from ingest.config import Centre
from ingest.serve import engine_of
from ingest.store.migrate import upgrade
from shell.log import redact
from shell.refusal import Refusal
from wayside.broker import DemoBroker, choose_broker, free_port, listens
from wayside.children import Children
from wayside.demo_files import fresh_folder, write_centre

WAYSIDE = (sys.executable, "-m", "wayside")
console = Console(highlight=False, soft_wrap=True)
_PORT = 8080
_READY_S = 30.0


@dataclass(frozen=True)
class Parts:
    """What runs on this machine, and where its files are."""

    children: Children
    folder: Path
    broker: DemoBroker
    centre: Centre

    @property
    def url(self) -> str:
        """Of the console."""
        return f"http://127.0.0.1:{self.centre.port}"


def start_centre(parts: Parts) -> None:
    """Start broker and centre, and say how to sign in; raise Refusal."""
    if parts.broker.command:
        parts.children.start("broker", list(parts.broker.command))
        _await(parts.children, "the broker", lambda: listens(parts.broker.port))
    engine = engine_of(parts.centre)
    upgrade(engine)
    password = first_admin(engine, now_ms=time.time_ns() // 1_000_000)
    engine.dispose()
    parts.children.start("centre", [*WAYSIDE, "ingest", "serve", str(parts.folder / "centre.yaml")])
    _await(parts.children, "the centre", lambda: _is_ready(parts.url))
    console.print(f"console  [b]{parts.url}[/b]   user [b]admin[/b]   password [b]{password}[/b]")
    console.print(f"broker   {redact(parts.broker.url)}  ({parts.broker.about})")
    console.print(f"folder   {parts.folder}")


def _await(children: Children, what: str, is_there: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not is_there():
        children.check()
        if time.monotonic() > deadline_s:
            raise Refusal(what, f"does not answer within {_READY_S:g} s")
        time.sleep(0.05)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=1.0).is_success
    except httpx.TransportError:
        return False


@contextmanager
def parts_in(folder: Path, port: int) -> Iterator[Parts]:
    """Give an emptied folder, a broker and a centre's file, and end all children afterwards; raise Refusal."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with fresh_folder(folder), Children(folder / "logs") as children:
        broker = choose_broker(folder)
        if port and free_port(port) != port:
            raise Refusal(f"port {port}", "somebody listens on it", "name another one: --port")
        yield Parts(children, folder, broker, write_centre(folder, broker.url, port or free_port(_PORT)))


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End as if by Ctrl-C, so that every child is stopped."""
    raise SystemExit(128 + number)
