"""Gateway: lamps, meters, sensors and vehicles of one box: hears its links, takes orders, and writes before it acts."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any

import msgspec
import structlog

from devices.lamp_state import Failed, Sent
from devices.report import Report
from edge import gateway_devices, gateway_lamps
from edge.centre_time import CentreTime
from edge.device_watch import DeviceWatch
from edge.gateway_asks import Asks
from edge.gateway_config import GatewaySetup
from edge.gateway_devices import CARDS, Devices
from edge.gateway_lamps import Lighting
from edge.gateway_orders import Orders, kept_schedule
from edge.gateway_sheet import Sheet
from edge.links.kinds import LinkConfig, open_link
from edge.links.link import Link, Take
from edge.outbox import Outbox, call_in
from wire.clock import ClockState
from wire.health import LinkHealth

_LOG = structlog.get_logger()
_SLICES, _SLICE_S = 40, 0.025
"""Lamps are ticked every second, a few of them at a time, so that an order never waits for all."""
_WATCH_S = 10.0
_GATHER_S = 0.01
"""How long outcomes of asks are gathered to be one commit."""

OpenLink = Callable[[LinkConfig, Take], Link]


class Gateway:
    """Runs the links of a box and all that hangs on them.

    Args:
        agent: whose gateway it is.
        setup: its files, read.
        outbox: where all is written before anything is done or answered.
        watch: steps the rules of its devices.
        clock: what is known of the wall clock.
        centre: the centre's time.
        secret: of this box, for the codes of terminals.
        advanced: called at every round.
    """

    def __init__(
        self,
        agent: str,
        setup: GatewaySetup,
        outbox: Outbox,
        *,
        watch: DeviceWatch,
        clock: Callable[[], ClockState],
        centre: CentreTime,
        secret: bytes,
        advanced: Callable[[], None],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        open_one: OpenLink | None = None,
    ) -> None:
        self._agent, self._setup, self._outbox, self._watch = agent, setup, outbox, watch
        self._clock, self._centre, self._advanced, self._now_ms = clock, centre, advanced, now_ms
        self._clock_state: ClockState = clock()

        def open_real(config: LinkConfig, take: Take) -> Link:
            return open_link(config, setup.of_link(config.id), take, folder=setup.folder, secret=secret)

        open_one = open_one or open_real
        self.links: dict[str, Link] = {config.id: open_one(config, self.take) for config in setup.gateway.links}
        self._ready, self._turn = asyncio.Event(), asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._gathered, self._has_gathered = Sheet(), asyncio.Event()
        self._kept: asyncio.Queue[Sheet] = asyncio.Queue()
        """Sheets that are committed, and ask something of links."""

    async def run(self) -> None:
        """Hear, obey and watch for ever; raise sqlite3.Error when the disk does not commit."""
        await self._go_on()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._ready.set()
            for link in self.links.values():
                tasks.create_task(link.run())
            tasks.create_task(self._tick())
            tasks.create_task(self._watch_silence())
            tasks.create_task(self._write_gathered())
            tasks.create_task(self._act(tasks))

    async def take(self, report: Report) -> None:
        """Take what a device said; return when all that it leads to is committed."""
        await self._ready.wait()
        # One report at a time is ready to run: of a thousand that come at once an order waits for one, not for all.
        async with self._turn:
            sheet = self._step(report)
        await self._commit(sheet)

    def _step(self, report: Report) -> Sheet:
        sheet, clock = Sheet(), self._clock_state
        found = self._devices.of(report)
        for entry, own in found:
            self._devices.report(entry, own, clock, sheet)
            if entry.id in self._lighting.lamps:
                self._lighting.report(entry.id, own, sheet)
            elif entry.role == "circuit":
                self._lighting.circuit(entry, own, sheet)
        if not found:
            self._devices.stranger(report, sheet)
        return sheet

    async def order(self, payload: bytes, is_retained: bool) -> None:  # noqa: FBT001  # as the uplink hands it on
        """Take what came on the topic of orders; return when what came of it is committed."""
        await self._ready.wait()
        await self._orders.take(payload, is_retained=is_retained)

    def health(self) -> tuple[LinkHealth, ...]:
        """Return how each link is."""
        if not self._ready.is_set():
            return ()
        now_ms, found = self._now_ms(), []
        for name, link in self.links.items():
            live, silent = self._devices.counts(name, now_ms)
            found.append(LinkHealth(id=name, trouble=link.trouble[:500], live=live, silent=silent))
        return tuple(found)

    @property
    def troubled(self) -> tuple[str, ...]:
        """The links on which nothing can be heard."""
        return tuple(name for name, link in self.links.items() if link.trouble)

    @property
    def orders_refused(self) -> int:
        """How much came on the topic of orders and was not carried out, since the start."""
        return self._orders.refused if self._ready.is_set() else 0

    async def _go_on(self) -> None:
        """Take up all states where they were left, and tell the centre which devices there are."""
        kept: dict[str, bytes] = {}
        for prefix in ("lamp/", "device/", "orders", "schedule", CARDS):
            found: dict[str, bytes] = await asyncio.wrap_future(self._outbox.states(prefix))
            kept |= found
        self._devices = Devices(self._setup.entries, self._watch, kept)
        self._lighting = Lighting(self._setup, kept, kept_schedule(self._setup, kept))
        links, entries = self.links, self._lighting.entries
        self._asks = Asks(entries, self._setup.profiles, links, outcome=self._gather, now_ms=self._now_ms)
        self._orders = Orders(
            self._agent, self._setup, self._lighting, kept, commit=partial(self._commit, is_urgent=True),
            now_ms=self._now_ms, clock=self._clock, centre=self._centre,
        )  # fmt: skip
        sheet = Sheet()
        self._devices.introduce(kept.get(CARDS), sheet)
        for limit in self._lighting.limits_of_detection(self._setup.entries, self._now_ms()):
            sheet.say(limit)
        await self._commit(sheet)

    async def _tick(self) -> None:
        """Tell the lamps every second that time has passed, a few of them at a time."""
        names, number = sorted(self._lighting.lamps), 0
        while True:
            sheet, self._clock_state = Sheet(), self._clock()
            self._lighting.tick(names[number::_SLICES], self._now_ms(), sheet)
            number = (number + 1) % _SLICES
            # Not waited for: the outbox keeps the order of what it is given.
            self._begin(self._commit(sheet, is_urgent=sheet.has_acks))
            await asyncio.sleep(_SLICE_S)
            self._advanced()

    async def _watch_silence(self) -> None:
        """Step the rules of all devices that are silent, spread over ten seconds."""
        names, number = sorted(self._devices.entries), 0
        slices = round(_WATCH_S / _SLICE_S)
        while True:
            sheet, clock, now_ms = Sheet(), self._clock_state, self._now_ms()
            for name in names[number::slices]:
                trouble = self.links[self._devices.entries[name].link].trouble
                self._devices.tick(name, now_ms, clock, trouble, sheet)
            number = (number + 1) % slices
            self._begin(self._commit(sheet))
            await asyncio.sleep(_SLICE_S)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None  # noqa: S101  # only what runs in it comes here
        try:
            self._tasks.create_task(work)
        except RuntimeError:
            work.close()  # the gateway ends

    def _gather(self, lamp: str, outcome: Sent | Failed) -> None:
        """Step a lamp after it was told something; many are written together."""
        self._lighting.apply(lamp, outcome, self._gathered)
        self._has_gathered.set()

    async def _write_gathered(self) -> None:
        while True:
            await self._has_gathered.wait()
            self._has_gathered.clear()
            await asyncio.sleep(_GATHER_S)
            await self._commit(Sheet(), is_urgent=True)

    async def _commit(self, sheet: Sheet, *, is_urgent: bool = False) -> None:
        """Write a sheet, and when it is committed do what it asks; whoever stops waiting does not stop that.

        What was gathered before goes with it: a state is never written without the words that it led to.
        """
        sheet.take_over(self._gathered)
        self._gathered = Sheet()
        for condition in sheet.conditions:
            self._devices.condition(condition, self._clock_state, sheet)
        if sheet.is_empty:
            if sheet.looks:
                self._kept.put_nowait(sheet)
            return
        future = self._outbox.put(sheet.rows(), self._encoded(sheet), is_urgent=is_urgent)
        if sheet.asks or sheet.looks:
            loop = asyncio.get_running_loop()
            future.add_done_callback(lambda done: call_in(loop, partial(self._keep, sheet, done)))
        await asyncio.wrap_future(future)

    def _keep(self, sheet: Sheet, done: Future[Any]) -> None:
        if done.exception() is None:
            self._kept.put_nowait(sheet)

    async def _act(self, tasks: asyncio.TaskGroup) -> None:
        """Ask of links what committed sheets say."""
        while True:
            sheet = await self._kept.get()
            for ask in sheet.asks:
                self._asks.start(tasks, ask)
            for name in sheet.looks:
                entry = self._lighting.entries[name]
                self.links[entry.link].hurry(entry.address)

    def _encoded(self, sheet: Sheet) -> dict[str, bytes]:
        states: dict[str, msgspec.Struct] = dict(sheet.states)
        states |= {gateway_lamps.state_name(name): self._lighting.shadows[name] for name in sheet.lamps}
        states |= {gateway_devices.state_name(name): self._devices.states[name] for name in sheet.devices}
        return {name: msgspec.msgpack.encode(state) for name, state in states.items()}
