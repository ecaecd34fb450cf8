"""The streams of an agent, each with its own sequence, in the order of their importance."""

from typing import Literal, get_args

Stream = Literal["events", "acks", "health", "observations"]

STREAMS: tuple[Stream, ...] = get_args(Stream)
"""Most important first: an outbox drains them in this order and sheds them in the reverse."""
