"""What a process knows about the truth of its wall clock."""

from typing import Literal

ClockState = Literal["synced", "holdover", "unsynced"]
