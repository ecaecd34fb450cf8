"""Run a command that ends when its parent ends, however that ends: ``python -m wayside.tether PARENT COMMAND...``."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Become the command; on Linux the kernel will send it SIGTERM when the parent is gone."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:  # else it was gone before it could be asked for
        os.execvp(command[0], command)  # noqa: S606  # the parent is this very program


if __name__ == "__main__":
    main()
