"""Reference: the view that a camera should have, one picture a camera, kept over restarts."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import Camera
from edge.setup import Setup
from shell.refusal import Refusal

Picture = NDArray[np.uint8]


class Reference:
    """A file with the view: one that is configured, never written; or the agent's own; or none, in a replay."""

    def __init__(self, path: Path | None, *, is_configured: bool = False) -> None:
        """Take a path; raise Refusal for a configured file that is no picture."""
        self._path, self._is_configured = path, is_configured
        self._read: tuple[int, int] | None = None
        if is_configured and path is not None and _picture(path) is None:
            raise Refusal(str(path), "is no picture that can be read", "expected a JPEG or PNG of the camera's view")

    def has_changed(self) -> bool:
        """Tell whether the file is another than the one that was read or written last, or gone."""
        return self._read is not None and self._stamp() != self._read

    def load(self) -> tuple[Picture, str] | None:
        """Return the picture and the first digits of its hash; None if there is none that can be read."""
        self._read = self._stamp()
        picture = _picture(self._path) if self._path is not None and self._read is not None else None
        if self._path is None or picture is None:
            self._read = None
            return None
        return picture, _name(self._path.read_bytes())

    def keep(self, picture: Picture) -> str:
        """Write a picture for the next start and return the first digits of its hash.

        A disk that is full only costs the next start its memory.
        """
        packed = bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])
        if self._path is not None and not self._is_configured:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                beside = self._path.with_suffix(".part")
                beside.write_bytes(packed)
                beside.replace(self._path)
                self._read = self._stamp()
            except OSError:
                self._read = None
        return _name(packed)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            state = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return (state.st_mtime_ns, state.st_size) if state else None


def reference_of(camera: Camera, storage: Path | None) -> Reference:
    """Return a camera's reference: its configured file, or the agent's own; raise Refusal for a file that is none."""
    if camera.reference:
        return Reference(Path(camera.reference), is_configured=True)
    return Reference(reference_path(storage, camera.id) if storage else None)


def reference_path(storage: Path, camera_id: str) -> Path:
    """Return where an agent keeps a camera's view."""
    return storage / "views" / f"{camera_id}.jpg"


def accept(setup: Setup, camera_id: str) -> str:
    """Set a camera's stored view aside, so that the agent learns it anew, running or not; say what will happen.

    Raises Refusal for a camera that is unknown, or whose view is a configured file.
    """
    cameras = {camera.id: camera for camera in setup.cameras}
    if camera_id not in cameras:
        raise Refusal(camera_id, "no such camera", f"there are {', '.join(cameras)}")
    if cameras[camera_id].reference:
        raise Refusal(cameras[camera_id].reference, "is this camera's configured view", "replace that picture")
    path = reference_path(setup.storage, camera_id)
    try:
        path.replace(path.with_suffix(".before.jpg"))
    except FileNotFoundError:
        return f"{camera_id}: no view is stored yet; the agent learns it from the first good seconds"
    except OSError as error:
        raise Refusal(str(path), f"cannot be moved: {error.strerror}") from error
    return f"{camera_id}: the agent learns what it sees now; the view so far is {path.with_suffix('.before.jpg')}"


def _picture(path: Path) -> Picture | None:
    try:
        packed = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    found = cv2.imdecode(packed, cv2.IMREAD_COLOR) if packed.size else None
    return None if found is None else np.asarray(found, np.uint8)


def _name(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()[:12]
