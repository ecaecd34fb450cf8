"""View report: how a camera's pictures are, as observations; said also while nothing may be concluded from them."""

from detectors.health import Verdict
from detectors.tick import Tick
from detectors.view import View
from wire.observation import Observation

VIEW_SAID = "/camera.view"
"""Under which a watch remembers what was said; no zone is called so."""
_SAY_AGAIN_S = 60.0


def view_observations(tick: Tick, verdict: Verdict, said: tuple[float, str] | None) -> list[Observation]:
    """Return what is to be said of the view: on a change and every minute its faults, or "clear", and the measures.

    ``said`` is when and what was said last. Nothing is said of a camera that has never shown a picture.
    """
    if tick.view is None and (said is None or not verdict.faults):
        return []
    text = ", ".join(verdict.faults) or "clear"
    is_due = said is None or said[1] != text or tick.time_s - said[0] >= _SAY_AGAIN_S
    if not is_due:
        return []
    told = Observation(source=tick.camera, property="camera.view", result=text, time_ms=tick.time_ms)
    return [told, *(_measures(tick, tick.view) if tick.view else ())]


def _measures(tick: Tick, view: View) -> list[Observation]:
    """Return the measures that are known, shares in percent."""
    shift = None if view.shift is None else 100 * max(map(abs, view.shift))
    measures = {
        "camera.luminance": (100 * view.luminance / 255, "%"),
        "camera.clipped": (100 * view.bright, "%"),
        "camera.detail_lost": (None if view.lost is None else 100 * view.lost, "%"),
        "camera.sharpness": (view.sharpness, "1"),
        "camera.shift": (shift, "%"),
        "camera.match": (view.match, "1"),
        "camera.moved": (None if view.moved is None else 100 * view.moved, "%"),
    }
    return [
        Observation(source=tick.camera, property=name, result=round(value, 3), time_ms=tick.time_ms, unit=unit)
        for name, (value, unit) in measures.items()
        if value is not None
    ]
