"""Flow: whether the carriageway beside a zone moves, told without identities from boxes that keep their place."""

from collections.abc import Sequence

import msgspec
import numpy as np

from detectors.geometry import Floats, Point, base_points, inside, overlaps

_SAME_PLACE_IOU = 0.7


class Flow(msgspec.Struct, frozen=True, array_like=True):
    """What one lane did lately."""

    samples: tuple[tuple[float, int, int], ...] = ()
    """Time in seconds, vehicles that kept their place since the tick before, vehicles that did not."""
    is_jam: bool = False
    clear_since_s: float = 0.0
    """Since when the lane has not been jammed."""


def step(flow: Flow, lane: Sequence[Point], boxes: Floats, before: Floats, *, now_s: float, window_s: float) -> Flow:
    """Return the flow after one more tick; ``boxes`` and ``before`` are those of this tick and the last, [N, 4]."""
    here = boxes[inside(base_points(boxes), lane)] if len(boxes) else boxes
    still = 0
    if len(here) and len(before):
        still = int((overlaps(here, before)[1].max(axis=1) >= _SAME_PLACE_IOU).sum())
    samples = (*(each for each in flow.samples if each[0] > now_s - window_s), (now_s, still, len(here) - still))
    stopped, moved = np.sum([each[1:] for each in samples], axis=0)
    is_jam = bool(stopped > 0 and stopped >= moved)
    return Flow(samples, is_jam, now_s if is_jam or flow.is_jam else flow.clear_since_s)
