"""Eyes: all that looks at the pictures of one camera. Detectors see what the eyes say, never a picture."""

import msgspec

from detectors.blob import Blob
from detectors.surface import Surface
from detectors.tick import Box, Tick
from detectors.view import View
from detectors.wants import Corners, Look, Wants
from edge.config import Camera, Motion
from edge.inference import Backend
from edge.senses.appearance import describe
from edge.senses.steady import Steady
from edge.video import Frame
from wire.clock import ClockState


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one picture shows; the fields are those of the same names in `detectors.tick.Tick`."""

    boxes: tuple[Box, ...]
    blind: str = ""
    regions: tuple[Corners, ...] = ()
    view: View | None = None
    blobs: tuple[Blob, ...] = ()
    looks: tuple[Look, ...] = ()
    steady: tuple[Box, ...] | None = None
    surfaces: tuple[Surface, ...] = ()


class Eyes:
    """Looks at one camera's pictures, in order of time, from one thread at a time."""

    def __init__(self, camera: Camera, backend: Backend) -> None:
        self.camera, self.backend = camera, backend
        # What a class-free backend finds depends on the pictures before; one out of turn would confuse it.
        self._steady = None if isinstance(camera.backend, Motion) else Steady(backend)

    def look(self, frame: Frame, wants: Wants) -> Sighting:
        """Return what a picture shows, and answers to what the detectors ask of it."""
        found = self.backend.detect(frame.image, frame.time_s)
        looks = describe(frame.image, wants.looks)
        steady = None
        if self._steady is not None:
            steady = self._steady.look(frame, stands=bool(wants.places), asked=wants.steady)
        return Sighting(boxes=found.boxes, blind=found.blind, looks=looks, steady=steady)


def tick_of(camera: Camera, frame: Frame, sighting: Sighting, clock: ClockState = "unsynced") -> Tick:
    """Return the tick that a picture and what it shows are."""
    return Tick(
        camera=camera.id,
        time_s=frame.time_s,
        time_ms=frame.time_ms,
        size=camera.size,
        clock=clock,
        **msgspec.structs.asdict(sighting),
    )
