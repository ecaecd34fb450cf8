"""`wayside profiles`: check device profiles against their own vectors, and try bytes on them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import firmware_profiles
from config.document import ConfigError
from devices.profile import Profile, Vector, read_profile
from devices.protocols import lorawan
from devices.reading import DecodeError, Reading
from shell.refusal import Refusal

FOLDER = Path(firmware_profiles.__path__[0])
DECODE = {"lorawan": lorawan.decode}

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
        properties = sorted({field.property for item in profile.items for field in item.fields})
        table.add_row(f"{profile.vendor}/{profile.model}", profile.protocol, ", ".join(properties))
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
        for number, vector in enumerate(profile.vectors):
            if problem := failure(profile, vector):
                raise ConfigError(str(path), 0, f"vectors[{number}]", f"{vector.note}: {problem}")
            count += 1
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
        readings = DECODE[read.protocol](bytes.fromhex(payload), read)
    except DecodeError as error:
        raise Refusal(profile, str(error)) from error
    except ValueError as error:
        raise Refusal(payload, "expected an even number of hexadecimal digits", "for example 01755c") from error
    for reading in readings:
        _out.print(escape(f"{reading.property} = {_shown(reading)}"), highlight=False)


def failure(profile: Profile, vector: Vector) -> str:
    """Return how a vector comes out otherwise than it says, or an empty string."""
    try:
        readings = DECODE[profile.protocol](bytes.fromhex(vector.bytes), profile)
    except DecodeError as error:
        if vector.error is not None and vector.error in str(error):
            return ""
        expected = vector.readings if vector.error is None else f"an error with {vector.error!r}"
        return f"expected {expected}, got {str(error)!r}"
    found = {reading.property: reading.result for reading in readings}
    if vector.error is not None:
        return f"expected an error with {vector.error!r}, got {found}"
    # 1 == True, and yet a flag is no number.
    flags = {name for name, result in found.items() if isinstance(result, bool)}
    expected_flags = {name for name, result in (vector.readings or {}).items() if isinstance(result, bool)}
    if found == vector.readings and flags == expected_flags:
        return ""
    return f"expected {vector.readings}, got {found}"


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
