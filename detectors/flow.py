"""Flow: whether a lane moves, told without identities from boxes that keep their place."""

import msgspec

SAME_PLACE_IOU = 0.7
"""Overlap with a box of the tick before at which a vehicle has kept its place."""


class Flow(msgspec.Struct, frozen=True, array_like=True):
    """What one lane did lately."""

    samples: tuple[tuple[float, int, int], ...] = ()
    """Time in seconds, vehicles that kept their place since the tick before, vehicles that did not."""
    is_jam: bool = False
    clear_since_s: float = 0.0
    """Since when the lane has not been jammed."""
    still: int = 0
    moved: int = 0
    """Sums of the samples."""

    def after(self, now_s: float, still: int, moved: int, *, window_s: float, ratio: float) -> "Flow":
        """Return the flow after one more tick; a jam is a lane of which this share of the vehicles stood lately."""
        first, samples = 0, self.samples
        still_sum, moved_sum = self.still + still, self.moved + moved
        while first < len(samples) and samples[first][0] <= now_s - window_s:
            still_sum, moved_sum = still_sum - samples[first][1], moved_sum - samples[first][2]
            first += 1
        is_jam = still_sum > 0 and still_sum >= ratio * (still_sum + moved_sum)
        clear_since_s = now_s if is_jam or self.is_jam else self.clear_since_s
        return Flow((*samples[first:], (now_s, still, moved)), is_jam, clear_since_s, still_sum, moved_sum)
