"""The picture of a check: what the configuration says of a camera, drawn on what the camera sees.

Zones and lanes, the grid of the road in metres, measured points and how far off they are, and what the backend finds.
OpenCV's fonts are ASCII only, so zones are written with their ids.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import Bools, Floats, as_rows
from detectors.ground import Ground
from detectors.tick import Box
from edge.calibration import Calibration, Survey, survey
from edge.check_ground import road_heading
from edge.check_sheet import Colour, Sheet
from edge.config import Camera, Zone
from edge.video import Image
from shell.refusal import Refusal

Indices = NDArray[np.int64]
_ZONES: dict[str, Colour] = {
    "no_parking": (70, 70, 255),
    "stall": (0, 165, 255),
    "storefront": (255, 90, 255),
    "lane": (255, 190, 40),
}
_LANE, _BOX, _GRID, _POINT, _TEXT, _FAR = (
    (255, 190, 40),
    (120, 255, 120),
    (255, 255, 255),
    (0, 255, 255),
    (255, 255, 255),
    (60, 60, 255),
)
_FINE_M, _BOLD_M = 1.0, 5.0
_FINE_SCALE, _BOLD_SCALE = 0.1, 0.5
"""Metres a pixel above which lines of the grid would run into each other."""
_MARGIN_M, _SPAN_M = 5.0, 150.0
"""How far around points and zones the plane is drawn: further out it is a guess."""
_CONFIDENCE_MIN = 0.25
_VEHICLES = ("car", "truck", "bus", "van")


def check_picture(image: Image, camera: Camera, boxes: Sequence[Box]) -> Image:
    """Return a drawn-on copy, enlarged if it is small, with a caption below."""
    result = survey(camera.calibration, camera.size) if camera.calibration else None
    sheet = Sheet(image)
    if result is not None and camera.calibration is not None:
        _draw_grid(sheet, camera, camera.calibration, result.ground)
        for number, (point, error) in enumerate(zip(camera.calibration.points, result.errors_px, strict=True), 1):
            sheet.mark(point.pixel, _POINT)
            sheet.text(point.pixel, f"P{number} {error:.1f} px", _POINT)
    for zone in camera.zones:
        _draw_zone(sheet, zone, result)
    sure = [box for box in boxes if box.confidence >= _CONFIDENCE_MIN]
    _draw_boxes(sheet, camera, sure, result)
    return sheet.captioned(
        _caption(camera, result, f"{len(sure)} boxes surer than {_CONFIDENCE_MIN:g}, of {len(boxes)}")
    )


def write_picture(path: Path, image: Image) -> None:
    """Write a picture in the format that its name ends in; raise Refusal."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise Refusal(str(path), "expected a name that ends in .png or .jpg", f"try {path.with_suffix('.png')}")
    _, encoded = cv2.imencode(path.suffix, image)
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise Refusal(str(path), f"cannot be written: {error.strerror}", "name another file: --picture") from error


def _draw_grid(sheet: Sheet, camera: Camera, calibration: Calibration, ground: Ground) -> None:
    """Draw lines of whole metres around what was measured and what is watched, where they keep apart."""
    measured = np.array([point.metres for point in calibration.points])
    zones = [ground.metres(np.array(zone.polygon, dtype=np.float64)) for zone in camera.zones]
    known, middle = np.concatenate((measured, *zones)), measured.mean(axis=0)
    low = np.maximum(known.min(axis=0) - _MARGIN_M, middle - _SPAN_M / 2)
    high = np.minimum(known.max(axis=0) + _MARGIN_M, middle + _SPAN_M / 2)
    plain = sheet.canvas.copy()
    for step, scale_max, thick in ((_FINE_M, _FINE_SCALE, 1), (_BOLD_M, _BOLD_SCALE, 2)):
        for line in _lines(low, high, step):
            pixels = ground.pixels(line)
            for run in _runs(_is_sane(camera.size, ground, pixels, scale_max)):
                sheet.line(pixels[run], _GRID, thick)
    sheet.canvas = np.asarray(cv2.addWeighted(sheet.canvas, 0.55, plain, 0.45, 0), dtype=np.uint8)
    crossings = np.stack(np.meshgrid(*(_steps(low[axis], high[axis], _BOLD_M) for axis in (0, 1))), axis=-1)
    crossings = crossings.reshape(-1, 2)
    seen = ground.pixels(crossings)
    for number in np.flatnonzero(_is_sane(camera.size, ground, seen, _FINE_SCALE)):
        # Of a national grid's coordinates the last three figures tell the lines apart.
        x, y = (f"{each % 1000 if each >= 1000 else each + 0.0:g}" for each in crossings[number])
        sheet.text((seen[number, 0], seen[number, 1]), f"{x},{y}", _GRID, 0.35)


def _steps(low: float, high: float, step: float) -> Floats:
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _lines(low: Floats, high: Floats, step: float) -> Iterator[Floats]:
    """Yield the lines of the grid as points a quarter of a metre apart, metres."""
    for axis in (0, 1):
        along = np.arange(low[1 - axis], high[1 - axis], 0.25)
        for place in _steps(low[axis], high[axis], step):
            line = np.full((len(along), 2), place)
            line[:, 1 - axis] = along
            yield line


def _runs(wanted: Bools) -> Iterator[Indices]:
    """Yield each run of wanted points that makes a line, as its points' numbers."""
    for run in np.split(np.arange(len(wanted)), np.flatnonzero(np.diff(wanted)) + 1):
        if len(run) > 1 and wanted[run[0]]:
            yield run


def _is_sane(size: tuple[int, int], ground: Ground, pixels: Floats, scale_max: float) -> Bools:
    """Return which points are in the picture and not so far away that the lines would run into each other."""
    inside = (pixels >= 0).all(axis=1) & (pixels <= size).all(axis=1)
    return np.asarray(inside & (ground.scales(pixels) <= scale_max), dtype=np.bool_)


def _draw_zone(sheet: Sheet, zone: Zone, result: Survey | None) -> None:
    colour, corners = _ZONES[zone.type], np.array(zone.polygon, dtype=np.float64)
    sheet.tint(zone.polygon, colour)
    sheet.line(corners, colour, 2, is_closed=True)
    if zone.lane is not None:
        sheet.line(np.array(zone.lane, dtype=np.float64), _LANE, 1, is_closed=True)
        sheet.text(zone.lane[0], f"lane of {zone.id}", _LANE)
    middle = corners.mean(axis=0)
    if zone.direction is not None and np.hypot(*zone.direction) > 0:
        reach = np.ptp(corners, axis=0).max() / 5
        step = np.array(zone.direction) / np.hypot(*zone.direction) * reach
        sheet.arrow(middle - step, middle + step, colour)
    sheet.text((middle[0], middle[1]), f"{zone.id} ({zone.type})", colour, 0.5)
    if result is None:
        return
    for number, (corner, scale) in enumerate(zip(zone.polygon, result.ground.scales(corners), strict=True), 1):
        sheet.text(corner, f"{number}: {scale:.3f} m/px", _FAR if scale > result.m_per_px_max else _TEXT, 0.4)


def _draw_boxes(sheet: Sheet, camera: Camera, boxes: Sequence[Box], result: Survey | None) -> None:
    rows = as_rows([(box.x1, box.y1, box.x2, box.y2) for box in boxes])
    bases = lengths = np.full(len(boxes), np.nan)
    if result is not None and len(boxes):
        bases = result.ground.base_lengths(rows)
        lengths = result.ground.vehicle_lengths(rows, road_heading(camera, result.ground)[0])
    for box, base_m, length_m in zip(boxes, bases, lengths, strict=True):
        corners = [(box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2)]
        sheet.line(np.array(corners), _BOX, 1, is_closed=True)
        is_vehicle = box.label in _VEHICLES
        size = f" {length_m:.1f} m long" if is_vehicle else f" {base_m:.1f} m wide"
        known = np.isfinite(length_m if is_vehicle else base_m)
        sheet.text((box.x1, box.y1), f"{box.label} {box.confidence:.2f}{size if known else ''}", _BOX, 0.4)


def _caption(camera: Camera, result: Survey | None, boxes: str) -> list[tuple[str, Colour]]:
    width, height = camera.size
    if result is None:
        fit = "not calibrated: no grid, no sizes in metres"
    elif not result.is_checked:
        fit = f"{len(result.errors_px)} points, which fit exactly whatever they are: add two to check them"
    else:
        worst = result.worst
        fit = (
            f"{len(result.errors_px)} points, reprojection error {result.rms_px:.2f} px rms, "
            f"worst P{worst + 1} {result.errors_px[worst]:.1f} px; grid 1 m and 5 m"
        )
    kinds = ", ".join(sorted({zone.type for zone in camera.zones}))
    return [
        (f"{camera.id}  {width}x{height}  {fit}", _TEXT),
        (f"zones: {kinds}; corners with metres a pixel; {boxes}", _TEXT),
    ]
