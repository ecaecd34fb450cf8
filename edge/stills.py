"""Stills: a moment as two files, the picture as the camera gave it and the working copy that people look at."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from detectors.tick import Box
from edge.closeup import crop, score_of
from edge.config import Camera
from edge.evidence import Still, write_file
from edge.masking import masked
from edge.overlay import jpeg, with_overlay
from edge.video import Frame, Image
from rules.rule_book import Crop
from wire.event import Role
from wire.holding import Holding

_LOG = structlog.get_logger()
_BETTER = 1.25
"""By how much a view must be better than the best so far: a few files for each stay, not one for each picture."""
_AGAIN_S = 1.0
"""How often a stay's view is judged."""
CLOSEUPS_MAX = 64
"""Of stays at one time; more would be a car park."""


class Closeup(msgspec.Struct, frozen=True):
    """The best view so far."""

    score: float
    still: Still


def take_still(
    folder: Path, camera: Camera, image: Image, held: Holding, *, event_id: str, role: Role, boxes: Iterable[Box]
) -> Still | None:
    """Write a picture, taken when ``held`` says, and its working copy.

    ``image`` is the whole picture at any resolution; ``boxes`` are what was found in it, in pixels of ``held.size``.
    This is also how a spill's roles ``before`` and ``after`` are kept. None if the disk is full: an event without a
    still is one.
    """
    copy = masked(image, boxes, held.bbox, held.size)
    return _write(folder, camera, image, copy, held, event_id=event_id, role=role)


def better_closeup(
    folder: Path, camera: Camera, frame: Frame, asked: Crop, *, boxes: Iterable[Box], best: Closeup | None
) -> Closeup | None:
    """Write the view of this frame and return it if it is clearly better than the best so far; else None."""
    part = crop(frame.image, asked.held)
    score = 0.0 if part is None else score_of(part)
    if part is None or score <= (_BETTER * best.score if best else 0.0):
        return None
    whole = masked(frame.image, boxes, asked.held.bbox, asked.held.size)
    copy = crop(whole, asked.held)
    if copy is None:
        return None
    still = _write(folder, camera, part, copy, asked.held, event_id=asked.event_id, role="closeup")
    return None if still is None else Closeup(score, still)


class Pacer:
    """Says when a stay's view is to be judged again; forgets by itself what is judged no more."""

    def __init__(self) -> None:
        self._judged_s: dict[str, float] = {}

    def is_due(self, event_id: str, time_s: float) -> bool:
        """Tell whether a view of this event is to be judged now."""
        if time_s - self._judged_s.get(event_id, -_AGAIN_S) < _AGAIN_S:
            return False
        self._judged_s.pop(event_id, None)
        self._judged_s[event_id] = time_s
        if len(self._judged_s) > CLOSEUPS_MAX:
            del self._judged_s[next(iter(self._judged_s))]
        return True


def _write(
    folder: Path, camera: Camera, original: Image, copy: Image, held: Holding, *, event_id: str, role: Role
) -> Still | None:
    comment = f"{camera.id} {event_id} {role} {held.time_ms}"
    try:
        first = write_file(folder, jpeg(original, comment), ".jpg")
        drawn = with_overlay(copy, camera, held, role, first.sha256)
        second = write_file(folder, jpeg(drawn, f"{comment} copy"), ".jpg")
    except OSError as error:
        _LOG.error("a still cannot be kept", camera=camera.id, role=role, reason=error.strerror)
        return None
    return Still(role, held.time_ms, first, second)
