"""`wayside model`: which models there are, and how to get one."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edge.models import Model, catalogue, fetch, find, folders, known, sha256_of

models_app = typer.Typer(no_args_is_help=True, help="Detection models: what is there, and how to get one.")


@models_app.command("list")
def list_models() -> None:
    """Show every model that is known by name, and where it lies."""
    table = Table("name", "state", "size", "licence", "where", box=None)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for model in catalogue():
        state, where = _state(model)
        table.add_row(model.name, state, f"{model.size / 1e6:.1f} MB", model.licence, where)
    console = Console()
    console.print(table)
    console.print(f"looked for in: {', '.join(str(folder) for folder in folders())}", soft_wrap=True, highlight=False)


@models_app.command("fetch")
def fetch_model(name: Annotated[str, typer.Argument(help="A name that `wayside model list` shows.")]) -> None:
    """Download a model; it is kept only if its hash is right."""
    model = known(name)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(model.name, total=model.size)
        path = fetch(model, lambda count: progress.advance(task, count))
    Console().print(str(path), soft_wrap=True, highlight=False)


def _state(model: Model) -> tuple[str, str]:
    path = find(model)
    if path is None:
        return "missing", f"wayside model fetch {model.name}" if model.url else f"made {model.made}"
    return "hash ok" if sha256_of(path) == model.sha256 else "wrong hash", str(path)
