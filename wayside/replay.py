"""`wayside replay`: what the rules would have raised on a recording."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from edge.config import read_camera
from edge.replay import Frames, Raised, replay, sequence_of, sequences
from edge.rule_files import OWN_BOOK, read_book
from edge.setup import anchored
from shell.refusal import Refusal

replay_app = typer.Typer(add_completion=False)


@replay_app.command("replay")
def replay_source(
    source: Annotated[
        Path,
        typer.Argument(help="A video, a tick log (.ticks.zst), MOTChallenge text (.txt, .xz or .gz), or a folder."),
    ],
    *,
    camera: Annotated[Path, typer.Option(help="The camera's file.", metavar="FILE")],
    out: Annotated[Path, typer.Option(help="Where to write the events, one JSON object a line.", metavar="FILE")],
    rules: Annotated[Path, typer.Option(help="Folder of rules.", metavar="DIR", show_default="its own")] = OWN_BOOK,
    fps: Annotated[float | None, typer.Option(help="Text only: frames a second.", min=0.1, max=1000)] = None,
    size: Annotated[str | None, typer.Option(help="Text only: pixels of the frame; the camera's if left out.")] = None,
    progress: Annotated[bool | None, typer.Option(help="Show a bar; if left out, on a terminal only.")] = None,
) -> None:
    """Run a recording through the pipeline that runs live, and write what it raises. Twice gives the same bytes."""
    read, book = anchored(read_camera(camera), camera.parent), read_book(rules)
    frames = Frames(fps=fps, size=_size(size) if size else None)
    paths, raised = sequences(source), list[Raised]()
    show = sys.stderr.isatty() if progress is None else progress
    with _bar(len(paths), show=show) as tell:
        for number, path in enumerate(paths):
            raised += replay(path, read, book, frames, partial(tell, number, sequence_of(path)))
        tell(len(paths), "", 0.0)
    try:
        out.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in raised))
    except OSError as error:
        raise Refusal(str(out), f"cannot be written: {error.strerror}") from error
    Console(stderr=True).print(f"{len(raised)} events in {len(paths)} recordings", highlight=False)


@contextmanager
def _bar(total: int, *, show: bool) -> Iterator[Callable[[int, str, float], None]]:
    """Show how many recordings are done, and where in the present one the replay is."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, name, at_s: bar.update(task, completed=done, description=f"{name} {at_s:.0f} s")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", text)
    if not found:
        raise Refusal(f"--size {text}", "expected width and height in pixels", "for example --size 640x540")
    return int(found[1]), int(found[2])
