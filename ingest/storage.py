"""Storage: evidence files, each under its own SHA-256, whole or not there at all."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shell.crash_point import crash_point
from shell.disk import sync


class OffsetError(Exception):
    """A chunk does not begin where the file ends.

    Attributes:
        offset: where it ends.
    """

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(f"expected a chunk that begins at {offset}")


def path_of(root: Path, sha256: str) -> Path:
    """Return where a whole file stands; two levels of folders keep each of them small."""
    return root / sha256[:2] / sha256[2:4] / sha256


class Storage:
    """A folder of whole files, and beside them those that are still arriving, one for each agent that sends."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._partial = root / "partial"

    def prepare(self) -> None:
        """Make the folders; raise OSError if that is not possible."""
        self._partial.mkdir(parents=True, exist_ok=True)
        probe = self._partial / ".probe"
        probe.write_bytes(b"")
        probe.unlink()

    def has(self, sha256: str) -> bool:
        """Tell whether the whole file is here."""
        return path_of(self.root, sha256).is_file()

    def offset_of(self, agent: str, sha256: str) -> int:
        """Return how many bytes of a file have arrived from an agent."""
        try:
            return self._partial_of(agent, sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, agent: str, sha256: str, offset: int, chunk: bytes) -> int:
        """Add a chunk and return the new offset, true also after a power cut; raise OffsetError."""
        self._partial.mkdir(parents=True, exist_ok=True)
        with _locked(self._partial_of(agent, sha256)) as file:
            end = os.lseek(file, 0, os.SEEK_END)
            if offset != end:
                raise OffsetError(end)
            left = memoryview(chunk)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        crash_point("evidence.after-chunk")
        return end + len(chunk)

    def finish(self, agent: str, sha256: str) -> bool:
        """Move a file whose last byte has arrived to its place; drop it and return False if its hash is wrong."""
        partial, path = self._partial_of(agent, sha256), path_of(self.root, sha256)
        try:
            with partial.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:  # another request was faster
            return self.has(sha256)
        if digest != sha256:
            partial.unlink(missing_ok=True)
            return False
        crash_point("evidence.before-rename")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(path)
        for folder in (path.parent, path.parent.parent, self.root, self._partial):
            sync(folder)
        crash_point("evidence.after-rename")
        return True

    def _partial_of(self, agent: str, sha256: str) -> Path:
        return self._partial / f"{agent}-{sha256}"


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Give an open file that nobody else appends to."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)
