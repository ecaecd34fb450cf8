"""Modbus units: what hangs on a bus, sorted by unit; several devices may be outputs of one."""

from collections.abc import Iterable, Sequence

import msgspec

from devices.protocols.modbus import UNITS
from devices.reading import Reading
from devices.register_map import Block
from devices.registers import RegisterProfile
from devices.report import Report
from edge.links.link import Known
from shell.refusal import Refusal


class Unit:
    """One slave, and the addresses under which its readings are known: ``12`` itself, ``12/3`` its third output."""

    def __init__(self, number: int, profile: RegisterProfile) -> None:
        self.number, self.profile = number, profile
        self.outputs: dict[str, str] = {}
        """Address by feature; the empty feature is the unit itself."""

    def blocks(self, poll: int) -> list[Block]:
        """Return what the n-th poll has to read."""
        return self.profile.blocks(None if "" in self.outputs else frozenset(self.outputs), poll)

    def blocks_of(self, features: set[str]) -> list[Block]:
        """Return what has to be read of these outputs, and of nothing that hardly ever changes."""
        return self.profile.blocks(None if "" in features else frozenset(features), 1)

    def reports(self, link: str, readings: Sequence[Reading], faults: Sequence[str], now_ms: int) -> list[Report]:
        """Return one report for each device: an output hears of its own feature, the unit of all that are left."""
        found: dict[str, list[Reading]] = {address: [] for address in self.outputs.values()}
        for reading in readings:
            if reading.feature and reading.feature in self.outputs:
                found[self.outputs[reading.feature]].append(msgspec.structs.replace(reading, feature=""))
            elif "" in self.outputs:
                found[self.outputs[""]].append(reading)
        return [
            Report(
                link=link,
                address=address,
                received_ms=now_ms,
                time_ms=now_ms,
                readings=tuple(said),
                faults=tuple(faults),
            )
            for address, said in found.items()
            if said or faults
        ]


def units_of(devices: Iterable[Known]) -> dict[int, Unit]:
    """Return the units of a bus by number; raise Refusal for an address that is none."""
    units: dict[int, Unit] = {}
    for known in devices:
        entry, profile = known.entry, known.profile
        number, _, feature = entry.address.partition("/")
        if not isinstance(profile, RegisterProfile):
            raise Refusal(entry.id, f"{entry.profile} does not speak Modbus", "check `link` and `profile`")
        if not number.isascii() or not number.isdigit() or int(number) not in UNITS:
            raise Refusal(
                entry.id, f"{entry.address!r} is no unit of a bus", "expected 1 to 247, or 12/3 for output 3 of unit 12"
            )
        if feature and feature not in profile.features:
            outputs = ", ".join(sorted(profile.features - {""})) or "none"
            raise Refusal(entry.id, f"{entry.profile} has no output {feature!r}", f"it has: {outputs[:200]}")
        unit = units.setdefault(int(number), Unit(int(number), profile))
        if unit.profile is not profile and unit.profile != profile:
            raise Refusal(entry.id, f"unit {number} has another profile already", "all outputs of a unit have one")
        if feature in unit.outputs:
            raise Refusal(entry.id, f"{entry.address!r} is there twice", "each address is one device")
        unit.outputs[feature] = entry.address
    return units
