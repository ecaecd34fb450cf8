"""Report: what one device said at one time, as a link hands it to the gateway."""

import msgspec

from devices.reading import Reading


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A fix of a moving device, WGS-84."""

    latitude: float
    longitude: float
    is_positioned: bool = True
    """Whether the receiver says that it had a fix; coordinates without one are the last known."""
    speed_km_h: float | None = None
    course_deg: float | None = None
    altitude_m: float | None = None
    mileage_km: float | None = None
    flags: tuple[str, ...] = ()
    """Conditions that the terminal itself reports: ``overspeed``, ``power_cut`` and the like."""
    is_late: bool = False
    """Sent from the terminal's memory: it says nothing of now."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a device, decoded."""

    link: str
    address: str
    """As the link knows the device: a DevEUI, a terminal's number, a unit of a bus."""
    received_ms: int
    time_ms: int
    """By the device's own clock, if it told one that can be; else when it was received."""
    readings: tuple[Reading, ...] = ()
    positions: tuple[Position, ...] = ()
    faults: tuple[str, ...] = ()
    """What of the message could not be read, though the rest could."""
    facts: dict[str, float | bool | str] = {}
    """What the network says of the message: signal, gateway, counters."""


class Downlink(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes to a device on a radio network, or on a broker."""

    port: int
    """FPort; 0 for a device that is on a broker itself."""
    payload: bytes
    topic: str = ""
    """Where on a broker, behind the device's own part of it; none on a radio network."""


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Registers or coils to be written: function 5, 6, 15 or 16."""

    function: int
    address: int
    values: tuple[int, ...]


Request = Downlink | tuple[Write, ...]
"""What a profile makes of a command, and a link sends."""
