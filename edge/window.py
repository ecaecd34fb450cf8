"""Window: how much may be under way, so that a slow link is kept full and a new event still overtakes."""

_START_BYTES = 8 * 1024
_BYTES_MIN = 4 * 1024
_BYTES_MAX = 2 * 1024 * 1024
_QUEUE_S = 1.5


class Window:
    """Grows while receipts come at once and shrinks when they queue (after LEDBAT, RFC 6817).

    A receipt's quickest round trip is taken for the empty link; what is longer is a queue, and 1.5 s of it is the aim.
    At 32 kbit/s that is 6 KiB beside what the round trip itself holds.
    """

    def __init__(self) -> None:
        self.size = float(_START_BYTES)
        self._quickest_s = float("inf")
        self._smooth_s = 0.0

    @property
    def patience_s(self) -> float:
        """How long to wait for a receipt before sending again."""
        return max(30.0, 4 * self._smooth_s)

    def settled(self, size_bytes: int, took_s: float) -> None:
        """Learn from a receipt that came ``took_s`` after its batch was published."""
        self._quickest_s = min(self._quickest_s, took_s)
        self._smooth_s = took_s if not self._smooth_s else 0.875 * self._smooth_s + 0.125 * took_s
        room = 1 - (took_s - self._quickest_s) / _QUEUE_S
        self._resize(self.size + max(room, -1.0) * size_bytes)

    def lost(self) -> None:
        """Learn from a receipt that did not come."""
        self._resize(self.size / 2)

    def _resize(self, size: float) -> None:
        self.size = min(max(size, _BYTES_MIN), _BYTES_MAX)
