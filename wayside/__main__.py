"""The `wayside` command. Every refusal is one line on standard error and exit code 2."""

import importlib
import importlib.metadata
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from config.document import ConfigError
from shell.log import redact
from shell.refusal import Refusal

# Command -> module, its typer application, and a line of help. A module is imported only when its command is called:
# some bring libraries that another machine does not have, and all of them together take seconds.
COMMANDS = {
    "demo": ("wayside.demo", "demo_app", "See a camera raise a case, all of it on this machine."),
    "edge": ("edge.cli", "edge_app", "The box at the roadside: watches cameras, tells the centre."),
    "evidence": ("wayside.evidence", "evidence_app", "Evidence: check that a package is what the agent sealed."),
    "ingest": ("ingest.cli", "ingest_app", "The centre: takes what agents send, and shows it."),
    "jt808": ("wayside.jt808", "jt808_app", "JT/T 808: what a vehicle's terminal says."),
    "lamp": ("wayside.lamp", "lamp_app", "Switch lamps by way of the centre, and see each one proven."),
    "model": ("wayside.models", "models_app", "Detection models: what is there, and how to get one."),
    "profiles": ("wayside.profiles", "profiles_app", "Device profiles: what each firmware of each model says."),
    "replay": ("wayside.replay", "replay_app", "Run a recording through the pipeline that runs live."),
    "simulate": ("wayside.simulate.cli", "simulate_app", "Simulated devices: a city of them, that break when told to."),
    "rules": ("wayside.rules", "rules_app", "Rules: check them, and run their own tests."),
}


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][2])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is called, in place of the line that stands for it in the list."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            module, application, _ = COMMANDS[name]
            command = typer.main.get_command(getattr(importlib.import_module(module), application))
            command.name = name
        return name, command, rest


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Roadside sensing: from a camera to a case, nothing lost on the way.",
)


def _say_version(*, is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"wayside {importlib.metadata.version('wayside')}")
        raise typer.Exit


@app.callback()
def _start(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _say_version(is_asked=value), is_eager=True)
    ] = False,
) -> None:
    """Take what stands before a command."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ConfigError, Refusal) as error:
        print(f"wayside: {redact(str(error))}", file=sys.stderr)  # noqa: T201  # the command line's own voice
        sys.exit(2)


if __name__ == "__main__":
    main()
