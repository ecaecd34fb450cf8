"""MQTT topic names, built and parsed here and nowhere else.

An agent may write below ``wayside/up/<agent>/`` and read below ``wayside/down/<agent>/``, which is what a broker's
access list can hold it to.
"""

import re
from typing import Literal

from wire.streams import STREAMS, Stream

UP_ALL = "wayside/up/+/+"

Channel = Stream | Literal["status"]
_UP = re.compile(r"wayside/up/([a-z0-9][a-z0-9-]{1,40})/(" + "|".join((*STREAMS, "status")) + r")\Z")


def up_topic(agent: str) -> str:
    """Return a filter for all that one agent publishes."""
    return f"wayside/up/{agent}/+"


def batch_topic(agent: str, stream: Stream) -> str:
    """Return where an agent publishes the batches of a stream.

    >>> batch_topic("box-1", "events")
    'wayside/up/box-1/events'
    """
    return f"wayside/up/{agent}/{stream}"


def status_topic(agent: str) -> str:
    """Return where an agent's birth and last will stand."""
    return f"wayside/up/{agent}/status"


def receipt_topic(agent: str) -> str:
    """Return where an agent listens for receipts."""
    return f"wayside/down/{agent}/receipt"


def command_topic(agent: str) -> str:
    """Return where an agent listens for signed commands; nothing there is ever retained."""
    return f"wayside/down/{agent}/command"


def parse_up(topic: str) -> tuple[str, Channel]:
    """Return agent and channel of an upward topic; raise ValueError if it is none.

    >>> parse_up("wayside/up/box-1/status")
    ('box-1', 'status')
    """
    found = _UP.match(topic)
    if found is None:
        raise ValueError(f"not an upward topic: {topic!r}")
    return found[1], found[2]  # type: ignore[return-value]  # the pattern holds just the channels
