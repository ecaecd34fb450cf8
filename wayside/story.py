"""What happens in a demo, told line by line as the centre learns of it."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
import sqlalchemy as sa

from ingest.store.engine import open_engine
from ingest.store.queries import CaseDetail, CaseFilter, list_cases, read_case
from ingest.store.tables import observation


class Told(msgspec.Struct):
    """What has been said of one case."""

    files: int = 0
    is_complete: bool = False
    has_left: bool = False
    is_device: bool = False


class Story:
    """Looks at the centre's database and says what is new."""

    def __init__(self, database: str, url: str) -> None:
        self.has_complete_case = False
        self._engine = open_engine(database)
        self._url = url
        self._is_live = False
        self._standing: dict[str, int] = {}
        self._told: dict[int, Told] = {}

    def news(self) -> Iterator[str]:
        """Yield a line for each thing that has happened since the last time."""
        yield from self._seen()
        for summary in reversed(list_cases(self._engine, CaseFilter()).cases):
            case = read_case(self._engine, summary.id)
            if case is not None:
                yield from self._tell(case)

    def state(self) -> str:
        """Say how far it has come, for one who waits in vain."""
        of_camera = {number: told for number, told in self._told.items() if not told.is_device}
        if of_camera:
            number, told = next(iter(of_camera.items()))
            return f"case {number} is open and has {told.files} pieces of evidence, not all"
        if any(self._standing.values()):
            return "something stands, not yet for long enough"
        return "the camera is live and nothing has stood for long" if self._is_live else "no picture has come yet"

    def _seen(self) -> Iterator[str]:
        """Tell of the camera's own observations: the last of each feature counts."""
        of_camera = observation.c.property.in_(("zone.stays", "vehicle.count"))
        newest = sa.select(observation).where(of_camera).order_by(observation.c.time_ms)
        with self._engine.connect() as connection:
            rows = connection.execute(newest).all()
        if rows and not self._is_live:
            self._is_live = True
            yield f"camera [b]{rows[0].source}[/b] is live"
        standing = {row.feature: int(row.number or 0) for row in rows if row.property == "zone.stays"}
        for zone, count in standing.items():
            if count > self._standing.get(zone, 0):
                yield f"a vehicle stands in zone [b]{zone}[/b]"
        self._standing = standing

    def _tell(self, case: CaseDetail) -> Iterator[str]:
        if case.device is not None:
            yield from self._tell_device(case)
            return
        told = self._told.get(case.id)
        if told is None:
            told = self._told[case.id] = Told()
            since = datetime.fromtimestamp(case.start_ms / 1000).astimezone()
            kind = case.kind.replace("_", " ")
            yield f"[b]case {case.id}: {kind}[/b], standing since {since:%H:%M:%S}   {self._url}/cases/{case.id}"
        here = len(case.expects) - len(case.missing)
        if here > told.files:
            told.files = here
            yield f"case {case.id}: evidence {here}/{len(case.expects)}"
        if case.is_complete and not told.is_complete:
            told.is_complete = self.has_complete_case = True
            yield f"[green]case {case.id} is complete: {', '.join(case.expects)}, every hash checked[/green]"
        if case.end_ms is not None and not told.has_left:
            told.has_left = True
            yield f"case {case.id}: the vehicle has left after {(case.end_ms - case.start_ms) / 1000:.0f} s"

    def _tell_device(self, case: CaseDetail) -> Iterator[str]:
        told = self._told.get(case.id)
        kind = case.kind.replace("_", " ")
        if told is None:
            told = self._told[case.id] = Told(is_device=True)
            yield f"[b]case {case.id}: {kind}[/b], {case.device}   {self._url}/cases/{case.id}"
        if case.end_ms is not None and not told.has_left:
            told.has_left = True
            yield f"case {case.id}: {kind} of {case.device} is over"
