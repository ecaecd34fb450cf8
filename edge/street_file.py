"""Street file: a camera's empty street on disk, so that what stands there after a restart is not taken for street."""

import math
import time
from pathlib import Path

_KEEP_EVERY_S = 60.0
_OLD_S = 3_600.0
"""After so long the light is another; the street is learnt anew."""


class StreetFile:
    """Holds what `Foreground.save` gives, written beside and moved into place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept_s = -math.inf

    def load(self) -> bytes:
        """Return what was kept last; nothing if that is too long ago, or cannot be read."""
        try:
            age_s = time.time() - self._path.stat().st_mtime
            return self._path.read_bytes() if 0 <= age_s <= _OLD_S else b""
        except OSError:
            return b""

    def is_due(self, time_s: float) -> bool:
        """Say whether the last one was kept long enough ago; ``time_s`` is the camera's clock."""
        return time_s - self._kept_s >= _KEEP_EVERY_S

    def keep(self, saved: bytes, time_s: float) -> None:
        """Write it, if there is anything; a disk that is full only costs the next start its memory."""
        self._kept_s = time_s
        if not saved:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_suffix(".part")
            beside.write_bytes(saved)
            beside.replace(self._path)
        except OSError:
            return
