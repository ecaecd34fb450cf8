"""The parking detector on the detections of six motorway cameras: 191 sequences, 4.6 hours."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from edge.config import Camera, Motion, Zone
from edge.replay import Frames, Raised, replay, sequences
from edge.rule_files import OWN_BOOK, read_book
from tests.fixtures.roadtrack import score

pytestmark = pytest.mark.data

SIZE = (640, 540)


def _raised(limit_s: float, path: Path) -> list[Raised]:
    corners = ((0, 0), (SIZE[0], 0), SIZE, (0, SIZE[1]))
    zone = Zone(id="whole-frame", type="no_parking", polygon=corners, parameters={"limit_s": limit_s})
    camera = Camera(id="roadtrack", source="none", size=SIZE, backend=Motion(), zones=(zone,))
    return replay(path, camera, read_book(OWN_BOOK), Frames(fps=10, size=SIZE))


@pytest.mark.parametrize("limit_s", [30, 60])
def test_every_stop_is_raised_once_and_on_time_and_nothing_else_is(limit_s: float) -> None:
    if "WAYSIDE_DATA" not in os.environ:
        pytest.skip("WAYSIDE_DATA does not name the folder of test recordings")
    folder = Path(os.environ["WAYSIDE_DATA"]) / "roadtrack"
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(partial(_raised, limit_s), sequences(folder / "det"), chunksize=8)
        raised = [event for events in found for event in events]
    result = score(folder, raised, limit_s)
    assert (result.on_time, result.late) == (result.due, 0), result
    assert (result.false, result.duplicates) == (0, 0), result
