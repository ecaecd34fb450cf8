"""A port for vehicles' terminals, over real sockets: who is heard, who is answered and when, who is closed."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from devices.protocols.jt808 import Frame, Framer, encode_frame, read_frame
from devices.protocols.jt808_location import Location, encode_batch, encode_location
from devices.protocols.jt808_report import FlagBit
from devices.report import Downlink, Report
from edge.links.jt808 import Jt808Link, Jt808Port
from edge.links.link import Link, Unreachable
from wayside.simulate.terminals import BED_ITEM, Drive, Terminal, fleet, simulate

TRUCK, OTHER = "013800138000", "013800138001"
HEARTBEAT, LOCATION, BATCH, REGISTER, AUTHENTICATE = 0x0002, 0x0200, 0x0704, 0x0100, 0x0102
PLACE = Location(
    alarm=0, status=3, latitude=31.2, longitude=121.4, altitude_m=5, speed_km_h=40.0, course_deg=90,
    time_ms=1_700_000_000_000,
)  # fmt: skip
LINE = ((31.20, 121.40), (31.21, 121.42))


class Gateway:
    """A port, and what it has committed; commits can be held back."""

    def __init__(self, **settings: Any) -> None:
        self.reports: list[Report] = []
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.begun = 0
        link = Jt808Link(**{"id": "fleet", "host": "127.0.0.1", "port": 0, "strangers_max": 9_999, **settings})
        self.port = Jt808Port(link, self.take, secret=b"of this gateway", known={TRUCK})

    async def take(self, report: Report) -> None:
        self.begun += 1
        await self.may_commit.wait()
        self.reports.append(report)


@contextlib.asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[Gateway]:
    made = Gateway(**settings)
    task = asyncio.create_task(made.port.run())
    await until(lambda: made.port.port or task.done())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Client:
    """A terminal that does only what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.framer = Framer()
        self.heard: list[Frame] = []

    def send(self, content: bytes) -> None:
        self.writer.write(content)

    async def answer(self) -> Frame:
        while not self.heard:
            chunk = await asyncio.wait_for(self.reader.read(4_096), 20)
            assert chunk, "closed by the gateway"
            self.heard += [read_frame(piece) for piece in self.framer.feed(chunk)]
        return self.heard.pop(0)

    async def is_closed(self) -> bool:
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(4_096), 20):
                pass
        return True


@contextlib.asynccontextmanager
async def client(gate: Gateway) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # what is waited for is seen from outside
            await asyncio.sleep(0.005)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def location(serial: int, terminal: str = TRUCK) -> bytes:
    return encode_frame(LOCATION, terminal, serial, encode_location(PLACE))


def result(frame: Frame) -> tuple[int, int, int]:
    assert frame.message == 0x8001
    return int.from_bytes(frame.body[:2], "big"), int.from_bytes(frame.body[2:4], "big"), frame.body[4]


def test_a_position_is_answered_when_it_is_committed_and_not_before() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            gate.may_commit.clear()
            truck.send(location(7))
            await until(lambda: gate.begun)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(truck.reader.read(1), 0.2)
            gate.may_commit.set()
            assert result(await truck.answer()) == (7, LOCATION, 0)
            (report,) = gate.reports
            assert (report.link, report.address, report.time_ms) == ("fleet", TRUCK, 1_700_000_000_000)
            assert report.positions[0].longitude == 121.4

    run(scenario)


def test_a_frame_in_single_bytes_is_one_frame_and_two_in_one_write_are_two() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            for byte in location(1):
                truck.send(bytes((byte,)))
                await truck.writer.drain()
                await asyncio.sleep(0)
            assert result(await truck.answer())[0] == 1
            truck.send(location(2) + location(3))
            assert [result(await truck.answer())[0] for _ in range(2)] == [2, 3]
            assert len(gate.reports) == 3

    run(scenario)


def test_no_message_is_forgotten_however_many_come_while_others_are_taken() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            for serial in range(1_500):
                truck.send(encode_frame(HEARTBEAT, TRUCK, serial))
                if serial % 7 == 0:
                    await asyncio.sleep(0)
            assert [result(await truck.answer())[0] for _ in range(1_500)] == list(range(1_500))

    run(scenario)


def test_the_messages_of_a_terminal_are_committed_one_after_the_other_in_their_order() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            gate.may_commit.clear()
            truck.send(b"".join(location(serial) for serial in range(5)))
            await until(lambda: gate.begun)
            await asyncio.sleep(0.05)
            assert gate.begun == 1
            gate.may_commit.set()
            assert [result(await truck.answer())[0] for _ in range(5)] == [0, 1, 2, 3, 4]

    run(scenario)


def test_a_terminal_that_sends_faster_than_commits_go_is_not_read_any_more() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            gate.may_commit.clear()
            count = 40_000
            truck.send(b"".join(location(serial) for serial in range(count)))
            await until(lambda: gate.begun)
            await asyncio.sleep(0.3)
            (connection,) = gate.port._connections
            assert connection._is_paused
            assert len(connection._pending) < 100
            gate.may_commit.set()
            await until(lambda: len(gate.reports) > 100)

    run(scenario)


def test_registration_gives_a_code_and_only_that_code_is_believed() -> None:
    async def scenario() -> None:
        async with gateway(require_auth=True) as gate, client(gate) as truck:
            truck.send(location(1))
            assert result(await truck.answer()) == (1, LOCATION, 1)
            truck.send(encode_frame(AUTHENTICATE, TRUCK, 2, b"guessed"))
            assert result(await truck.answer()) == (2, AUTHENTICATE, 1)
            truck.send(encode_frame(REGISTER, TRUCK, 3, bytes(37) + b"ABC"))
            answer = await truck.answer()
            assert (answer.message, answer.body[:3]) == (0x8100, b"\x00\x03\x00")
            truck.send(encode_frame(AUTHENTICATE, TRUCK, 4, answer.body[3:]))
            assert result(await truck.answer()) == (4, AUTHENTICATE, 0)
            truck.send(location(5))
            assert result(await truck.answer()) == (5, LOCATION, 0)
            assert [report.facts.get("plate") for report in gate.reports] == ["ABC", None, None]
            assert gate.port.counters.frames["refused"] == 2

    run(scenario)


def test_a_number_that_connects_again_is_heard_there_and_its_older_connection_is_closed() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as old, client(gate) as new:
            old.send(location(1))
            await old.answer()
            new.send(location(2))
            assert result(await new.answer()) == (2, LOCATION, 0)
            assert await old.is_closed()
            assert gate.port.counters.dropped == {"taken_over": 1}
            new.send(location(3))
            assert result(await new.answer()) == (3, LOCATION, 0)

    run(scenario)


def test_what_the_older_connection_was_committing_comes_first() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as old, client(gate) as new:
            gate.may_commit.clear()
            old.send(location(1))
            await until(lambda: gate.begun == 1)
            new.send(encode_frame(HEARTBEAT, TRUCK, 2))
            await asyncio.sleep(0.1)
            assert gate.begun == 1
            gate.may_commit.set()
            await new.answer()
            assert [bool(report.positions) for report in gate.reports] == [True, False]

    run(scenario)


def test_one_connection_speaks_for_one_terminal() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            truck.send(location(1))
            await truck.answer()
            truck.send(location(2, OTHER))
            assert await truck.is_closed()
            assert gate.port.counters.dropped == {"other_terminal": 1}
            assert [report.address for report in gate.reports] == [TRUCK]

    run(scenario)


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n"])
def test_another_protocol_on_the_port_is_closed_at_once(head: bytes) -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as stray:
            stray.send(head)
            assert await stray.is_closed()
            assert gate.port.counters.dropped == {"foreign": 1}

    run(scenario)


@pytest.mark.parametrize("rubbish", [b"\x00" * 10_000, b"\x7e\x00\x01" * 5_000, b"\x7e" * 5_000 + b"\x55" * 5_000])
def test_rubbish_is_closed_and_counted(rubbish: bytes) -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as stray:
            stray.send(rubbish)
            assert await stray.is_closed()
            assert gate.port.counters.dropped == {"garbage": 1}
            assert gate.port.counters.bad_bytes >= 16
            assert gate.reports == []

    run(scenario)


def test_a_storm_of_delimiters_and_a_bit_of_rubbish_cost_a_terminal_nothing() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            for serial in range(40):
                truck.send(b"\x7e" * 50 + b"(794104004140,1,001,BASE,2,TIME)" + location(serial))
                assert result(await truck.answer())[0] == serial
            assert gate.port.counters.frames["bad"] == 40

    run(scenario)


def test_who_sends_no_frame_is_closed_however_many_bytes_he_drips() -> None:
    async def scenario() -> None:
        async with gateway(first_frame_s=1.0) as gate, client(gate) as slow, client(gate) as truck:
            truck.send(location(1))
            await truck.answer()
            with contextlib.suppress(ConnectionError):
                for byte in location(2):  # at this pace a whole frame takes three seconds
                    slow.send(bytes((byte,)))
                    await slow.writer.drain()
                    if slow.reader.at_eof():
                        break
                    await asyncio.sleep(0.06)
            assert await slow.is_closed()
            assert gate.port.counters.dropped["silent"] == 1
            truck.send(location(3))
            await truck.answer()

    run(scenario)


def test_a_terminal_that_falls_silent_is_closed_after_three_periods() -> None:
    async def scenario() -> None:
        async with gateway(period_s=0.2) as gate, client(gate) as truck:
            truck.send(location(1))
            await truck.answer()
            assert await truck.is_closed()
            assert gate.port.counters.dropped == {"idle": 1}

    run(scenario)


def test_one_address_has_only_so_many_connections() -> None:
    async def scenario() -> None:
        async with gateway(connections_per_address_max=2) as gate, client(gate) as one, client(gate) as two:
            one.send(location(1))
            two.send(location(1, OTHER))
            await one.answer()
            await two.answer()
            async with client(gate) as third:
                assert await third.is_closed()
            assert gate.port.counters.refused == {"address": 1}
            one.send(location(2))
            await one.answer()

    run(scenario)


def test_a_full_port_makes_room_for_a_new_one_by_closing_who_has_said_nothing() -> None:
    async def scenario() -> None:
        async with gateway(connections_max=2) as gate, client(gate) as truck, client(gate) as mute:
            truck.send(location(1))
            await truck.answer()
            async with client(gate) as third:
                third.send(location(1, OTHER))
                await third.answer()
                assert await mute.is_closed()
                assert gate.port.counters.dropped == {"evicted": 1}
                async with client(gate) as fourth:
                    assert await fourth.is_closed()
                assert gate.port.counters.refused == {"full": 1}

    run(scenario)


def test_only_so_many_connections_are_opened_in_a_second() -> None:
    async def scenario() -> None:
        async with gateway(connections_per_address_s_max=5) as gate:
            for _ in range(30):
                _, writer = await asyncio.open_connection("127.0.0.1", gate.port.port)
                writer.close()
            await until(lambda: gate.port.counters.refused.total() + gate.port.counters.accepted == 30)
            assert gate.port.counters.refused["rate"] >= 20

    run(scenario)


def test_only_so_many_strangers_are_heard_and_a_known_terminal_always_is() -> None:
    async def scenario() -> None:
        async with gateway(strangers_max=3) as gate:
            for number in range(5):
                async with client(gate) as stranger:
                    stranger.send(encode_frame(REGISTER, f"{number:012d}", 1, bytes(37)))
                    answer = await stranger.answer()
                    assert (answer.message, answer.body[2]) == (0x8100, 0 if number < 3 else 4)
            async with client(gate) as truck:
                truck.send(location(1))
                assert result(await truck.answer()) == (1, LOCATION, 0)
            assert len(gate.reports) == 4

    run(scenario)


def test_a_frame_with_a_wrong_checksum_is_told_so_and_not_taken() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            truck.send(location(1))
            await truck.answer()
            spoilt = bytearray(location(2))
            spoilt[20] ^= 0x10
            truck.send(bytes(spoilt))
            assert result(await truck.answer()) == (2, LOCATION, 2)
            assert len(gate.reports) == 1
        async with gateway(require_checksum=False) as gate, client(gate) as truck:
            truck.send(bytes(spoilt))
            assert result(await truck.answer()) == (2, LOCATION, 0)
            assert gate.reports[0].faults == ("checksum_mismatch",)

    run(scenario)


def test_an_encrypted_body_and_an_unknown_message_are_answered_as_unsupported() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            sealed = bytearray(location(1))
            sealed[3] |= 0x04
            sealed[-2] ^= 0x04
            truck.send(bytes(sealed))
            assert result(await truck.answer()) == (1, LOCATION, 3)
            truck.send(encode_frame(0x0FFF, TRUCK, 2, b"?"))
            assert result(await truck.answer()) == (2, 0x0FFF, 3)
            assert [report.facts for report in gate.reports] == [{"message": "0fff"}]
            truck.send(encode_frame(LOCATION, TRUCK, 3, bytes(5)))
            assert result(await truck.answer()) == (3, LOCATION, 2)

    run(scenario)


def test_a_late_batch_is_one_answer_and_a_report_for_each_place() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            truck.send(encode_frame(BATCH, TRUCK, 1, encode_batch((PLACE,) * 3, is_late=True)))
            assert result(await truck.answer()) == (1, BATCH, 0)
            assert [report.positions[0].is_late for report in gate.reports] == [True] * 3

    run(scenario)


def test_a_message_in_parts_is_answered_part_by_part_when_all_of_it_is_committed() -> None:
    async def scenario() -> None:
        async with gateway(part_s=0.5) as gate, client(gate) as truck:
            body = encode_batch((PLACE,) * 30, is_late=True)
            parts = [body[at : at + 400] for at in range(0, len(body), 400)]
            sent = [
                encode_frame(BATCH, TRUCK, 10 + index, part, part=(len(parts), index + 1))
                for index, part in enumerate(parts)
            ]
            truck.send(sent[2] + sent[0] + sent[0])
            await asyncio.sleep(0.05)
            truck.send(sent[1])
            answers = sorted([result(await truck.answer()) for _ in sent])
            assert answers == [(10, BATCH, 0), (11, BATCH, 0), (12, BATCH, 0)]
            assert len(gate.reports) == 30
            truck.send(encode_frame(BATCH, TRUCK, 20, parts[0], part=(3, 1)))
            assert result(await truck.answer()) == (20, BATCH, 1)
            assert gate.port.counters.faults["parts_missing"] == 1

    run(scenario)


def test_a_terminal_killed_in_the_middle_of_a_frame_leaves_nothing() -> None:
    async def scenario() -> None:
        async with gateway() as gate:
            async with client(gate) as truck:
                truck.send(location(1))
                await truck.answer()
                truck.send(location(2)[:20])
                await truck.writer.drain()
                truck.writer.transport.abort()
            await until(lambda: gate.port.counters.open == 0)
            assert len(gate.reports) == 1
            assert gate.port._seats == {}

    run(scenario)


def test_a_terminal_that_never_reads_its_answers_is_closed() -> None:
    async def scenario() -> None:
        async with gateway() as gate:
            deaf = socket.create_connection(("127.0.0.1", gate.port.port))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            with contextlib.suppress(ConnectionError):
                while not gate.port.counters.dropped:
                    await loop.sock_sendall(deaf, encode_frame(HEARTBEAT, TRUCK, 1) * 100)
            await until(lambda: gate.port.counters.dropped["deaf"])
            deaf.close()

    run(scenario)


def test_a_gateway_that_cannot_commit_ends_and_answers_nothing() -> None:
    async def scenario() -> None:
        async def take(_report: Report) -> None:
            raise OSError("the disk is gone")

        port = Jt808Port(Jt808Link(id="fleet", host="127.0.0.1", port=0), take, secret=b"x", known={TRUCK})
        task = asyncio.create_task(port.run())
        await until(lambda: port.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
        writer.write(location(1))
        with pytest.raises(OSError, match="the disk is gone"):
            await task
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    run(scenario)


def test_a_port_that_is_taken_is_said_and_tried_again() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            gate = Gateway(port=taken.getsockname()[1])
            task = asyncio.create_task(gate.port.run())
            await until(lambda: "cannot listen" in gate.port.trouble)
        await until(lambda: gate.port.trouble == "")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(scenario)


def test_the_gateway_can_ask_where_a_terminal_is_and_sends_nothing_else() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            link: Link = gate.port
            truck.send(location(1))
            await truck.answer()
            link.hurry(TRUCK)
            link.hurry(OTHER)
            assert (await truck.answer()).message == 0x8201
            truck.send(encode_frame(0x0201, TRUCK, 2, b"\x00\x01" + encode_location(PLACE)))
            assert result(await truck.answer()) == (2, 0x0201, 0)
            assert gate.reports[-1].positions[0].latitude == 31.2
            with pytest.raises(Unreachable):
                await link.send(TRUCK, Downlink(port=1, payload=b""))

    run(scenario)


def test_a_terminal_that_asks_for_the_time_is_told_it() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            truck.send(encode_frame(0x0004, TRUCK, 1) + encode_frame(0x0109, TRUCK, 2))
            first, second = await truck.answer(), await truck.answer()
            assert (first.message, len(first.body)) == (0x8004, 6)
            assert (second.message, len(second.body)) == (0x8109, 8)

    run(scenario)


def test_small_answers_are_not_held_back() -> None:
    async def scenario() -> None:
        async with gateway() as gate, client(gate) as truck:
            truck.send(location(1))
            await truck.answer()
            (connection,) = gate.port._connections
            assert connection._transport is not None
            opened = connection._transport.get_extra_info("socket")
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(scenario)


def test_simulated_terminals_of_both_editions_drive_and_are_answered() -> None:
    async def scenario() -> None:
        async with gateway(require_auth=True) as gate:
            trucks = fleet(20, "127.0.0.1", gate.port.port, [LINE], period_s=0.2)
            await simulate(trucks, 1.5)
            assert all(truck.answered >= 2 and not truck.refused for truck in trucks)
            places = [report.positions[0] for report in gate.reports if report.positions]
            assert {len(report.address) for report in gate.reports} == {12, 20}
            assert all(31.19 < place.latitude < 31.22 and place.is_positioned for place in places)
            assert gate.port.counters.dropped == {}

    run(scenario)


def test_a_simulated_terminal_has_the_faults_that_it_is_told_to_have() -> None:
    async def scenario() -> None:
        bed = FlagBit(where=f"{BED_ITEM:02x}", bit=0, property="bed.covered")
        async with gateway(datum="gcj02", flags=(bed,)) as gate:
            drive = Drive(number=TRUCK, line=LINE, period_s=0.05, datum="gcj02")
            truck = Terminal(drive, "127.0.0.1", gate.port.port)
            task = asyncio.create_task(truck.run())

            def beds() -> set[Any]:
                return {r.result for report in gate.reports for r in report.readings if r.property == "bed.covered"}

            def places() -> list[Any]:
                return [place for report in gate.reports for place in report.positions]

            await until(lambda: beds() == {True})
            assert 31.199 < places()[0].latitude < 31.211
            truck.faults |= {"bed_uncovered", "overspeed", "gps_jump", "garbage", "power_cut"}
            await until(lambda: beds() == {True, False})
            await until(lambda: places()[-1].latitude > 31.24)
            assert {"overspeed", "main_power_off"} <= set(places()[-1].flags)
            truck.faults -= {"gps_jump"}
            truck.faults |= {"gps_lost"}
            await until(lambda: not places()[-1].is_positioned)
            truck.faults |= {"no_link"}
            await until(lambda: gate.port.counters.open == 0)
            await asyncio.sleep(0.15)
            truck.faults.clear()
            await until(lambda: any(place.is_late for place in places()))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    run(scenario)
