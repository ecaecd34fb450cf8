"""A whole box: the agent's process, a real broker, lamps on a real Modbus bus, and orders signed by the centre."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.profile import read_profile
from edge.rule_files import OWN_BOOK
from tests.fixtures.agent import ROOT
from tests.fixtures.gateway import ENDINGS, now_ms, public_line, signed
from tests.fixtures.lamps import a_command
from tests.fixtures.mosquitto import Mosquitto, free_port
from tests.fixtures.subscriber import Subscriber, receipt_for
from wayside.profiles import FOLDER
from wayside.simulate.lamps import LampField
from wire.command import Ack, Command, LampState
from wire.device import Device
from wire.health import Health
from wire.topics import command_topic

pytestmark = pytest.mark.system
LAMPS = 20


class Bus(threading.Thread):
    """Simulated lamps on a Modbus server, in a loop of their own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        profile = read_profile((FOLDER / "wayside/metered-lamp.yaml").read_bytes(), "metered-lamp")
        assert profile.lamp is not None
        self.port = free_port()
        self.field = LampField(LAMPS, profile.lamp, first_port=self.port)
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._open = threading.Event()

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with self.field:
            self._open.set()
            await self._over.wait()

    def begin(self) -> None:
        self.start()
        assert self._open.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(20)


class Box:
    """The agent's process, with a gateway and no camera."""

    def __init__(self, folder: Path, broker: str, port: int) -> None:
        (folder / "centre.pub").write_text(public_line())
        rows = "".join(
            f"  - {{id: lamp-{number}, role: lamp, profile: wayside/metered-lamp, link: bus, address: '{number}',"
            " circuit: c-1, period_s: 10}\n"
            for number in range(1, LAMPS + 1)
        )
        (folder / "lamps.yaml").write_text(f"devices:\n{rows}")
        (folder / "gateway.yaml").write_text(
            "position: [31.2, 121.5]\ndevices: [lamps.yaml]\ncommand_keys: [centre.pub]\n"
            f"links: [{{type: modbus-tcp, id: bus, host: 127.0.0.1, port: {port}, period_s: 2}}]\n"
        )
        self._yaml = folder / "edge.yaml"
        self._yaml.write_text(
            f"id: box-1\nbroker: {broker}\ncentre: http://127.0.0.1:1\nrules: {OWN_BOOK}\ngateway: gateway.yaml\n"
        )
        self.log = folder / "agent.log"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "wayside", "edge", "run", str(self._yaml)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


class Centre(Subscriber):
    """Answers with receipts of this moment, and gives orders."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.answer = lambda opened, payload: [msgspec.structs.replace(receipt_for(opened, payload), time_ms=now_ms())]
        self._orders = Client(CallbackAPIVersion.VERSION2)
        self._orders.connect("127.0.0.1", urlsplit(url).port or 0)
        self._orders.loop_start()

    def order(self, command: Command, *, retain: bool = False) -> None:
        self._orders.publish(command_topic("box-1"), signed(command), qos=1, retain=retain).wait_for_publish(10)

    def forget(self) -> None:
        self._orders.publish(command_topic("box-1"), b"", qos=1, retain=True).wait_for_publish(10)

    def stop(self) -> None:
        super().stop()
        self._orders.disconnect()
        self._orders.loop_stop()

    def stages(self, command: Command, lamp: str) -> list[str]:
        found = [(place, each) for place, each in sorted(self.messages.items()) if isinstance(each, Ack)]
        return [each.stage for _, each in found if each.command_id == command.id and lamp in each.lamps]

    def endings(self, command: Command) -> dict[str, str]:
        acks = [each for _, each in sorted(self.messages.items()) if isinstance(each, Ack)]
        mine = [each for each in acks if each.command_id == command.id and each.stage in ENDINGS]
        return {lamp: each.stage for each in mine for lamp in each.lamps or ("",)}

    def state(self, lamp: str) -> LampState | None:
        found = [each for each in self.messages.values() if isinstance(each, LampState) and each.lamp == lamp]
        return max(found, key=lambda each: each.time_ms, default=None)


@pytest.fixture
def bus() -> Iterator[Bus]:
    bus = Bus()
    bus.begin()
    yield bus
    bus.stop()


@pytest.fixture
def centre(mosquitto: Mosquitto) -> Iterator[Centre]:
    centre = Centre(mosquitto.url)
    yield centre
    centre.forget()
    centre.stop()


@pytest.fixture
def box(mosquitto: Mosquitto, bus: Bus, centre: Centre, tmp_path: Path) -> Iterator[Box]:  # noqa: ARG001  # it listens
    box = Box(tmp_path, mosquitto.url, bus.port)
    yield box
    if box.process.poll() is None:
        box.kill()


def order(lamps: list[str], action: str = "on", **changes: object) -> Command:
    return a_command(lamps, action, now_ms=now_ms(), **changes)  # type: ignore[arg-type]


def is_proven(centre: Centre, level: int = 100) -> bool:
    states = [centre.state(f"lamp-{number}") for number in range(1, LAMPS + 1)]
    return all(each is not None and each.proven == level for each in states)


@pytest.mark.timeout(200)
def test_a_street_of_lamps_is_switched_proven_killed_and_found_as_it_was(box: Box, bus: Bus, centre: Centre) -> None:
    every = [f"lamp-{number}" for number in range(1, LAMPS + 1)]
    # With no schedule all of them burn, by their own current.
    centre.wait_for(is_proven, 60)
    assert {each.id for each in centre.messages.values() if isinstance(each, Device)} == set(every)

    off = order(["lamp-3"], "off", name="off")
    centre.order(off)
    centre.wait_for(lambda it: it.endings(off), 20)
    assert centre.stages(off, "lamp-3") == ["accepted", "sent", "reported", "proven"]
    assert not bus.field.lamps[2].relay_closed

    # A lamp that takes the word and draws nothing; one that is dead.
    bus.field.lamps[4].fault = "burnt-out"
    bus.field.lamps[5].fault = "dead"
    on = order(every, "on", name="on", version=2)
    centre.order(on)
    centre.wait_for(lambda it: len(it.endings(on)) == LAMPS, 60)
    endings = centre.endings(on)
    assert endings.pop("lamp-5") == "reported-not-proven"
    assert endings.pop("lamp-6") == "unreachable"
    assert set(endings.values()) == {"proven"}
    centre.wait_for(lambda it: (it.state("lamp-5") or off).fault == "dark", 20)  # type: ignore[union-attr]

    # The captured order, kept by a broker that means ill, finds the box after it was killed.
    bus.field.lamps[4].fault = bus.field.lamps[5].fault = ""
    box.kill()
    centre.order(off, retain=True)
    box.start()
    later = order(["lamp-1"], "dim", name="later", version=3, level=50)
    centre.wait_for(lambda it: it.statuses[-1].state == "online" and len(it.statuses) > 2, 60)
    time.sleep(0.5)
    centre.order(later)
    centre.wait_for(lambda it: it.endings(later), 30)
    assert centre.endings(later) == {"lamp-1": "proven"}
    assert bus.field.lamps[2].relay_closed
    assert centre.endings(off) == {"lamp-3": "proven"}
    health = [each for each in centre.messages.values() if isinstance(each, Health)][-1]
    assert [link.id for link in health.links] == ["bus"]
    assert box.stop() == 0, box.log.read_text()
    assert not centre.altered
