"""Timeline: what happened to a case, in the order in which it happened, from its events and its history."""

from typing import Any

import msgspec

from ingest.store.queries import CaseDetail, EntryRow


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line; ``key`` names its sentence, ``values`` fill it (``role`` and ``what`` are codes still to be named)."""

    time_ms: int
    key: str
    values: dict[str, Any] = {}
    actor: str = ""
    text: str = ""


def timeline(case: CaseDetail) -> list[Line]:
    """Return the lines of a case, oldest first."""
    lines = [
        Line(
            time_ms=case.start_ms,
            key="line.began" if case.device else "line.stood",
            actor=case.camera or case.device or case.agent,
        )
    ]
    lines += [
        Line(time_ms=each.time_ms, key="line.raised", values={"rule": case.rule}, actor=each.agent)
        for each in case.events
        if each.phase == "start"
    ]
    if case.end_ms is not None:
        lines.append(
            Line(
                time_ms=case.end_ms,
                key="line.over" if case.device else "line.left",
                actor=case.camera or case.device or case.agent,
            )
        )
    lines += [
        Line(time_ms=each.time_ms, key="line.ended", actor=each.agent) for each in case.events if each.phase == "end"
    ]
    lines += [
        Line(
            time_ms=each.stored_ms,
            key="line.arrived",
            values={"role": each.role},
            actor=each.agent,
        )
        for each in case.evidence
        if each.stored_ms is not None and each.copy_of is None
    ]
    # Events and evidence speak for themselves; of the history, the rest is news.
    lines += [_entry(entry) for entry in case.entries if entry.what not in ("ended", "evidence")]
    return sorted(lines, key=lambda line: line.time_ms)


def _entry(entry: EntryRow) -> Line:
    if entry.what == "note":
        text = str(entry.body.get("text", "")) if isinstance(entry.body, dict) else str(entry.body)
        return Line(time_ms=entry.time_ms, key="note", actor=entry.actor, text=text)
    if entry.what == "opened":
        return Line(time_ms=entry.time_ms, key="line.opened", actor=entry.actor)
    return Line(time_ms=entry.time_ms, key="line.entry", values={"what": entry.what}, actor=entry.actor)
