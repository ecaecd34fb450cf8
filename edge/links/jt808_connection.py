"""Connection: one terminal of a JT/T 808 link; its messages one after the other, each answered when it is committed."""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, cast

from devices.protocols import jt808_parts
from devices.protocols.jt808 import Frame, Framer, encode_frame, kind_of, read_frame
from devices.protocols.jt808_messages import (
    ASK_LOCATION,
    AUTHENTICATE,
    DONE,
    FAILED,
    GENERAL_REPLY,
    REGISTER,
    REGISTER_REPLY,
    REPLY,
    TIME_ASKED,
    UNDERSTOOD,
    UNSUPPORTED,
    VENDOR_TIME_ASKED,
    WRONG,
    general_reply,
    register_reply,
    time_reply,
    token_of,
)
from devices.protocols.jt808_report import reports_of
from devices.reading import DecodeError

if TYPE_CHECKING:
    from edge.links.jt808 import Jt808Port

_PENDING_MAX = 8
_UNSENT_BYTES_MAX = 4_096
_PERIODS = 3
_NOT_IN_THE_BOOKS = 4
_FOREIGN = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"PRI ", b"SSH-", b"\x16\x03")
"""How HTTP, SSH and TLS begin: nobody there will ever speak JT/T 808."""
_BEFORE_AUTHENTICATION = frozenset({REGISTER, REPLY})
_ANSWERED_IN_KIND = frozenset({REGISTER, TIME_ASKED, VENDOR_TIME_ASKED})


class Connection(asyncio.BufferedProtocol):
    """A socket and what it takes to understand it: a few kilobytes, and a task only while something is to be done."""

    __slots__ = (
        "_bad_bytes", "_bad_frames", "_born_s", "_framer", "_good_s", "_is_authentic", "_is_paused", "_loop",
        "_pending", "_port", "_serial", "_transport", "_version", "_waiting", "task", "terminal",
    )  # fmt: skip

    def __init__(self, port: "Jt808Port") -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()
        self._pending: deque[bytes] = deque()
        self._waiting = jt808_parts.Waiting()
        self._born_s = self._loop.time()
        self._good_s = 0.0
        self._bad_bytes = self._bad_frames = self._serial = 0
        self._is_authentic = self._is_paused = False
        self._version: int | None = None
        self.terminal = ""
        """Its number, as soon as it is believed."""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, or close it at once."""
        opened = cast("asyncio.Transport", transport)
        peer = opened.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if why := self._port.refusal(address):
            self._port.counters.refused[why] += 1
            opened.abort()
            return
        self._transport = opened
        opened.set_write_buffer_limits(high=_UNSENT_BYTES_MAX)
        self._port.add(self, address)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio calls it
        """Forget it; what is being committed is committed still."""
        self._transport = None
        self._pending.clear()
        self._port.remove(self)

    def pause_writing(self) -> None:
        """Close it: who does not read four kilobytes of answers reads none."""
        self.drop("deaf")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # as asyncio calls it
        """Return where to put what arrives."""
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Cut what has arrived into frames, and begin to take them."""
        if self._transport is None:
            return
        chunk = bytes(self._port.buffer[:nbytes])
        if not self._good_s and chunk.startswith(_FOREIGN):
            self.drop("foreign")
            return
        skipped = self._framer.skipped_bytes
        self._pending.extend(self._framer.feed(chunk))
        if skipped != self._framer.skipped_bytes:
            self._bad_bytes += self._framer.skipped_bytes - skipped
            self._port.counters.bad_bytes += self._framer.skipped_bytes - skipped
            if self._bad_bytes > self._port.settings.bad_bytes_max:
                self.drop("garbage")
                return
        if self.task is None:
            self._begin()
        elif len(self._pending) > _PENDING_MAX and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def drop(self, why: str) -> None:
        """Close it, and count why."""
        if self._transport is not None:
            self._port.counters.dropped[why] += 1
            self.close()

    def close(self) -> None:
        """Close it now, and forget what has not been begun."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._pending.clear()
        self._port.remove(self)

    def sweep(self, now_s: float) -> None:
        """Close it if it has been silent for too long; give up parts whose rest does not come."""
        settings = self._port.settings
        if self._waiting.begun:
            self._waiting, late = jt808_parts.expire(self._waiting, now_s, after_s=settings.part_s)
            for spoiled in late:
                self._spoil(spoiled)
        if not self._good_s:
            if now_s - self._born_s > settings.first_frame_s:
                self.drop("silent")
        elif self.task is None and now_s - self._good_s > _PERIODS * settings.period_s:
            self.drop("idle")

    def ask_location(self) -> None:
        """Ask the terminal where it is; it answers with 0201."""
        self._write(ASK_LOCATION, b"")

    def _begin(self) -> None:
        if self._pending:
            self.task = self._loop.create_task(self._take_all())
            self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if task.cancelled():
            return
        if error := task.exception():
            self._port.fail(error)
        else:
            self._begin()  # bytes may have arrived between its end and this word of it

    async def _take_all(self) -> None:
        while self._pending:
            await self._take(self._pending.popleft())
            if self._is_paused and len(self._pending) <= _PENDING_MAX // 2 and self._transport is not None:
                self._is_paused = False
                self._transport.resume_reading()

    def _read(self, piece: bytes) -> Frame | None:
        """Return the frame if it is one, and one of this connection's terminal."""
        port = self._port
        try:
            frame = read_frame(piece)
        except DecodeError:
            self._bad(kind="bad", size=len(piece))
            return None
        for fault in frame.faults:
            port.counters.faults[kind_of(fault)] += 1
        if not frame.is_checksum_right and port.settings.require_checksum:
            if frame.terminal == self.terminal:
                self._answer(frame.message, frame.serial, WRONG)
            self._bad(kind="bad", size=len(piece))
            return None
        if self.terminal and frame.terminal != self.terminal:
            self.drop("other_terminal")
            return None
        self._version = frame.version
        return frame

    async def _take(self, piece: bytes) -> None:
        frame = self._read(piece)
        if frame is None:
            return
        if not await self._is_believed(frame):
            self._bad(kind="refused", size=0)
            if frame.message == REGISTER:
                self._write(REGISTER_REPLY, register_reply(frame.serial, _NOT_IN_THE_BOOKS), frame.terminal)
            else:
                self._answer(frame.message, frame.serial, FAILED, frame.terminal)
            return
        serials: tuple[int, ...] = (frame.serial,)
        if frame.is_part:
            whole = self._put_together(frame)
            if whole is None:
                return
            frame, serials = whole.frame, whole.serials
        result = await self._serve(frame)
        if result == DONE and frame.message in _ANSWERED_IN_KIND:
            self._answer_in_kind(frame)
        elif frame.message != REPLY:
            for serial in serials:
                self._answer(frame.message, serial, result, frame.terminal)

    def _put_together(self, frame: Frame) -> jt808_parts.Whole | None:
        """Return the whole message with its last part."""
        if frame.message not in UNDERSTOOD or frame.encryption:
            self._answer(frame.message, frame.serial, UNSUPPORTED)
            self._port.counters.frames["unsupported"] += 1
            return None
        self._port.counters.frames["part"] += 1
        self._waiting, outcome = jt808_parts.step(self._waiting, frame, self._loop.time())
        if isinstance(outcome, jt808_parts.Spoiled):
            self._spoil(outcome)
            self._bad(kind="wrong", size=0)
            return None
        return outcome

    def _spoil(self, spoiled: jt808_parts.Spoiled) -> None:
        self._port.counters.faults[spoiled.fault] += 1
        for serial in spoiled.serials:
            self._answer(spoiled.message, serial, FAILED)

    async def _serve(self, frame: Frame) -> int:
        """Have a message committed, and return the result that its terminal is told."""
        port = self._port
        if frame.encryption:
            self._bad(kind="encrypted", size=0)
            return UNSUPPORTED
        try:
            reports = reports_of(frame, port.settings, link=port.id, received_ms=_now_ms())
        except DecodeError:
            self._bad(kind="wrong", size=0)
            return WRONG
        self._good_s = self._loop.time()
        self._bad_bytes = self._bad_frames = 0
        port.prove(self)
        for report in reports:
            for fault in report.faults:
                if fault not in frame.faults:
                    port.counters.faults[kind_of(fault)] += 1
        if len(reports) == 1:
            await port.take(reports[0])
        else:
            await asyncio.gather(*(port.take(report) for report in reports))
        port.counters.reports += len(reports)
        if frame.message not in UNDERSTOOD:
            port.counters.frames["unsupported"] += 1
            return UNSUPPORTED
        port.counters.frames["done"] += 1
        return DONE

    async def _is_believed(self, frame: Frame) -> bool:
        """Return whether what this terminal says is taken; then it has the seat, and no older connection has."""
        port = self._port
        if port.settings.require_auth and not self._is_authentic:
            if frame.message == AUTHENTICATE:
                if not port.is_code(frame.terminal, token_of(frame.body, frame.version)):
                    port.counters.faults["wrong_code"] += 1
                    return False
                self._is_authentic = True
            elif frame.message not in _BEFORE_AUTHENTICATION:
                return False
        if not port.is_welcome(frame.terminal):
            port.counters.faults["too_many_strangers"] += 1
            return False
        if self.terminal or (port.settings.require_auth and not self._is_authentic):
            return True
        self.terminal = frame.terminal
        before = port.seat(self, frame.terminal)
        if before is not None:
            last = before.task
            before.drop("taken_over")
            if last is not None:  # what it was committing comes before anything of the new connection
                await asyncio.wait([last])
        return True

    def _answer_in_kind(self, frame: Frame) -> None:
        if frame.message == REGISTER:
            body = register_reply(frame.serial, DONE, self._port.code_of(frame.terminal))
            self._write(REGISTER_REPLY, body, frame.terminal)
        else:
            self._write(*time_reply(frame.message, _now_ms()), frame.terminal)

    def _answer(self, message: int, serial: int, result: int, terminal: str = "") -> None:
        self._write(GENERAL_REPLY, general_reply(serial, message, result), terminal)

    def _write(self, message: int, body: bytes, terminal: str = "") -> None:
        number = terminal or self.terminal
        if self._transport is None or not number:
            return
        self._transport.write(encode_frame(message, number, self._serial, body, version=self._version))
        self._serial += 1
        self._port.counters.replies += 1

    def _bad(self, *, kind: str, size: int) -> None:
        self._bad_frames += 1
        self._port.counters.bad_bytes += size
        self._port.counters.frames[kind] += 1
        if self._bad_frames > self._port.settings.bad_frames_max:
            self.drop("garbage")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
