"""Day logs: a camera's ticks, one log a day (UTC), the oldest deleted."""

import secrets
import time
from pathlib import Path

import structlog

from detectors.tick import Tick
from edge.tick_log import SUFFIX, TickLog
from shell.refusal import Refusal

_LOG = structlog.get_logger()

_DAYS_MAX = 14
_DAY_MS = 86_400_000


class DayLogs:
    """Appends ticks to the log of their day; a disk that does not take them is no reason to stop watching."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._day = -1
        self._log: TickLog | None = None
        self._trouble = ""

    def append(self, tick: Tick) -> None:
        """Write a tick; what cannot be written is left out, and the log says so once."""
        try:
            self._append(tick)
            self._trouble = ""
        except (OSError, Refusal) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _LOG.error("ticks cannot be recorded", folder=str(self._folder), reason=self._trouble)

    def _append(self, tick: Tick) -> None:
        day = tick.time_ms // _DAY_MS
        if self._log is None or day != self._day:
            self.close()
            name = time.strftime("%Y-%m-%d", time.gmtime(day * _DAY_MS // 1000)) + SUFFIX
            self._log, self._day = self._open(self._folder / name), day
            for old in sorted(self._folder.glob(f"*{SUFFIX}"))[:-_DAYS_MAX]:
                old.unlink()
        self._log.append(tick)

    @staticmethod
    def _open(path: Path) -> TickLog:
        """Open a log; one that a power cut has broken at its very beginning is put aside."""
        try:
            return TickLog(path)
        except Refusal as refusal:
            _LOG.error("a broken tick log is put aside", path=str(path), reason=refusal.problem)
            path.rename(path.with_name(f"{path.name}.corrupt-{secrets.token_hex(2)}"))
            return TickLog(path)

    def close(self) -> None:
        """Write what waits."""
        log, self._log = self._log, None
        if log is not None:
            log.close()
