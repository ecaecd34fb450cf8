"""Gateway asks: brings what lamps are told to their links, all at once, and comes back with how each ended."""

import asyncio
import time
from collections.abc import Callable, Mapping

from devices.inventory import DeviceEntry
from devices.lamp_state import Ask, Failed, Sent
from devices.profile import Profile, request_of
from devices.reading import CommandError
from devices.report import Request
from edge.links.link import Link, Unreachable
from shell.crash_point import crash_point

Outcome = Callable[[str, Sent | Failed], None]


class Asks:
    """One task for each lamp that is being told something; a later ask takes the place of an earlier one."""

    def __init__(
        self,
        entries: Mapping[str, DeviceEntry],
        profiles: Mapping[str, Profile],
        links: Mapping[str, Link],
        *,
        outcome: Outcome,
        now_ms: Callable[[], int],
    ) -> None:
        self._entries, self._profiles, self._links = entries, profiles, links
        self._outcome, self._now_ms = outcome, now_ms
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def start(self, tasks: asyncio.TaskGroup, ask: Ask) -> None:
        """Tell a lamp a level."""
        before = self._under_way.get(ask.lamp)
        work = self._ask(ask, before, time.monotonic())
        try:
            self._under_way[ask.lamp] = tasks.create_task(work)
        except RuntimeError:
            work.close()  # the gateway ends; when it is there again, it tells this lamp

    async def _ask(self, ask: Ask, before: asyncio.Task[None] | None, began_s: float) -> None:
        if before is not None and not before.done():
            before.cancel()
            await asyncio.wait([before])
        entry = self._entries[ask.lamp]
        patience_s = ask.patience_ms / 1000 - (time.monotonic() - began_s)
        reason = ""
        try:
            request = request_for(self._profiles[ask.lamp], entry.address, ask.level)
            crash_point("gateway.before-send")
            async with asyncio.timeout(max(patience_s, 0.0)):
                await self._links[entry.link].send(entry.address, request)
            crash_point("gateway.after-send")
        except TimeoutError:
            reason = f"no answer within {ask.patience_ms / 1000:.0f} s"
        except (Unreachable, CommandError) as error:
            reason = str(error)
        if self._under_way.get(ask.lamp) is asyncio.current_task():
            del self._under_way[ask.lamp]
        now_ms = self._now_ms()
        if reason:
            self._outcome(ask.lamp, Failed(time_ms=now_ms, number=ask.number, reason=reason[:500]))
        else:
            self._outcome(ask.lamp, Sent(time_ms=now_ms, number=ask.number))


def request_for(profile: Profile, address: str, level: int) -> Request:
    """Return what tells a lamp a level, in its model's own words; raise CommandError."""
    _, _, output = address.partition("/")
    which = {"feature": output} if output else {}
    if level == 0:
        return request_of(profile, "off", **which)
    if level == 100:
        return request_of(profile, "on", **which)
    return request_of(profile, "dim", level=level, **which)
