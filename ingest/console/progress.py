"""Progress: how far an order has come, as steps that a page can draw; what was only sent never looks done."""

from typing import Literal

import msgspec

from ingest.store.command_queries import CommandDetail, CommandRow, LampResult

STEPS = ("issued", "accepted", "sent", "reported", "proven")
Mark = Literal["done", "now", "failed", "open"]
FAILED = ("reported-not-proven", "rejected", "expired", "unreachable", "superseded")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order and how many lamps have come so far."""

    name: str
    reached: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A lamp of an order, with a mark for each step."""

    result: LampResult
    marks: tuple[Mark, ...]


def steps(order: CommandDetail) -> list[Step]:
    """Return the steps of an order; none while it waits for an approval."""
    if order.issued_ms is None or not order.results:
        return []
    reached = [_reached(each) for each in order.results]
    return [Step(name=name, reached=sum(each >= number for each in reached)) for number, name in enumerate(STEPS)]


def line(result: LampResult) -> Line:
    """Return a lamp's marks: a step that it went through, the one it waits in, the one where it failed."""
    reached = _reached(result)
    marks: list[Mark] = ["done" if number <= reached else "open" for number in range(len(STEPS))]
    if result.stage in FAILED:
        marks[min(reached + 1, len(STEPS) - 1)] = "failed"
    elif reached < len(STEPS) - 1 and result.stage != "waiting":
        marks[reached + 1] = "now"
    return Line(result=result, marks=tuple(marks))


def word(order: CommandRow) -> str:
    """Return the key of the sentence that says how an order stands."""
    if order.state != "ended":
        return f"state_{order.state}"
    if order.is_well:
        return "state_taken" if order.kind == "schedule" else "state_well"
    return "state_ill"


def _reached(result: LampResult) -> int:
    """Return the last step that a lamp went through; -1 if none."""
    if result.stage == "proven":
        return 4
    times = (result.accepted_ms, result.sent_ms, result.reported_ms)
    last = max((number for number, time_ms in enumerate(times, 1) if time_ms is not None), default=0)
    if result.stage == "reported-not-proven":
        return 3
    return last if result.stage != "waiting" else -1
