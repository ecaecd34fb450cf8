"""Plates: the form, the votes, the desk that reads beside the watching, and the real reader on drawn plates."""

import importlib.util
import subprocess
import sys
import threading
from typing import Any

import cv2
import numpy as np
import pytest

from edge.config import Plates
from edge.plate_desk import PlateDesk
from edge.plates import PlateReader, Reading, crop_of, legibility, open_reader, plate_of, verdict
from edge.video import Image
from shell.refusal import Refusal


@pytest.mark.parametrize(
    "text",
    ["京A12345", "沪AD12345", "粤B12345D", "苏E8K2M9", "京A1234警", "粤Z1234港", "冀B1234挂", "川A·8F63Q"],
)
def test_plates_of_every_chinese_kind_are_known(text: str) -> None:
    assert plate_of([(text, 0.9)], "cn") == Reading(text.replace("·", ""), 0.9)


@pytest.mark.parametrize(
    "text", ["京A1234", "京A1234567", "A12345", "京112345", "京I12345", "鲜A12345", "京A12挂45", "13800138000", ""]
)
def test_what_has_not_the_form_is_no_plate(text: str) -> None:
    assert plate_of([(text, 0.99)], "cn") is None


def test_a_plate_is_told_from_the_words_on_a_van() -> None:
    lines = [("FRESH FISH DAILY", 0.99), ("KX7-4921", 0.9), ("13800138000", 0.98), ("OPEN", 0.99)]
    assert plate_of(lines, "any") == Reading("KX74921", 0.9)


def test_a_lorry_s_two_lines_are_one_plate() -> None:
    assert plate_of([("冀B", 0.95), ("1234挂", 0.9)], "cn") == Reading("冀B1234挂", 0.9)


def test_one_picture_is_not_enough() -> None:
    assert verdict([Reading("京A12345", 1.0)], Plates()) == Reading("", 1.0)
    assert verdict([Reading("京A12345", 1.0)], Plates(readings_min=1)).text == "京A12345"


def test_a_wrong_reading_among_right_ones_costs_confidence_and_not_the_plate() -> None:
    readings = [Reading("京A12345", 0.99)] * 4 + [Reading("京A12346", 0.6)]
    assert verdict(readings, Plates()) == Reading("京A12345", 0.86)


def test_what_is_not_sure_is_never_told() -> None:
    assert verdict([Reading("京A12345", 0.7)] * 5, Plates()) == Reading("", 0.7)
    assert verdict([], Plates()) == Reading("", 0.0)


class _Scripted:
    """A reader that says the plate of a picture's brightness, and waits when it is told to."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.thread = ""

    def read(self, crop: Image) -> Reading | None:
        self.gate.wait(10)
        self.thread = threading.current_thread().name
        self.seen.append(int(crop.max()))
        return Reading("京A12345", 0.95)


def _crop(brightness: int) -> Image:
    crop = np.zeros((40, 60, 3), np.uint8)
    crop[::2] = brightness
    return crop


def _settle(desk: PlateDesk) -> None:
    for future in list(desk._pending.values()):
        future.exception(10)


def test_two_pictures_of_a_stay_give_its_plate() -> None:
    desk = PlateDesk(Plates(again_s=5), _Scripted())
    desk.offer("a", _crop(10), 0.0)
    _settle(desk)
    assert desk.facts("a") == {"plate": "", "plate_confidence": 0.95}
    desk.offer("a", _crop(10), 5.0)
    _settle(desk)
    assert desk.facts("a") == {"plate": "京A12345", "plate_confidence": 0.95}
    assert desk.facts("b") == {}
    desk.close()


def test_a_stay_is_read_no_more_often_than_configured_and_then_by_its_best_picture() -> None:
    reader = _Scripted()
    desk = PlateDesk(Plates(again_s=5), reader)
    for time_s, brightness in ((0.0, 10), (1.0, 200), (2.0, 90), (4.9, 30), (5.0, 20)):
        desk.offer("a", _crop(brightness), time_s)
        _settle(desk)
    assert reader.seen == [10, 200]
    assert reader.thread.startswith("plates")
    desk.close()


def test_a_slow_reader_keeps_nobody_waiting_and_gets_no_queue() -> None:
    reader = _Scripted()
    reader.gate.clear()
    desk = PlateDesk(Plates(again_s=1), reader)
    for number in range(20):
        desk.offer(f"stay-{number}", _crop(50), float(number))
    assert len(desk._pending) == 1
    reader.gate.set()
    _settle(desk)
    assert reader.seen == [50]
    desk.close()


def test_a_reader_that_fails_costs_a_reading_and_nothing_else() -> None:
    class Broken:
        def read(self, crop: Image) -> Reading | None:
            raise cv2.error(f"cannot read {crop.shape}")

    desk = PlateDesk(Plates(), Broken())
    desk.offer("a", _crop(10), 0.0)
    _settle(desk)
    assert desk.facts("a") == {"plate": "", "plate_confidence": 0.0}
    desk.close()


def test_a_stay_that_is_over_is_forgotten() -> None:
    desk = PlateDesk(Plates(), _Scripted())
    for stay in ("a", "b"):
        desk.offer(stay, _crop(10), 0.0)
        _settle(desk)
    desk.keep({"b"})
    assert desk.facts("a") == {}
    assert desk.facts("b")
    desk.close()


def test_a_sharp_and_a_large_picture_are_worth_more() -> None:
    sharp = _crop(200)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3), np.uint8)
    assert legibility(sharp) > legibility(blurred)
    assert legibility(np.asarray(np.vstack((sharp, sharp)), np.uint8)) > legibility(sharp)


def test_a_box_that_leaves_the_picture_is_cut_to_it() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert crop_of(image, (-10, 50, 50, 80)).shape == (50, 40, 3)
    assert crop_of(image, (300, 50, 50, 80)).size == 0


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Refusal, match=r"not installed; install wayside\[plates\]"):
        open_reader(Plates())


def test_the_library_is_never_imported_where_plates_are_off() -> None:
    code = "import sys, edge.agent, edge.check, edge.plates; print('rapidocr_onnxruntime' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def _reader(config: Plates) -> PlateReader:
    if importlib.util.find_spec("rapidocr_onnxruntime") is None:
        pytest.skip("no reader of plates is installed: the extra `plates`")
    return open_reader(config)


def _car(scale: float = 1.0) -> Image:
    car = np.full((240, 320, 3), (120, 60, 50), np.uint8)
    cv2.rectangle(car, (50, 145), (270, 210), (180, 60, 20), -1)
    return np.asarray(cv2.resize(car, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_drawn_plate_is_really_read(scale: float) -> None:
    car = _car()
    cv2.putText(car, "KX7 4921", (66, 190), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 3, cv2.LINE_AA)
    small = np.asarray(cv2.resize(car, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    reading = _reader(Plates(country="any")).read(small)
    assert reading is not None
    assert (reading.text, reading.confidence > 0.8) == ("KX74921", True)


@pytest.mark.parametrize("plate", ["京A12345", "沪AD12345", "苏E·8K2M9"])
def test_a_drawn_chinese_plate_is_really_read(plate: str) -> None:
    fonts: Any = getattr(cv2, "FontFace", None)
    if fonts is None or np.array_equal(_written(fonts, "京"), _written(fonts, "沪")):
        pytest.skip("this OpenCV has no font with Chinese characters (5.0 with WITH_UNIFONT has)")
    car = _car()
    cv2.putText(car, plate, (60, 192), (255, 255, 255), fonts("uni"), 38, 600)
    reading = _reader(Plates()).read(car)
    assert reading is not None
    assert (reading.text, reading.confidence > 0.8) == (plate.replace("·", ""), True)


def _written(fonts: Any, text: str) -> Image:
    page = np.zeros((60, 60, 3), np.uint8)
    cv2.putText(page, text, (5, 50), (255, 255, 255), fonts("uni"), 38, 600)
    return page


def test_an_empty_wall_has_no_plate() -> None:
    reader = _reader(Plates())
    assert reader.read(_car()) is None
    assert reader.read(np.zeros((10, 10, 3), np.uint8)) is None
