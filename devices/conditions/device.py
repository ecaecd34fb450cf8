"""Device: what is asked of every device: silence, battery, housing, leakage, and how good its readings are."""

import msgspec

from devices.conditions.quantity import Share
from devices.seen import Seen
from wire.sample import DeviceSample


class DeviceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of its readings."""

    bad_share: float | None = None


class AnyDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The condition is its configuration."""

    bad_weight: Share = 0.05
    """How much the last reading counts in the share of bad ones."""

    def first(self) -> DeviceState:
        """Return the state of a device that was never heard."""
        return DeviceState()

    def step(self, state: DeviceState, seen: Seen) -> tuple[DeviceState, DeviceSample]:
        """Return the state and the sample after a report or a tick."""
        if not seen.is_tick:
            fresh = [
                each for features in seen.values.values() for each in features.values() if each.time_ms == seen.time_ms
            ]
            share = state.bad_share
            for each in fresh:
                bad = 0.0 if each.is_good else 1.0
                share = bad if share is None else share + self.bad_weight * (bad - share)
            state = DeviceState(bad_share=share)
        return state, DeviceSample(
            **seen.base,
            periods_missed=seen.silent_s / seen.entry.period_s,
            is_link_down=seen.is_link_down,
            battery_percent=seen.low("battery.level"),
            battery_v=seen.low("battery.voltage"),
            is_housing_tilted=seen.flag("housing.tilted"),
            leakage_a=seen.high("leakage.current"),
            is_leaking=seen.flag("leak"),
            bad_share=state.bad_share,
        )
