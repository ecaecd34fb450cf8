"""The `wayside` command. Every refusal is one line on standard error and exit code 2."""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from config.document import ConfigError
from shell.log import redact
from shell.refusal import Refusal

# Command -> module and its typer application; a module is imported only when its command is called, for some bring
# libraries that another machine does not have.
COMMANDS = {
    "demo": ("wayside.demo", "demo_app"),
    "edge": ("edge.cli", "edge_app"),
    "ingest": ("ingest.cli", "ingest_app"),
    "model": ("wayside.models", "models_app"),
    "profiles": ("wayside.profiles", "profiles_app"),
    "replay": ("wayside.replay", "replay_app"),
    "rules": ("wayside.rules", "rules_app"),
}


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, name = COMMANDS[cmd_name]
        command = typer.main.get_command(getattr(importlib.import_module(module), name))
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Roadside sensing: from a camera to a case, nothing lost on the way.",
)


@app.callback()
def _start() -> None:
    """Keep this application a group, however few commands it has."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ConfigError, Refusal) as error:
        print(f"wayside: {redact(str(error))}", file=sys.stderr)  # noqa: T201  # the command line's own voice
        sys.exit(2)


if __name__ == "__main__":
    main()
