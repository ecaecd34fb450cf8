"""Plates: what a picture of a vehicle says it is called, when it says so clearly enough.

Off unless a camera's file has `plates`. Text is read by RapidOCR, whose models come with its package (extra `plates`);
it is imported late. What is read is believed only if it has the form of a plate.
"""

import importlib.util
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, Protocol

import cv2
import msgspec

from edge.config import Plates
from edge.video import Image
from shell.refusal import Refusal

Country = Literal["cn", "any"]
_SIDE_MIN_PX = 24
_PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
_SERIAL = "A-HJ-NP-Z0-9"
_FORMS: dict[Country, re.Pattern[str]] = {
    # GA 36-2018: province, authority, then five, the last of which may name a use; or six for new energy.
    "cn": re.compile(
        rf"[{_PROVINCES}][A-HJ-NP-Z]"
        rf"(?:[{_SERIAL}]{{4}}[{_SERIAL}挂学警港澳领]|[A-HJK][{_SERIAL}]\d{{4}}|\d{{5}}[A-HJK])"
    ),
    "any": re.compile(r"(?=(?:\D*\d){2})[A-Z0-9]{4,9}"),
}
_BETWEEN = re.compile(r"[\s·•.・:_-]")
_LOOKS_LIKE = str.maketrans("IO", "10")
"""Neither letter stands in the serial of a Chinese plate, so there it was a figure."""


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """A plate, and how sure it is, 0 to 1; the text is empty where nothing is sure enough to be told."""

    text: str
    confidence: float


class PlateReader(Protocol):
    """Reads plates; called from one thread at a time."""

    def read(self, crop: Image) -> Reading | None:
        """Return the plate of the vehicle that fills a picture, blue green red; None if none can be read."""


def open_reader(config: Plates) -> PlateReader:
    """Make the reader. Raise Refusal if the library that it needs is not installed."""
    if importlib.util.find_spec("rapidocr_onnxruntime") is None:
        raise Refusal("plates", "the library that reads them is not installed", "install wayside[plates]")
    return RapidReader(config)


class RapidReader:
    """Finds lines of text with RapidOCR and takes the surest that has a plate's form."""

    def __init__(self, config: Plates) -> None:
        from rapidocr_onnxruntime import RapidOCR  # noqa: PLC0415

        self._country: Country = config.country
        # One thread: its own priority is then the priority of all the work.
        self._ocr = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)

    def read(self, crop: Image) -> Reading | None:
        """Return the plate in a picture; takes some tenths of a second."""
        if min(crop.shape[:2]) < _SIDE_MIN_PX:
            return None
        lines, _ = self._ocr(crop)
        return plate_of([(str(text), float(confidence)) for _, text, confidence in lines or ()], self._country)


def plate_of(lines: Sequence[tuple[str, float]], country: Country) -> Reading | None:
    """Return the surest line, or pair of lines one below the other, that has a plate's form.

    >>> plate_of([("FRESH FISH", 0.99), ("京A·1O345", 0.9)], "cn")
    Reading(text='京A10345', confidence=0.9)
    >>> plate_of([("京A", 0.9), ("12345", 0.8)], "cn")
    Reading(text='京A12345', confidence=0.8)
    """
    readings = [
        Reading(text, round(confidence, 3))
        for line, confidence in (*lines, *_pairs(lines))
        if _FORMS[country].fullmatch(text := normalised(line, country))
    ]
    return max(readings, key=lambda reading: reading.confidence, default=None)


def normalised(text: str, country: Country) -> str:
    """Return a text as plates are written: large letters, nothing between them.

    >>> normalised("粤b·I234o", "cn")
    '粤B12340'
    """
    plain = _BETWEEN.sub("", unicodedata.normalize("NFKC", text).upper())
    return plain if country == "any" else plain[:2] + plain[2:].translate(_LOOKS_LIKE)


def verdict(readings: Sequence[Reading], config: Plates) -> Reading:
    """Return what several readings of one vehicle come to: the text with most confidence behind it.

    Its confidence is the mean of its readings', times its share of all. It is told only if enough readings say so and
    that confidence is high enough; else the text is empty: a plate is never made up.

    >>> config = Plates(readings_min=2, confidence_min=0.8)
    >>> verdict([Reading("京A12345", 0.9), Reading("京A12345", 1.0)], config)
    Reading(text='京A12345', confidence=0.95)
    >>> verdict([Reading("京A12345", 0.9), Reading("京A12346", 0.9)], config)
    Reading(text='', confidence=0.45)
    """
    weights: dict[str, list[float]] = {}
    for reading in readings:
        weights.setdefault(reading.text, []).append(reading.confidence)
    if not weights:
        return Reading("", 0.0)
    text, won = max(weights.items(), key=lambda item: (sum(item[1]), item[0]))
    share = sum(won) / max(sum(map(sum, weights.values())), 1e-9)
    confidence = round(sum(won) / len(won) * share, 3)
    is_sure = len(won) >= config.readings_min and confidence >= config.confidence_min
    return Reading(text if is_sure else "", confidence)


def legibility(crop: Image) -> float:
    """Return how much there is to read in a picture, to compare pictures of one vehicle: sharpness times size."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var() * grey.size)


def crop_of(image: Image, bbox: tuple[float, float, float, float]) -> Image:
    """Return a copy of what is in a box (left, top, width, height), cut to the picture."""
    x, y, width, height = bbox
    left, top = max(0, int(x)), max(0, int(y))
    return image[top : max(top, round(y + height)), left : max(left, round(x + width))].copy()


def _pairs(lines: Sequence[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """Yield the lines that stand one below the other as one: lorries' plates have two."""
    for (upper, first), (lower, second) in pairwise(lines):
        yield upper + lower, min(first, second)
