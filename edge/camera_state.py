"""Camera state: all of one camera that must survive a restart of the agent."""

import msgspec

from edge.evidence import PendingClip, Still, names_of
from edge.sealing import Draft
from edge.stills import Closeup
from edge.watch import WatchState


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """All that must survive a restart of the agent; committed with the messages that came of it."""

    watch: WatchState
    time_s: float = 0.0
    time_ms: int = 0
    stills: dict[str, tuple[Still, ...]] = {}
    """Taken for events that may yet come, by event."""
    closeups: dict[str, Closeup] = {}
    """The best view so far, by event."""
    clips: tuple[PendingClip, ...] = ()
    drafts: dict[str, Draft] = {}
    """Events that are told and not sealed yet."""

    @property
    def file_names(self) -> set[str]:
        """The files that no message speaks of yet, but may."""
        return names_of(
            [
                *(still for each in self.stills.values() for still in each),
                *(each.still for each in self.closeups.values()),
            ]
        )
