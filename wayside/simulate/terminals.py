"""Simulated terminals: vehicles that drive along lines and say so over JT/T 808, with faults on demand."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import msgspec

from devices.datum import Datum, gcj02_of
from devices.protocols.jt808 import Frame, Framer, encode_frame, read_frame
from devices.protocols.jt808_bits import ACC_BIT, POSITIONED_BIT
from devices.protocols.jt808_location import Location, encode_batch, encode_location
from devices.protocols.jt808_messages import (
    AUTHENTICATE,
    BATCH,
    DONE,
    GENERAL_REPLY,
    LOCATION,
    REGISTER,
    REGISTER_REPLY,
)
from devices.reading import DecodeError

Fault = Literal["gps_jump", "gps_lost", "overspeed", "bed_uncovered", "power_cut", "garbage", "silent", "no_link"]
"""``no_link``: not connected, and what was seen meanwhile comes as a late batch when it is over; ``silent``: connected,
and says nothing."""
FAULTS: tuple[Fault, ...] = get_args(Fault)
BED_ITEM = 0xEA
"""Item of these terminals; its lowest bit is set while the bed is covered."""
BATCH_MAX = 20

_METRES_PER_DEG = 111_320.0
_JUMP_DEG = 0.05  # some five kilometres
_OVERSPEED_KM_H = 95.0
_OVERSPEED_ALARM, _POWER_ALARM = 1 << 1, 1 << 8
_ANSWER_S = 30.0
_RETRY_S = (0.5, 15.0)
_LATENCIES_MAX = 10_000
_FIRST = 13_800_000_000


class Drive(msgspec.Struct, frozen=True, kw_only=True):
    """How one terminal drives and speaks."""

    number: str
    """12 digits; 20 with a header of 2019."""
    line: tuple[tuple[float, float], ...]
    """WGS-84 latitude and longitude, there and back."""
    speed_km_h: float = 40.0
    period_s: float = 10.0
    is_2019: bool = False
    datum: Datum = "wgs84"
    """Of the coordinates it sends."""


class Route:
    """A line of latitudes and longitudes to drive along, there and back, on an earth that is flat so far."""

    def __init__(self, line: tuple[tuple[float, float], ...]) -> None:
        self._legs: list[tuple[float, tuple[float, float], tuple[float, float]]] = []
        self.length_m = 0.0
        for begin, end in pairwise(line):
            north_m = (end[0] - begin[0]) * _METRES_PER_DEG
            east_m = (end[1] - begin[1]) * _METRES_PER_DEG * math.cos(math.radians(begin[0]))
            length_m = math.hypot(north_m, east_m)
            if length_m:
                self._legs.append((length_m, begin, end))
                self.length_m += length_m
        if not self._legs:
            raise ValueError("a line to drive along has two places at least")

    def at(self, driven_m: float) -> tuple[float, float, int]:
        """Return latitude, longitude and course after so many metres."""
        along = driven_m % (2 * self.length_m)
        is_back = along >= self.length_m
        along = 2 * self.length_m - along if is_back else along
        number = 0
        while along > self._legs[number][0] and number < len(self._legs) - 1:
            along -= self._legs[number][0]
            number += 1
        length_m, begin, end = self._legs[number]
        share = min(1.0, along / length_m)
        north, east = end[0] - begin[0], end[1] - begin[1]
        course = math.degrees(math.atan2(east * math.cos(math.radians(begin[0])), north))
        return begin[0] + share * north, begin[1] + share * east, round(course + 180 * is_back) % 360


class Terminal:
    """One terminal; put into ``faults`` what shall be wrong with it, and take it out again.

    Args:
        drive: how it drives and speaks.
        host: where the gateway is.
        port: of its link.
        phase: where in its period it begins, 0 to 1, so that a thousand of them do not speak at once.
        source: address to connect from; any if left out.
    """

    def __init__(self, drive: Drive, host: str, port: int, *, phase: float = 0.0, source: str = "") -> None:
        self.drive = drive
        self.faults: set[Fault] = set()
        self.sent = 0
        self.answered = 0
        self.refused = 0
        """Answers that said anything but done."""
        self.latencies_s: list[float] = []
        """From sending a position or batch to its answer; the first ten thousand."""
        self._host, self._port, self._phase = host, port, phase
        self._source = (source, 0) if source else None
        self._random = random.Random(drive.number)  # noqa: S311  # the same rubbish each time
        self._serial = 0
        self._version = 1 if drive.is_2019 else None
        self._code = b""
        self._kept: list[Location] = []
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._route = Route(drive.line)
        self._metres = self._route.length_m * self._random.random()
        self._mileage_km = self._random.uniform(100, 90_000)

    async def run(self) -> None:
        """Drive and speak until cancelled; connect again whenever the connection is lost."""
        await asyncio.sleep(self._phase * self.drive.period_s)
        wait_s = _RETRY_S[0]
        while True:
            if "no_link" in self.faults:
                await self._drive_alone()
            try:
                await self._connected()
                wait_s = _RETRY_S[0]
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(wait_s * self._random.uniform(0.5, 1.5))
                wait_s = min(_RETRY_S[1], wait_s * 2)

    async def _drive_alone(self) -> None:
        while "no_link" in self.faults:
            self._kept.append(self._now())
            await asyncio.sleep(self.drive.period_s)

    async def _connected(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port, local_addr=self._source)
        listening = asyncio.create_task(self._listen(reader))
        try:
            await self._log_in(writer)
            while "no_link" not in self.faults:
                if listening.done():
                    raise ConnectionError("closed by the gateway")
                await self._speak(writer)
                await asyncio.sleep(self.drive.period_s)
        finally:
            listening.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _log_in(self, writer: asyncio.StreamWriter) -> None:
        if not self._code:
            sizes = (11, 30, 30) if self.drive.is_2019 else (5, 20, 7)
            body = b"\x00\x1f\x00\x73" + b"".join(text[:size].ljust(size, b"\0") for text, size in zip(
                (b"SIM", b"SIM-808", self.drive.number[-7:].encode()), sizes, strict=True
            )) + b"\x02" + self.drive.number[-8:].encode()  # fmt: skip
            answer = await self._ask(writer, REGISTER, body)
            if answer.message != REGISTER_REPLY or answer.body[2] != DONE:
                raise ConnectionError("not registered")
            self._code = answer.body[3:]
        code = bytes((len(self._code),)) + self._code + bytes(35) if self.drive.is_2019 else self._code
        answer = await self._ask(writer, AUTHENTICATE, code)
        if answer.body[4:5] != bytes((DONE,)):
            self._code = b""
            raise ConnectionError("not authenticated")

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        location = self._now()
        if "silent" in self.faults:
            return
        if "garbage" in self.faults:
            writer.write(self._random.randbytes(40))
        if self._kept:
            late, self._kept = self._kept[:BATCH_MAX], self._kept[BATCH_MAX:]
            await self._measured(writer, BATCH, encode_batch(tuple(late), is_late=True))
        await self._measured(writer, LOCATION, encode_location(location))

    async def _measured(self, writer: asyncio.StreamWriter, message: int, body: bytes) -> None:
        begin = time.perf_counter()
        self.sent += 1
        answer = await self._ask(writer, message, body)
        if len(self.latencies_s) < _LATENCIES_MAX:
            self.latencies_s.append(time.perf_counter() - begin)
        self.answered += 1
        self.refused += answer.body[4:5] != bytes((DONE,))

    async def _ask(self, writer: asyncio.StreamWriter, message: int, body: bytes) -> Frame:
        """Send a message and return its answer."""
        serial = self._serial = (self._serial + 1) & 0xFFFF
        future = self._waiting[serial] = asyncio.get_running_loop().create_future()
        writer.write(encode_frame(message, self.drive.number, serial, body, version=self._version))
        try:
            return await asyncio.wait_for(future, _ANSWER_S)
        finally:
            self._waiting.pop(serial, None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        framer = Framer()
        with contextlib.suppress(OSError):
            while chunk := await reader.read(1_024):
                for piece in framer.feed(chunk):
                    self._heard(piece)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("closed by the gateway"))

    def _heard(self, piece: bytes) -> None:
        try:
            frame = read_frame(piece)
        except DecodeError:
            return
        if frame.message not in (GENERAL_REPLY, REGISTER_REPLY):
            return
        future = self._waiting.get(int.from_bytes(frame.body[:2], "big"))
        if future is not None and not future.done():
            future.set_result(frame)

    def _now(self) -> Location:
        """Drive on by one period, and return where it is."""
        speed_km_h = _OVERSPEED_KM_H if "overspeed" in self.faults else self.drive.speed_km_h
        driven_m = speed_km_h / 3.6 * self.drive.period_s
        self._metres += driven_m
        self._mileage_km += driven_m / 1_000
        latitude, longitude, course_deg = self._route.at(self._metres)
        if "gps_jump" in self.faults:
            latitude += _JUMP_DEG
        if self.drive.datum == "gcj02":
            latitude, longitude = gcj02_of(latitude, longitude)
        alarm = _OVERSPEED_ALARM * ("overspeed" in self.faults) | _POWER_ALARM * ("power_cut" in self.faults)
        return Location(
            alarm=alarm, status=ACC_BIT | (0 if "gps_lost" in self.faults else POSITIONED_BIT),
            latitude=latitude, longitude=longitude, altitude_m=12, speed_km_h=speed_km_h, course_deg=course_deg,
            time_ms=time.time_ns() // 1_000_000,
            items=(
                (0x01, round(self._mileage_km * 10).to_bytes(4, "big")),
                (0x30, b"\x17"),
                (0x31, b"\x00" if "gps_lost" in self.faults else b"\x0b"),
                (BED_ITEM, b"\x00" if "bed_uncovered" in self.faults else b"\x01"),
            ),
        )  # fmt: skip


def terminal_number(index: int, first: int = _FIRST) -> str:
    """Return the number of a terminal of a fleet."""
    return f"{first + index:0{20 if _is_2019(index) else 12}d}"


def _is_2019(index: int) -> bool:
    return index % 10 == 9


def fleet(
    count: int,
    host: str,
    port: int,
    lines: Sequence[tuple[tuple[float, float], ...]],
    *,
    period_s: float = 10.0,
    first: int = _FIRST,
    sources: Sequence[str] = ("",),
) -> list[Terminal]:
    """Return terminals, numbered from ``first``, spread over lines and sources; every tenth has a header of 2019."""
    terminals = []
    for index in range(count):
        is_2019 = _is_2019(index)
        drive = Drive(
            number=terminal_number(index, first), line=lines[index % len(lines)],
            speed_km_h=25.0 + index % 30, period_s=period_s, is_2019=is_2019,
        )  # fmt: skip
        source = sources[index % len(sources)]
        terminals.append(Terminal(drive, host, port, phase=index / count, source=source))
    return terminals


async def simulate(terminals: Sequence[Terminal], seconds: float | None = None) -> None:
    """Let them all drive for so long, or until cancelled."""
    tasks = [asyncio.create_task(terminal.run()) for terminal in terminals]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
