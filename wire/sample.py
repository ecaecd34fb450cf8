"""Sample: what is known of one device at one instant, and what rules for devices watch; None is unknown."""

from typing import ClassVar

import msgspec

from wire.identifiers import Id


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What every kind has."""

    passing: ClassVar[frozenset[str]] = frozenset({"silent_s"})
    """The fields that change by the mere passing of time. Only rules that name one of them are asked at a tick."""

    device: Id
    time_ms: int
    """Of what is known: by the device's own clock, never later than ``heard_ms``."""
    heard_ms: int
    """When it was heard, or the tick was, by the gateway's clock."""
    is_tick: bool = False
    """Nothing was heard; only time has passed."""
    silent_s: float = 0.0
    """For how long the device has not been heard while somebody listened."""


class DeviceSample(Sample, frozen=True, kw_only=True):
    """What is asked of every device, whatever it is."""

    passing: ClassVar[frozenset[str]] = frozenset({"silent_s", "periods_missed", "is_link_down"})

    periods_missed: float | None = None
    """`silent_s` in periods of the device."""
    is_link_down: bool | None = None
    """The wire itself is in trouble, so silence says nothing of the device."""
    battery_percent: float | None = None
    battery_v: float | None = None
    is_housing_tilted: bool | None = None
    leakage_a: float | None = None
    """The largest leakage current of its outputs."""
    is_leaking: bool | None = None
    """By the device's own word."""
    bad_share: float | None = None
    """Share of its last readings that were suspect or impossible, 0 to 1."""


class ManholeSample(Sample, frozen=True, kw_only=True):
    """A manhole cover."""

    passing: ClassVar[frozenset[str]] = frozenset({"silent_s", "is_lost"})

    is_open: bool | None = None
    """By the sensor's own word."""
    is_tilted: bool | None = None
    """By the sensor's own word, or by its angle; one that is open is not called tilted too."""
    tilt_deg: float | None = None
    """Against how it lay when the sensor was new, or as configured."""
    is_lost: bool | None = None
    """Moved away from its place, or silent since it was moved."""
    moved_m: float | None = None
    """From its place, if the sensor tells where it is."""
    water_m: float | None = None
    """Depth of the water above the sensor."""


class LevelSample(Sample, frozen=True, kw_only=True):
    """A water level."""

    level_m: float | None = None
    """The middle one of the last three; unknown after a gap until there are two, and while the sensor is stuck."""
    rise_m_per_h: float | None = None
    """The median slope between all samples of the window."""
    is_stuck: bool | None = None
    """The very same value for so long that the sensor must be stuck."""


class VehicleSample(Sample, frozen=True, kw_only=True):
    """A vehicle with a terminal."""

    passing: ClassVar[frozenset[str]] = frozenset({"silent_s", "gap_s", "is_due"})

    speed_km_h: float | None = None
    is_moving: bool | None = None
    was_moving: bool | None = None
    """At its last fix; it stays so while there is no other."""
    is_off_corridor: bool | None = None
    """Further from its line than the width, and since then not well within; unknown without a corridor."""
    off_m: float | None = None
    """Distance from the line of its corridor."""
    is_in_hours: bool | None = None
    """It may drive at this hour."""
    is_bed_uncovered: bool | None = None
    """By the terminal's own word."""
    is_overspeed_told: bool | None = None
    """By the terminal's own word."""
    is_power_cut: bool | None = None
    """The terminal says that it lost the vehicle's power."""
    gap_s: float | None = None
    """Since the last fix that can be believed, while somebody listened."""
    coverage_share: float | None = None
    """Share of its corridor's line that it has passed this day; unknown without a plan, or if it was never heard."""
    is_due: bool | None = None
    """The hour has come by which the line should have been passed."""


class WeatherSample(Sample, frozen=True, kw_only=True):
    """A weather station."""

    rain_mm_h: float | None = None
    is_raining: bool | None = None
    is_snowing: bool | None = None
    temperature_cel: float | None = None
    wind_m_s: float | None = None


class CabinetSample(Sample, frozen=True, kw_only=True):
    """A cabinet of a lighting circuit, and what is in it."""

    is_door_open: bool | None = None
    temperature_cel: float | None = None
    voltage_v: float | None = None
    """The lowest of its phases."""
    current_a: float | None = None
    """All phases together."""


class MeterSample(Sample, frozen=True, kw_only=True):
    """An electricity meter."""

    power_w: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    """The lowest of its phases."""
    energy_kwh: float | None = None


class LampSample(Sample, frozen=True, kw_only=True):
    """A lamp or a circuit of lamps, as far as its measured current tells."""

    role: str
    """`lamp` or `circuit`."""
    is_dark: bool | None = None
    """It should burn, and its current says that it does not."""
    is_lit_by_day: bool | None = None
    """It burns though it should not."""
    is_not_proven: bool | None = None
    """It was switched, and the current has not shown it within the time that it may take."""
    is_stuck: bool | None = None
    """Its relay does not follow."""
    is_over_current: bool | None = None
    """It burns and draws more than its model does at this level ..."""
    is_under_current: bool | None = None
    """... or less."""
    for_s: float | None = None
    """How long what is wrong has been so."""
    expected_a: float | None = None
    current_a: float | None = None
