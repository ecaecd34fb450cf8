"""City: the devices of a whole city, their gateway, a broker and a centre, all on this machine."""

import time
from pathlib import Path

from wayside.demo_files import PLACE
from wayside.local_centre import console, parts_in, start_centre
from wayside.simulate.district import start_district, write_district
from wayside.story import Story

_LOOK_S = 1.0


def run_city(folder: Path, *, lamps: int, manholes: int, trucks: int, port: int) -> None:
    """Run it until Ctrl-C, and tell what the centre learns; raise Refusal."""
    with parts_in(folder, port) as parts:
        try:
            start_centre(parts)
            write_district(
                folder, parts.centre, parts.broker, place=PLACE, lamps=lamps, manholes=manholes, trucks=trucks
            )
            start_district(parts.children, folder)
            console.print(f"lamps    {parts.url}/lighting   {lamps} of them, {manholes} manholes, {trucks} lorries")
            console.print(f"         break one: wayside simulate break lamp-0003 stuck-off --folder {folder}")
            console.print("Ctrl-C stops everything\n")
            story = Story(parts.centre.database, parts.url)
            while True:
                for line in story.news():
                    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim]  {line}")
                parts.children.check()
                time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            console.print("\nstopping")
