"""Progress: whether every loop of the agent still goes round. Only then is systemd's watchdog told so."""

import asyncio
import os
import time
from collections.abc import Callable

import structlog

from shell.systemd import notify

_LOG = structlog.get_logger()
_WATCHDOG_S = 60.0


class Progress:
    """Remembers when each loop last made a round."""

    def __init__(self) -> None:
        usec = os.environ.get("WATCHDOG_USEC", "")
        self.stuck_s = int(usec) / 1e6 if usec.isdecimal() else _WATCHDOG_S
        self._rounds_s: dict[str, float] = {}

    def loop(self, name: str) -> Callable[[], None]:
        """Name a loop, and return what it calls at every round."""

        def advanced() -> None:
            self._rounds_s[name] = time.monotonic()

        advanced()
        return advanced

    def stuck(self) -> tuple[str, ...]:
        """Return the loops that have made no round for as long as the watchdog waits."""
        now_s = time.monotonic()
        return tuple(name for name, round_s in self._rounds_s.items() if now_s - round_s > self.stuck_s)

    async def run(self) -> None:
        """Tell the watchdog, three times in its patience, that all is going round; otherwise log what is not."""
        while True:
            stuck = self.stuck()
            if stuck:
                _LOG.error("loops are stuck, the watchdog is not told", loops=stuck)
            else:
                notify("WATCHDOG=1")
            await asyncio.sleep(self.stuck_s / 3)
