"""`wayside edge`: the agent of a roadside box as a process."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shell import log

edge_app = typer.Typer(no_args_is_help=True, help="The box at the roadside: watches cameras, tells the centre.")

_MARKS = {"ok": "[green]ok[/]", "look": "[yellow]look[/]", "no": "[red]no[/]"}
EdgeFile = Annotated[Path, typer.Argument(metavar="EDGE_YAML", help="The agent's configuration.")]


@edge_app.command()
def run(edge_yaml: EdgeFile) -> None:
    """Watch the cameras and tell the centre, until told to stop."""
    # Imported late: whoever only asks for help does not wait for the video libraries.
    from edge.agent import run_agent  # noqa: PLC0415
    from edge.setup import read_setup  # noqa: PLC0415

    log.configure()
    asyncio.run(run_agent(read_setup(edge_yaml)))


@edge_app.command()
def check(
    edge_yaml: EdgeFile,
    *,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw zones, grid and boxes on a real picture: .png or .jpg, one a camera."),
    ] = None,
    camera: Annotated[str, typer.Option(metavar="ID", help="Look at this camera only, and at no server.")] = "",
) -> None:
    """Say whether this agent would work here and now: files, models, cameras, broker, centre. Exit code 2 if not."""
    from edge.check import findings  # noqa: PLC0415
    from edge.setup import read_setup  # noqa: PLC0415

    setup = read_setup(edge_yaml)
    table = Table("", "what", "which", "result", box=None)
    failures = []
    with Console(stderr=True).status("looking"):
        for finding in findings(setup, picture, camera):
            table.add_row(_MARKS[finding.verdict], finding.what, escape(finding.subject), escape(finding.result))
            if finding.verdict == "no":
                failures.append(finding.result)
    Console().print(table)
    for failure in failures:
        typer.echo(f"wayside: {failure}", err=True)
    if failures:
        raise typer.Exit(2)


@edge_app.command("accept-view")
def accept_view(edge_yaml: EdgeFile, camera: Annotated[str, typer.Argument(metavar="CAMERA", help="Its id.")]) -> None:
    """Take what a camera shows from now on for the view that it should have; an agent that runs learns it at once."""
    from edge.reference import accept  # noqa: PLC0415
    from edge.setup import read_setup  # noqa: PLC0415

    typer.echo(accept(read_setup(edge_yaml), camera))
