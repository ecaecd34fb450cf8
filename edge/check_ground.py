"""What a check says of a camera's calibration: how well it fits, how far its zones are, how long cars are by it."""

from collections.abc import Iterator, Sequence

import numpy as np

from detectors.geometry import Floats, Point, as_rows
from detectors.ground import Ground
from detectors.tick import Box
from edge.calibration import Survey, survey
from edge.config import Camera, Zone
from edge.finding import Finding

_CAR_M = (3.0, 7.0)
"""Cars are 3.6 to 5.2 m long, most of them 4.2 to 4.9; a calibration in feet or on the wrong mark is far outside."""
_EDGE_PX = 2.0
_CHECKED_WELL = 6


def ground_findings(camera: Camera) -> Iterator[Finding]:
    """Yield how well the calibration fits, and of each zone whether it is near enough for evidence."""
    if camera.calibration is None:
        missing = "none: sizes are judged in pixels, and events do not say if their zone is fit for evidence"
        yield Finding("calibration", camera.id, missing, "look")
        return
    result = survey(camera.calibration, camera.size)
    yield _fit(camera, result)
    for zone in camera.zones:
        yield _distance(camera, zone, result)


def car_findings(camera: Camera, boxes: Sequence[Box]) -> Iterator[Finding]:
    """Yield how long the cars of a picture are by the calibration, if it shows any whole."""
    if camera.calibration is None:
        return
    ground = survey(camera.calibration, camera.size).ground
    heading, source = road_heading(camera, ground)
    rows = as_rows([(each.x1, each.y1, each.x2, each.y2) for each in boxes if _is_whole_car(each, camera)])
    lengths = ground.vehicle_lengths(rows, heading)
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths):
        return
    median, (low, high) = float(np.median(lengths)), _CAR_M
    text = f"median {median:.1f} m long, of {len(lengths)}, along {source}"
    if low <= median <= high:
        yield Finding("cars", camera.id, text)
    else:
        doubt = f"{text}; expected {low:g} to {high:g}: look at the unit of the points, and at the picture (--picture)"
        yield Finding("cars", camera.id, doubt, "look")


def road_heading(camera: Camera, ground: Ground) -> tuple[Point, str]:
    """Return which way the road runs, metres, and by which zone: a lane's direction, else a zone's longest side."""
    for zone in camera.zones:
        if zone.direction is not None:
            middle = np.mean(np.array(zone.polygon), axis=0)
            step = np.array(zone.direction) / max(np.hypot(*zone.direction), 1e-9)
            heading = ground.metres(middle + step) - ground.metres(middle)
            if np.hypot(*heading) > 0:
                return (float(heading[0]), float(heading[1])), zone.id
    zone = next((each for each in camera.zones if each.type == "no_parking"), camera.zones[0])
    corners = ground.metres(np.array(zone.polygon, dtype=np.float64))
    sides: Floats = np.roll(corners, -1, axis=0) - corners
    x, y = sides[np.argmax(np.hypot(sides[:, 0], sides[:, 1]))]
    return (float(x), float(y)), zone.id


def _fit(camera: Camera, result: Survey) -> Finding:
    count = len(result.errors_px)
    if not result.is_checked:
        text = f"{count} points, which fit exactly whatever they are: add two to check them"
        return Finding("calibration", camera.id, text, "look")
    worst = f"worst point {result.worst + 1}, {result.errors_px[result.worst]:.1f} px"
    more = "" if count >= _CHECKED_WELL else f"; {_CHECKED_WELL} points and more check each other"
    return Finding("calibration", camera.id, f"{count} points, {result.rms_px:.1f} px rms, {worst}{more}")


def _distance(camera: Camera, zone: Zone, result: Survey) -> Finding:
    scales = result.ground.scales(np.array(zone.polygon, dtype=np.float64))
    subject, text = f"{camera.id}: {zone.id}", f"{scales.min():.3f} to {scales.max():.3f} m a pixel"
    corner = result.too_far(zone.polygon)
    if corner is None:
        return Finding("zone", subject, text if zone.evidence else f"{text}, no evidence by its configuration")
    far = (
        f"too far for evidence: {scales[corner]:.2f} m a pixel at corner {corner + 1}, at most {result.m_per_px_max:g}"
    )
    if not zone.evidence:
        return Finding("zone", subject, f"{far}; its events say so")
    return Finding("zone", subject, f"{far}; move the corner nearer or set evidence: false", "no")


def _is_whole_car(box: Box, camera: Camera) -> bool:
    width, height = camera.size
    is_whole = min(box.x1, box.y1, width - box.x2, height - box.y2) > _EDGE_PX
    return box.label == "car" and box.confidence >= camera.parking.birth_confidence and is_whole
