"""Devices behind a real broker: what they say, what they are told, and what is not lost on the way."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from devices.inventory import DeviceEntry
from devices.profile import Profile, read_profile
from devices.report import Downlink, Report, Write
from edge.links.link import Known, Unreachable
from edge.links.mqtt import MqttLink
from edge.links.mqtt_config import ChirpStack, Config, MqttJson, TheThingsStack
from shell.ending import end
from shell.refusal import Refusal
from tests.fixtures.mosquitto import Mosquitto
from wayside.profiles import FOLDER
from wayside.simulate.radio import APPLICATION, RadioField

PATIENCE_S = 15.0


def shipped(name: str) -> Profile:
    return read_profile((FOLDER / f"{name}.yaml").read_bytes(), name)


TILT, LEVEL, PLUG = shipped("milesight/em310-tilt"), shipped("milesight/em500-swl"), shipped("milesight/ws523")
RELAY = shipped("shelly/switch-gen2")
COVER, WATER = "24e124136b000000", "24e1241370000000"
UPLINK = {
    "time": "2022-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {"applicationId": APPLICATION, "devEui": COVER},
    "fCnt": 4,
    "fPort": 85,
    "data": "AXVkA88AAAAAAAAA",
    "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -36, "snr": 10.5}],
}


def known(address: str, profile: Profile) -> Known:
    entry = DeviceEntry(id=f"device-{address[-6:].lower()}", role="other", link="radio", address=address)
    return Known(entry=entry, profile=profile)


class Heard:
    """A running link and what it reported; ``hold`` keeps reports from being committed."""

    def __init__(self, config: Config, devices: Iterable[Known]) -> None:
        self.reports: list[Report] = []
        self.free = asyncio.Event()
        self.free.set()
        self.link = MqttLink(config, devices, self._take)

    async def _take(self, report: Report) -> None:
        self.reports.append(report)
        await self.free.wait()

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110  # a connection and a count tell nobody when they change
                await asyncio.sleep(0.01)

    async def connected(self) -> None:
        await self.until(lambda: not self.link.trouble)

    async def heard(self, address: str, count: int = 1) -> Report:
        await self.until(lambda: len(self.of(address)) >= count)
        return self.of(address)[count - 1]

    def of(self, address: str) -> list[Report]:
        return [report for report in self.reports if report.address == address]


@asynccontextmanager
async def running(config: Config, devices: Iterable[Known]) -> AsyncIterator[Heard]:
    heard = Heard(config, devices)
    task = asyncio.create_task(heard.link.run())
    try:
        yield heard
    finally:
        await end(task)
        if not task.cancelled() and task.exception():
            raise task.exception()  # type: ignore[misc]


@asynccontextmanager
async def radio(field: RadioField, url: str) -> AsyncIterator[None]:
    task = asyncio.create_task(field.run(url))
    try:
        yield
    finally:
        await end(task)


@asynccontextmanager
async def server(broker: Mosquitto) -> AsyncIterator[aiomqtt.Client]:
    """Give a client that publishes as a network server does."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        yield client


def chirpstack(broker: Mosquitto, name: str, **more: object) -> ChirpStack:
    return ChirpStack(**{"id": "radio", "broker": broker.url, "client": name, **more})  # type: ignore[arg-type]


def up(eui: str = COVER, **more: object) -> tuple[str, bytes]:
    body = {**UPLINK, "deviceInfo": {"applicationId": APPLICATION, "devEui": eui}, **more}
    return f"application/{APPLICATION}/device/{eui}/event/up", json.dumps(body).encode()


def said(report: Report) -> dict[str, object]:
    return {reading.property: reading.result for reading in report.readings}


@pytest.mark.system
def test_simulated_manholes_and_levels_are_heard_and_an_opened_cover_at_once(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        field = RadioField(1, 1, period_s=3_600)
        devices = [known(COVER.upper(), TILT), known(WATER, LEVEL)]
        async with running(chirpstack(mosquitto, "simulated"), devices) as heard:
            await heard.connected()
            async with radio(field, mosquitto.url):
                # The address is that of the gateway's file, however the network server writes it.
                closed = await heard.heard(COVER.upper())
                assert abs(float(said(closed)["tilt.x"])) < 5  # type: ignore[arg-type]
                assert closed.facts["rssi"] == -60
                assert abs(closed.time_ms - closed.received_ms) < 5_000
                field.obey(f"{COVER} open")
                opened = await heard.heard(COVER.upper(), 2)
                assert said(opened)["tilt.x"] == 85
                field.obey(f"{WATER} low-battery")
                low = await heard.heard(WATER)
                assert said(low)["battery.level"] == 4

    asyncio.run(scenario())


@pytest.mark.system
def test_a_device_that_nobody_knows_is_reported_with_how_its_message_begins(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with running(chirpstack(mosquitto, "stranger"), []) as heard, server(mosquitto) as client:
            await heard.connected()
            await client.publish(*up("ffffffffffffffff"), qos=1)
            report = await heard.heard("ffffffffffffffff")
            assert report.readings == ()
            assert report.facts["payload"] == "01756403cf00000000000000"

    asyncio.run(scenario())


@pytest.mark.system
def test_what_cannot_be_read_is_counted_and_told_and_the_rest_is_heard(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with (
            running(chirpstack(mosquitto, "unreadable"), [known(COVER, TILT)]) as heard,
            server(mosquitto) as client,
        ):
            await heard.connected()
            topic, good = up()
            for payload in (b"", b"\xff\xfe", b"[1]", b'{"deviceInfo": 3}', b"{" * 5_000, good[:-1]):
                await client.publish(topic, payload, qos=1)
            await client.publish(*up(data="AXVkA88AAA=="), qos=1)
            await client.publish(topic, good, qos=1)
            cut_off = await heard.heard(COVER)
            assert said(cut_off) == {"battery.level": 100}
            assert "truncated" in cut_off.faults[0]
            whole = await heard.heard(COVER, 2)
            assert said(whole)["tilt.x"] == 0
            assert heard.link.counts["unreadable"] == 6
            # A clock of 2022 is not believed.
            assert whole.time_ms == whole.received_ms

    asyncio.run(scenario())


@pytest.mark.system
def test_a_message_is_acknowledged_only_when_it_is_committed(own_mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        config = chirpstack(own_mosquitto, "committed")
        async with server(own_mosquitto) as client:
            async with running(config, [known(COVER, TILT)]) as heard:
                await heard.connected()
                heard.free.clear()
                await client.publish(*up(), qos=1)
                await heard.heard(COVER)
                # The gateway ends here, before the commit.
            async with running(config, [known(COVER, TILT)]) as again:
                await again.heard(COVER)
            # What came while it was away waits at the broker too, and what was acknowledged does not come again.
            await client.publish(*up(fCnt=5), qos=1)
            async with running(config, [known(COVER, TILT)]) as after:
                await after.heard(COVER)
                assert [report.facts["frame_count"] for report in after.reports] == [5]

    asyncio.run(scenario())


@pytest.mark.system
def test_reports_of_one_device_stay_in_order_while_another_is_slow(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        devices = [known(COVER, TILT), known(WATER, LEVEL)]
        async with running(chirpstack(mosquitto, "ordered"), devices) as heard, server(mosquitto) as client:
            await heard.connected()
            for number in range(1, 31):
                await client.publish(*up(COVER, fCnt=number), qos=1)
            await heard.heard(COVER, 30)
            assert [report.facts["frame_count"] for report in heard.of(COVER)] == list(range(1, 31))

    asyncio.run(scenario())


@pytest.mark.system
def test_a_broker_that_was_away_is_subscribed_to_again(own_mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with running(chirpstack(own_mosquitto, "again"), [known(COVER, TILT)]) as heard:
            await heard.connected()
            own_mosquitto.kill()
            await heard.until(lambda: heard.link.trouble)
            with pytest.raises(Unreachable):
                await heard.link.send(COVER, Downlink(port=85, payload=b"\x01"))
            own_mosquitto.start()
            await heard.connected()
            async with server(own_mosquitto) as client:
                await client.publish(*up(), qos=1)
                await heard.heard(COVER)

    asyncio.run(scenario())


@pytest.mark.system
def test_a_command_counts_when_the_network_says_so(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        field = RadioField(2, 0, period_s=3_600)
        second = field.manholes[1].eui
        on = PLUG.request("on", {})
        async with radio(field, mosquitto.url):
            for wait_for in ("sent", "ack", "nothing"):
                config = chirpstack(mosquitto, f"told-{wait_for}", wait_for=wait_for, wait_s=1, application=APPLICATION)
                async with running(config, [known(COVER, PLUG), known(second, PLUG)]) as heard:
                    await heard.connected()
                    await heard.link.send(COVER, on)
                    field.obey(f"{second} silent")
                    if wait_for == "nothing":
                        await heard.link.send(second, on)
                    else:
                        with pytest.raises(Unreachable, match="within 1 s"):
                            await heard.link.send(second, on)

    asyncio.run(scenario())


@pytest.mark.system
def test_a_device_that_was_never_heard_cannot_be_told(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        async with running(chirpstack(mosquitto, "unheard"), [known(COVER, PLUG)]) as heard:
            await heard.connected()
            with pytest.raises(Unreachable, match="has not been heard yet"):
                await heard.link.send(COVER, PLUG.request("on", {}))
            with pytest.raises(Unreachable, match="no registers"):
                await heard.link.send(COVER, (Write(function=6, address=0, values=(1,)),))

    asyncio.run(scenario())


@pytest.mark.system
def test_the_things_stack_is_heard_and_told(mosquitto: Mosquitto) -> None:
    message = {
        "end_device_ids": {
            "device_id": "lamp-7",
            "application_ids": {"application_id": "city"},
            "dev_eui": COVER.upper(),
        },
        "uplink_message": {"f_port": 85, "f_cnt": 3, "frm_payload": "AXVk", "rx_metadata": [{"rssi": -70}]},
    }

    async def scenario() -> None:
        config = TheThingsStack(id="radio", broker=mosquitto.url, client="things", wait_s=2)
        async with running(config, [known(COVER, PLUG)]) as heard, server(mosquitto) as client:
            await heard.connected()
            await client.subscribe("v3/city@ttn/devices/lamp-7/down/push")
            await client.publish("v3/city@ttn/devices/lamp-7/up", json.dumps(message), qos=0)
            await heard.heard(COVER)
            sending = asyncio.create_task(heard.link.send(COVER, PLUG.request("on", {})))
            pushed = await anext(aiter(client.messages))
            assert json.loads(bytes(pushed.payload))["downlinks"][0]["frm_payload"] == "CAH//w=="  # type: ignore[arg-type]
            sent = {"end_device_ids": message["end_device_ids"], "downlink_sent": {"f_port": 85}}
            await client.publish("v3/city@ttn/devices/lamp-7/down/sent", json.dumps(sent), qos=1)
            await sending

    asyncio.run(scenario())


@pytest.mark.system
def test_devices_on_the_broker_itself_are_heard_and_told(mosquitto: Mosquitto) -> None:
    async def scenario() -> None:
        config = MqttJson(
            id="plugs",
            broker=mosquitto.url,
            client="json",
            topic="{address}/status/switch:0",
            command_topic="{address}",
        )
        async with server(mosquitto) as client:
            # Nobody knows how old what a broker kept is.
            await client.publish("lamp-9/status/switch:0", '{"output": true}', retain=True)
            async with running(config, [known("lamp-9", RELAY)]) as heard:
                await heard.connected()
                await heard.until(lambda: heard.link.counts["retained"] == 1)
                await client.publish("lamp-9/status/switch:0", '{"output": false, "current": 0.25}', qos=1)
                await client.publish("lamp-10/status/switch:0", '{"output": false}', qos=1)
                assert said(await heard.heard("lamp-9")) == {"relay.closed": False, "current": 0.25}
                assert (await heard.heard("lamp-10")).facts["payload"] == b'{"output": false}'.hex()
                await client.subscribe("lamp-9/command/#")
                await heard.link.send("lamp-9", RELAY.request("on", {}))
                told = await anext(aiter(client.messages))
                assert (str(told.topic), told.payload) == ("lamp-9/command/switch:0", b"on")
            await client.publish("lamp-9/status/switch:0", b"", retain=True)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("address", "profile", "problem"),
    [
        ("24e124", TILT, "is no DevEUI"),
        (COVER, RELAY, "does not speak lorawan"),
    ],
)
def test_an_address_that_is_none_is_refused(address: str, profile: Profile, problem: str) -> None:
    async def take(_report: Report) -> None: ...

    config = ChirpStack(id="radio", broker="mqtt://127.0.0.1")
    with pytest.raises(Refusal, match=problem):
        MqttLink(config, [known(address, profile)], take)


@pytest.mark.parametrize(
    ("topic", "subscribed", "heard", "address"),
    [
        ("meters/{address}/state", "meters/+/state", "meters/7/state", "7"),
        ("meters/m-{address}", "meters/+", "meters/m-7", "7"),
        ("meters/m-{address}", "meters/+", "meters/x-7", ""),
        ("{address}/a.c", "+/a.c", "7/abc", ""),
    ],
)
def test_a_topic_says_whose_it_is(topic: str, subscribed: str, heard: str, address: str) -> None:
    config = MqttJson(id="meters", broker="mqtt://127.0.0.1", topic=topic)
    assert config.topics == (subscribed,)
    assert config.address_of(heard) == address


def test_simulated_devices_obey_a_line_and_say_what_they_do() -> None:
    field = RadioField(2, 2)
    assert field.obey("broken") == "none"
    assert field.obey(f"{COVER} open").endswith("0 sent, open")
    assert field.obey(f"{COVER} stuck") == "expected one of: ok, open, low-battery, silent"
    assert field.obey("broken") == f"{COVER} open"
    assert field.obey(f"{COVER} ok").endswith("ok")
    assert field.obey("x open").startswith("expected the DevEUI")


@pytest.mark.parametrize(("fault", "expected"), [("stuck", 0.0), ("drift", 0.10), ("rising", 1.0)])
def test_a_faulty_level_leaves_the_truth_at_its_pace(fault: str, expected: float) -> None:
    level = RadioField(0, 1).levels[0]
    before = level.depth_m(0.0)
    level.fault = fault  # type: ignore[assignment]
    level.payload(0.0)
    risen = level.depth_m(600.0) - level.depth_m(0.0)
    assert abs(risen - expected) < 0.04
    assert before > 0
