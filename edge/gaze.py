"""Gaze: the eyes of one camera and the pace they are opened at; the same live and in a replay of a video."""

from detectors.wants import Wants
from edge.config import Camera, Onnx
from edge.eyes import Eyes, Sighting
from edge.inference import Backend
from edge.pace import Watched, choose
from edge.reference import Reference
from edge.senses.movement import Movement
from edge.video import Frame


class Gaze:
    """Looks at one camera's pictures as its pace says, in order of time, from one thread at a time."""

    def __init__(self, camera: Camera, backend: Backend, reference: Reference | None = None) -> None:
        self.eyes = Eyes(camera, backend, reference)
        # A backend without a model tells motion itself, and needs every picture to do so.
        self._spares = camera.look == "paced" and isinstance(camera.backend, Onnx)
        self._pacing, self._movement = camera.pacing, Movement(camera.pacing)
        self._watched: Watched | None = None

    def see(self, frame: Frame, wants: Wants) -> Sighting | None:
        """Return what a picture shows; None if it was only watched, because nothing moves and nothing is due."""
        if not self._spares:
            return self.eyes.look(frame, wants)
        has_moved = self._movement.moved(frame.image, frame.time_s)
        self._watched, choice = choose(
            self._pacing,
            self._watched,
            time_s=frame.time_s,
            pace=wants.pace,
            has_moved=has_moved,
            places=len(wants.places),
        )
        if choice == "none":
            self.eyes.glance(frame)
            return None
        return self.eyes.look(frame, wants, places=wants.places if choice == "places" else ())
