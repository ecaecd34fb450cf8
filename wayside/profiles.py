"""`wayside profiles`: check device profiles against their own vectors, and try bytes on them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import firmware_profiles
from config.document import ConfigError
from devices.profile import Profile, decode, read_profile
from devices.reading import DecodeError, Reading
from shell.refusal import Refusal

FOLDER = Path(firmware_profiles.__path__[0])

profiles_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Device profiles: what each firmware of each model says."
)
_out = Console(soft_wrap=True)


@profiles_app.command("list")
def list_profiles() -> None:
    """List the profiles that come with Wayside."""
    table = Table("profile", "protocol", "properties", box=None)
    for path in sorted(FOLDER.rglob("*.yaml")):
        profile = _read(path)
        table.add_row(f"{profile.vendor}/{profile.model}", profile.protocol, ", ".join(profile.properties))
    _out.print(table)


@profiles_app.command("check")
def check_profiles(
    files: Annotated[list[Path] | None, typer.Argument(help="Profiles to check; all of Wayside's if left out.")] = None,
) -> None:
    """Read every profile and try each of its vectors."""
    paths = files or sorted(FOLDER.rglob("*.yaml"))
    count = 0
    for path in paths:
        profile = _read(path)
        for problem in profile.failures():
            raise ConfigError(str(path), 0, "vectors", problem)
        count += len(profile.vectors)
    _out.print(f"{len(paths)} profiles, {count} vectors: all right")


@profiles_app.command("decode")
def decode_bytes(
    profile: Annotated[str, typer.Argument(help="<vendor>/<model> as `list` shows it, or a file.")],
    payload: Annotated[str, typer.Argument(metavar="HEX", help="The uplink's bytes; spaces are fine.")],
) -> None:
    """Show what a device says with these bytes."""
    named = FOLDER / f"{profile}.yaml"
    read = _read(named if named.is_file() else Path(profile))
    try:
        readings = decode(read, bytes.fromhex(payload))
    except DecodeError as error:
        raise Refusal(profile, str(error)) from error
    except ValueError as error:
        raise Refusal(payload, "expected an even number of hexadecimal digits", "for example 01755c") from error
    for reading in readings:
        _out.print(escape(f"{reading.property} = {_shown(reading)}"), highlight=False)


def _read(path: Path) -> Profile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(path), 0, "", f"cannot be read: {error.strerror}", "see `wayside profiles list`"
        ) from error
    return read_profile(content, str(path))


def _shown(reading: Reading) -> str:
    if isinstance(reading.result, bool):
        return "yes" if reading.result else "no"
    return f"{reading.result} {reading.unit}".rstrip()
