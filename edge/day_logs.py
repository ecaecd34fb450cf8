"""Day logs: a camera's ticks, one log a day (UTC), the oldest deleted."""

import time
from pathlib import Path

from detectors.tick import Tick
from edge.tick_log import SUFFIX, TickLog

_DAYS_MAX = 14
_DAY_MS = 86_400_000


class DayLogs:
    """Appends ticks to the log of their day.

    ``append`` raises Refusal if the file is something else, OSError if it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._day = -1
        self._log: TickLog | None = None

    def append(self, tick: Tick) -> None:
        """Write a tick."""
        day = tick.time_ms // _DAY_MS
        if self._log is None or day != self._day:
            self.close()
            name = time.strftime("%Y-%m-%d", time.gmtime(day * _DAY_MS // 1000)) + SUFFIX
            self._log, self._day = TickLog(self._folder / name), day
            for old in sorted(self._folder.glob(f"*{SUFFIX}"))[:-_DAYS_MAX]:
                old.unlink()
        self._log.append(tick)

    def close(self) -> None:
        """Write what waits."""
        if self._log is not None:
            self._log.close()
            self._log = None
