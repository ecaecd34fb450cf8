"""Gateway lamps: the shadows of all its lamps, their schedule, and what a circuit's meter says of those without one."""

from collections.abc import Iterable, Mapping

import msgspec
import structlog

from devices import lamp as core
from devices.circuit import judge, unseen
from devices.inventory import DeviceEntry
from devices.lamp_shown import is_changed
from devices.lamp_state import Ask, Given, Heard, Input, Lamp, LampCondition, Look, OfCircuit, Shadow, Tick, resumed
from devices.report import Report
from devices.schedule import Schedule, Wish, no_schedule
from devices.sun import is_up
from edge.gateway_config import GatewaySetup
from edge.gateway_sheet import Sheet
from wire.command import Ack, LampState
from wire.observation import Observation

_LOG = structlog.get_logger()
_SUN_MS = 10_000
_MEASURED = ("heard_ms", "reported_ms", "current_a", "current_ms", "power_w", "energy_kwh")
"""What may be lost in a restart: it is measured again."""


def state_name(lamp: str) -> str:
    """Return under which name the state of a lamp is kept."""
    return f"lamp/{lamp}"


class Lighting:
    """Steps the lamps of a gateway."""

    def __init__(self, setup: GatewaySetup, kept: Mapping[str, bytes], schedule: Schedule | None) -> None:
        """Go on from the states that were ``kept`` by name."""
        self.lamps = setup.lamps
        self.entries = {entry.id: entry for entry in setup.entries if entry.id in setup.lamps}
        self.shadows = {name: _shadow(name, kept.get(state_name(name))) for name in setup.lamps}
        self._gateway = setup.gateway
        self._circuits: dict[str, list[str]] = {}
        for entry in self.entries.values():
            self._circuits.setdefault(entry.circuit, []).append(entry.id)
        self._wishes: dict[str | None, tuple[int, Wish | None]] = {}
        self._sun: tuple[int, bool] = (0, False)
        self.schedule: Schedule | None = None
        self._calendars: dict[str, str | None] = {}
        self.follow(schedule)

    def follow(self, schedule: Schedule | None) -> None:
        """Take another schedule."""
        self.schedule = schedule
        self._calendars = {
            name: schedule.calendar_of(entry) if schedule else None for name, entry in self.entries.items()
        }
        self._wishes.clear()

    def apply(self, name: str, happened: Input, sheet: Sheet) -> None:
        """Step one lamp, and put on the sheet what comes of it."""
        lamp, before = self.lamps[name], self.shadows[name]
        after, outputs = core.step(lamp, before, happened)
        self.shadows[name] = after
        must_keep = False
        for output in outputs:
            match output:
                case LampCondition():
                    sheet.conditions.append(output)
                case Look():
                    sheet.looks.append(name)
                case Ask():
                    sheet.asks.append(output)
                case Ack():
                    sheet.ack(output)
                case LampState():
                    # A heartbeat may be shed: the next one says the same.
                    sheet.say(output, "acks" if is_changed(before.shown, output) else "observations")
            must_keep = must_keep or not isinstance(output, LampCondition | Look)
        if must_keep or _is_other(before, after):
            sheet.lamps.add(name)

    def give(self, given: Mapping[str, Given], sheet: Sheet) -> None:
        """Step all the lamps of an order."""
        for name, share in given.items():
            self.apply(name, share, sheet)

    def tick(self, names: Iterable[str], now_ms: int, sheet: Sheet) -> None:
        """Tell lamps that time has passed."""
        is_day = self._is_day(now_ms)
        for name in names:
            wish = self._wish(self._calendars[name], now_ms)
            self.apply(name, Tick(time_ms=now_ms, level=wish.level, why=wish.why, is_day=is_day), sheet)

    def report(self, name: str, report: Report, sheet: Sheet) -> None:
        """Tell a lamp what was heard of it."""
        self.apply(name, Heard(report), sheet)

    def circuit(self, entry: DeviceEntry, report: Report, sheet: Sheet) -> None:
        """Tell the lamps of a circuit what its meter says of an order to them."""
        current = next((each for each in report.readings if each.property == "current" and not each.feature), None)
        names = self._circuits.get(entry.circuit, [])
        if current is None or current.quality != "good" or current.at_ms is not None:
            return
        waiting = [name for name in names if _waits(self.lamps[name], self.shadows[name])]
        time_ms = min(report.time_ms, report.received_ms)
        if not waiting or any(_is_cold(self.shadows[name], time_ms) for name in names):
            return
        before, after = self._levels(names), [self._expected_a(name) for name in names]
        changed_a = sum(abs(self._expected_a(name) - before[name]) for name in waiting)
        verdict = judge(
            self._gateway.circuit_meter,
            before_a=sum(before.values()),
            after_a=after,
            measured_a=float(current.result),
            changed_a=changed_a,
        )
        for name in waiting:
            self.apply(name, OfCircuit(time_ms=time_ms, word=verdict.word, reason=verdict.reason), sheet)

    def limits_of_detection(self, entries: Iterable[DeviceEntry], now_ms: int) -> Iterable[Observation]:
        """Yield, for each metered circuit, how many of its lamps may be dark unseen when all of them burn."""
        for entry in entries:
            names = self._circuits.get(entry.circuit, []) if entry.role == "circuit" and entry.circuit else []
            if any(self.lamps[name].on_circuit_meter and not self.lamps[name].is_metered for name in names):
                currents = [self.lamps[name].expected_a(100) for name in names]
                count = unseen(self._gateway.circuit_meter, currents)
                yield Observation(source=entry.id, property="lamps.unseen", result=float(count), time_ms=now_ms)

    def _expected_a(self, name: str) -> float:
        switch = self.shadows[name].switch
        return self.lamps[name].expected_a(switch.level if switch else self.shadows[name].reported or 0)

    def _levels(self, names: Iterable[str]) -> dict[str, float]:
        """Return what each lamp drew before it was switched, if it was; what is not known counts as no change."""
        found = {}
        for name in names:
            switch = self.shadows[name].switch
            is_known = switch is not None and switch.from_level is not None and self.shadows[name].pending is not None
            found[name] = (
                self.lamps[name].expected_a(switch.from_level or 0)
                if switch is not None and is_known
                else self._expected_a(name)
            )
        return found

    def _wish(self, calendar: str | None, now_ms: int) -> Wish:
        since_ms, wish = self._wishes.get(calendar, (0, None))
        if wish is None or not since_ms <= now_ms < wish.until_ms:  # also if the clock was set back
            wish = self.schedule.wish(calendar, now_ms) if self.schedule else no_schedule(now_ms)
            self._wishes[calendar] = (now_ms, wish)
        return wish

    def _is_day(self, now_ms: int) -> bool:
        at_ms, is_day = self._sun
        if not 0 <= now_ms - at_ms < _SUN_MS:
            is_day = is_up(self._gateway.place, now_ms)
            self._sun = (now_ms, is_day)
        return is_day


def _waits(lamp: Lamp, shadow: Shadow) -> bool:
    return (
        not lamp.is_metered
        and lamp.on_circuit_meter
        and shadow.pending is not None
        and shadow.pending.stage != "accepted"
    )


def _is_cold(shadow: Shadow, time_ms: int) -> bool:
    return shadow.asked is not None or (shadow.switch is not None and time_ms < shadow.switch.warm_ms)


def _is_other(before: Shadow, after: Shadow) -> bool:
    """Tell whether more has changed than what is measured."""
    return msgspec.structs.replace(before, **{name: getattr(after, name) for name in _MEASURED}) != after


def _shadow(name: str, kept: bytes | None) -> Shadow:
    if kept is not None:
        try:
            return resumed(msgspec.msgpack.decode(kept, type=Shadow))
        except msgspec.DecodeError as error:
            _LOG.error("the state is of another version, the lamp begins anew", lamp=name, reason=str(error))
    return Shadow()
