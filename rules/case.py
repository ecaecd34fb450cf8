"""Case: what an officer handles. Which one an event belongs to, and what the event changes in it.

One stay is one case: a stay whose agent lost its memory, or that two zones see at once, has several events and still
one place in the picture.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from wire.event import Event, Role
from wire.holding import BoxXywh

_MERGE_MS = 86_400_000
"""A case whose end was lost takes in no vehicle that comes a day later."""

Stage = Literal["collected", "filed", "dispatched", "handled", "verified", "closed"]
"""The way of every case: 采集, 立案, 派遣, 处置, 核查, 结案. None may be skipped."""


OVERLAP_MIN = 0.5
"""Intersection over union from which two boxes are the same place."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case as its events have made it; the fields are those of its first event, unless they say otherwise."""

    merge_key: str
    """The id of the event that opened it, so that no replay can open it twice."""
    event_ids: frozenset[str]
    stage: Stage
    agent: str
    kind: str
    camera: str | None
    zone: str | None
    device: str | None
    rule: str
    label: str
    confidence: float
    start_ms: int
    opened_ms: int
    end_ms: int | None
    position: tuple[float, float] | None
    bbox: BoxXywh | None
    size: tuple[int, int] | None
    urgent: bool
    expects: tuple[Role, ...]
    facts: dict[str, float | bool | str]
    clock: str
    trace_id: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a case's timeline."""

    what: Literal["opened", "merged", "resumed", "ended"]
    time_ms: int
    event_id: str


def step(known: Iterable[Case], agent: str, event: Event) -> tuple[Case, tuple[Entry, ...]]:
    """Return the case that ``event`` belongs to as it is afterwards, and what to write into its timeline.

    Args:
        known: the cases that hold this event id or the one it resumes, and those of its camera or device that have
            not ended.
        agent: who sent the event; an agent can change its own cases only.
        event: an end may come before its start, or without one.
    """
    same_place = None
    best = OVERLAP_MIN
    for case in known:
        if case.agent != agent:
            continue
        if event.id in case.event_ids:
            return _take(case, event)
        if event.resumes in case.event_ids:
            return _resume(case, event)
        if event.phase == "start" and _is_open_for(case, event):
            overlap = _overlap(case, event)
            if overlap >= best:
                same_place, best = case, overlap
    if same_place is None:
        return _open(agent, event)
    return _merge(same_place, event)


def overlap_of(one: BoxXywh, other: BoxXywh) -> float:
    """Return the intersection over union of two boxes, 0 to 1.

    >>> overlap_of((0, 0, 2, 2), (0, 0, 2, 1))
    0.5
    """
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def _is_open_for(case: Case, event: Event) -> bool:
    is_recent = event.time_ms - case.opened_ms <= _MERGE_MS
    return (
        case.end_ms is None
        and is_recent
        and (case.camera, case.device, case.kind) == (event.camera, event.device, event.kind)
    )


def _overlap(case: Case, event: Event) -> float:
    """Return how far case and event are in one place; a device is a place of its own."""
    if case.bbox is None or case.size is None or event.bbox is None or event.size is None:
        return float(case.device is not None and case.device == event.device)
    return overlap_of(_in_shares(case.bbox, case.size), _in_shares(event.bbox, event.size))


def _in_shares(box: BoxXywh, size: tuple[int, int]) -> BoxXywh:
    """Return a box in shares of its frame, so that boxes of frames of different sizes compare."""
    width, height = max(size[0], 1), max(size[1], 1)
    return (box[0] / width, box[1] / height, box[2] / width, box[3] / height)


def _open(agent: str, event: Event) -> tuple[Case, tuple[Entry, ...]]:
    case = Case(
        merge_key=event.id,
        event_ids=frozenset((event.id,)),
        stage="filed",
        agent=agent,
        kind=event.kind,
        camera=event.camera,
        zone=event.zone,
        device=event.device,
        rule=event.rule,
        label=event.label,
        confidence=event.confidence,
        start_ms=event.start_ms,
        opened_ms=event.time_ms,
        end_ms=_end_ms(event),
        position=event.position,
        bbox=event.bbox,
        size=event.size,
        urgent=event.urgent,
        expects=event.expects,
        facts=event.facts,
        clock=event.clock,
        trace_id=event.trace_id,
    )
    opened = Entry(what="opened", time_ms=event.time_ms, event_id=event.id)
    return (case, (opened,)) if event.phase == "start" else (case, (opened, _ended(event)))


def _take(case: Case, event: Event) -> tuple[Case, tuple[Entry, ...]]:
    """Return a case after another phase of an event that it holds."""
    if event.phase == "start":  # its end came first and opened the case; only the start knows these
        facts = event.facts | case.facts
        changed = msgspec.structs.replace(
            case,
            opened_ms=min(case.opened_ms, event.time_ms),
            expects=_both(case.expects, event.expects),
            facts=facts,
        )
        return changed, ()
    end_ms = max(case.end_ms or 0, _end_ms(event) or 0)
    return msgspec.structs.replace(case, end_ms=end_ms, facts=case.facts | event.facts), (_ended(event),)


def _merge(case: Case, event: Event) -> tuple[Case, tuple[Entry, ...]]:
    merged = msgspec.structs.replace(
        case,
        event_ids=case.event_ids | {event.id},
        start_ms=min(case.start_ms, event.start_ms),
        expects=_both(case.expects, event.expects),
    )
    return merged, (Entry(what="merged", time_ms=event.time_ms, event_id=event.id),)


def _resume(case: Case, event: Event) -> tuple[Case, tuple[Entry, ...]]:
    """Return a case that goes on: what had left came back, or had only moved by less than its length."""
    resumed = msgspec.structs.replace(
        case,
        event_ids=case.event_ids | {event.id},
        end_ms=None if event.phase == "start" else _end_ms(event),
        expects=_both(case.expects, event.expects),
        bbox=event.bbox,
    )
    entries = [Entry(what="resumed", time_ms=event.time_ms, event_id=event.id)]
    return resumed, (*entries, _ended(event)) if event.phase == "end" else tuple(entries)


def _end_ms(event: Event) -> int | None:
    if event.phase == "start":
        return None
    return event.time_ms if event.end_ms is None else event.end_ms


def _ended(event: Event) -> Entry:
    return Entry(what="ended", time_ms=event.time_ms, event_id=event.id)


def _both(one: tuple[Role, ...], other: tuple[Role, ...]) -> tuple[Role, ...]:
    return one + tuple(role for role in other if role not in one)
