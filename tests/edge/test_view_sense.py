"""From pictures to faults: a drawn street that is corrupted, and what is learnt and kept of a view."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from detectors.health import Health
from detectors.tick import Tick
from detectors.view import View
from edge.reference import Reference, accept, reference_of
from edge.senses.view import ViewSense
from edge.setup import read_setup
from edge.video import Frame, Image
from shell.refusal import Refusal
from tests.fixtures.corrupted import dusk, faults, harmless, street, warped

STREET = list(street(seconds=40))


def pictures() -> Iterator[Image]:
    while True:
        yield from STREET


class _Eye:
    """A sense and the detector behind it, looking twice a second."""

    def __init__(self, reference: Path | None = None) -> None:
        self.sense, self.health = ViewSense(Reference(reference)), Health()
        self.state, self.time_s = self.health.first(), 0.0
        self.view: View | None = None

    def look(self, images: Iterable[Image]) -> set[str]:
        """Return every fault that is found meanwhile."""
        found = set[str]()
        for image in images:
            self.time_s += 0.5
            self.view = self.sense.look(Frame(self.time_s, round(self.time_s * 1000), image))
            tick = Tick(
                camera="c", time_s=self.time_s, time_ms=round(self.time_s * 1000), size=(320, 180), boxes=(),
                view=self.view,
            )  # fmt: skip
            self.state, verdict = self.health.step(self.state, tick)
            found |= set(verdict.faults)
        return found

    def now(self) -> tuple[str, ...]:
        return self.state.verdict.faults


@pytest.mark.parametrize("name", faults())
def test_a_fault_on_a_drawn_street_is_found_in_time_and_goes_again(name: str) -> None:
    fault, noise, eye, run = faults()[name], np.random.default_rng(1), _Eye(), pictures()
    assert eye.look(next(run) for _ in range(50)) == set()
    count = round((fault.lasts_s or fault.within_s) * 2)
    found = False
    for _ in range(count):
        found = found or fault.name in eye.look([fault.change(next(run), noise)])
        if found and fault.lasts_s is None:
            break
    assert found
    eye.look(next(run) for _ in range(40))
    assert eye.now() == ()


@pytest.mark.parametrize("name", harmless())
def test_what_happens_on_any_street_is_no_fault(name: str) -> None:
    change, noise, eye, run = harmless()[name], np.random.default_rng(1), _Eye(), pictures()
    eye.look(next(run) for _ in range(50))
    assert eye.look(change(next(run), noise) for _ in range(120)) == set()
    assert eye.look(next(run) for _ in range(50)) == set()


def test_nightfall_is_no_fault_and_the_night_is_none() -> None:
    noise, eye, run = np.random.default_rng(1), _Eye(), pictures()
    eye.look(next(run) for _ in range(50))
    assert eye.look(dusk(next(run), noise, number / 600) for number in range(600)) == set()
    assert eye.look(dusk(next(run), noise, 1.0) for _ in range(120)) == set()


def test_a_still_street_at_night_has_noise_and_is_not_frozen() -> None:
    noise, eye = np.random.default_rng(1), _Eye()
    still = (STREET[0] * 0.3).astype(np.uint8)
    grains = (np.clip(still + noise.normal(0, 1.5, still.shape), 0, 255).astype(np.uint8) for _ in range(200))
    assert eye.look(grains) == set()


def test_a_camera_that_was_turned_while_the_agent_was_off_is_found(tmp_path: Path) -> None:
    path, run = tmp_path / "views" / "c.jpg", pictures()
    first = _Eye(path)
    assert first.look(next(run) for _ in range(50)) == set()
    assert path.exists()
    again = _Eye(path)
    assert again.look(next(run) for _ in range(50)) == set()
    assert again.view is not None
    assert first.view is not None
    assert again.view.reference == first.view.reference
    turned = _Eye(path)
    assert turned.look(warped(next(run), right=0.08) for _ in range(60)) == {"moved"}


def test_a_view_that_is_set_aside_is_learnt_anew_while_the_agent_runs(tmp_path: Path) -> None:
    path, run = tmp_path / "c.jpg", pictures()
    eye = _Eye(path)
    eye.look(next(run) for _ in range(50))
    assert "moved" in eye.look(warped(next(run), right=0.08) for _ in range(80))
    path.unlink()
    eye.look(warped(next(run), right=0.08) for _ in range(60))
    assert eye.now() == ()
    assert path.exists()


def test_a_view_is_never_learnt_from_bad_pictures(tmp_path: Path) -> None:
    path = tmp_path / "c.jpg"
    eye = _Eye(path)
    eye.look(np.zeros((180, 320, 3), np.uint8) for _ in range(60))
    assert not path.exists()


def test_traffic_is_not_learnt(tmp_path: Path) -> None:
    _Eye(tmp_path / "c.jpg").look(STREET[:40])
    learnt = cv2.imread(str(tmp_path / "c.jpg")).astype(int)
    assert np.abs(learnt - np.median(np.stack(STREET), axis=0)).mean() < 4


def test_what_is_measured_can_be_recorded() -> None:
    eye = _Eye()
    eye.look(STREET[:40])
    assert eye.view is not None
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(eye.view), type=View) == eye.view


def test_pictures_that_come_faster_than_needed_are_not_measured() -> None:
    sense = ViewSense(Reference(None))
    views = [sense.look(Frame(number / 5, number * 200, STREET[0])) for number in range(10)]
    assert sum(view is not None for view in views) == 5


_EDGE = """\
id: box-1
broker: mqtt://localhost:1883
centre: http://localhost:8000
rules: rules
cameras: [cam.yaml]
"""
_CAMERA = """\
id: cam-1
source: none.mp4
size: [640, 480]
backend: {kind: motion}
zones:
  - {id: kerb, type: no_parking, polygon: [[0, 0], [640, 0], [640, 480]]}
"""


def _agent(folder: Path, more: str = "") -> Path:
    (folder / "rules").symlink_to(Path(__file__).parents[2] / "rules" / "book")
    (folder / "cam.yaml").write_text(_CAMERA + more)
    (folder / "edge.yaml").write_text(_EDGE)
    return folder / "edge.yaml"


def test_accepting_a_view_sets_the_stored_one_aside(tmp_path: Path) -> None:
    setup = read_setup(_agent(tmp_path))
    assert "no view is stored yet" in accept(setup, "cam-1")
    stored = tmp_path / "storage" / "views" / "cam-1.jpg"
    reference_of(setup.cameras[0], setup.storage).keep(STREET[0])
    assert stored.exists()
    assert "learns what it sees now" in accept(setup, "cam-1")
    assert not stored.exists()
    assert stored.with_suffix(".before.jpg").exists()
    with pytest.raises(Refusal, match="no such camera"):
        accept(setup, "cam-2")


def test_a_configured_view_is_used_and_never_written(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "view.png"), STREET[0])
    before = (tmp_path / "view.png").read_bytes()
    setup = read_setup(_agent(tmp_path, "reference: view.png\n"))
    reference = reference_of(setup.cameras[0], setup.storage)
    assert reference.load() is not None
    reference.keep(STREET[1])
    assert (tmp_path / "view.png").read_bytes() == before
    with pytest.raises(Refusal, match="configured view"):
        accept(setup, "cam-1")


def test_a_configured_view_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "view.png").write_text("no picture")
    setup = read_setup(_agent(tmp_path, "reference: view.png\n"))
    with pytest.raises(Refusal, match="is no picture that can be read"):
        reference_of(setup.cameras[0], setup.storage)
