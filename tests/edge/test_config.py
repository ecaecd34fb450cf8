from pathlib import Path

import pytest

from config.document import ConfigError
from edge.config import read_agent, read_camera
from edge.setup import read_setup

_CAMERA = """\
id: cam-1
source: street.mp4
size: [320, 240]
backend: {kind: motion}
zones:
  - id: kerb
    type: no_parking
    polygon: [[10, 10], [200, 10], [200, 100]]
"""
_AGENT = """\
id: box-1
broker: mqtt://127.0.0.1:1883
centre: http://127.0.0.1:8080
rules: rules
cameras: [cam.yaml]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where messages name files as short as a user would."""
    monkeypatch.chdir(tmp_path)
    return Path()


def _camera_refusal(folder: Path, text: str) -> str:
    (folder / "cam.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_camera(folder / "cam.yaml")
    return str(caught.value)


def _agent_refusal(folder: Path, text: str) -> str:
    (folder / "edge.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_agent(folder / "edge.yaml")
    return str(caught.value)


def test_a_good_camera_and_agent_are_read(folder: Path) -> None:
    (folder / "cam.yaml").write_text(_CAMERA)
    (folder / "edge.yaml").write_text(_AGENT)
    assert read_camera(folder / "cam.yaml").zones[0].id == "kerb"
    assert read_agent(folder / "edge.yaml").cameras == ("cam.yaml",)


def test_an_unknown_key_is_named_with_the_one_that_was_meant(folder: Path) -> None:
    assert _camera_refusal(folder, _CAMERA.replace("size:", "szie:")) == (
        "cam.yaml:3: szie: unknown key; did you mean 'size'?"
    )
    assert _camera_refusal(folder, _CAMERA.replace("    type:", "    colour: red\n    type:")) == (
        "cam.yaml:7: zones[0].colour: unknown key; "
        "known keys: allow, by_label, direction, evidence, hours, id, lane, name, parameters, polygon, type"
    )


def test_a_polygon_of_two_points_is_refused_where_it_stands(folder: Path) -> None:
    assert _camera_refusal(folder, _CAMERA.replace(", [200, 100]", "")) == (
        "cam.yaml:8: zones[0].polygon: expected `array` of length >= 3"
    )


def test_a_polygon_without_area_is_refused(folder: Path) -> None:
    assert _camera_refusal(folder, _CAMERA.replace("[200, 100]", "[100, 10]")) == (
        "cam.yaml:8: zones[0].polygon: expected an area, got a line or a point"
    )


def test_a_zone_outside_the_frame_is_refused_at_its_corner(folder: Path) -> None:
    assert _camera_refusal(folder, _CAMERA.replace("[200, 100]", "[200, 300]")) == (
        "cam.yaml:8: zones[0].polygon[2]: (200, 300) lies outside the frame of 320x240; "
        "x goes from 0 to 320, y from 0 to 240"
    )


def test_a_zone_that_is_there_twice_is_refused(folder: Path) -> None:
    again = _CAMERA[_CAMERA.index("  - id") :]
    assert _camera_refusal(folder, _CAMERA + again) == "cam.yaml:9: zones[1].id: zone 'kerb' is there twice"


def test_a_url_of_the_wrong_kind_is_refused_with_what_it_begins_with(folder: Path) -> None:
    assert _agent_refusal(folder, _AGENT.replace("mqtt://", "mqt://")) == (
        "edge.yaml:2: broker: expected a URL that begins with mqtt://, got 'mqt://127.0.0.1:1883'"
    )
    assert _agent_refusal(folder, _AGENT.replace("http://127.0.0.1:8080", "127.0.0.1")) == (
        "edge.yaml:3: centre: expected a URL that begins with http://, got '127.0.0.1'"
    )


def test_a_file_that_is_not_there_is_said_so(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_agent(folder / "nowhere.yaml")
    assert str(caught.value) == "nowhere.yaml: cannot be read: No such file or directory"


def _setup(folder: Path, cameras: dict[str, str]) -> str:
    (folder / "rules").mkdir()
    book = Path(__file__).parents[2] / "rules" / "book" / "illegal-parking.yaml"
    (folder / "rules" / "rule.yaml").write_text(book.read_text())
    for name, text in cameras.items():
        (folder / name).write_text(text)
    (folder / "edge.yaml").write_text(_AGENT.replace("[cam.yaml]", f"[{', '.join(cameras)}]"))
    with pytest.raises(ConfigError) as caught:
        read_setup(folder / "edge.yaml")
    return str(caught.value)


def test_two_cameras_of_one_id_are_refused(folder: Path) -> None:
    refusal = _setup(folder, {"cam.yaml": _CAMERA, "other.yaml": _CAMERA})
    assert refusal == "other.yaml: id: camera 'cam-1' is there twice; cameras[1]"


def test_a_parameter_that_no_rule_takes_is_refused(folder: Path) -> None:
    refusal = _setup(folder, {"cam.yaml": _CAMERA + "    parameters: {limt_s: 30}\n"})
    assert refusal == "cam.yaml:9: zones[0].parameters.limt_s: unknown parameter; did you mean 'limit_s'?"
