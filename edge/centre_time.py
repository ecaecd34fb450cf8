"""Centre time: what time it is at the centre, as far as its receipts tell; for a box whose own clock is not synced."""

import time
from collections.abc import Callable

from wire.clock import ClockState


class CentreTime:
    """Never ahead of the centre's clock: a receipt is older when it comes than when it was written."""

    def __init__(self, steady_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000) -> None:
        self._steady_ms = steady_ms
        self._ahead_ms: int | None = None

    def heard(self, time_ms: int) -> None:
        """Learn from what the centre wrote just now; an earlier time than is known already says nothing."""
        ahead_ms = time_ms - self._steady_ms()
        self._ahead_ms = ahead_ms if self._ahead_ms is None else max(self._ahead_ms, ahead_ms)

    def now_ms(self) -> int | None:
        """Return the time at the centre, or None if nothing has come from there since the start."""
        return None if self._ahead_ms is None else self._ahead_ms + self._steady_ms()


def trusted_ms(own_ms: int, state: ClockState, centre: CentreTime) -> int | None:
    """Return the time that deadlines are judged by: one's own if it is synced, else the centre's, if that is known."""
    return centre.now_ms() if state == "unsynced" else own_ms
