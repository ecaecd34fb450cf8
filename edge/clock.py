"""Clock: what the kernel knows about the truth of the wall clock (adjtimex(2)); nothing is asked of the network."""

import ctypes

from wire.clock import ClockState

_TIMEX_BYTES = 512
"""More than struct timex has anywhere; zeros in it mean that only reading is asked for."""
_TIME_ERROR = 5


class Clock:
    """Tells ``synced`` while the kernel's clock is disciplined, ``holdover`` when it once was, else ``unsynced``."""

    def __init__(self) -> None:
        self._adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
        self._was_synced = False

    def state(self) -> ClockState:
        """Return what is known now; ``unsynced`` also where the kernel does not say."""
        answer = self._adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) if self._adjtimex else -1
        if 0 <= answer < _TIME_ERROR:
            self._was_synced = True
            return "synced"
        return "holdover" if self._was_synced else "unsynced"
