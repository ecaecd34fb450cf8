"""Sheet: all that one happening at a gateway leads to, written in one transaction; links are asked after that."""

from collections.abc import Iterable

import msgspec

from devices.lamp_state import Ask, LampCondition
from wire.batch import Message
from wire.command import Ack
from wire.device import Device, Presence, Stranger
from wire.event import Event
from wire.streams import Stream

_REASON_MAX = 500
_LAMPS_MAX = 1_000
"""Of one ack, so that it fits a message."""


class Sheet:
    """Messages, pieces of state by name, and what is to be done once they are committed."""

    def __init__(self) -> None:
        self.states: dict[str, msgspec.Struct] = {}
        self.lamps: set[str] = set()
        self.devices: set[str] = set()
        """Whose state is written, as it is by then: what was stepped later, and is written already, must stay."""
        self.asks: list[Ask] = []
        self.looks: list[str] = []
        self.conditions: list[LampCondition] = []
        self._messages: list[tuple[Stream, Message]] = []
        self._acks: dict[tuple[str, str, int, str], list[str]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.states or self.lamps or self.devices or self._messages or self._acks)

    @property
    def has_acks(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._acks)

    def say(self, message: Message, stream: Stream | None = None) -> None:
        """Add a message, to the stream that its kind goes to."""
        self._messages.append((stream or stream_of(message), message))

    def ack(self, ack: Ack) -> None:
        """Add an ack; those that say the same of several lamps become one."""
        reason = ack.reason.replace("\0", "")[:_REASON_MAX]  # it may quote what a stranger has sent
        self._acks.setdefault((ack.command_id, ack.stage, ack.time_ms, reason), []).extend(ack.lamps)

    def take_over(self, earlier: "Sheet") -> None:
        """Become one with what happened before."""
        self.states = earlier.states | self.states
        self.lamps |= earlier.lamps
        self.devices |= earlier.devices
        self.asks[:0] = earlier.asks
        self.looks[:0] = earlier.looks
        self.conditions[:0] = earlier.conditions
        self._messages[:0] = earlier._messages  # noqa: SLF001  # of its own kind
        later, self._acks = self._acks, earlier._acks  # noqa: SLF001
        for key, lamps in later.items():
            self._acks.setdefault(key, []).extend(lamps)

    def rows(self) -> list[tuple[Stream, Message]]:
        """Return the messages, acks first."""
        return [*(("acks", ack) for ack in self._grouped()), *self._messages]

    def _grouped(self) -> Iterable[Ack]:
        for (command_id, stage, time_ms, reason), lamps in self._acks.items():
            for first in range(0, max(len(lamps), 1), _LAMPS_MAX):
                few = tuple(lamps[first : first + _LAMPS_MAX])
                yield Ack(command_id=command_id, lamps=few, stage=stage, time_ms=time_ms, reason=reason)  # type: ignore[arg-type]  # it came from an ack


def stream_of(message: Message) -> Stream:
    """Return where a message goes: what must not be lost to the streams that are never shed."""
    match message:
        case Event():
            return "events"
        case Device() | Ack():
            return "acks"
        case Presence() | Stranger():
            return "health"
        case _:
            return "observations"
