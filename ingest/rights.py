"""Rights: an agent speaks of its own events, devices and commands, and of nobody else's."""

import msgspec

from ingest.store.acks import Ledger
from ingest.store.devices import Owners
from wire.batch import Message
from wire.command import Ack, LampState
from wire.device import Device, Presence
from wire.event import Event, Evidence
from wire.fix import Fix
from wire.observation import Observation


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to whom, as the store knows and as a group of messages claims."""

    events: dict[str, str]
    devices: Owners
    ledger: Ledger

    def refusal(self, message: Message, agent: str) -> str:
        """Return why an agent may not send this message, or an empty string; claim its event or device for it."""
        match message:
            case Event():
                owner = self.events.setdefault(message.id, agent)
                return _not_its_event(message.id, owner, agent) or self._of_device(message, agent)
            case Evidence():
                return _not_its_event(message.event_id, self.events.get(message.event_id, agent), agent)
            case Ack():
                return self.ledger.refusal(agent, message)
            case _:
                return self._of_device(message, agent)

    def _of_device(self, message: Message, agent: str) -> str:
        refusal = self.devices.refusal
        match message:
            case Device():
                return refusal(message.id, agent, role=message.role, is_card=True)
            case LampState():
                return refusal(message.lamp, agent, role="lamp")
            case Presence() | Fix():
                return refusal(message.device, agent, role="vehicle" if isinstance(message, Fix) else "other")
            case Event() | Observation():
                named = message.device if isinstance(message, Event) else message.source
                return refusal(named, agent) if named else ""
            case _:
                return ""


def _not_its_event(event_id: str, owner: str, agent: str) -> str:
    return "" if owner == agent else f"event {event_id} belongs to another agent"
