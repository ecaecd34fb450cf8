"""Gateway devices: who it is that speaks on a link, what watches it, and who speaks that nobody knows."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog

from devices.inventory import DeviceEntry
from devices.lamp_state import LampCondition
from devices.report import Report
from edge.device_watch import DeviceWatch, DeviceWatchState
from edge.gateway_sheet import Sheet
from wire.clock import ClockState
from wire.device import Device, DeviceRole, Stranger
from wire.sample import LampSample

_LOG = structlog.get_logger()
CARDS = "cards"
_KEEP_MS = 60_000
_STRANGERS_MAX = 1_000
_STRANGER_AGAIN_MS = 3_600_000


def state_name(device: str) -> str:
    """Return under which name the state of a device is kept."""
    return f"device/{device}"


class Cards(msgspec.Struct, frozen=True):
    """What the centre was told of the devices, to tell it only what has changed."""

    cards: dict[str, Device] = {}


class Devices:
    """Knows each device by link and address, and steps what watches it."""

    def __init__(self, entries: Iterable[DeviceEntry], watch: DeviceWatch, kept: Mapping[str, bytes]) -> None:
        self.entries = {entry.id: entry for entry in entries}
        self.heard_ms: dict[str, int] = {}
        """When each was heard last, since the start."""
        self._watch = watch
        self.states = {name: self._first(entry, kept.get(state_name(name))) for name, entry in self.entries.items()}
        self._kept = dict(self.states)
        self._by_address = {(entry.link, entry.address): entry for entry in self.entries.values()}
        self._of_link: dict[str, list[DeviceEntry]] = {}
        for entry in self.entries.values():
            self._of_link.setdefault(entry.link, []).append(entry)
        self._outputs: dict[tuple[str, str], list[tuple[str, DeviceEntry]]] = {}
        for entry in self.entries.values():
            base, _, output = entry.address.partition("/")
            if output:
                self._outputs.setdefault((entry.link, base), []).append((output, entry))
        self._strangers: dict[tuple[str, str], Stranger] = {}
        self._told: dict[tuple[str, str], int] = {}

    def of(self, report: Report) -> list[tuple[DeviceEntry, Report]]:
        """Return whose report it is: a device's, or those of several that are outputs of one."""
        found = []
        entry = self._by_address.get((report.link, report.address))
        if entry is not None:
            found.append((entry, report))
        for output, each in self._outputs.get((report.link, report.address), ()):
            own = tuple(
                msgspec.structs.replace(reading, feature="") for reading in report.readings if reading.feature == output
            )
            if own:
                found.append((each, msgspec.structs.replace(report, address=each.address, readings=own)))
        return found

    def report(self, entry: DeviceEntry, report: Report, clock: ClockState, sheet: Sheet) -> None:
        """Step what watches a device after a report."""
        self.heard_ms[entry.id] = report.received_ms
        self._step(entry.id, self._watch.step(self.states[entry.id], entry, report, clock), sheet)

    def condition(self, condition: LampCondition, clock: ClockState, sheet: Sheet) -> None:
        """Step what watches a lamp after something of it was proven, or was not."""
        name = condition.lamp
        self._step(
            name,
            self._watch.take(
                self.states[name], self.entries[name], sample_of(condition, self.entries[name].role), clock
            ),
            sheet,
        )

    def tick(self, name: str, now_ms: int, clock: ClockState, trouble: str, sheet: Sheet) -> None:
        """Step what watches a device after a time in which nothing was heard."""
        step = self._watch.tick(self.states[name], self.entries[name], now_ms, clock, trouble=trouble)
        self._step(name, step, sheet)

    def stranger(self, report: Report, sheet: Sheet) -> None:
        """Count a device that no file names, and tell of it now and then."""
        key, now_ms = (report.link, report.address.replace("\0", "")[:64]), report.received_ms
        known = self._strangers.get(key)
        if known is None:
            if len(self._strangers) >= _STRANGERS_MAX:
                return
            known = Stranger(link=report.link, address=key[1], first_ms=now_ms, last_ms=now_ms, count=0)
        known = msgspec.structs.replace(known, last_ms=now_ms, count=known.count + 1)
        self._strangers[key] = known
        if now_ms - self._told.get(key, -_STRANGER_AGAIN_MS) >= _STRANGER_AGAIN_MS:
            self._told[key] = now_ms
            sheet.say(known)

    def introduce(self, kept: bytes | None, sheet: Sheet) -> None:
        """Tell the centre of devices that are new, other than before, or gone."""
        before = _cards(kept).cards
        cards = {name: entry.card for name, entry in self.entries.items()}
        for name, card in cards.items():
            if before.get(name) != card:
                sheet.say(card)
        for name, card in before.items():
            if name not in cards:
                sheet.say(msgspec.structs.replace(card, is_removed=True))
        if cards != before:
            sheet.states[CARDS] = Cards(cards)

    def counts(self, link: str, now_ms: int) -> tuple[int, int]:
        """Return how many devices of a link are heard, and how many are not."""
        of_link = self._of_link.get(link, [])
        heard = [(entry, self.heard_ms[entry.id]) for entry in of_link if entry.id in self.heard_ms]
        live = sum(now_ms - heard_ms <= 3 * entry.period_s * 1000 for entry, heard_ms in heard)
        return live, len(of_link) - live

    def _step(self, name: str, step: tuple[DeviceWatchState, list[Any]], sheet: Sheet) -> None:
        self.states[name], outputs = step
        for output in outputs:
            sheet.say(output)
        if outputs or _must_keep(self._kept[name], self.states[name]):
            self._kept[name] = self.states[name]
            sheet.devices.add(name)

    def _first(self, entry: DeviceEntry, kept: bytes | None) -> DeviceWatchState:
        if kept is not None:
            try:
                return msgspec.msgpack.decode(kept, type=DeviceWatchState)
            except msgspec.DecodeError as error:
                _LOG.error(
                    "the state is of another version, the device begins anew", device=entry.id, reason=str(error)
                )
        return self._watch.first(entry)


def _must_keep(kept: DeviceWatchState, now: DeviceWatchState) -> bool:
    """Tell whether a state must be written though nothing came of it.

    When a device was heard last, and for how long something has held, is written once a minute: a restart within a
    rule's gap credits the time since then.
    """
    if abs(now.hearing.time_ms - kept.hearing.time_ms) >= _KEEP_MS or len(kept.rules) != len(now.rules):
        return True
    for name, progress in now.rules.items():
        before = kept.rules.get(name)
        if before is None or (before.holds, before.event_id) != (progress.holds, progress.event_id):
            return True
    return False


def sample_of(condition: LampCondition, role: DeviceRole) -> LampSample:
    """Return what rules watch of a lamp."""
    return LampSample(
        device=condition.lamp,
        time_ms=condition.time_ms,
        heard_ms=condition.time_ms,
        role=role,
        is_dark=condition.is_dark,
        is_lit_by_day=condition.is_lit_by_day,
        is_not_proven=condition.is_not_proven,
        is_stuck=condition.is_stuck,
        is_over_current=condition.is_over_current,
        is_under_current=condition.is_under_current,
        for_s=max(0.0, (condition.time_ms - condition.since_ms) / 1000),
        expected_a=condition.expected_a,
        current_a=condition.current_a,
    )


def _cards(kept: bytes | None) -> Cards:
    if kept is not None:
        try:
            return msgspec.msgpack.decode(kept, type=Cards)
        except msgspec.DecodeError as error:
            _LOG.error("what the centre was told of devices cannot be read, it is told again", reason=str(error))
    return Cards()
