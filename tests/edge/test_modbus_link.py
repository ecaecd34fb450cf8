"""A Modbus bus over real sockets and a real serial line: what is read, what is written, and what is never mistaken."""

import asyncio
import itertools
import socket
from collections.abc import Callable, Iterable

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from devices.protocols.modbus import tcp_frame
from devices.report import Downlink, Write
from edge.links.link import Unreachable
from edge.links.modbus import ModbusLink, ModbusSerial, ModbusTcp
from shell.refusal import Refusal
from tests.fixtures.modbus import ECHO, SerialLine, Slave, framed, known, profile_of, running, shipped, values_of
from wayside.simulate.lamps import METER_UNIT, LampField

ECHO_PROFILE = profile_of(ECHO)
LAMP = shipped("wayside/metered-lamp")
METER = shipped("wayside/circuit-meter")
assert LAMP.lamp is not None
CURVE = LAMP.lamp


def tcp(port: int, **more: object) -> ModbusTcp:
    return ModbusTcp(**{"id": "bus", "host": "127.0.0.1", "port": port, "period_s": 0.1, "timeout_s": 0.08, **more})  # type: ignore[arg-type]


def serial(device: str, **more: object) -> ModbusSerial:
    return ModbusSerial(  # type: ignore[arg-type]
        **{"id": "bus", "device": device, "baud": 115_200, "period_s": 0.1, "timeout_s": 0.08, **more}
    )


def honest(_number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
    yield 0, tcp_frame(transaction, unit, values_of(unit, request))


def test_lamps_are_read_switched_and_read_back() -> None:
    async def scenario() -> None:
        async with LampField(2, CURVE) as field:
            port = field.servers[0].port
            async with running(
                tcp(port, period_s=30), [known("1", LAMP), known("2", LAMP), known(str(METER_UNIT), METER)]
            ) as bus:
                dark = await bus.heard("1")
                assert {reading.property: reading.result for reading in dark.readings}["relay.closed"] is False
                await bus.link.send("1", LAMP.request("dim", {"level": 40}))
                # Read back at once, not after the period.
                lit = await bus.heard("1", 2)
                said = {reading.property: reading.result for reading in lit.readings}
                assert (said["relay.closed"], said["level"]) == (True, 40)
                assert float(said["current"]) > 0.05
                assert not field.lamps[1].relay_closed
                bus.link.hurry(str(METER_UNIT))
                total = await bus.heard(str(METER_UNIT), 2)
                assert {reading.property for reading in total.readings} >= {"current", "power.active"}
                assert bus.link.trouble == ""

    asyncio.run(scenario())


def test_pymodbus_reads_and_writes_the_simulated_lamps() -> None:
    async def scenario() -> None:
        async with LampField(1, CURVE) as field:
            client = AsyncModbusTcpClient("127.0.0.1", port=field.servers[0].port, timeout=2)
            assert await client.connect()
            written = await client.write_registers(0, [1, 70], device_id=1)
            assert not written.isError()
            read = await client.read_holding_registers(0, count=2, device_id=1)
            assert read.registers == [1, 70]
            assert (await client.read_holding_registers(9, count=2, device_id=1)).isError()
            assert (await client.write_register(1, 101, device_id=1)).isError()
            client.close()

    asyncio.run(scenario())


def test_a_server_of_pymodbus_is_polled_and_written() -> None:
    async def scenario() -> None:
        coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        registers = [SimData(0, values=[0] * 16, datatype=DataType.REGISTERS)]
        device = SimDevice(id=7, simdata=(coils, coils, registers, registers))
        server = ModbusTcpServer(device, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        assert server.transport is not None
        port = server.transport.sockets[0].getsockname()[1]
        board = shipped("wellpro/wp8025adam")
        try:
            async with running(tcp(port, period_s=30), [known("7/2", board), known("7/5", board)]) as bus:
                assert [reading.result for reading in (await bus.heard("7/5")).readings] == [False]
                await bus.link.send("7/5", board.request("on", {"feature": "5"}))
                switched = await bus.heard("7/5", 2)
                # An output is a device of its own: its readings have no feature.
                assert [(each.property, each.result, each.feature) for each in switched.readings] == [
                    ("relay.closed", True, "")
                ]
                assert [reading.result for report in bus.of("7/2") for reading in report.readings] == [False]
        finally:
            await server.shutdown()

    asyncio.run(scenario())


def test_a_late_answer_is_never_taken_for_another_register() -> None:
    # Every third answer comes so late that two or three other registers have been asked for meanwhile.
    def answers(number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        yield 0.11 if number % 3 == 0 else 0, tcp_frame(transaction, unit, values_of(unit, request))

    async def scenario() -> None:
        async with Slave(answers) as slave:
            devices = [known(str(unit), ECHO_PROFILE) for unit in range(1, 7)]
            async with running(tcp(slave.port, timeout_s=0.04), devices) as bus:
                await bus.until(lambda: sum(bus.count(unit, "late") for unit in range(1, 7)) >= 4)
                assert bus.reports
                assert bus.wrong() == []
                assert slave.connections == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda transaction, unit, request: tcp_frame(transaction, unit + 1, values_of(unit + 1, request)),
        lambda transaction, unit, request: tcp_frame(transaction, unit, b"\x04" + values_of(unit, request)[1:]),
        lambda transaction, unit, request: tcp_frame(transaction, unit, values_of(unit, request)[:-2]),
        lambda transaction, unit, request: tcp_frame(transaction ^ 0x5555, unit, values_of(unit, request)),
    ],
    ids=["another unit", "another function", "another length", "another number"],
)
def test_an_answer_to_something_else_is_counted_and_not_believed(
    wrong: Callable[[int, int, bytes], bytes],
) -> None:
    def answers(_number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        if unit == 1:
            yield 0, wrong(transaction, unit, request)
        else:
            yield 0, tcp_frame(transaction, unit, values_of(unit, request))

    async def scenario() -> None:
        async with (
            Slave(answers) as slave,
            running(tcp(slave.port), [known("1", ECHO_PROFILE), known("3", ECHO_PROFILE)]) as bus,
        ):
            await bus.heard("3", 2)
            assert bus.of("1") == []
            assert bus.count(1, "foreign") >= 1
            assert bus.count(1, "silent") >= 1
            assert bus.wrong() == []

    asyncio.run(scenario())


def test_bytes_that_are_no_modbus_end_the_connection_and_a_new_one_is_made() -> None:
    def answers(number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        yield 0, b"HTTP/1.1 400 Bad Request" if number == 1 else tcp_frame(transaction, unit, values_of(unit, request))

    async def scenario() -> None:
        async with Slave(answers) as slave, running(tcp(slave.port), [known("1", ECHO_PROFILE)]) as bus:
            await bus.heard("1")
            assert slave.connections == 2
            assert bus.count(0, "garbled") == 1

    asyncio.run(scenario())


def test_one_byte_at_a_time_is_no_answer_and_does_not_shift_what_follows() -> None:
    def answers(number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        frame = tcp_frame(transaction, unit, values_of(unit, request))
        if number == 1:
            yield from ((0.05, bytes([byte])) for byte in frame)
        else:
            yield 0, frame

    async def scenario() -> None:
        async with Slave(answers) as slave, running(tcp(slave.port), [known("1", ECHO_PROFILE)]) as bus:
            await bus.heard("1", 2)
            assert bus.count(1, "garbled") == 1
            assert bus.wrong() == []

    asyncio.run(scenario())


def test_a_connection_on_which_nothing_comes_any_more_is_made_anew() -> None:
    async def scenario() -> None:
        answers_from = 6

        def answers(number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
            if slave.connections >= 2 or number > answers_from:
                yield 0, tcp_frame(transaction, unit, values_of(unit, request))

        async with Slave(answers) as slave:
            devices = [known(str(unit), ECHO_PROFILE) for unit in range(1, 7)]
            async with running(tcp(slave.port, timeout_s=0.03), devices) as bus:
                await bus.heard("1")
                assert slave.connections == 2

    asyncio.run(scenario())


def test_a_bus_that_goes_away_is_told_and_found_again() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        async with running(tcp(port), [known("1", LAMP)]) as bus:
            await bus.until(lambda: "cannot be reached" in bus.link.trouble)
            with pytest.raises(Unreachable, match="bus"):
                await bus.link.send("1", LAMP.request("on", {}))
            async with LampField(1, CURVE, first_port=port) as field:
                await bus.heard("1")
                assert bus.link.trouble == ""
                field.servers[0].hang_up()
                await bus.heard("1", len(bus.of("1")) + 1)

    asyncio.run(scenario())


def test_a_silent_unit_gives_no_value_and_its_commands_are_unreachable() -> None:
    async def scenario() -> None:
        async with LampField(3, CURVE) as field:
            field.lamps[1].fault = "dead"
            field.lamps[2].fault = "slow"
            devices = [known(str(unit), LAMP) for unit in (1, 2, 3)]
            async with running(tcp(field.servers[0].port), devices) as bus:
                await bus.heard("1", 3)
                with pytest.raises(Unreachable, match="unit 2 of bus: no answer"):
                    await bus.link.send("2", LAMP.request("on", {}))
                assert bus.of("2") == bus.of("3") == []
                field.lamps[1].fault = ""
                await bus.link.send("2", LAMP.request("on", {}))
                # Once it answers a command it has its turn among the others again.
                await bus.heard("2", 2)

    asyncio.run(scenario())


def test_commands_overtake_polls_and_those_of_silent_units_come_last() -> None:
    order: list[tuple[int, int]] = []

    def answers(_number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        order.append((unit, request[0]))
        if unit != 1:
            yield 0.005, tcp_frame(transaction, unit, values_of(unit, request))

    async def scenario() -> None:
        async with Slave(answers) as slave:
            devices = [known(str(unit), ECHO_PROFILE) for unit in range(1, 9)]
            async with running(tcp(slave.port, timeout_s=0.1, period_s=30), devices) as bus:
                await bus.heard("8")
                for unit in range(1, 9):
                    bus.link.hurry(str(unit))
                order.clear()
                writes = ECHO_PROFILE.request("on", {})
                await asyncio.gather(*(bus.link.send(str(unit), writes) for unit in (1, 5, 6)), return_exceptions=True)
                told = [unit for unit, function in order if function == 6]
                assert told == [5, 6, 1]
                # One poll may have been under way.
                assert [function for _, function in order][:3].count(6) >= 2

    asyncio.run(scenario())


def test_a_busy_unit_is_asked_again_and_a_refusal_is_told() -> None:
    writes = itertools.count(1)

    def answers(_number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        if request[0] == 6 and unit == 2:
            yield 0, tcp_frame(transaction, unit, b"\x86\x02")
        elif request[0] == 6 and next(writes) <= 2:
            yield 0, tcp_frame(transaction, unit, b"\x86\x06")
        elif request[0] == 3 and request[2] == 20 and unit == 2:
            yield 0, tcp_frame(transaction, unit, b"\x83\x02")
        else:
            yield 0, tcp_frame(transaction, unit, values_of(unit, request))

    async def scenario() -> None:
        async with (
            Slave(answers) as slave,
            running(tcp(slave.port), [known("1", ECHO_PROFILE), known("2", ECHO_PROFILE)]) as bus,
        ):
            await bus.heard("1")
            await bus.link.send("1", ECHO_PROFILE.request("on", {}))
            assert [request[0] for unit, request in slave.asked if unit == 1].count(6) == 3
            with pytest.raises(Unreachable, match="exception 2: has no such address"):
                await bus.link.send("2", ECHO_PROFILE.request("on", {}))
            partly = await bus.heard("2")
            assert len(partly.readings) == 3
            assert partly.faults == ("function 3 at 20: exception 2: has no such address",)

    asyncio.run(scenario())


def test_a_gateway_that_gets_no_answer_from_a_unit_costs_no_time_and_gives_no_value() -> None:
    def answers(_number: int, transaction: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        answer = bytes([request[0] | 0x80, 11]) if unit == 1 else values_of(unit, request)
        yield 0, tcp_frame(transaction, unit, answer)

    async def scenario() -> None:
        async with (
            Slave(answers) as slave,
            running(tcp(slave.port), [known("1", ECHO_PROFILE), known("2", ECHO_PROFILE)]) as bus,
        ):
            await bus.heard("2", 2)
            assert bus.of("1") == []
            with pytest.raises(Unreachable, match="gets no answer from it"):
                await bus.link.send("1", ECHO_PROFILE.request("on", {}))

    asyncio.run(scenario())


def test_a_request_that_is_none_of_modbus_is_unreachable() -> None:
    async def scenario() -> None:
        async with Slave(honest) as slave, running(tcp(slave.port), [known("1", ECHO_PROFILE)]) as bus:
            await bus.heard("1")
            for address, request in (
                ("1", Downlink(port=1, payload=b"")),
                ("9", (Write(function=6, address=0, values=(1,)),)),
                ("x", (Write(function=6, address=0, values=(1,)),)),
            ):
                with pytest.raises(Unreachable, match="has no unit"):
                    await bus.link.send(address, request)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        (["0"], "'0' is no unit of a bus"),
        (["248"], "'248' is no unit of a bus"),
        (["1/x"], "has no output 'x'"),
        (["1", "1"], "'1' is there twice"),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_asked(addresses: list[str], problem: str) -> None:
    async def take(_report: object) -> None: ...

    with pytest.raises(Refusal, match=problem):
        ModbusLink(tcp(502), [known(address, ECHO_PROFILE) for address in addresses], take)


def test_outputs_of_one_unit_must_have_one_profile() -> None:
    async def take(_report: object) -> None: ...

    with pytest.raises(Refusal, match="another profile"):
        ModbusLink(tcp(502), [known("1/r0", ECHO_PROFILE), known("1", LAMP)], take)


# The serial line.


def test_a_serial_line_is_polled_and_written() -> None:
    def answers(_number: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        frame = framed(unit, values_of(unit, request))
        # In two pieces, after a stray byte: as a driver that turns round and a slow line have it.
        yield 0, b"\x00" + frame[:4]
        yield 0.01, frame[4:]

    async def scenario() -> None:
        async with (
            SerialLine(answers) as line,
            running(serial(line.device), [known("1", ECHO_PROFILE), known("9", ECHO_PROFILE)]) as bus,
        ):
            await bus.heard("9", 2)
            await bus.link.send("1", ECHO_PROFILE.request("on", {}))
            assert (1, bytes.fromhex("06 0000 0001")) in line.asked
            assert bus.wrong() == []

    asyncio.run(scenario())


def test_a_late_serial_answer_is_never_taken_for_another_register() -> None:
    # A frame of RTU carries no number: the answer of unit 1 to its first block would fit its second as well. It comes
    # while another unit is being asked, or nobody.
    late = itertools.count(1)

    def answers(_number: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        yield 0.12 if unit == 1 and next(late) in (2, 3) else 0.0, framed(unit, values_of(unit, request))

    async def scenario() -> None:
        async with SerialLine(answers) as line:
            devices = [known(str(unit), ECHO_PROFILE) for unit in (1, 2, 3)]
            async with running(serial(line.device, timeout_s=0.05), devices) as bus:
                await bus.until(lambda: bus.count(1, "silent") == 2 and len(bus.of("1")) >= 1)
                assert bus.wrong() == []
                assert len(bus.of("3")) > 5

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]),
        lambda frame: framed(frame[0] + 1, frame[1:-2]),
        lambda frame: framed(frame[0], b"\x04" + frame[2:-2]),
        lambda frame: frame[:-3],
        lambda _frame: bytes(range(256)) * 3,
        lambda _frame: b"",
    ],
    ids=["check", "another unit", "another function", "cut off", "noise", "nothing"],
)
def test_what_is_no_answer_on_a_serial_line_gives_no_value_and_hurts_no_other_unit(
    spoilt: Callable[[bytes], bytes],
) -> None:
    def answers(_number: int, unit: int, request: bytes) -> Iterable[tuple[float, bytes]]:
        frame = framed(unit, values_of(unit, request))
        yield 0, spoilt(frame) if unit == 1 else frame

    async def scenario() -> None:
        async with SerialLine(answers) as line:
            devices = [known("1", ECHO_PROFILE), known("3", ECHO_PROFILE)]
            async with running(serial(line.device, timeout_s=0.05), devices) as bus:
                await bus.heard("3", 3)
                assert bus.of("1") == []
                assert bus.count(1, "silent") >= 1
                assert bus.wrong() == []

    asyncio.run(scenario())


def test_a_line_that_is_not_there_is_told() -> None:
    async def scenario() -> None:
        async with running(serial("/dev/does-not-exist"), [known("1", ECHO_PROFILE)]) as bus:
            await bus.until(lambda: "cannot be opened" in bus.link.trouble)

    asyncio.run(scenario())


def test_serial_frames_pass_through_a_server_on_tcp() -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while frame := await reader.read(8):
                writer.write(framed(frame[0], values_of(frame[0], frame[1:6])))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with running(tcp(port, framing="rtu"), [known("1", ECHO_PROFILE)]) as bus:
            await bus.heard("1")
            assert bus.wrong() == []
        server.close()

    asyncio.run(scenario())
