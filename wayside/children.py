"""The processes that a demo consists of: started in groups of their own, watched, stopped by their ids."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from shell.log import redact
from shell.refusal import Refusal

_STOP_S = 12.0
_KILL_S = 5.0
_STEP_S = 0.05


class Child(msgspec.Struct):
    """A process and where it writes what it has to say."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Children:
    """Starts and stops processes; in a ``with`` block nothing of them is left behind."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def start(self, name: str, command: list[str]) -> None:
        """Start a process that ends with this one; its output goes to a file."""
        log = self._logs / f"{name}.log"
        tethered = [sys.executable, "-m", "wayside.tether", str(os.getpid()), *command]
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603  # our own commands
                tethered, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self._children.append(Child(name, process, log))

    def check(self) -> None:
        """Raise Refusal with the last words of a child that has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                raise Refusal(f"the {child.name}", f"{how}: {_last_words(child.log)}", f"all of it is in {child.log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop what was started last first; who does not go in time is killed with its whole group."""
        for child in reversed(self._children):
            child.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(_STOP_S)
            _end_group(child.process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child's group: itself, or children of its own that it did not stop."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + _KILL_S
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(_STEP_S)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return redact(lines[-1]) if lines else "it said nothing"
