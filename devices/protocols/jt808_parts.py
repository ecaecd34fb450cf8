"""JT/T 808 parts: messages that were too long for one frame, put together again within bounds."""

import msgspec

from devices.protocols.jt808 import Frame

BYTES_MAX = 12 * 1_024
"""Of all parts that one connection may have waiting."""
PARTS_MAX = 64
MESSAGES_MAX = 2
"""Begun and not complete, of one connection."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one message so far."""

    message: int
    total: int
    first_serial: int
    begun_s: float
    frames: tuple[Frame, ...]
    """In the order they came, one of each index."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that are not complete; all of one terminal."""

    begun: tuple[Parts, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return sum(len(frame.body) for parts in self.begun for frame in parts.frames)


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is complete, as one frame, and the serial numbers of its parts."""

    frame: Frame
    serials: tuple[int, ...]


class Spoiled(msgspec.Struct, frozen=True, kw_only=True):
    """Parts that were given up."""

    message: int
    serials: tuple[int, ...]
    fault: str


def step(waiting: Waiting, frame: Frame, now_s: float) -> tuple[Waiting, Whole | Spoiled | None]:
    """Take a part; give the whole message with the last of them, or what was given up because it cannot be right.

    The parts of a message have serial numbers without a gap (JT/T 808-2013, 7.12), so the first one's number names it.
    A part that comes again changes nothing; if it says something else than before, one of them is wrong, and both go.
    """
    first_serial = (frame.serial - frame.index + 1) & 0xFFFF
    found = next((p for p in waiting.begun if (p.message, p.first_serial) == (frame.message, first_serial)), None)
    others = tuple(parts for parts in waiting.begun if parts is not found)
    if found is None:
        if len(others) >= MESSAGES_MAX:
            return waiting, _spoiled((frame,), "too_many_parts_waiting")
        found = Parts(message=frame.message, total=frame.total, first_serial=first_serial, begun_s=now_s, frames=())
    same = next((known for known in found.frames if known.index == frame.index), None)
    if fault := _fault(waiting, found, frame, same):
        return Waiting(begun=others), _spoiled((*found.frames, frame), fault)
    if same is not None:
        return waiting, None
    frames = (*found.frames, frame)
    if len(frames) == found.total:
        return Waiting(begun=others), _whole(frames)
    return Waiting(begun=(*others, msgspec.structs.replace(found, frames=frames))), None


def expire(waiting: Waiting, now_s: float, *, after_s: float) -> tuple[Waiting, tuple[Spoiled, ...]]:
    """Give up messages that were begun more than ``after_s`` ago."""
    late = [parts for parts in waiting.begun if now_s - parts.begun_s > after_s]
    if not late:
        return waiting, ()
    left = tuple(parts for parts in waiting.begun if parts not in late)
    return Waiting(begun=left), tuple(_spoiled(parts.frames, "parts_missing") for parts in late)


def _fault(waiting: Waiting, found: Parts, frame: Frame, same: Frame | None) -> str:
    if not 1 <= frame.index <= frame.total or frame.total > PARTS_MAX:
        return "part_number_wrong"
    if found.total != frame.total or (same is not None and same.body != frame.body):
        return "parts_disagree"
    if same is None and waiting.size_bytes + len(frame.body) > BYTES_MAX:
        return "parts_too_long"
    return ""


def _whole(frames: tuple[Frame, ...]) -> Whole:
    ordered = sorted(frames, key=lambda frame: frame.index)
    body = b"".join(frame.body for frame in ordered)
    faults = tuple(dict.fromkeys(fault for frame in ordered for fault in frame.faults))
    return Whole(
        frame=msgspec.structs.replace(ordered[0], body=body, total=1, index=1, faults=faults),
        serials=tuple(frame.serial for frame in ordered),
    )


def _spoiled(frames: tuple[Frame, ...], fault: str) -> Spoiled:
    return Spoiled(message=frames[-1].message, serials=tuple(frame.serial for frame in frames), fault=fault)
