"""Rota: which unit of a bus is asked next, so that silent ones cost the others little.

A unit that does not answer is asked again after a pause that doubles. Such probes have a small share of the bus's
time, or take place while no other unit waits. What a unit costs is charged when it is known, so that the first silence
of a unit that had answered counts as well. No clock here: each call is told the time.

>>> rota = Rota([1, 2], period_s=10, timeout_s=0.5, now_s=0)
>>> rota.next(0), rota.done(1, is_heard=True, now_s=0.01, took_s=0.01)
(1, None)
>>> rota.next(0.01), rota.done(2, is_heard=False, now_s=0.51, took_s=0.5)
(2, None)
>>> rota.next(0.51), round(rota.wait_s(0.51), 2)
(None, 4.49)
"""

import math
from collections.abc import Iterable

import msgspec

SHARE = 0.1
"""Of a bus's time, for units that do not answer."""
PAUSE_MAX_S = 60.0
QUIET_S = 1.0
"""A unit that did not answer is left alone for so long at the least, by commands too: what it still says is then no
answer to anything (a serial frame carries no number)."""


class _Turn(msgspec.Struct):
    """What is known of one unit."""

    due_s: float
    second_s: float
    """When it is due after its first poll: all are asked at once at the start, and spread over the period later, so
    that not all answers come together."""
    failures: int = 0
    not_before_s: float = 0.0
    quiet_until_s: float = 0.0
    polls: int = 0


class Rota:
    """The turns of the units of one bus."""

    def __init__(
        self, units: Iterable[int], *, period_s: float, timeout_s: float, now_s: float, quiet_s: float = QUIET_S
    ) -> None:
        names = list(units)
        self._turns = {
            unit: _Turn(now_s, second_s=now_s + period_s * (number + 1) / len(names))
            for number, unit in enumerate(names)
        }
        self._period_s, self._timeout_s = period_s, timeout_s
        self._quiet_s = quiet_s
        self._credit_s, self._credited_s = 0.0, now_s
        self._hurried: dict[int, None] = {}

    def next(self, now_s: float) -> int | None:
        """Return the unit to be asked now, or none; its turn begins."""
        unit = self._choose(now_s)
        if unit is not None:
            self._hurried.pop(unit, None)
        return unit

    def wait_s(self, now_s: float) -> float:
        """Return for how long nobody is to be asked, if nothing happens until then."""
        live = [turn.due_s for turn in self._turns.values() if not turn.failures]
        others = [turn.not_before_s for turn in self._turns.values() if turn.failures]
        credited_s = now_s - self._credit(now_s) / SHARE
        at = [*live, *(self._turns[unit].not_before_s for unit in self._hurried)]
        at += [max(not_before_s, credited_s) for not_before_s in others]
        return max(min(at, default=now_s + self._period_s) - now_s, 0.001)

    def hurry(self, unit: int) -> None:
        """Ask a unit before all others."""
        self._hurried[unit] = None

    def polls(self, unit: int) -> int:
        """Return how often a unit has been heard."""
        return self._turns[unit].polls

    def is_silent(self, unit: int) -> bool:
        """Tell whether a unit did not answer when it was last asked."""
        return self._turns[unit].failures > 0

    def quiet_until_s(self, unit: int) -> float:
        """Return from when on a unit may be told something."""
        return self._turns[unit].quiet_until_s

    def put_off(self, unit: int, until_s: float) -> None:
        """Leave a unit alone that answers, and asks for time."""
        turn = self._turns[unit]
        turn.not_before_s = turn.quiet_until_s = until_s
        turn.due_s = max(turn.due_s, until_s)

    def heard(self, unit: int) -> None:
        """Note that a unit answered something else than a poll."""
        turn = self._turns[unit]
        turn.failures, turn.not_before_s = 0, 0.0

    def done(self, unit: int, *, is_heard: bool, now_s: float, took_s: float, is_whole: bool = True) -> None:
        """Note how a unit's turn ended; one that was not whole does not stand for its next poll."""
        turn = self._turns[unit]
        if not is_heard or turn.failures:
            self._credit(now_s)
            self._credit_s -= took_s
        if not is_heard:
            pause_s = max(self._quiet_s, 2 * self._timeout_s) * 2.0 ** min(turn.failures, 10)
            turn.failures += 1
            turn.not_before_s = now_s + min(pause_s, PAUSE_MAX_S)
            turn.quiet_until_s = now_s + self._quiet_s
            return
        turn.failures = 0
        if not is_whole:
            return
        turn.polls += 1
        if turn.polls == 1:
            turn.due_s = turn.second_s - self._period_s
        # By its own beat, so that a late turn does not delay those after it; turns that were missed are not made up.
        beats = max(math.floor((now_s - turn.due_s) / self._period_s), 0) + 1
        turn.due_s += beats * self._period_s

    def _choose(self, now_s: float) -> int | None:
        for unit in self._hurried:
            if self._turns[unit].not_before_s <= now_s:
                return unit
        live = [(turn.due_s, unit) for unit, turn in self._turns.items() if not turn.failures]
        due_s, unit = min(live, default=(float("inf"), 0))
        if due_s <= now_s:
            return unit
        silent = [(turn.not_before_s, unit) for unit, turn in self._turns.items() if turn.failures]
        not_before_s, unit = min(silent, default=(float("inf"), 0))
        if not_before_s <= now_s and (self._credit(now_s) >= 0 or due_s > now_s + self._timeout_s):
            return unit
        return None

    def _credit(self, now_s: float) -> float:
        self._credit_s = min(self._credit_s + SHARE * (now_s - self._credited_s), 0.0)
        self._credited_s = now_s
        return self._credit_s
