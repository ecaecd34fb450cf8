"""`wayside profiles`: check device profiles, run their own vectors, and try bytes and commands on them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import firmware_profiles
from config.document import ConfigError
from devices.profile import Profile, commands_of, read_profile, request_of
from devices.reading import CommandError, DecodeError, Reading
from devices.report import Downlink
from shell.refusal import Refusal

FOLDER = Path(firmware_profiles.__path__[0])
MAIN = {
    "battery.level", "battery.voltage", "cover.open", "current", "distance", "door.open", "energy.active", "fire",
    "housing.tilted", "humidity", "illuminance", "lamp.failure", "leak", "level", "noise", "parking.occupied",
    "position.latitude", "power.active", "pressure", "rain.amount", "relay.closed", "temperature", "tilt.x", "voltage",
    "water.depth", "wind.speed",
}  # fmt: skip
"""What a reader looks for first."""
Files = Annotated[list[str] | None, typer.Argument(metavar="PROFILE...", help="Wayside's own if left out.")]
One = Annotated[str, typer.Argument(metavar="PROFILE", help="<vendor>/<model> as `list` shows it, or a file.")]

profiles_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Device profiles: what each firmware of each model says."
)
_out = Console(soft_wrap=True, highlight=False)


@profiles_app.command("list")
def list_profiles() -> None:
    """List the profiles that come with Wayside."""
    table = Table(box=None)
    table.add_column("profile", no_wrap=True)
    for name in ("firmware", "protocol", "tells", "takes"):
        table.add_column(name)
    for path, profile in _profiles(None):
        tells = [name for name in profile.properties if name in MAIN]
        takes = [name for name in commands_of(profile) if name in {"on", "off", "dim"}]
        named = path.relative_to(FOLDER).with_suffix("").as_posix()
        more = len(profile.properties) - len(tells)
        told = ", ".join([*tells, f"{more} more"] if more else tells)
        orders = len(commands_of(profile)) - len(takes)
        taken = ", ".join([*takes, f"{orders} more"] if orders else takes)
        table.add_row(named, profile.firmware, profile.protocol, told, taken)
    _out.print(table)


@profiles_app.command("check")
def check_profiles(files: Files = None) -> None:
    """Read every profile; whatever is wrong is told by file, line and key."""
    count = sum(1 for _ in _profiles(files))
    _out.print(f"{count} profiles: all right")


@profiles_app.command("test")
def try_profiles(files: Files = None) -> None:
    """Run the vectors inside the profiles; exit with 1 if one comes out otherwise."""
    total, failed = 0, 0
    for path, profile in _profiles(files):
        failures = profile.failures()
        total += len(profile.vectors) + len(getattr(profile, "command_vectors", ()))
        failed += len(failures)
        for failure in failures:
            note, _, differences = failure.partition(": ")
            _out.print(escape(f"{path}: {note}"))
            for difference in differences.split("; "):
                _out.print(escape(f"    {difference}"))
    _out.print(f"{total - failed} of {total} vectors pass")
    if failed:
        raise typer.Exit(1)


@profiles_app.command("decode")
def decode_bytes(
    profile: One,
    payload: Annotated[str, typer.Argument(metavar="HEX", help="The message's bytes; spaces are fine. JSON as it is.")],
    port: Annotated[int | None, typer.Option(min=0, max=255, help="FPort, where the model uses several.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each reading.")] = False,
) -> None:
    """Show what a device says with these bytes."""
    read = _read(_path(profile))
    try:
        raw = payload.encode() if payload.lstrip().startswith(("{", "[")) else bytes.fromhex(payload)
    except ValueError as error:
        raise Refusal(payload, "expected an even number of hexadecimal digits", "for example 01755c") from error
    try:
        decoded = read.decoded(raw, port)
    except DecodeError as error:
        for reading in error.readings:
            _out.print(escape(_line(reading)))
        raise Refusal(profile, str(error)) from error
    for reading in decoded.readings:
        _out.print(escape(msgspec.json.encode(reading).decode() if json else _line(reading)))
    for fault in decoded.faults:
        typer.echo(f"not read: {fault}", err=True)


@profiles_app.command("encode")
def encode_command(
    profile: One,
    command: Annotated[str, typer.Argument(help="As `on`, `off`, `dim`; a wrong one shows which there are.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...")] = None,
) -> None:
    """Show the bytes of a command, for example: encode nas/ul20xx dim level=40 lamp=dali-9."""
    given: dict[str, Any] = {}
    for each in values or ():
        name, equals, value = each.partition("=")
        if not equals:
            raise Refusal(each, "expected NAME=VALUE", "for example level=40")
        given[name] = _value(value)
    try:
        request = request_of(_read(_path(profile)), command, **given)
    except CommandError as error:
        raise Refusal(profile, str(error)) from error
    if isinstance(request, Downlink) and request.topic:
        _out.print(escape(f"{request.topic} {request.payload.decode()}"))
    elif isinstance(request, Downlink):
        _out.print(f"FPort {request.port}: {request.payload.hex(' ')}")
    else:
        for write in request:
            _out.print(f"function {write.function} at {write.address}: {', '.join(map(str, write.values))}")


def _profiles(files: list[str] | None) -> Iterator[tuple[Path, Profile]]:
    for path in [_path(name) for name in files] if files else sorted(FOLDER.rglob("*.yaml")):
        yield path, _read(path)


def _path(name: str) -> Path:
    own = FOLDER / f"{name}.yaml"
    return own if own.is_file() else Path(name)


def _read(path: Path) -> Profile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(path), 0, "", f"cannot be read: {error.strerror}", "see `wayside profiles list`"
        ) from error
    return read_profile(content, str(path))


def _value(text: str) -> Any:
    """Return a value as JSON writes it; what is no JSON is a word."""
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, ValueError):
        return text


def _line(reading: Reading) -> str:
    result = reading.result
    shown = (
        ("yes" if result else "no")
        if isinstance(result, bool)
        else result
        if isinstance(result, str)
        else f"{result:.12g}"
    )
    name = f"{reading.property}@{reading.feature}" if reading.feature else reading.property
    quality = "" if reading.quality == "good" else f" ({reading.quality})"
    when = "" if reading.at_ms is None else f" at {reading.at_ms // 1000}"
    return f"{name}{when} = {shown} {reading.unit}".rstrip() + quality
