"""Throttle: so many failures within a window, then a wait; bounded in memory, one per process."""

import threading
from collections import OrderedDict, deque


class Throttle:
    """Counts failures per key, from any thread; the keys that failed longest ago are forgotten first.

    >>> throttle = Throttle(failures_max=2, window_s=60, keys_max=100)
    >>> throttle.failed("box", 0.0); throttle.failed("box", 10.0)
    >>> throttle.wait_s("box", 20.0), throttle.wait_s("box", 61.0)
    (40.0, 0.0)
    """

    def __init__(self, *, failures_max: int, window_s: float, keys_max: int) -> None:
        self._failures_max, self._window_s, self._keys_max = failures_max, window_s, keys_max
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, key: str, now_s: float) -> float:
        """Return for how long the key may not try again."""
        with self._lock:
            times = self._failures.get(key)
            if times is None or len(times) < self._failures_max:
                return 0.0
            return max(0.0, times[0] + self._window_s - now_s)

    def failed(self, key: str, now_s: float) -> None:
        """Count one failure."""
        with self._lock:
            self._failures.setdefault(key, deque(maxlen=self._failures_max)).append(now_s)
            self._failures.move_to_end(key)
            while len(self._failures) > self._keys_max:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._failures.pop(key, None)
