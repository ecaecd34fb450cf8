"""Named points at which a test may kill the process, to prove that nothing is lost there.

``CRASH_AT=outbox.after-commit`` ends the process at the first passage, ``CRASH_AT=outbox.after-commit:3`` at the third,
as ``kill -9`` would: no clean-up runs.
"""

import os

_TARGET, _, _PASSAGE = os.environ.get("CRASH_AT", "").partition(":")
_left = int(_PASSAGE or 1)


def crash_point(name: str) -> None:
    """End the process here if the environment asks for it."""
    global _left  # noqa: PLW0603  # the process has one death
    if name != _TARGET:
        return
    _left -= 1
    if _left == 0:
        os._exit(137)
