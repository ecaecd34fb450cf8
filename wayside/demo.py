"""`wayside demo`: a street, a camera, a box, a broker and a centre on one machine, until Ctrl-C."""

import os
import sys
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from edge.config import Camera, Motion, read_camera
from shell.log import redact
from shell.refusal import Refusal
from wayside.demo_files import PLACE, adapted, scene_camera, source_camera, write_agent
from wayside.local_centre import WAYSIDE, Parts, console, parts_in, start_centre
from wayside.scene import render
from wayside.simulate.district import start_district, write_district
from wayside.story import Story

demo_app = typer.Typer(add_completion=False)
_ONCE_S = 120.0
_LOOK_S = 0.4
_LAMPS, _MANHOLES, _TRUCKS = 24, 6, 3
"""Of the district around the camera."""


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
    """See a camera raise a case and lamps obey: everything runs on this machine, until Ctrl-C."""
    began_s = time.monotonic()
    folder = folder.resolve()
    chosen = _chosen(source, camera, limit_s)
    with parts_in(folder, port) as parts:
        try:
            with ThreadPoolExecutor(1) as pool:
                # A street takes a while to draw; broker and centre start meanwhile.
                drawing = pool.submit(lambda: chosen or _drawn(folder / "street.mp4", limit_s))
                start_centre(parts)
                story = Story(parts.centre.database, parts.url)
                if not once and _has_browser():
                    webbrowser.open(parts.url)
                eye = drawing.result()
            _start_box(parts, eye)
            _start_lamps(parts)
            console.print("Ctrl-C stops everything\n")
            _follow(parts, story, began_s + _ONCE_S if once else None)
        except KeyboardInterrupt:
            console.print("\nstopping")


def _chosen(source: str, camera_file: Path | None, limit_s: float | None) -> Camera | None:
    """Return the camera that the user asks for; None for the drawn street."""
    if camera_file is not None:
        return adapted(read_camera(camera_file), camera_file.parent, source, limit_s)
    if not source:
        return None
    camera = source_camera(source, limit_s)
    if isinstance(camera.backend, Motion):
        console.print("no detection model is here, so whatever moves or stands is taken for a vehicle;")
        console.print("for a real one: [b]wayside model fetch yolox-nano[/b]")
    return camera


def _drawn(video: Path, limit_s: float | None) -> Camera:
    return scene_camera(video, render(video, console=console), limit_s)


def _has_browser() -> bool:
    return sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _start_box(parts: Parts, camera: Camera) -> None:
    """Start the agent with its camera."""
    write_agent(parts.folder, parts.broker.url, parts.url, camera)
    parts.children.start("box", [*WAYSIDE, "edge", "run", str(parts.folder / "edge.yaml")])
    limits = ", ".join(f"{zone.parameters.get('limit_s', 180):g} s in {zone.id}" for zone in camera.zones)
    console.print(f"camera   {redact(camera.source)}  (backend {type(camera.backend).__name__.lower()}, {limits})")


def _start_lamps(parts: Parts) -> None:
    """Start a small district of lamps, manholes, levels and lorries, and say what can be done with it."""
    write_district(
        parts.folder, parts.centre, parts.broker, place=PLACE, lamps=_LAMPS, manholes=_MANHOLES, trucks=_TRUCKS,
        radio_period_s=60.0,
    )  # fmt: skip
    start_district(parts.children, parts.folder)
    console.print(
        f"lamps    {parts.url}/lighting   {_LAMPS} of them, {_MANHOLES} manholes, {_TRUCKS} lorries, all simulated"
    )
    console.print(f"         break one: wayside simulate break lamp-0003 stuck-off --folder {parts.folder}")


def _follow(parts: Parts, story: Story, deadline_s: float | None) -> None:
    """Tell what happens; with a deadline until a case is complete. Raise Refusal if that is not to be."""
    while deadline_s is None or not story.has_complete_case:
        for line in story.news():
            console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim]  {line}")
        parts.children.check()
        if deadline_s is not None and time.monotonic() > deadline_s and not story.has_complete_case:
            raise Refusal("demo", f"no case with complete evidence within {_ONCE_S:g} s: {story.state()}")
        time.sleep(_LOOK_S)
