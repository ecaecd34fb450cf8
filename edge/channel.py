"""Channel: whole messages over a socket pair, between the agent and a process of its own; this is the process's end."""

import ctypes
import os
import signal
import socket

_HEAD_BYTES = 4
_READ_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1


def framed(body: bytes) -> bytes:
    """Return a message as it goes over the wire: its length, 4 bytes big-endian, and itself."""
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


class Messages:
    """Cuts what comes, in pieces of any size, into messages.

    >>> messages = Messages()
    >>> messages.feed(framed(b"one") + framed(b"two")[:5]), messages.feed(b"wo")
    ([b'one'], [b'two'])
    """

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the messages that a piece completes."""
        self._unread += piece
        found, at = [], 0
        while len(self._unread) - at >= _HEAD_BYTES:
            end = at + _HEAD_BYTES + int.from_bytes(self._unread[at : at + _HEAD_BYTES], "big")
            if end > len(self._unread):
                break
            found.append(bytes(self._unread[at + _HEAD_BYTES : end]))
            at = end
        del self._unread[:at]
        return found


class Channel:
    """Sends and receives; EOFError and BrokenPipeError say that the agent hung up."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._messages = Messages()

    def send(self, body: bytes) -> None:
        """Send a message; wait while the agent takes none."""
        self._socket.sendall(framed(body))

    def receive(self, *, wait: bool) -> list[bytes]:
        """Return the messages that have come: at least one if it is to be waited for, else perhaps none."""
        while True:
            try:
                piece = self._socket.recv(_READ_BYTES, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return []
            if not piece:
                raise EOFError
            found = self._messages.feed(piece)
            if found or not wait:
                return found


def belong_to(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent is gone, even if native code hangs (prctl(2), Linux).

    What is typed at the parent's terminal is the parent's to act on.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
