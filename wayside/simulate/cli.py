"""`wayside simulate`: an invented city of devices, over real sockets, whose devices break when told to."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wayside.simulate.field import open_field, run_field, tell_field

simulate_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Simulated devices: a city of them, that break when told to."
)
FOLDER = Path(".wayside/city")
Folder = Annotated[Path, typer.Option(help="Where everything is kept; emptied at the start.")]
_console = Console(highlight=False, soft_wrap=True)


@simulate_app.command("city")
def city(
    *,
    lamps: Annotated[int, typer.Option(min=1, max=20_000, help="Street lamps.")] = 2_000,
    manholes: Annotated[int, typer.Option(min=0, max=20_000, help="Manholes; one level a ten of them.")] = 500,
    trucks: Annotated[int, typer.Option(min=0, max=5_000, help="Muck trucks.")] = 200,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the console; 0: 8080, or any if taken.")] = 0,
    folder: Folder = FOLDER,
) -> None:
    """Run a city of devices with its gateway, broker and centre on this machine, until Ctrl-C."""
    # What a centre needs is imported only here: devices alone must start fast.
    from wayside.simulate.city import run_city  # noqa: PLC0415

    run_city(folder.resolve(), lamps=lamps, manholes=manholes, trucks=trucks, port=port)


@simulate_app.command("devices")
def devices(folder: Annotated[Path, typer.Argument(help="With the script that `city` or a demo has written.")]) -> None:
    """Run the devices alone."""
    field = open_field(folder)

    async def main() -> None:
        task = asyncio.create_task(run_field(field, folder))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await task

    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        sys.exit(0)


@simulate_app.command("break")
def break_one(
    device: Annotated[str, typer.Argument(help="Its name, as lamp-0003; `ok` as its fault mends it.")],
    fault: Annotated[str, typer.Argument(help="What shall be wrong; left out, it is told how the device is.")] = "",
    folder: Folder = FOLDER,
) -> None:
    """Break a device: lamps stuck-on, stuck-off, dead, slow, drift, burnt-out; manholes open; trucks gps_jump ..."""
    _console.print(asyncio.run(tell_field(folder.resolve(), f"{device} {fault}".strip())))
