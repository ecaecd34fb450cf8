"""Clock: what the kernel knows about the truth of the wall clock (adjtimex(2)); nothing is asked of the network."""

import ctypes

import msgspec

from wire.clock import ClockState

_TIME_ERROR = 5
_NANO = 0x2000
_ERROR_S_MAX = 1.0
"""GA/T 832-2014: a clock that may be further off proves no time."""


class _Timex(ctypes.Structure):
    """The head of struct timex; zero in ``modes`` asks only to read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the clock at one instant."""

    state: ClockState
    offset_s: float | None = None
    """To the reference clock, seconds, as far as it is not corrected yet; None if nobody knows."""
    error_s: float | None = None
    """The most by which the clock can be off the reference, seconds; None if nobody knows."""

    @property
    def facts(self) -> dict[str, float | bool | str]:
        """What an event says of the clock it was timed by."""
        found: dict[str, float | bool | str] = {"clock_verified": self.is_verified}
        if self.offset_s is not None:
            found["clock_offset_s"] = self.offset_s
        if self.error_s is not None:
            found["clock_error_s"] = self.error_s
        return found

    @property
    def is_verified(self) -> bool:
        """Whether the clock is known to be right within a second."""
        return self.state != "unsynced" and self.error_s is not None and self.error_s <= _ERROR_S_MAX


class Clock:
    """Tells ``synced`` while the kernel's clock is disciplined, ``holdover`` when it once was, else ``unsynced``."""

    def __init__(self) -> None:
        self._adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
        self._was_synced = False

    def state(self) -> ClockState:
        """Return what is known now; ``unsynced`` also where the kernel does not say."""
        return self.read().state

    def read(self) -> Reading:
        """Return what is known now, with the offset to the reference and the bound of the error."""
        timex = _Timex()
        answer = self._adjtimex(ctypes.byref(timex)) if self._adjtimex else -1
        if 0 <= answer < _TIME_ERROR:
            self._was_synced = True
        elif answer < 0 or not self._was_synced:
            return Reading(state="holdover" if self._was_synced else "unsynced")
        offset_s = timex.offset * (1e-9 if timex.status & _NANO else 1e-6)
        error_s = timex.maxerror * 1e-6 + abs(offset_s)
        state: ClockState = "synced" if answer < _TIME_ERROR else "holdover"
        return Reading(state=state, offset_s=round(offset_s, 6), error_s=round(error_s, 6))
