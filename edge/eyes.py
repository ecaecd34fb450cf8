"""Eyes: all that looks at the pictures of one camera. Detectors see what the eyes say, never a picture."""

import msgspec

from detectors.blob import Blob
from detectors.surface import Surface
from detectors.tick import Box, Tick
from detectors.view import View
from detectors.wants import Corners, Look, Wants
from edge.config import Camera
from edge.inference import Backend, Found, mosaic
from edge.reference import Reference
from edge.senses.appearance import describe
from edge.senses.foreground import Foreground
from edge.senses.road import Road
from edge.senses.steady import Steady
from edge.senses.view import ViewSense
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

    def __init__(self, camera: Camera, backend: Backend, reference: Reference | None = None) -> None:
        """``reference``: the view that the camera should have; without one it is learnt and kept nowhere."""
        self.camera, self.backend = camera, backend
        self._view = ViewSense(reference or Reference(None))
        self.foreground = Foreground()
        # What a class-free backend finds depends on the pictures before; one out of turn would confuse it.
        self._steady = Steady(backend) if backend.is_stateless else None
        self._boxes: tuple[Box, ...] = ()
        lanes = [zone.polygon for zone in camera.zones if zone.type == "lane"]
        self.road = Road(camera.size, lanes) if lanes else None

    def look(self, frame: Frame, wants: Wants, places: tuple[Corners, ...] = ()) -> Sighting:
        """Return what a picture shows, and answers to what the detectors ask of it.

        ``places`` are all that the model need look at; if there are none, it looks at the whole picture. The picture
        is only lent: what is to be remembered of it must be copied.
        """
        found, regions = self._find(frame, places)
        self._boxes = found.boxes
        return Sighting(
            boxes=found.boxes,
            blind=found.blind,
            regions=regions,
            view=self._view.look(frame),
            blobs=self.foreground.see(frame.image, frame.time_s, found.boxes, regions),
            looks=describe(frame.image, wants.looks, self.foreground.street_at),
            steady=self._steady.look(frame, stands=bool(wants.places), asked=wants.steady) if self._steady else None,
            surfaces=self.road.look(frame, found.boxes, wants.surfaces, blind=found.blind) if self.road else (),
        )

    def glance(self, frame: Frame) -> None:
        """Feed a picture in which nothing moves, and which the model does not look at, to the senses that need all."""
        self._view.look(frame)
        self.foreground.see(frame.image, frame.time_s, self._boxes)
        if self.road:
            self.road.look(frame, self._boxes, ())

    def _find(self, frame: Frame, places: tuple[Corners, ...]) -> tuple[Found, tuple[Corners, ...]]:
        """Return what the backend finds, and which regions it looked at; none for the whole picture."""
        if places and mosaic.shows_all(self.backend, self.camera.size, places):
            boxes, regions = mosaic.look(self.backend, frame.image, places)
            return Found(boxes), regions
        return self.backend.detect(frame.image, frame.time_s), ()


def tick_of(
    camera: Camera, frame: Frame, sighting: Sighting, clock: ClockState = "unsynced", watched_s: float = 0.0
) -> Tick:
    """Return the tick that a picture and what it shows are, after so many seconds in which nothing moved."""
    return Tick(
        camera=camera.id,
        time_s=frame.time_s,
        time_ms=frame.time_ms,
        size=camera.size,
        clock=clock,
        watched_s=watched_s,
        **msgspec.structs.asdict(sighting),
    )
