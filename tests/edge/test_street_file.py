"""The empty street outlives the process that learnt it."""

import os
import time
from pathlib import Path

import numpy as np

from detectors.wants import Wants
from edge.config import Camera, Motion, Zone
from edge.gaze import Gaze
from edge.inference.motion import Difference
from edge.senses.foreground import Foreground
from edge.street_file import StreetFile
from edge.video import Frame

SIZE = (320, 180)
STREET = np.random.default_rng(5).integers(60, 200, (180, 320, 3), np.uint8).repeat(1, axis=0)


def camera() -> Camera:
    corners = ((0.0, 0.0), (320.0, 0.0), (320.0, 180.0), (0.0, 180.0))
    return Camera(
        id="cam",
        source="none",
        size=SIZE,
        backend=Motion(),
        zones=(Zone(id="kerb", type="no_parking", polygon=corners),),
    )


def watched(gaze: Gaze, begin_s: float, seconds: int) -> Foreground:
    for number in range(seconds * 2):
        time_s = begin_s + number / 2
        gaze.see(Frame(time_s, round(time_s * 1000), STREET), Wants())
    return gaze.eyes.foreground


def test_a_street_is_known_at_once_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "streets" / "cam.png"
    first = watched(Gaze(camera(), Difference(Motion()), street=StreetFile(path)), 0.0, 150)
    assert not first.is_learning
    assert path.is_file()
    again = watched(Gaze(camera(), Difference(Motion()), street=StreetFile(path)), 200.0, 1)
    assert not again.is_learning
    without = watched(Gaze(camera(), Difference(Motion())), 200.0, 1)
    assert without.is_learning


def test_a_street_of_hours_ago_is_learnt_anew(tmp_path: Path) -> None:
    path = tmp_path / "cam.png"
    StreetFile(path).keep(b"a street", 0.0)
    assert StreetFile(path).load() == b"a street"
    long_ago = time.time() - 7_200
    os.utime(path, (long_ago, long_ago))
    assert StreetFile(path).load() == b""


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "streets").write_text("in the way")
    kept = StreetFile(tmp_path / "streets" / "cam.png")
    kept.keep(b"a street", 0.0)
    assert kept.load() == b""
