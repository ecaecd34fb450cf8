"""Health: whether a camera can be believed, told from the measures of its pictures.

A sign (detail lost, a copy of the picture before) must last before it is a fault, and be gone for a while before the
fault is; between its two limits it counts neither way, and what cannot be measured is no fault. Only event time counts,
and none of it across a gap. Which faults there are follows UHCTD (covered, defocused, moved; Mantini and Shah, ICPR
2019), with what else makes a detector see nothing. Quality: silver, measured on recorded scenes that were corrupted.
"""

import math
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from detectors.quantity import Seconds, Share
from detectors.tick import Tick
from detectors.view import View

_SHAKE_MEMORY_S = 2.5
_LITTLE = 0.004
"""Share of the width by which a mast sways in wind: said, but no fault."""
_FARTHEST = 0.1
"""No mast sways by so much of the width between two pictures: another picture has come."""
_SHAKEN, _STEADY = 0.4, 0.15
"""Share of the last seconds' pictures that must have jumped back for a shaking camera, and may for a steady one; where
each lies apart from all others by chance, it is two in three."""
_USUAL_S = 600.0
_COPIES_MAX_S, _COPIES_MARGIN = 15.0, 1.5
"""Longest distance of key frames that is believed; how much longer than that copies must come to be a fault."""
_STILL_S, _MOVES = 900.0, 5.0
"""So long nothing has moved, by so many grey levels in any part of the picture: said, but no fault. Perhaps an encoder
of constant rate draws a frozen picture again and again."""
_NOTHING = 0.95
"""Share of the picture without any detail in which nothing at all can be seen."""
_SHEET = 0.7
"""Share without any detail that only a sheet gives: half of what could be seen is then enough to have been lost."""
_NOT_THERE = 0.1
"""Correlation with the reference that two different places reach by chance."""


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with a camera's pictures."""

    faults: tuple[str, ...] = ()
    """Nothing may be concluded from the pictures; worst first."""
    notes: tuple[str, ...] = ()
    """Worth knowing, but the pictures can be used."""


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Where one sign stands."""

    is_found: bool = False
    against_s: float = 0.0
    """For how long the pictures have said otherwise; counts down twice as fast as up."""


class HealthState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is remembered of one camera's health."""

    time_s: float | None = None
    view_s: float | None = None
    """When a picture was measured last."""
    back_s: float | None = None
    """When pictures came again after a gap that is still told of."""
    is_gone: bool = False
    reference: str = ""
    bright: float | None = None
    """Share of clipped pixels that is usual here."""
    shift: tuple[float, float] = (0.0, 0.0)
    jumps: tuple[float, float] = (0.0, 0.0)
    """Share of the last seconds' pictures that jumped back, far and a little: traffic that fills the picture goes one
    way, a shaking camera to and fro."""
    copies_s: float = 0.0
    """For how long every picture has been a copy of one of the last."""
    usual_copies_s: float = 0.0
    """The longest such run that ended by itself: as long as an encoder sends nothing new of a still street."""
    standings: dict[str, Standing] = {}
    """Of the signs that are found or in doubt."""

    @property
    def verdict(self) -> Verdict:
        """What is wrong now; faults worst first."""
        found = {sign for sign, standing in self.standings.items() if standing.is_found}
        faults = ["gap"] if self.is_gone else []
        faults += [fault for fault, signs in _FAULTS.items() if not found.isdisjoint(signs)]
        notes = [note for note in _NOTES if note in found and _NOTES[note] not in faults]
        return Verdict(tuple(faults), tuple(notes))


_FAULTS = {
    "black": ("black",),
    "covered": ("blank", "lost"),
    "over_exposed": ("over_exposed",),
    "frozen": ("frozen",),
    "moved": ("moved", "strange"),
    "defocused": ("defocused",),
    "shaking": ("shaking",),
}
"""Worst first, with the signs that each is told by."""
_NOTES = {"sways": "shaking", "glares": "over_exposed", "still": "frozen"}
"""With the fault that says more."""


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    black_s: Seconds = 10.0
    """How long a picture must have been black."""
    lost_share: Share = 0.65
    """Covered: so much of what could be seen no longer can. A bus that fills the picture takes about half."""
    lost_s: Seconds = 42.0
    """How long that must last; a picture with nothing in it at all needs `blank_s`."""
    blank_s: Seconds = 20.0
    """How long nothing at all must have been seen."""
    bright_share: Share = 0.35
    """Over-exposed: so much of the picture is clipped, and a quarter more than is usual there."""
    bright_s: Seconds = 20.0
    """How long it must have been over-exposed."""
    change_min: Annotated[float, Meta(ge=0, le=10, extra_json_schema={"unit": "1"})] = 0.35
    """Frozen: no part of the picture differs from one of the last by more grey levels. Sensor noise gives about 1."""
    frozen_s: Seconds = 7.0
    """How long pictures must have been copies; longer where an encoder is seen to copy between its key frames."""
    moved_share: Share = 0.02
    """Moved: the view's corners lie so far from the reference's, as a share of the picture's width."""
    moved_s: Seconds = 16.0
    """How long that must last; it is looked at every 10 seconds, every 4 while in doubt."""
    strange_s: Seconds = 90.0
    """Moved: how long nothing of the reference is found again though the light is alike; longer than a bus stands."""
    sharpness_min: Share = 0.62
    """Defocused: edges are less steep than so much of what they were."""
    defocused_s: Seconds = 25.0
    """How long it must have been out of focus."""
    shake_share: Share = 0.012
    """Shaking: pictures jump by so much of the width from one to the next."""
    shaking_s: Seconds = 3.0
    """How long it must have been shaking."""
    gap_s: Seconds = 10.0
    """Longest time without a picture that is none of the camera's faults."""
    clear_s: Seconds = 4.0
    """How long a fault must be gone."""

    def first(self) -> HealthState:
        """Return the state of a camera that has seen nothing."""
        return HealthState()

    def step(self, state: HealthState, tick: Tick) -> tuple[HealthState, Verdict]:
        """Return the state after a tick, and what is wrong with the picture; nothing if it is fine or unknown."""
        if state.time_s is not None and tick.time_s <= state.time_s:
            return state, state.verdict
        state, is_gap = self._gone(state, tick)
        if tick.view is not None:
            silent_s = tick.time_s - state.view_s if state.view_s is not None else 0.0
            state = self._seen(state, tick.view, 0.0 if is_gap else silent_s)
            state = msgspec.structs.replace(state, view_s=tick.time_s)
        return state, state.verdict

    def _gone(self, state: HealthState, tick: Tick) -> tuple[HealthState, bool]:
        """Tell a gap: no tick for too long, or ticks without a picture; told of until pictures have come again."""
        if state.time_s is None:
            return msgspec.structs.replace(state, time_s=tick.time_s), False
        had_views, is_picture = state.view_s is not None, tick.view is not None or not tick.blind
        is_gap = tick.time_s - state.time_s - tick.watched_s >= self.gap_s
        if had_views and not is_picture and state.view_s is not None:
            is_gap = tick.time_s - state.view_s - tick.watched_s >= self.gap_s
        back_s = state.back_s
        if is_gap or not is_picture:
            back_s = None
        elif back_s is None:
            back_s = tick.time_s
        is_gone = is_gap or (state.is_gone and (back_s is None or tick.time_s - back_s < self.clear_s))
        if is_gap and is_picture:
            back_s = tick.time_s
        return msgspec.structs.replace(state, time_s=tick.time_s, is_gone=is_gone, back_s=back_s), is_gap

    def _seen(self, state: HealthState, view: View, dt_s: float) -> HealthState:
        """Weigh a picture's measures."""
        if view.reference != state.reference:
            # Another view has been accepted: what was held against the old one is no fault of the new.
            kept = {key: each for key, each in state.standings.items() if key not in _FAULTS["moved"]}
            state = msgspec.structs.replace(state, reference=view.reference, standings=kept)
        state = _copied(_shaken(state, view, dt_s, self.shake_share), view, dt_s, self.change_min)
        standings = dict(state.standings)
        for sign, find_s, is_bad in self._signs(state, view):
            standing = _weighed(standings.get(sign, Standing()), is_bad, dt_s, find_s, self.clear_s)
            standings[sign] = standing
            if standing == Standing():
                del standings[sign]
        state = msgspec.structs.replace(state, standings=standings)
        return state if state.verdict.faults else _used_to(state, view, dt_s)

    def _signs(self, state: HealthState, view: View) -> Iterator[tuple[str, float, bool | None]]:
        """Yield each sign, how long it takes to be found, and whether the picture has it; None where it cannot say."""
        nothing, usual = view.blank >= _NOTHING, state.bright if state.bright is not None else 0.0
        over = _between(
            view.bright >= self.bright_share and view.bright >= usual + 0.25,
            view.bright < self.bright_share - 0.1 or view.bright < usual + 0.15,
        )
        turned = _over(view.moved, self.moved_share, self.moved_share * 0.75)
        shaken = _over(state.jumps[0], _SHAKEN, _STEADY)
        is_dark = view.dark >= 0.98 and nothing
        yield "black", self.black_s, is_dark
        yield "blank", self.blank_s, None if over else nothing
        lost = _over(view.lost, self.lost_share, self.lost_share - 0.15)
        if lost is None and view.blank >= _SHEET:
            lost = None if view.lost is None else True
        yield "lost", self.lost_s, None if over and lost else lost
        yield "over_exposed", self.bright_s, over
        change = None if nothing or over else view.change
        held_s = max(self.frozen_s, _COPIES_MARGIN * state.usual_copies_s)
        yield "frozen", 0.0, None if change is None else state.copies_s >= held_s
        yield "still", _STILL_S, None if change is None else change < _MOVES
        can_compare = not (nothing or over or shaken or lost)
        yield "moved", self.moved_s, turned if can_compare or turned is False else None
        yield "strange", self.strange_s, _strange(view) if can_compare else None
        # A bus is not the street out of focus.
        can_focus = can_compare and not turned and (view.match is None or view.match >= _NOT_THERE)
        sharpness, limit = view.sharpness, self.sharpness_min
        soft = None if sharpness is None else _between(sharpness <= limit, sharpness > limit + 0.08)
        yield "defocused", self.defocused_s, soft if can_focus else None
        yield "shaking", self.shaking_s, shaken
        yield "sways", self.shaking_s, _over(state.jumps[1], _SHAKEN, _STEADY)
        yield "glares", self.bright_s, _over(view.bright, usual + 0.15, usual + 0.1)


def _between(bad: bool, good: bool) -> bool | None:  # noqa: FBT001  # two halves of one answer
    return True if bad else False if good else None


def _over(value: float | None, bad_from: float, good_below: float) -> bool | None:
    """Tell whether a value is too high; None between the limits, and for none."""
    return None if value is None else _between(value >= bad_from, value < good_below)


def _strange(view: View) -> bool | None:
    """Tell whether nothing of the reference is there, though it would be found in such light."""
    if view.match is None or (view.moved is None and not view.is_comparable):
        return None
    return view.moved is None and view.match < _NOT_THERE


def _weighed(standing: Standing, is_bad: bool | None, dt_s: float, find_s: float, clear_s: float) -> Standing:  # noqa: FBT001
    if is_bad is None:
        return standing
    if is_bad == standing.is_found:
        return Standing(standing.is_found, round(max(0.0, standing.against_s - 2 * dt_s), 3))
    against_s = round(standing.against_s + dt_s, 3)
    if against_s >= (clear_s if standing.is_found else find_s):
        return Standing(is_bad)
    return Standing(standing.is_found, against_s)


def _shaken(state: HealthState, view: View, dt_s: float, far: float) -> HealthState:
    """Follow how the picture jumps from one to the next."""
    if view.shift is None or dt_s <= 0:
        return state
    share = 1 - math.exp(-dt_s / _SHAKE_MEMORY_S)
    (right, down), before = view.shift, state.shift
    is_back = right * before[0] + down * before[1] < 0
    jump = min(math.hypot(right, down), math.hypot(*before)) if is_back else 0.0
    jumped = [limit <= jump < _FARTHEST for limit in (far, _LITTLE)]
    jumps = tuple(round(old + share * (new - old), 4) for old, new in zip(state.jumps, jumped, strict=True))
    return msgspec.structs.replace(state, jumps=(jumps[0], jumps[1]), shift=view.shift)


def _copied(state: HealthState, view: View, dt_s: float, change_min: float) -> HealthState:
    """Follow how long pictures have been copies, and how long they are in a stream that goes on."""
    if view.change is None or view.blank >= _NOTHING:
        return state
    if view.change <= change_min:
        return msgspec.structs.replace(state, copies_s=round(state.copies_s + dt_s, 3))
    run_s = state.copies_s if state.copies_s <= _COPIES_MAX_S else 0.0
    return msgspec.structs.replace(state, copies_s=0.0, usual_copies_s=max(state.usual_copies_s, run_s))


def _used_to(state: HealthState, view: View, dt_s: float) -> HealthState:
    """Follow what is usual, while nothing is wrong."""
    if state.bright is None:
        # What the first picture shows is usual, unless most of it is clipped.
        return msgspec.structs.replace(state, bright=min(view.bright, 0.4))
    share = 1 - math.exp(-min(dt_s, 10.0) / _USUAL_S)
    return msgspec.structs.replace(state, bright=round(state.bright + share * (view.bright - state.bright), 5))
