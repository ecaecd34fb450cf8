"""The `wayside` command. Every refusal is one line on standard error and exit code 2."""

import sys

import typer

from config.document import ConfigError
from shell.log import redact
from shell.refusal import Refusal

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Roadside sensing: from a camera to a case, nothing lost on the way.",
)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ConfigError, Refusal) as error:
        print(f"wayside: {redact(str(error))}", file=sys.stderr)  # noqa: T201  # the command line's own voice
        sys.exit(2)


if __name__ == "__main__":
    main()
