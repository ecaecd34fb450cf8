"""Finding: what came of one look that a check took."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One line of a check's table."""

    what: str
    subject: str
    result: str
    verdict: Literal["ok", "look", "no"] = "ok"
    """``look``: it would run, and yet somebody should see to it; ``no``: it would not work."""
