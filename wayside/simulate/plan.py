"""Plan: an invented city, as large as asked for: lamps along its streets, manholes, levels, lorries and their ways."""

import math
from itertools import cycle

import msgspec

from devices.inventory import Corridor, DeviceEntry
from wayside.simulate.radio import MOUNT_HEIGHT_M, Distance, Manhole, level_eui, level_kind, manhole_eui
from wayside.simulate.terminals import terminal_number
from wire.values import Position

LAMPS_A_BUS = 50
"""Lamps behind one Modbus gateway, as units 1 to 50; they are a circuit, whose meter is unit 247."""
_METER_UNIT = 247
_LAMP_M = 30.0
_BLOCK_M = 120.0
_METRES_A_DEGREE = 111_320.0
_TREES = (
    ("Linden", "椴树"), ("Plane", "梧桐"), ("Camphor", "香樟"), ("Willow", "杨柳"), ("Maple", "枫林"),
    ("Ginkgo", "银杏"), ("Cedar", "雪松"), ("Elm", "榆荫"), ("Poplar", "白杨"), ("Osmanthus", "桂花"),
)  # fmt: skip


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What stands and drives in the city."""

    lamps: tuple[DeviceEntry, ...]
    circuits: tuple[DeviceEntry, ...]
    manholes: tuple[DeviceEntry, ...]
    levels: tuple[DeviceEntry, ...]
    trucks: tuple[DeviceEntry, ...]

    @property
    def entries(self) -> tuple[DeviceEntry, ...]:
        """All of them."""
        return self.lamps + self.circuits + self.manholes + self.levels + self.trucks


class _Street(msgspec.Struct, frozen=True):
    name: str
    group: str
    is_eastward: bool
    offset_m: float
    """Of an eastward street to the north, of a northward one to the east."""


class _Spot(msgspec.Struct, frozen=True):
    street: _Street
    house: int
    east_m: float
    north_m: float


def plan_city(
    place: Position,
    *,
    lamps: int,
    manholes: int,
    trucks: int,
    levels: int | None = None,
    period_s: float = 10.0,
    radio_period_s: float = 600.0,
) -> Plan:
    """Return a city around ``place`` (WGS-84 degrees); one level a ten manholes unless told otherwise.

    Streets cross every 120 m; a street is a group, every 50 lamps along them are a circuit and a bus, and a quarter of
    the compass is an area.
    """
    side_m = max(2 * _BLOCK_M, math.ceil(math.sqrt(lamps * _LAMP_M * _BLOCK_M / 2) / _BLOCK_M) * _BLOCK_M)
    streets = _streets(side_m)
    spots = _spots(streets, side_m, lamps)
    found = tuple(_lamp(place, number, spot, period_s) for number, spot in enumerate(spots))
    return Plan(
        lamps=found,
        circuits=_circuits(found, period_s),
        manholes=tuple(_manhole(place, number, side_m, radio_period_s) for number in range(manholes)),
        levels=tuple(
            _level(place, number, side_m, radio_period_s)
            for number in range(manholes // 10 if levels is None else levels)
        ),
        trucks=tuple(_truck(place, number, streets, side_m, period_s) for number in range(trucks)),
    )


def _streets(side_m: float) -> list[_Street]:
    streets: list[_Street] = []
    names = cycle(_TREES)
    for number in range(int(side_m / _BLOCK_M) + 1):
        for is_eastward in (True, False):
            english, chinese = next(names)
            round_number = len(streets) // len(_TREES)
            suffix = f" {round_number + 1}" if round_number else ""
            kind = ("Street", "街") if is_eastward else ("Avenue", "大道")
            group = f"{english.lower()}-{kind[0].lower()}" + (f"-{round_number + 1}" if round_number else "")
            name = f"{english} {kind[0]}{suffix} {chinese}{kind[1]}{suffix}"
            streets.append(_Street(name, group, is_eastward, number * _BLOCK_M - side_m / 2))
    return streets


def _spots(streets: list[_Street], side_m: float, count: int) -> list[_Spot]:
    """Return the places of the first ``count`` lamps, street after street."""
    spots: list[_Spot] = []
    for street in streets:
        for number in range(int(side_m / _LAMP_M)):
            along_m = number * _LAMP_M + _LAMP_M / 2 - side_m / 2
            across_m = street.offset_m + (6.0 if number % 2 else -6.0)
            place = (along_m, across_m) if street.is_eastward else (across_m, along_m)
            spots.append(_Spot(street, number + 1, *place))
            if len(spots) == count:
                return spots
    return spots


def _lamp(place: Position, number: int, spot: _Spot, period_s: float) -> DeviceEntry:
    bus, unit = divmod(number, LAMPS_A_BUS)
    return DeviceEntry(
        id=f"lamp-{number + 1:04}",
        role="lamp",
        name=f"{spot.street.name} {spot.house}",
        profile="wayside/metered-lamp",
        link=f"bus-{bus + 1:02}",
        address=str(unit + 1),
        position=_at(place, spot.east_m, spot.north_m),
        area=_area(spot.east_m, spot.north_m),
        circuit=f"c-{bus + 1:02}",
        groups=(spot.street.group,),
        rated_w=80.0,
        period_s=period_s,
    )


def _circuits(lamps: tuple[DeviceEntry, ...], period_s: float) -> tuple[DeviceEntry, ...]:
    """Return the meter of each circuit."""
    return tuple(
        DeviceEntry(
            id=f"meter-{lamp.circuit}",
            role="circuit",
            name=f"Circuit {lamp.circuit} 回路",
            profile="wayside/circuit-meter",
            link=lamp.link,
            address=str(_METER_UNIT),
            position=lamp.position,
            area=lamp.area,
            circuit=lamp.circuit,
            period_s=period_s,
        )
        for lamp in lamps[::LAMPS_A_BUS]
    )


def _manhole(place: Position, number: int, side_m: float, period_s: float) -> DeviceEntry:
    east_m, north_m = _crossing(number, side_m)
    return DeviceEntry(
        id=f"manhole-{number + 1:04}",
        role="manhole",
        name=f"Manhole 井盖 {number + 1}",
        profile=Manhole.profile,
        link="radio",
        address=manhole_eui(number),
        position=_at(place, east_m + 3, north_m + 3),
        area=_area(east_m, north_m),
        period_s=period_s,
        parameters={"reference_x_deg": 0.0, "reference_y_deg": 0.0, "reference_z_deg": 90.0},
    )


def _level(place: Position, number: int, side_m: float, period_s: float) -> DeviceEntry:
    east_m, north_m = _crossing(number * 7 + 3, side_m)
    kind = level_kind(number)
    return DeviceEntry(
        id=f"level-{number + 1:04}",
        role="level",
        name=f"Water level 水位 {number + 1}",
        profile=kind.profile,
        link="radio",
        address=level_eui(number),
        position=_at(place, east_m - 3, north_m - 3),
        area=_area(east_m, north_m),
        period_s=period_s,
        parameters={"mount_height_m": MOUNT_HEIGHT_M} if kind is Distance else {},
    )


def _truck(place: Position, number: int, streets: list[_Street], side_m: float, period_s: float) -> DeviceEntry:
    """Return a lorry whose way goes along one street, a stretch of an avenue, and another street."""
    eastward = [street.offset_m for street in streets if street.is_eastward]
    northward = [street.offset_m for street in streets if not street.is_eastward]
    from_m, to_m = eastward[number % len(eastward)], eastward[(number * 3 + 1) % len(eastward)]
    turn_m = northward[(number * 5 + 2) % len(northward)]
    corners = ((-side_m / 2, from_m), (turn_m, from_m), (turn_m, to_m), (side_m / 2, to_m))
    return DeviceEntry(
        id=f"truck-{number + 1:04}",
        role="vehicle",
        name=f"Muck truck 渣土车 {number + 1}",
        link="vehicles",
        address=terminal_number(number),
        groups=("muck-trucks",),
        period_s=period_s,
        corridor=Corridor(line=tuple(_at(place, *corner) for corner in dict.fromkeys(corners)), width_m=40.0),
    )


def _crossing(number: int, side_m: float) -> tuple[float, float]:
    """Return metres east and north of one crossing after another, from the middle outwards in steps of seven."""
    a_side = int(side_m / _BLOCK_M) + 1
    place = (number * 7 + a_side // 2) % (a_side * a_side)
    return (place % a_side) * _BLOCK_M - side_m / 2, (place // a_side) * _BLOCK_M - side_m / 2


def _area(east_m: float, north_m: float) -> str:
    return ("north" if north_m >= 0 else "south") + ("-east" if east_m >= 0 else "-west")


def _at(place: Position, east_m: float, north_m: float) -> Position:
    latitude, longitude = place
    per_degree = _METRES_A_DEGREE * math.cos(math.radians(latitude))
    return round(latitude + north_m / _METRES_A_DEGREE, 6), round(longitude + east_m / per_degree, 6)
