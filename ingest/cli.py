"""`wayside ingest`: the centre as a process."""

from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer

from config.document import ConfigError
from ingest.accounts_cli import account_app
from ingest.checks import checks_of
from ingest.config import read_centre
from ingest.evidence import is_agent_id, read_agent_secret, token_of
from ingest.lighting.key import open_command_key
from ingest.serve import engine_of, serve_centre
from ingest.store.migrate import revisions, upgrade
from shell.refusal import Refusal

ingest_app = typer.Typer(no_args_is_help=True, help="The centre: takes what agents send, and shows it.")

ingest_app.add_typer(account_app, name="account")

CentreFile = Annotated[Path, typer.Argument(metavar="CENTRE_YAML", help="The centre's configuration.")]


@ingest_app.command()
def serve(centre_yaml: CentreFile) -> None:
    """Take messages and evidence, and serve the console, until told to stop."""
    serve_centre(centre_yaml)


@ingest_app.command()
def migrate(centre_yaml: CentreFile) -> None:
    """Bring the database to the newest state."""
    engine = engine_of(read_centre(centre_yaml))
    try:
        before, newest = revisions(engine)
        upgrade(engine)
    except sa.exc.OperationalError as error:
        problem = str(error.orig).partition("\n")[0]
        raise Refusal(engine.url.render_as_string(), problem, "is the database there?") from error
    finally:
        engine.dispose()
    typer.echo(f"{engine.url.render_as_string()}: {before or 'empty'} -> {newest}")


@ingest_app.command()
def check(centre_yaml: CentreFile) -> None:
    """Say of configuration, database, broker and storage whether they can be used; exit code 2 if one cannot."""
    centre = read_centre(centre_yaml)
    typer.echo(f"configuration: ok: {centre_yaml}")
    failed = 0
    for name, inspect in checks_of(centre).items():
        try:
            typer.echo(f"{name}: ok: {inspect()}")
        except (Refusal, ConfigError) as error:
            typer.echo(f"{name}: failed: {error}", err=True)
            failed += 1
    if failed:
        raise typer.Exit(2)


@ingest_app.command("command-key")
def command_key(centre_yaml: CentreFile) -> None:
    """Print the public key that gateways check the centre's orders with; made at the first call."""
    key = open_command_key(Path(read_centre(centre_yaml).storage))
    typer.echo(key.public)


@ingest_app.command("agent-token")
def agent_token(
    agent: Annotated[str, typer.Argument(help="The agent's id.")],
    centre_yaml: Annotated[Path, typer.Option("--config", help="The centre's configuration.")] = Path("centre.yaml"),
) -> None:
    """Print what an agent shows when it uploads evidence: the content of its evidence_token_file."""
    if not is_agent_id(agent):
        raise Refusal(agent, "expected an agent's id", "small letters, digits and hyphens, 2 to 41 of them")
    secret = read_agent_secret(read_centre(centre_yaml))
    if not secret:
        raise Refusal(str(centre_yaml), "names no agent_secret_file, so any agent may upload", "name one there first")
    typer.echo(token_of(secret, agent))
