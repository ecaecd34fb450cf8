"""Counters of a JT/T 808 port: what health and metrics tell of it; every name in them is one of a few."""

from collections import Counter

import msgspec


class Counters(msgspec.Struct, kw_only=True):
    """What has happened at one port since it was opened."""

    open: int = 0
    """Connections now."""
    accepted: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    """New connections that were closed at once: ``full``, ``address``, ``rate``."""
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    """Connections that were closed later: ``silent``, ``idle``, ``evicted``, ``foreign``, ``garbage``, ``deaf``,
    ``other_terminal``, ``taken_over``."""
    frames: Counter[str] = msgspec.field(default_factory=Counter)
    """Frames by what became of them: ``done``, ``bad`` (no frame at all), ``wrong`` (a body that cannot be read),
    ``unsupported``, ``encrypted``, ``part``, ``refused`` (not registered, or one stranger too many)."""
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    """Kinds of departure from the standard, in frames and in what they report."""
    bad_bytes: int = 0
    """Bytes that belonged to no frame."""
    reports: int = 0
    """Committed."""
    replies: int = 0
