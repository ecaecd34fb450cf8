"""Turns: whose picture is looked at next when several wait."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from detectors.wants import Pace

_AHEAD = 2
"""One picture is looked at, one is on its way, so that the looking process never waits for the agent."""
_PATIENCE_S = 10.0
"""A quiet camera gives way to others until it has had no turn for so long; then it is as urgent as they are."""


class Claim:
    """A camera that waits for its picture to be looked at; one that comes meanwhile takes the same place."""

    def __init__(self, deadline_s: float, pace: Pace, last_s: float) -> None:
        self.deadline_s, self.pace = deadline_s, pace
        self.last_s = last_s
        """When the camera had its last turn."""
        self.granted = asyncio.Event()


def first(claims: Iterable[Claim], now_s: float) -> Claim:
    """Return whose turn it is.

    That is the earliest deadline. Once something is late, cameras take turns, and quiet ones after the others.
    A quiet camera that waits shows its latest picture when its turn comes, so it is its older ones that are dropped.
    """
    claims = list(claims)
    is_late = any(each.deadline_s < now_s for each in claims)

    def rank(claim: Claim) -> tuple[bool, float, float]:
        if not is_late:
            return False, claim.deadline_s, claim.last_s
        return claim.pace == "quiet" and now_s - claim.last_s < _PATIENCE_S, claim.last_s, claim.deadline_s

    return min(claims, key=rank)


class Turns:
    """Gives turns; all methods belong to one event loop."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._claims: list[Claim] = []
        self._last_s: dict[str, float] = {}
        self._under_way = 0

    @asynccontextmanager
    async def turn(self, camera: str, deadline_s: float, pace: Pace) -> AsyncIterator[None]:
        """Wait for a camera's turn, and have it until the context ends; the deadline is a monotonic time."""
        claim = Claim(deadline_s, pace, self._last_s.get(camera, -math.inf))
        self._claims.append(claim)
        self._grant()
        try:
            await claim.granted.wait()
            self._last_s[camera] = self._now_s()
            yield
        finally:
            if claim.granted.is_set():
                self._under_way -= 1
            else:
                self._claims.remove(claim)
            self._grant()

    def _grant(self) -> None:
        while self._claims and self._under_way < _AHEAD:
            claim = first(self._claims, self._now_s())
            self._claims.remove(claim)
            self._under_way += 1
            claim.granted.set()
