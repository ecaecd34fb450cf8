"""Weather: whether it rains or snows, each with two limits, so that a drizzle does not flicker."""

import msgspec

from devices.conditions.quantity import Celsius, RainRate
from devices.seen import PERIODS_MAX, Seen
from wire.sample import WeatherSample

_RATE_SPAN_MS = 60_000


class Gauge(msgspec.Struct, frozen=True, array_like=True):
    """A rain gauge's counter, as it stood at a time."""

    time_ms: int
    total_mm: float


class WeatherState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of the weather."""

    gauge: Gauge | None = None
    rate_mm_h: float | None = None
    """From the counter, of a station that tells no rate."""
    is_raining: bool | None = None


class Weather(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The condition is its configuration."""

    wet_mm_h: RainRate = 0.5
    """From this rate it rains."""
    dry_mm_h: RainRate = 0.1
    """Up to this rate it rains no more."""
    snow_max_cel: Celsius = 0.5
    """What falls at this temperature or below is snow, if the station does not say itself."""

    def first(self) -> WeatherState:
        """Return the state of a station that was never heard."""
        return WeatherState()

    def step(self, state: WeatherState, seen: Seen) -> tuple[WeatherState, WeatherSample]:
        """Return the state and the sample after a report or a tick."""
        if not seen.is_tick:
            state = _counted(state, seen)
        rate, cold = seen.high("rain.rate"), seen.number("temperature")
        if rate is None:
            rate = state.rate_mm_h
        if not seen.is_tick:
            state = msgspec.structs.replace(state, is_raining=self._rains(state, rate))
        falls, snows = state.is_raining, seen.flag("snow")
        if snows is None and falls is not None and cold is not None:
            snows = falls and cold <= self.snow_max_cel
        return state, WeatherSample(
            **seen.base,
            rain_mm_h=rate,
            is_raining=falls if not falls or snows is None else not snows,
            is_snowing=snows,
            temperature_cel=cold,
            wind_m_s=seen.high("wind.speed"),
        )

    def _rains(self, state: WeatherState, rate: float | None) -> bool | None:
        if rate is None:
            return None
        if rate >= self.wet_mm_h:
            return True
        return False if rate <= self.dry_mm_h else bool(state.is_raining)


def _counted(state: WeatherState, seen: Seen) -> WeatherState:
    """Return the state with the rate that a counter's growth says; it is unknown after a gap or when it began anew."""
    total_mm = seen.number("rain.total")
    if total_mm is None:
        return msgspec.structs.replace(state, gauge=None, rate_mm_h=None)
    before, now = state.gauge, Gauge(seen.time_ms, total_mm)
    if before is None:
        return msgspec.structs.replace(state, gauge=now)
    passed_ms, grown_mm = now.time_ms - before.time_ms, total_mm - before.total_mm
    if 0 <= passed_ms < _RATE_SPAN_MS:
        return state
    is_whole = 0 < passed_ms <= PERIODS_MAX * seen.entry.period_s * 1000 and grown_mm >= 0
    rate = round(grown_mm * 3_600_000 / passed_ms, 3) if is_whole else None
    return msgspec.structs.replace(state, gauge=now, rate_mm_h=rate)
