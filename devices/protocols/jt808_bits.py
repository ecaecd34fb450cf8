"""JT/T 808 bits: the names of the flags that a location report carries."""

from functools import lru_cache

ALARMS = {
    0: "emergency",
    1: "overspeed",
    2: "fatigue",
    3: "danger_warning",
    4: "gnss_fault",
    5: "gnss_antenna_cut",
    6: "gnss_antenna_short",
    7: "main_power_undervoltage",
    8: "main_power_off",
    9: "display_fault",
    10: "speech_fault",
    11: "camera_fault",
    18: "driving_time_exceeded",
    19: "parking_time_exceeded",
    20: "area_crossed",
    21: "route_crossed",
    22: "section_time_wrong",
    23: "route_departure",
    24: "speed_sensor_fault",
    25: "fuel_abnormal",
    26: "stolen",
    27: "illegal_ignition",
    28: "illegal_movement",
    29: "collision",
    30: "rollover",
    31: "illegal_door",
}
"""As all three editions of the standard have them. The bits 12 to 17 mean something else in each of them, and a header
of 2011 looks like one of 2013: they are called by number."""

ACC_BIT, POSITIONED_BIT, SOUTH_BIT, WEST_BIT = 1, 2, 4, 8
STATUSES = {
    0: "acc_on",
    4: "out_of_service",
    5: "coordinates_encrypted",
    10: "fuel_cut",
    11: "circuit_cut",
    12: "doors_locked",
    13: "door_1_open",
    14: "door_2_open",
    15: "door_3_open",
    16: "door_4_open",
    17: "door_5_open",
}
"""What of the status is a condition of the vehicle. Of the others, 2 and 3 are signs of the coordinates, 18 to 21 name
satellite systems, and the rest differs between editions."""
LOADS = {1: "half_loaded", 3: "fully_loaded"}
_STATUS_MASK = sum(1 << bit for bit in STATUSES) | 0x300


def alarm_names(bits: int) -> tuple[str, ...]:
    """Return the names of the bits set in the first word of a location report.

    >>> alarm_names(0b1_0000_0000_0010)
    ('overspeed', 'bit12')
    """
    return tuple(ALARMS.get(bit, f"bit{bit}") for bit in bits_of(bits))


def bits_of(word: int) -> list[int]:
    """Return which of 32 bits are set, from the lowest."""
    return [bit for bit in range(32) if word >> bit & 1]


def flags_of(alarm: int, status: int) -> tuple[str, ...]:
    """Return the conditions that a terminal reports with a position, by name.

    >>> flags_of(0b10, 0b11)
    ('overspeed', 'acc_on')
    """
    return _flags(alarm, status & _STATUS_MASK)


# A fleet shows the same few combinations all day; a terminal that makes up others finds the table full, and waits.
@lru_cache(maxsize=4_096)
def _flags(alarm: int, status: int) -> tuple[str, ...]:
    names = [*alarm_names(alarm), *(STATUSES[bit] for bit in bits_of(status) if bit in STATUSES)]
    load = LOADS.get(status >> 8 & 3)
    return (*names, load) if load else tuple(names)
