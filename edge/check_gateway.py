"""Check of a gateway: what of its files is worth knowing before it switches anything."""

import time
from collections import Counter
from collections.abc import Iterator

from devices.circuit import unseen
from edge.finding import Finding
from edge.gateway_config import GatewaySetup


def gateway_findings(setup: GatewaySetup) -> Iterator[Finding]:
    """Yield what is found of links, lamps, schedules and keys; wrong files were refused before."""
    for link in setup.gateway.links:
        roles = Counter(entry.role for entry, _ in setup.of_link(link.id))
        counted = ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))
        yield Finding("link", link.id, counted or "no device of its own; whoever speaks goes to the census")
    if not setup.lamps:
        return
    yield from _proof_findings(setup)
    yield _schedule_finding(setup)
    if setup.keys:
        yield Finding("orders", "command_keys", f"signed with {', '.join(sorted(setup.keys))}")
    else:
        yield Finding("orders", "command_keys", "no key is named: nobody can switch these lamps", "look")


def _proof_findings(setup: GatewaySetup) -> Iterator[Finding]:
    circuits: dict[str, list[float]] = {}
    proven = unmeasured = 0
    for entry in setup.entries:
        lamp = setup.lamps.get(entry.id)
        if lamp is None:
            continue
        proven += lamp.is_metered
        if not lamp.is_metered and lamp.on_circuit_meter:
            circuits.setdefault(entry.circuit, []).append(lamp.expected_a(100))
        unmeasured += not lamp.is_metered and not lamp.on_circuit_meter
    yield Finding("lamps", f"{proven} of {len(setup.lamps)}", "proven by a current of their own")
    for circuit, currents in sorted(circuits.items()):
        count = unseen(setup.gateway.circuit_meter, currents)
        result = f"{len(currents)} lamps behind one meter, of which {count} may be dark unseen"
        yield Finding("circuit", circuit, result, "look" if count else "ok")
    if unmeasured:
        yield Finding("lamps", f"{unmeasured} of {len(setup.lamps)}", "measured by nothing: never proven", "look")


def _schedule_finding(setup: GatewaySetup) -> Finding:
    if setup.schedule is None:
        return Finding("schedules", "schedules", "none: lamps burn day and night until the centre orders one", "look")
    now_ms = time.time_ns() // 1_000_000
    lamps = [entry for entry in setup.entries if entry.id in setup.lamps]
    calendars = [setup.schedule.calendar_of(entry) for entry in lamps]
    levels = Counter(setup.schedule.wish(calendar, now_ms).level for calendar in calendars)
    now = ", ".join(f"{count} at {level} %" for level, count in sorted(levels.items()))
    left = calendars.count(None)
    if left:
        return Finding("schedules", setup.gateway.schedules, f"now {now}; {left} lamps have none and burn", "look")
    return Finding("schedules", setup.gateway.schedules, f"now {now}")
