"""`wayside demo`: a street, a camera, a box, a broker and a centre on one machine, until Ctrl-C."""

import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import httpx
import typer
from rich.console import Console

from edge.config import Camera, Motion, read_camera
from ingest.accounts import first_admin
from ingest.config import Centre
from ingest.serve import engine_of
from ingest.store.migrate import upgrade
from shell.log import redact
from shell.refusal import Refusal
from wayside.broker import DemoBroker, choose_broker, free_port, listens
from wayside.children import Children
from wayside.demo_files import adapted, fresh_folder, scene_camera, source_camera, write_agent, write_centre
from wayside.scene import render
from wayside.story import Story

demo_app = typer.Typer(add_completion=False)
_WAYSIDE = (sys.executable, "-m", "wayside")
_PORT = 8080
_READY_S = 30.0
_ONCE_S = 120.0
_LOOK_S = 0.4
_console = Console(highlight=False, soft_wrap=True)


@demo_app.command()
def demo(
    source: Annotated[str, typer.Argument(help="A video file or an rtsp:// URL; left out, a street is drawn.")] = "",
    *,
    once: Annotated[bool, typer.Option("--once", help="End when a case has all its evidence.")] = False,
    camera: Annotated[Path | None, typer.Option(help="A camera file of your own, with its zones.")] = None,
    limit_s: Annotated[float | None, typer.Option(min=10, max=86_400, help="Seconds a vehicle may stand.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the console; 0: 8080, or any if taken.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where everything is kept; emptied at the start.")] = Path(
        ".wayside/demo"
    ),
) -> None:
    """See a camera raise a case: everything runs on this machine, until Ctrl-C."""
    began_s = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    folder = folder.resolve()
    chosen = _chosen(source, camera, limit_s)
    with fresh_folder(folder), Children(folder / "logs") as children:
        broker = choose_broker(folder)
        if port and free_port(port) != port:
            raise Refusal(f"port {port}", "somebody listens on it", "name another one: --port")
        parts = _Parts(children, folder, broker, write_centre(folder, broker.url, port or free_port(_PORT)))
        try:
            with ThreadPoolExecutor(1) as pool:
                # A street takes a while to draw; broker and centre start meanwhile.
                drawing = pool.submit(lambda: chosen or _drawn(folder / "street.mp4", limit_s))
                story = _start_centre(parts)
                if not once and _has_browser():
                    webbrowser.open(parts.url)
                eye = drawing.result()
            _start_box(parts, eye)
            _follow(parts, story, began_s + _ONCE_S if once else None)
        except KeyboardInterrupt:
            _console.print("\nstopping")


def _chosen(source: str, camera_file: Path | None, limit_s: float | None) -> Camera | None:
    """Return the camera that the user asks for; None for the drawn street."""
    if camera_file is not None:
        return adapted(read_camera(camera_file), camera_file.parent, source, limit_s)
    if not source:
        return None
    camera = source_camera(source, limit_s)
    if isinstance(camera.backend, Motion):
        _console.print("no detection model is here, so whatever moves or stands is taken for a vehicle;")
        _console.print("for a real one: [b]wayside model fetch yolox-nano[/b]")
    return camera


@dataclass(frozen=True)
class _Parts:
    """What one demo is made of."""

    children: Children
    folder: Path
    broker: DemoBroker
    centre: Centre

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.centre.port}"


def _start_centre(parts: _Parts) -> Story:
    """Start broker and centre, and say how to sign in."""
    if parts.broker.command:
        parts.children.start("broker", list(parts.broker.command))
        _await(parts.children, "the broker", lambda: listens(parts.broker.port))
    engine = engine_of(parts.centre)
    upgrade(engine)
    password = first_admin(engine, now_ms=time.time_ns() // 1_000_000)
    engine.dispose()
    parts.children.start("centre", [*_WAYSIDE, "ingest", "serve", str(parts.folder / "centre.yaml")])
    _await(parts.children, "the centre", lambda: _is_ready(parts.url))
    _console.print(f"console  [b]{parts.url}[/b]   user [b]admin[/b]   password [b]{password}[/b]")
    _console.print(f"broker   {redact(parts.broker.url)}  ({parts.broker.about})")
    _console.print(f"folder   {parts.folder}")
    return Story(parts.centre.database, parts.url)


def _drawn(video: Path, limit_s: float | None) -> Camera:
    return scene_camera(video, render(video, console=_console), limit_s)


def _has_browser() -> bool:
    return sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _start_box(parts: _Parts, camera: Camera) -> None:
    """Start the agent with its camera."""
    write_agent(parts.folder, parts.broker.url, parts.url, camera)
    parts.children.start("box", [*_WAYSIDE, "edge", "run", str(parts.folder / "edge.yaml")])
    limits = ", ".join(f"{zone.parameters.get('limit_s', 180):g} s in {zone.id}" for zone in camera.zones)
    _console.print(f"camera   {redact(camera.source)}  (backend {type(camera.backend).__name__.lower()}, {limits})")
    _console.print("Ctrl-C stops everything\n")


def _follow(parts: _Parts, story: Story, deadline_s: float | None) -> None:
    """Tell what happens; with a deadline until a case is complete. Raise Refusal if that is not to be."""
    while deadline_s is None or not story.has_complete_case:
        for line in story.news():
            _console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim]  {line}")
        parts.children.check()
        if deadline_s is not None and time.monotonic() > deadline_s and not story.has_complete_case:
            raise Refusal("demo", f"no case with complete evidence within {_ONCE_S:g} s: {story.state()}")
        time.sleep(_LOOK_S)


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


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End as if by Ctrl-C, so that every child is stopped."""
    raise SystemExit(128 + number)
