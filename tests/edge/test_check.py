"""What `wayside edge check` says of cameras, and what it draws."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from detectors.tick import Box
from edge.calibration import Calibration, GroundPoint
from edge.check import findings
from edge.check_ground import car_findings, ground_findings
from edge.check_picture import check_picture, write_picture
from edge.cli import edge_app
from edge.config import Camera, Motion, Zone, read_camera
from edge.finding import Finding
from edge.rule_files import OWN_BOOK
from edge.setup import read_setup
from shell.refusal import Refusal
from tests.fixtures.video import write_video
from wayside.scene import truth
from wayside.street.paint import bounds
from wayside.street.traffic import STOP_S, trips
from wayside.street.view import View

_CAMERA = """\
id: {id}
source: street.mp4
size: [320, 240]
backend: {{kind: motion, learn_s: 1}}
zones:
  - id: kerb
    name: 公交站 🚌
    type: no_parking
    polygon: [[20, 150], [200, 150], [200, 220], [20, 220]]
    lane: [[210, 150], [300, 150], [300, 220]]
  - id: carriageway
    type: lane
    polygon: [[20, 100], [300, 100], [300, 140], [20, 140]]
    direction: [-1, 0]
"""
_POINTS = """\
calibration:
  points:
    - {pixel: [20, 220], metres: [0, 0]}
    - {pixel: [300, 220], metres: [6, 0]}
    - {pixel: [260, 110], metres: [6, 12]}
    - {pixel: [60, 110], metres: [0, 12]}
"""


def _scene_camera(marks: int = 9, unit: float = 1.0, **zone: bool) -> Camera:
    known = truth()
    points = [GroundPoint(pixel=at, metres=(x * unit, y * unit)) for at, (x, y) in known.marks[:marks]]
    return Camera(
        id="linden",
        source="x.mp4",
        size=known.size,
        backend=Motion(),
        zones=(Zone(id="kerb", type="no_parking", polygon=known.zone, **zone),),
        calibration=Calibration(points=tuple(points)),
    )


@cache
def _cars() -> list[Box]:
    """Return the boxes of the drawn street's cars at many instants, where they are whole."""
    view, boxes, traffic = View(), list[Box](), trips()
    for time_s in np.arange(0.0, 70.0, 5.0):
        for trip in traffic:
            driving = trip.at(float(time_s))
            if driving is not None and trip.vehicle.size[0] < 5 and 0 < driving.pose[0] < 30:
                left, top, right, bottom = bounds(trip.vehicle, driving.pose, view)
                boxes.append(Box(left, top, right, bottom, "car", 0.9))
    return boxes


def _said(found: Sequence[Finding]) -> list[tuple[str, str, str]]:
    return [(each.what, each.verdict, each.result) for each in found]


def test_a_good_calibration_is_told_with_its_error_and_the_scale_of_each_zone() -> None:
    (fit, zone) = ground_findings(_scene_camera())
    assert (fit.what, fit.verdict) == ("calibration", "ok")
    assert fit.result.startswith("9 points, 0.")
    assert (zone.verdict, zone.subject, zone.result) == ("ok", "linden: kerb", "0.050 to 0.114 m a pixel")


def test_four_points_are_said_to_check_nothing() -> None:
    fit = next(ground_findings(_scene_camera(marks=4)))
    assert (fit.verdict, fit.result) == (
        "look",
        "4 points, which fit exactly whatever they are: add two to check them",
    )


def test_an_uncalibrated_camera_is_told_what_it_does_without() -> None:
    camera = msgspec.structs.replace(_scene_camera(), calibration=None)
    assert _said(list(ground_findings(camera))) == [
        (
            "calibration",
            "look",
            "none: sizes are judged in pixels, and events do not say if their zone is fit for evidence",
        )
    ]
    assert list(car_findings(camera, _cars())) == []


def test_a_zone_too_far_away_is_refused_unless_it_claims_no_evidence() -> None:
    far = _scene_camera(unit=3.0)
    assert _said(list(ground_findings(far)))[1] == (
        "zone",
        "no",
        "too far for evidence: 0.34 m a pixel at corner 3, at most 0.25; move the corner nearer or set evidence: false",
    )
    unclaimed = _scene_camera(unit=3.0, evidence=False)
    assert _said(list(ground_findings(unclaimed)))[1] == (
        "zone",
        "ok",
        "too far for evidence: 0.34 m a pixel at corner 3, at most 0.25; its events say so",
    )


def test_cars_of_the_drawn_street_come_out_as_long_as_they_are() -> None:
    camera = _scene_camera()
    assert camera.calibration is not None
    (cars,) = car_findings(camera, _cars())
    assert cars.verdict == "ok"
    assert float(cars.result.split()[1]) == pytest.approx(4.6, rel=0.07)


def test_a_calibration_in_feet_is_doubted() -> None:
    (cars,) = car_findings(_scene_camera(unit=3.281), _cars())
    assert (cars.what, cars.verdict) == ("cars", "look")
    assert "expected 3 to 7: look at the unit of the points" in cars.result


def test_a_car_that_the_frame_cuts_is_not_measured() -> None:
    assert list(car_findings(_scene_camera(), [Box(0, 400, 80, 480, "car", 0.9)])) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_video(tmp_path / "street.mp4", frames=60)
    (tmp_path / "plain.yaml").write_text(_CAMERA.format(id="plain"))
    (tmp_path / "measured.yaml").write_text(_CAMERA.format(id="measured") + _POINTS)
    (tmp_path / "edge.yaml").write_text(
        "id: box-1\nbroker: mqtt://127.0.0.1:1\ncentre: http://127.0.0.1:1\n"
        f"rules: {OWN_BOOK}\ncameras: [plain.yaml, measured.yaml]\n"
    )
    return tmp_path


def test_each_camera_gets_a_picture_of_its_own(folder: Path) -> None:
    found = list(findings(read_setup(folder / "edge.yaml"), folder / "out.png"))
    drawn = [each.result for each in found if each.what == "picture"]
    assert drawn == [str(folder / "out-plain.png"), str(folder / "out-measured.png")]
    for path in drawn:
        assert cv2.imread(path).shape[1] == 1600
    assert [each.what for each in found if each.verdict == "no"] == ["broker", "centre"]


def test_one_camera_is_looked_at_alone_and_no_server_is_asked(folder: Path) -> None:
    picture = folder / "out.jpg"
    arguments = ["check", str(folder / "edge.yaml"), "--camera", "measured", "--picture", str(picture)]
    result = CliRunner().invoke(edge_app, arguments)
    assert result.exit_code == 0, result.output
    assert picture.exists()
    assert "broker" not in result.output


def test_a_camera_that_is_not_there_is_refused_with_those_that_are(folder: Path) -> None:
    with pytest.raises(Refusal, match="no camera of this agent has that id; its cameras: plain, measured"):
        list(findings(read_setup(folder / "edge.yaml"), only="elsewhere"))


def test_a_picture_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected a name that ends in \.png or \.jpg"):
        write_picture(tmp_path / "out.bmp", np.zeros((10, 10, 3), np.uint8))


def test_the_picture_shows_grid_and_zones_and_names_of_any_script_break_nothing(folder: Path) -> None:
    street = np.full((240, 320, 3), 90, np.uint8)
    boxes = (Box(60, 100, 100, 140, "автомобиль", 0.8), Box(120, 100, 160, 140, "car", 0.8))
    plain = check_picture(street, read_camera(folder / "plain.yaml"), boxes)
    measured = check_picture(street, read_camera(folder / "measured.yaml"), boxes)
    assert plain.shape == measured.shape
    assert np.any(plain != measured)
    kerb = measured[190 * 5, 100 * 5].astype(int)
    assert kerb[2] > kerb[0]  # tinted red
    assert np.all(street == 90)


def test_the_drawn_street_can_be_drawn_upon() -> None:
    camera = _scene_camera()
    width, height = camera.size
    image = np.full((height, width, 3), 90, np.uint8)
    standing = next(trip.at(STOP_S + 5) for trip in reversed(trips()))
    assert standing is not None
    left, top, right, bottom = bounds(trips()[-1].vehicle, standing.pose, View())
    drawn = check_picture(image, camera, [Box(left, top, right, bottom, "car", 0.9)])
    green = np.all(drawn == (120, 255, 120), axis=2)
    assert green[:, round(left * 2)].sum() > (bottom - top)
