"""Plate desk: reads the plates of vehicles that stand, beside the watching and never in its way.

Pictures are offered as they come; of those offered meanwhile the most legible is read, no more often than the camera's
file allows, in a thread of the lowest priority. What is known so far can be asked for at any time.
"""

import os
import threading
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from edge.config import Plates
from edge.plates import PlateReader, Reading, legibility, verdict
from edge.video import Image

_LOG = structlog.get_logger()
_NICE = 15
_READINGS_MAX = 10


class PlateDesk:
    """The plates of one camera's stays; all methods are called from one thread, and none waits for the reader."""

    def __init__(self, config: Plates, reader: PlateReader) -> None:
        self._config, self._reader = config, reader
        self._pool = ThreadPoolExecutor(1, "plates", initializer=_step_back)
        self._best: dict[str, tuple[float, Image]] = {}
        self._read_s: dict[str, float] = {}
        self._pending: dict[str, Future[Reading | None]] = {}
        self._readings: dict[str, list[Reading]] = {}

    def offer(self, event_id: str, crop: Image, time_s: float) -> None:
        """Take a picture of the vehicle of a stay; ``time_s`` is the camera's steady clock."""
        self._collect()
        if not crop.size or len(self._readings.setdefault(event_id, [])) >= _READINGS_MAX:
            return
        worth = legibility(crop)
        if worth > self._best.get(event_id, (-1.0, crop))[0]:
            self._best[event_id] = worth, crop
        is_early = time_s - self._read_s.get(event_id, -self._config.again_s) < self._config.again_s
        # One picture waits for the reader at most: on a busy box the others are passed over, never queued.
        if not is_early and not self._pending:
            self._read_s[event_id] = time_s
            self._pending[event_id] = self._pool.submit(self._reader.read, self._best.pop(event_id)[1])

    def facts(self, event_id: str) -> dict[str, str | float]:
        """Return ``plate`` and ``plate_confidence``; nothing if no picture of the stay was offered."""
        self._collect()
        if event_id not in self._readings:
            return {}
        result = verdict(self._readings[event_id], self._config)
        return {"plate": result.text, "plate_confidence": result.confidence}

    def keep(self, event_ids: Collection[str]) -> None:
        """Forget every stay but these."""
        for known in (self._best, self._read_s, self._readings):
            for event_id in [each for each in known if each not in event_ids]:
                known.pop(event_id, None)

    def close(self) -> None:
        """Wait for the picture that is being read, and read no more."""
        self._pool.shutdown(cancel_futures=True)

    def _collect(self) -> None:
        for event_id, future in [each for each in self._pending.items() if each[1].done()]:
            del self._pending[event_id]
            if (error := future.exception()) is not None:
                _LOG.error("a plate could not be read", event_id=event_id, reason=str(error))
            elif (reading := future.result()) is not None and event_id in self._readings:
                self._readings[event_id].append(reading)


def _step_back() -> None:
    """Give this thread, and on Linux it alone, a low priority."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
