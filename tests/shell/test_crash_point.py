"""Crash points end the process as kill -9 would: nothing is cleaned up."""

import subprocess
import sys

import pytest

SCRIPT = """
import atexit
from shell.crash_point import crash_point
atexit.register(print, "cleaned up")
try:
    for number in range(5):
        crash_point("outbox.after-commit")
        print(number, flush=True)
finally:
    print("unwound", flush=True)
"""


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("", 0, "0 1 2 3 4 unwound cleaned up"),
        ("outbox.after-commit", 137, ""),
        ("outbox.after-commit:3", 137, "0 1"),
        ("outbox.after-commit:6", 0, "0 1 2 3 4 unwound cleaned up"),
        ("outbox.before-commit", 0, "0 1 2 3 4 unwound cleaned up"),
    ],
)
def test_the_process_ends_at_the_passage_asked_for(asked: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={"CRASH_AT": asked}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (code, said.split())
