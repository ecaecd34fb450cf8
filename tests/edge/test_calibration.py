"""From points measured on the road to the plane that detectors reckon on."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from config.document import ConfigError
from detectors.geometry import Floats
from detectors.ground import Ground
from detectors.tick import Tick
from edge.calibration import Calibration, GroundPoint, calibration_sha256, survey
from edge.config import Camera, Motion, Zone, read_camera
from edge.rule_files import OWN_BOOK, read_book
from edge.site import evidence_facts, site_of
from edge.watch import Watch
from wayside.scene import truth
from wayside.street.ground import KERB
from wayside.street.view import View

_CAMERA = """\
id: cam-1
source: street.mp4
size: [640, 480]
backend: {kind: motion}
zones:
  - id: kerb
    type: no_parking
    polygon: [[100, 300], [300, 300], [300, 400]]
calibration:
  points:
    - {pixel: [100, 400], metres: [0, 0]}
    - {pixel: [500, 400], metres: [8, 0]}
    - {pixel: [400, 250], metres: [8, 12]}
    - {pixel: [200, 250], metres: [0, 12]}
"""
SIZE = (1280, 720)


def _refusal(folder: Path, text: str) -> str:
    path = folder / "cam.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_camera(path)
    return str(caught.value).removeprefix(f"{folder}/")


def test_a_calibrated_camera_is_read_and_its_points_lie_where_they_were_measured(tmp_path: Path) -> None:
    (tmp_path / "cam.yaml").write_text(_CAMERA)
    ground = site_of(read_camera(tmp_path / "cam.yaml")).ground
    assert ground is not None
    np.testing.assert_allclose(ground.metres(np.array([(400.0, 250.0), (100.0, 400.0)])), [(8, 12), (0, 0)], atol=1e-9)


def test_three_points_are_too_few(tmp_path: Path) -> None:
    assert _refusal(tmp_path, _CAMERA.replace("    - {pixel: [200, 250], metres: [0, 12]}\n", "")) == (
        "cam.yaml:10: calibration.points: expected at least 4 points, got 3"
    )


def test_a_point_outside_the_frame_is_refused_where_it_stands(tmp_path: Path) -> None:
    assert _refusal(tmp_path, _CAMERA.replace("[200, 250]", "[200, 500]")) == (
        "cam.yaml:14: calibration.points[3].pixel: (200, 500) lies outside the frame of 640x480; "
        "x goes from 0 to 640, y from 0 to 480"
    )


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("[400, 250]", "[300, 401]"),  # in the picture
        ("metres: [8, 12]", "metres: [4, 0.01]"),  # on the road
        ("pixel: [400, 250]", "pixel: [500, 400]"),  # the same point twice
    ],
)
def test_three_of_four_points_on_one_line_are_refused_by_number(tmp_path: Path, was: str, becomes: str) -> None:
    assert _refusal(tmp_path, _CAMERA.replace(was, becomes)) == (
        "cam.yaml:13: calibration.points[2]: points 1, 2 and 3 lie on one line; four are needed of which no three do; "
        "choose the corners of a wide quadrangle, and some points within"
    )


def test_three_on_a_line_are_welcome_where_four_others_fix_the_plane(tmp_path: Path) -> None:
    (tmp_path / "cam.yaml").write_text(_CAMERA + "    - {pixel: [300, 400], metres: [4, 0]}\n")
    camera = read_camera(tmp_path / "cam.yaml")
    assert camera.calibration is not None
    assert survey(camera.calibration, camera.size).rms_px == pytest.approx(0, abs=0.01)


def test_metres_that_run_mirrored_are_refused_with_what_to_swap(tmp_path: Path) -> None:
    mirrored = _CAMERA.replace(", 12]", ", -12]")
    assert _refusal(tmp_path, mirrored) == (
        "cam.yaml:10: calibration.points: the metres run mirrored: seen from above, Y must point to the left of X; "
        "swap X and Y of every point, or turn the sign of every Y; or two points are exchanged"
    )


def test_two_exchanged_points_are_refused(tmp_path: Path) -> None:
    exchanged = _CAMERA.replace("[8, 0]", "[8, 99]").replace("[8, 12]", "[8, 0]").replace("[8, 99]", "[8, 12]")
    assert _refusal(tmp_path, exchanged) == (
        "cam.yaml:10: calibration.points: no camera sees a plane so: a line through these points turns inside out; "
        "look for two points whose pixels or metres are exchanged"
    )


def test_points_that_fit_no_plane_are_refused_with_the_worst_of_them(tmp_path: Path) -> None:
    more = "    - {pixel: [300, 400], metres: [4, 0]}\n    - {pixel: [300, 310], metres: [4, 9.5]}\n"
    refusal = _refusal(tmp_path, _CAMERA + more)
    assert refusal.startswith("cam.yaml:16: calibration.points[5]: the points do not fit one plane: ")
    assert "px off (rms), at most 4; this one is the worst, " in refusal


def test_a_zone_that_reaches_the_sky_is_refused_at_its_corner(tmp_path: Path) -> None:
    assert _refusal(tmp_path, _CAMERA.replace("[300, 300]", "[300, 30]")) == (
        "cam.yaml:8: zones[0].polygon[1]: (300, 30) lies on or above the horizon that the calibration gives; "
        "move the corner down, or measure the points again"
    )


def test_a_misspelt_key_of_a_point_is_named(tmp_path: Path) -> None:
    assert _refusal(tmp_path, _CAMERA.replace("metres: [8, 0]", "meters: [8, 0]")) == (
        "cam.yaml:12: calibration.points[1].meters: unknown key; did you mean 'metres'?"
    )


def test_a_national_grid_costs_no_precision() -> None:
    east, north = 512_345.0, 3_456_789.0
    small = _calibration(np.array([(6, 1), (27, 1), (27, 9), (0, 9), (11, 7)], float), View(size=SIZE))
    large = msgspec.structs.replace(
        small,
        points=tuple(
            msgspec.structs.replace(each, metres=(each.metres[0] + east, each.metres[1] + north))
            for each in small.points
        ),
    )
    pixels = np.array([(600.0, 500.0), (700.0, 600.0)])
    here, there = survey(small, SIZE).ground, survey(large, SIZE).ground
    np.testing.assert_allclose(there.metres(pixels) - (east, north), here.metres(pixels), atol=1e-4)
    np.testing.assert_allclose(there.areas(pixels[[0, 1, 1, 0]][None] + _BOX), here.areas(pixels[[0, 1, 1, 0]] + _BOX))


_BOX = np.array([(0.0, 0.0), (50.0, 0.0), (50.0, 30.0), (0.0, 30.0)])


def _calibration(metres: Floats, view: View, *, round_px: bool = False) -> Calibration:
    seen = view.project(np.column_stack((metres, np.zeros(len(metres)))))
    seen = np.round(seen) if round_px else seen
    pairs = zip(seen.tolist(), metres.tolist(), strict=True)
    return Calibration(points=tuple(GroundPoint(pixel=(x, y), metres=(X, Y)) for (x, y), (X, Y) in pairs))


def test_four_points_read_off_the_drawn_street_measure_its_cars_within_five_per_cent() -> None:
    view = View()
    quadrangle = np.array([(-0.6, 6.95), (11.2, 6.95), (27.0, KERB), (-0.6, KERB)])
    ground = survey(_calibration(quadrangle, view, round_px=True), view.size).ground
    for x, y in ((4.6, 8.05), (14.0, 5.2), (20.0, 1.85), (2.0, 1.85)):
        ends = view.project(np.array([(x - 2.3, y, 0.0), (x + 2.3, y, 0.0)]))
        assert ground.distances(ends[0], ends[1]) == pytest.approx(4.6, rel=0.05)


def test_the_base_of_a_box_that_was_drawn_is_a_car_s_size() -> None:
    view, known = View(), truth()
    everywhere = np.array([(6.0, 1.0), (27.0, 1.0), (27.0, KERB), (-0.6, KERB)])
    ground = survey(_calibration(everywhere, view), view.size).ground
    left, top, width, height = known.bbox
    box = np.array([(left, top, left + width, top + height)])
    assert 3 < ground.base_lengths(box)[0] < 7


@st.composite
def _views(draw: st.DrawFn) -> View:
    """Return a camera on a mast: it looks along the road, downwards by 12 to 60 degrees."""
    height = draw(st.floats(4, 12))
    pitch = np.radians(draw(st.floats(12, 60)))
    heading = np.radians(draw(st.floats(-40, 40)))
    forward = height / np.tan(pitch)
    target = (forward * np.cos(heading), forward * np.sin(heading), 0.0)
    return View((0.0, 0.0, height), target, draw(st.floats(35, 90)), SIZE)


def _seen_points(view: View, pixels: Floats) -> Floats:
    """Return where the road is at pixels, by the camera's own matrix."""
    return Ground.of(np.linalg.inv(view.matrix[:, [0, 1, 3]])).metres(pixels)


_CORNERS = np.array([(250.0, 330.0), (1000.0, 330.0), (1150.0, 700.0), (100.0, 700.0)])


@settings(deadline=None)
@given(_views(), st.floats(0, 1280), st.floats(360, 720))
def test_any_camera_on_a_mast_is_found_again_within_a_centimetre(view: View, x: float, y: float) -> None:
    measured = _seen_points(view, _CORNERS)
    assume(np.isfinite(measured).all() and np.abs(measured).max() < 200)
    ground = survey(_calibration(measured, view), SIZE).ground
    point = np.array([(x, y)])
    expected = _seen_points(view, point)
    assume(np.isfinite(expected).all() and np.abs(expected).max() < 100)
    np.testing.assert_allclose(ground.metres(point), expected, atol=0.01)
    np.testing.assert_allclose(ground.pixels(ground.metres(point)), point, atol=0.01)


@settings(deadline=None)
@given(_views(), st.integers(0, 2**32 - 1))
def test_points_marked_a_pixel_off_are_about_a_pixel_off(view: View, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.stack(np.meshgrid(np.linspace(150, 1100, 6), np.linspace(340, 700, 5)), axis=-1).reshape(-1, 2)
    measured = _seen_points(view, pixels)
    assume(np.isfinite(measured).all() and np.abs(measured).max() < 200)
    exact = _calibration(measured, view)
    noise = rng.normal(0, 1 / np.sqrt(2), pixels.shape)  # one pixel in the plane
    points = tuple(
        msgspec.structs.replace(each, pixel=(each.pixel[0] + dx, each.pixel[1] + dy))
        for each, (dx, dy) in zip(exact.points, noise.tolist(), strict=True)
    )
    assert 0.5 < survey(Calibration(points=points), SIZE).rms_px < 1.5


def test_scales_and_areas_are_those_of_small_steps() -> None:
    measured = np.array([(6, 1), (27, 1), (27, 9), (0, 9)], float)
    ground = survey(_calibration(measured, View(size=SIZE)), SIZE).ground
    point, step = np.array([(640.0, 500.0)]), 1e-4
    right, below = point + np.array([(step, 0)]), point + np.array([(0, step)])
    expected = max(ground.distances(point, right)[0], ground.distances(point, below)[0]) / step
    assert ground.scales(point)[0] == pytest.approx(expected, rel=1e-4)
    assert ground.metres_per_pixel((640.0, 500.0)) == pytest.approx(expected, rel=1e-4)
    tiny = (np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * step + point)[None]
    assert ground.pixel_areas(point)[0] == pytest.approx(ground.areas(tiny)[0] / step**2, rel=1e-3)


def test_the_sky_is_no_road() -> None:
    measured = np.array([(6, 1), (27, 1), (27, 9), (0, 9)], float)
    ground = survey(_calibration(measured, View(size=SIZE)), SIZE).ground
    sky = np.array([(640.0, 0.0)])
    assert np.isnan(ground.metres(sky)).all()
    assert np.isnan(ground.scales(sky)).all()
    assert np.isnan(ground.base_lengths(np.array([(600.0, -20.0, 640.0, 0.0)]))).all()
    behind = _seen_points(View(size=SIZE), np.array([(640.0, 719.0)])) - (60, 60)
    assert np.isnan(ground.pixels(behind)).all()


def _camera(*, evidence: bool = True, limit: float = 0.25, calibrated: bool = True) -> Camera:
    view = View()
    calibration = _calibration(np.array([(-0.6, 6.95), (11.2, 6.95), (27.0, 0.5), (6.0, 0.5)]), view)
    return Camera(
        id="cam-1",
        source="x.mp4",
        size=view.size,
        backend=Motion(),
        zones=(Zone(id="kerb", type="no_parking", polygon=truth().zone, evidence=evidence),),
        calibration=msgspec.structs.replace(calibration, m_per_px_max=limit) if calibrated else None,
    )


def test_facts_say_what_a_zone_is_fit_for_and_by_which_calibration() -> None:
    camera = _camera()
    assert camera.calibration is not None
    version = calibration_sha256(camera.calibration, camera.size)
    assert evidence_facts(camera) == {"kerb": {"calibration_sha256": version, "fit_for_evidence": True}}
    assert evidence_facts(_camera(limit=0.01))["kerb"]["fit_for_evidence"] is False
    assert evidence_facts(_camera(evidence=False))["kerb"]["fit_for_evidence"] is False


def test_without_a_calibration_nobody_claims_that_a_zone_is_near_enough() -> None:
    assert evidence_facts(_camera(calibrated=False)) == {"kerb": {}}
    assert evidence_facts(_camera(calibrated=False, evidence=False)) == {"kerb": {"fit_for_evidence": False}}


def test_a_watch_steps_a_calibrated_camera() -> None:
    watch = Watch(_camera(), read_book(OWN_BOOK))
    tick = Tick(camera="cam-1", time_s=1.0, time_ms=1000, size=View().size, boxes=())
    assert watch.step(watch.first(), tick)[0].ledger.time_s == 1.0


def test_the_version_of_a_calibration_changes_with_a_point_and_with_nothing_else() -> None:
    calibration = _camera().calibration
    assert calibration is not None
    moved = msgspec.structs.replace(
        calibration, points=(*calibration.points[1:], GroundPoint(pixel=(1, 1), metres=(2, 2)))
    )
    looser = msgspec.structs.replace(calibration, rms_px_max=9.0)
    assert calibration_sha256(calibration, SIZE) == calibration_sha256(looser, SIZE)
    assert calibration_sha256(calibration, SIZE) != calibration_sha256(moved, SIZE)
    assert calibration_sha256(calibration, SIZE) != calibration_sha256(calibration, (640, 360))
