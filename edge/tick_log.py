"""Tick log: what a camera knew, one tick after another, so that any rule can be tried on it later.

A file is a run of zstd frames, each of which holds whole ticks as a length (4 bytes, big-endian) and msgpack. A kill
loses the frame that was being filled, never an earlier one.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from detectors.tick import Tick
from shell.refusal import Refusal

SUFFIX = ".ticks.zst"
_TICKS_A_FRAME = 20
_READ_BYTES = 64 * 1024
_TICK_BYTES_MAX = 4 * 1024 * 1024
_EXPECTED = "expected a tick log that Wayside wrote"


class TickLog:
    """Appends ticks to a file; one writer."""

    def __init__(self, path: Path, *, ticks_a_frame: int = _TICKS_A_FRAME) -> None:
        """Open ``path`` to go on where it ends; a frame that a kill cut short is cut off."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_bytes = _whole_bytes(path) if path.exists() else 0
        self._file = path.open("ab")
        self._file.truncate(whole_bytes)
        self._ticks_a_frame = ticks_a_frame
        self._encoder = msgspec.msgpack.Encoder()
        self._waiting: list[bytes] = []

    def append(self, tick: Tick) -> None:
        """Add a tick; every ``ticks_a_frame`` of them are handed to the system."""
        packed = self._encoder.encode(tick)
        self._waiting.append(len(packed).to_bytes(4, "big") + packed)
        if len(self._waiting) >= self._ticks_a_frame:
            self.flush()

    def flush(self) -> None:
        """Hand all ticks to the system."""
        if self._waiting:
            self._file.write(zstandard.ZstdCompressor(level=3).compress(b"".join(self._waiting)))
            self._file.flush()
            self._waiting.clear()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.flush()
        self._file.close()


def read_ticks(path: Path) -> Iterator[Tick]:
    """Yield the ticks of a log; a tail that was cut short is passed over. Raise Refusal if it is no tick log."""
    decoder = msgspec.msgpack.Decoder(Tick)
    count = 0
    try:
        for content, _ in _frames(path):
            for packed in _split(content, path):
                yield decoder.decode(packed)
                count += 1
    except OSError as error:
        raise Refusal(str(path), f"cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, zstandard.ZstdError) as error:
        raise Refusal(str(path), f"{_EXPECTED}; tick {count + 1}: {error}") from error
    if not count:
        raise Refusal(str(path), f"holds no whole tick; {_EXPECTED}")


def _split(content: bytes, path: Path) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        if end > len(content):
            raise Refusal(str(path), f"a tick is longer than its frame; {_EXPECTED}")
        yield content[at + 4 : end]
        at = end


def _frames(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the content of every whole zstd frame, and where in the file it ends."""
    with path.open("rb") as file:
        unread, end = file.read(_READ_BYTES), 0
        while unread:
            frame, content = zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj(), b""
            while not frame.eof:
                if not unread:
                    return
                content += frame.decompress(unread)
                if len(content) > _TICK_BYTES_MAX:
                    raise zstandard.ZstdError(f"more than {_TICK_BYTES_MAX} bytes in one frame")
                end += len(unread)
                unread = file.read(_READ_BYTES) if not frame.eof else b""
            end -= len(frame.unused_data)
            yield content, end
            unread = frame.unused_data or file.read(_READ_BYTES)


def _whole_bytes(path: Path) -> int:
    """Return up to where a log is whole; raise Refusal if there is something else from the start."""
    whole_bytes = 0
    try:
        for _, whole_bytes in _frames(path):  # noqa: B007  # the last one is wanted
            pass
    except zstandard.ZstdError as error:
        # A power cut may leave anything behind what had reached the disk.
        if not whole_bytes:
            raise Refusal(str(path), f"{_EXPECTED}: {error}", "move the file away") from error
    return whole_bytes
