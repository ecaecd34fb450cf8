"""Supply: what a cabinet and a meter say of the electricity and of themselves."""

from devices.seen import Seen
from wire.sample import CabinetSample, MeterSample


def cabinet_sample(seen: Seen) -> CabinetSample:
    """Return what is known of a cabinet."""
    return CabinetSample(
        **seen.base,
        is_door_open=seen.flag("door.open"),
        temperature_cel=seen.high("temperature"),
        voltage_v=seen.low("voltage"),
        current_a=seen.total("current"),
    )


def meter_sample(seen: Seen) -> MeterSample:
    """Return what is known of a meter."""
    return MeterSample(
        **seen.base,
        power_w=seen.total("power.active"),
        current_a=seen.total("current"),
        voltage_v=seen.low("voltage"),
        energy_kwh=seen.total("energy.active"),
    )
