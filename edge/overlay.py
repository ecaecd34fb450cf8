"""Overlay: what is drawn on a copy of a still, so that it explains itself when printed."""

from datetime import UTC, datetime

import cv2
import numpy as np

from edge.config import Camera
from edge.video import Image
from wire.event import Role
from wire.holding import Holding

STILLS: tuple[Role, ...] = ("arrival", "middle", "limit")
_ZONE_COLOUR = (0, 200, 255)
_BOX_COLOUR = (60, 60, 255)
_TEXT_COLOUR = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_JPEG_QUALITY = 90


def jpeg(image: Image, comment: str) -> bytes:
    """Return a picture as JPEG, quality 90, with a comment (segment COM), ASCII.

    The comment makes a file of every moment: two pictures of a quiet street may be alike to the last bit, and a file
    that is named by its hash could not say which of the two it is.
    """
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    content, text = encoded.tobytes(), comment.encode("ascii")
    return content[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + content[2:]


def with_overlay(image: Image, camera: Camera, held: Holding, role: Role, sha256: str) -> Image:
    """Return a copy with the zone, the vehicle's box and a line that says what, where and when.

    A close-up has the lines alone, below the view. ``sha256`` is the untouched original's.
    """
    if role == "closeup":
        return _with_lines_below(image, caption(camera, held, role, sha256))
    copy = image.copy()
    width = copy.shape[1]
    stroke = max(1, width // 400)
    for zone in camera.zones:
        if zone.id == held.zone:
            corners = np.array(zone.polygon, np.int32).reshape(-1, 1, 2)
            cv2.polylines(copy, [corners], isClosed=True, color=_ZONE_COLOUR, thickness=stroke)
    x, y, box_width, box_height = (round(each) for each in held.bbox)
    cv2.rectangle(copy, (x, y), (x + box_width, y + box_height), _BOX_COLOUR, stroke)
    _write_lines(copy, caption(camera, held, role, sha256), stroke)
    return copy


def caption(camera: Camera, held: Holding, role: Role, sha256: str) -> tuple[str, str]:
    """Return the two lines of text, ASCII: the fonts here know no other script."""
    taken = datetime.fromtimestamp(held.time_ms / 1000, UTC).astimezone()
    time = taken.strftime("%Y-%m-%d %H:%M:%S ") + taken.strftime("%z")
    place = f"{STILLS.index(role) + 1}/{len(STILLS)} {role}" if role in STILLS else role
    return f"{time}  {camera.id}  {held.zone}", f"{place}  stands {held.dwell_s:.0f} s  sha256 {sha256[:12]}"


def _with_lines_below(image: Image, lines: tuple[str, ...]) -> Image:
    strip = max(24, image.shape[1] // 8)
    copy = np.asarray(cv2.copyMakeBorder(image, 0, strip, 0, 0, cv2.BORDER_CONSTANT), np.uint8)
    _write_lines(copy, lines, 1)
    return copy


def _write_lines(image: Image, lines: tuple[str, ...], stroke: int) -> None:
    """Write on a darkened strip along the lower edge, as large as the longest line allows."""
    height, width = image.shape[:2]
    widest = max(cv2.getTextSize(line, _FONT, 1.0, stroke)[0][0] for line in lines)
    scale = min(0.96 * width / widest, width / 1100)
    row = max(10, round(34 * scale))
    top = height - row * len(lines) - row // 3
    image[top:] //= 3
    for number, line in enumerate(lines, 1):
        origin = (row // 3, top + row * number - row // 5)
        cv2.putText(image, line, origin, _FONT, scale, _TEXT_COLOUR, max(1, round(1.6 * scale)), cv2.LINE_AA)
