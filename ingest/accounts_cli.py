"""`wayside ingest account`: who may sign in to the console, kept from the command line."""

import time
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer

from ingest.accounts import AccountError, Role, add_account, list_accounts, set_password
from ingest.config import read_centre
from shell.refusal import Refusal

account_app = typer.Typer(no_args_is_help=True, help="Who may sign in to the console.")

Name = Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")]
CentreFile = Annotated[Path, typer.Option("--config", help="The centre's configuration.")]
Password = Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)]
_ACTOR = "command-line"
_CENTRE = Path("centre.yaml")


@account_app.command()
def add(
    name: Name,
    password: Password,
    role: Annotated[Role, typer.Option(help="What the account may do.")] = "viewer",
    config: CentreFile = _CENTRE,
) -> None:
    """Make an account."""
    try:
        add_account(_engine(config), name=name, password=password, role=role, now_ms=_now_ms(), actor=_ACTOR)
    except AccountError as error:
        raise Refusal(name, str(error)) from error
    typer.echo(f"{name}: {role}")


@account_app.command()
def password(name: Name, password: Password, config: CentreFile = _CENTRE) -> None:
    """Give an account another password; whoever is signed in with it is signed out."""
    try:
        set_password(_engine(config), name=name, password=password, now_ms=_now_ms(), actor=_ACTOR)
    except AccountError as error:
        raise Refusal(name, str(error)) from error
    typer.echo(f"{name}: password changed")


@account_app.command("list")
def list_all(config: CentreFile = _CENTRE) -> None:
    """Print every account and its role."""
    for each in list_accounts(_engine(config)):
        typer.echo(f"{each.name}\t{each.role}" + ("" if each.is_enabled else "\tdisabled"))


def _engine(config: Path) -> sa.Engine:
    from ingest.serve import engine_of  # noqa: PLC0415  # it brings the whole server with it

    return engine_of(read_centre(config))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
