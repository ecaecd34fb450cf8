"""Visits: who stays at a place and how often others come and go, told without identities by how many are there."""

import msgspec

_ARRIVED_S, _GONE_S = 2.0, 3.0
"""How long there must be one more, or one fewer, before somebody has come or gone."""
_OPEN_MIN_S = 10.0
"""A visit counts while it goes on once it has lasted this long; one that has ended may have been shorter."""


class Visits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The presence at one place."""

    near_share: float = 0.0
    """Share of the window in which somebody stood within the vendor's reach."""
    watched_s: float = 0.0
    """How much of that window has been watched, seconds."""
    present: tuple[float, ...] = ()
    """When each of those who are there came, in the order of their coming."""
    more_s: float = 0.0
    fewer_s: float = 0.0
    ended: tuple[float, ...] = ()
    """When each visit ended."""

    def step(
        self, near: int, around: int, *, now_s: float, dt_s: float, window_s: float, visit_s: tuple[float, float]
    ) -> "Visits":
        """Return the presence after a tick with ``near`` people within the vendor's and ``around`` within customers'
        reach, walkers not counted; ``visit_s`` is how long a visit lasts at least and at most.
        """  # noqa: D205
        watched_s = min(self.watched_s + dt_s, window_s)
        share = self.near_share + dt_s / max(watched_s, 1e-6) * (bool(near) - self.near_share)
        more_s = self.more_s + dt_s if around > len(self.present) else 0.0
        fewer_s = self.fewer_s + dt_s if around < len(self.present) else 0.0
        present, ended = self.present, self.ended
        if more_s >= _ARRIVED_S:
            present, more_s = (*present, now_s - more_s), 0.0
        elif fewer_s >= _GONE_S:
            if visit_s[0] <= now_s - fewer_s - present[-1] <= visit_s[1]:
                ended = (*ended, now_s)
            present, fewer_s = present[:-1], 0.0
        return Visits(
            near_share=share, watched_s=watched_s, present=present, more_s=more_s, fewer_s=fewer_s, ended=ended
        )

    def since(self, time_s: float) -> "Visits":
        """Return the presence without the visits that ended before a time."""
        if not self.ended or self.ended[0] >= time_s:
            return self
        return msgspec.structs.replace(self, ended=tuple(each for each in self.ended if each >= time_s))

    def customers(self, now_s: float, visit_max_s: float) -> int:
        """Return how many visits there have been and are; the first who is there may be the vendor and is none."""
        is_open = any(_OPEN_MIN_S <= now_s - came <= visit_max_s for came in self.present[1:])
        return len(self.ended) + is_open
