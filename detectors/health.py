"""Health: whether a camera can be believed, told from the measures of its pictures."""

import msgspec

from detectors.tick import Tick


class HealthState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is remembered of one camera's health."""

    time_s: float | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The detector is its configuration."""

    def first(self) -> HealthState:
        """Return the state of a camera that has seen nothing."""
        return HealthState()

    def step(self, state: HealthState, tick: Tick) -> tuple[HealthState, tuple[str, ...]]:  # noqa: ARG002
        """Return the state after a tick, and what is wrong with the picture, worst first; nothing if it is fine."""
        return HealthState(time_s=tick.time_s), ()
