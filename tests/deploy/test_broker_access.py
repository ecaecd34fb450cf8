"""The real mosquitto with the centre's own configuration: who gets in, and what each may send and hear."""

import asyncio
import os
import queue
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.broker import Broker
from edge.config import Agent
from ingest.broker import probe
from ingest.config import Centre
from tests.fixtures.deploy import DEPLOY
from tests.fixtures.mosquitto import find_mosquitto, free_port, wait_for_port
from wire.batch import PAYLOAD_BYTES_MAX
from wire.topics import batch_topic, receipt_topic, status_topic

pytestmark = pytest.mark.system

PATIENCE_S = 30.0
NORTH, SOUTH = "kerb-north", "kerb-south"


class Hardened:
    """The broker as compose.yaml starts it, but for its ports and the places of its files."""

    def __init__(self, secrets: Path, folder: Path) -> None:
        self.secrets, self.port, self.tls_port = secrets, free_port(), free_port()
        replaced = {
            "listener 1883": f"listener {self.port} 127.0.0.1",
            "listener 8883": f"listener {self.tls_port} 127.0.0.1",
            "/run/secrets/broker_passwords": str(secrets / "broker_passwords.txt"),
            "/run/secrets/broker_cert": str(secrets / "broker.crt"),
            "/run/secrets/broker_key": str(secrets / "broker.key"),
            "/mosquitto/config/acl": str(DEPLOY / "mosquitto/acl"),
        }
        text = (DEPLOY / "mosquitto/mosquitto.conf").read_text()
        for old, new in replaced.items():
            assert len(re.findall(rf"\b{re.escape(old)}\n|{re.escape(old)}\n", text)) == 1, old
            text = text.replace(old, new)
        # Started by root it would step down to a user who cannot read the test's folder.
        (folder / "mosquitto.conf").write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
        self.log = (folder / "mosquitto.log").open("wb")
        binary = find_mosquitto()
        assert binary is not None
        command = [binary, "-c", str(folder / "mosquitto.conf")]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        wait_for_port(self.port, self.process)
        wait_for_port(self.tls_port, self.process)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()

    def password_file(self, user: str) -> Path:
        if user == "ingest":
            return self.secrets / "ingest_broker_password.txt"
        return self.secrets / "agents" / user / "broker_password.txt"


class Party:
    """One who signs in; holds what arrives and how the connection fares."""

    def __init__(self, broker: Hardened, user: str, *, password: str | None = None, client_id: str = "") -> None:
        self.heard: queue.Queue[MQTTMessage] = queue.Queue()
        self.answers: queue.Queue[ReasonCode] = queue.Queue()
        self.ends: queue.Queue[ReasonCode] = queue.Queue()
        self.grants: queue.Queue[list[ReasonCode]] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311)
        self.client.on_message = lambda _client, _userdata, message: self.heard.put(message)
        self.client.on_connect = lambda _client, _userdata, _flags, reason, _properties: self.answers.put(reason)
        self.client.on_disconnect = lambda _client, _userdata, _flags, reason, _properties: self.ends.put(reason)
        self.client.on_subscribe = lambda _client, _userdata, _mid, reasons, _properties: self.grants.put(reasons)
        if user:
            self.client.username_pw_set(user, password or broker.password_file(user).read_text().strip())

    def sign_in(self, port: int) -> ReasonCode:
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        return self.answers.get(timeout=PATIENCE_S)

    def listen(self, *topics: str) -> None:
        for topic in topics:
            self.client.subscribe(topic, qos=1)
            self.grants.get(timeout=PATIENCE_S)

    def say(self, topic: str, payload: bytes) -> None:
        """Send, and wait until the broker has taken or dropped it."""
        self.client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def hear(self) -> tuple[str, bytes]:
        message = self.heard.get(timeout=PATIENCE_S)
        return message.topic, bytes(message.payload)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def broker(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardened]:
    if find_mosquitto() is None:
        pytest.skip("no mosquitto on this machine: apt-get install mosquitto")
    hardened = Hardened(secrets, tmp_path_factory.mktemp("hardened"))
    yield hardened
    hardened.stop()


@pytest.fixture
def signed_in(broker: Hardened) -> Iterator[dict[str, Party]]:
    parties = {user: Party(broker, user) for user in ("ingest", NORTH, SOUTH)}
    for party in parties.values():
        assert not party.sign_in(broker.port).is_failure
    yield parties
    for party in parties.values():
        party.leave()


def test_the_centre_hears_each_box_on_its_own_topics_only(signed_in: dict[str, Party]) -> None:
    ingest, north = signed_in["ingest"], signed_in[NORTH]
    ingest.listen("wayside/up/+/+")
    for forbidden in (batch_topic(SOUTH, "events"), status_topic(SOUTH), receipt_topic(NORTH), "wayside/up/x", "other"):
        north.say(forbidden, b"forged")
    north.say(batch_topic(NORTH, "events"), b"true")
    north.say(status_topic(NORTH), b"online")
    # One sender's messages keep their order: had a forged one passed, it would come first.
    assert [ingest.hear(), ingest.hear()] == [
        (batch_topic(NORTH, "events"), b"true"),
        (status_topic(NORTH), b"online"),
    ]
    assert ingest.heard.empty()


def test_a_box_hears_its_own_receipts_only(signed_in: dict[str, Party]) -> None:
    ingest, north, south = (signed_in[user] for user in ("ingest", NORTH, SOUTH))
    north.listen("wayside/down/#", receipt_topic(SOUTH), "wayside/up/#", "#", "$SYS/#")
    south.listen(receipt_topic(SOUTH))
    south.say(batch_topic(SOUTH, "events"), b"a batch")
    ingest.say(receipt_topic(SOUTH), b"for south")
    ingest.say(receipt_topic(NORTH), b"for north")
    assert south.hear() == (receipt_topic(SOUTH), b"for south")
    # Every subscription that covers the topic may bring it; nothing else comes before it.
    assert north.hear() == (receipt_topic(NORTH), b"for north")


def test_a_box_cannot_forge_a_receipt(signed_in: dict[str, Party]) -> None:
    ingest, north, south = (signed_in[user] for user in ("ingest", NORTH, SOUTH))
    south.listen(receipt_topic(SOUTH))
    north.say(receipt_topic(SOUTH), b"forged")
    ingest.say(receipt_topic(SOUTH), b"true")
    assert south.hear() == (receipt_topic(SOUTH), b"true")


@pytest.mark.parametrize(
    ("user", "password"), [("", None), (NORTH, "wrong"), ("nobody", "x"), ("#", "x"), ("+", "x"), ("ingest", "ingest")]
)
def test_who_has_no_password_stays_outside(broker: Hardened, user: str, password: str | None) -> None:
    party = Party(broker, user, password=password)
    assert party.sign_in(broker.port).is_failure
    party.leave()


def test_the_largest_batch_passes_and_a_larger_packet_ends_the_connection(signed_in: dict[str, Party]) -> None:
    ingest, north = signed_in["ingest"], signed_in[NORTH]
    ingest.listen(batch_topic(NORTH, "observations"))
    largest = bytes(PAYLOAD_BYTES_MAX)
    north.say(batch_topic(NORTH, "observations"), largest)
    assert ingest.hear() == (batch_topic(NORTH, "observations"), largest)
    north.client.publish(batch_topic(NORTH, "observations"), bytes(2 * PAYLOAD_BYTES_MAX), qos=0)
    assert north.ends.get(timeout=PATIENCE_S).is_failure


def test_outside_only_tls_with_the_boxes_own_authority_gets_in(broker: Hardened) -> None:
    trusting = Party(broker, NORTH)
    trusting.client.tls_set(ca_certs=str(broker.secrets / "agents" / NORTH / "ca.crt"))
    trusting.client.connect("localhost", broker.tls_port)
    trusting.client.loop_start()
    assert not trusting.answers.get(timeout=PATIENCE_S).is_failure
    trusting.leave()
    public = ssl.create_default_context()
    with socket.create_connection(("localhost", broker.tls_port)) as connection:  # noqa: SIM117  # one raises
        with pytest.raises(ssl.SSLCertVerificationError):
            public.wrap_socket(connection, server_hostname="localhost")


def test_from_outside_nobody_can_push_a_box_out_under_its_name(broker: Hardened) -> None:
    north, south = Party(broker, NORTH, client_id=NORTH), Party(broker, SOUTH, client_id=NORTH)
    for party in (north, south):
        party.client.tls_set(ca_certs=str(broker.secrets / "ca.crt"))
        party.client.connect("localhost", broker.tls_port)
        party.client.loop_start()
        assert not party.answers.get(timeout=PATIENCE_S).is_failure
    north.listen(receipt_topic(NORTH))
    assert north.ends.empty()
    for party in (north, south):
        party.leave()


def test_the_centre_s_own_client_is_content(broker: Hardened) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    assert probe(Centre(broker=url, broker_password_file=str(broker.password_file("ingest")))) == "MQTTv5"


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_the_agent_s_own_client_is_content(broker: Hardened, scheme: str) -> None:
    port = broker.port if scheme == "mqtt" else broker.tls_port
    agent = Agent(
        id=NORTH,
        broker=f"{scheme}://localhost:{port}",
        broker_password_file=str(broker.password_file(NORTH)),
        ca_file=str(broker.secrets / "ca.crt"),
        centre="http://127.0.0.1:1",
        rules="rules",
        cameras=("camera.yaml",),
    )

    async def exchange() -> bytes:
        async with asyncio.timeout(PATIENCE_S), Broker(agent, Path()).connected() as client:
            await client.subscribe(receipt_topic(NORTH), qos=1)
            await client.publish(batch_topic(NORTH, "events"), b"a batch", qos=1)
            centre = Party(broker, "ingest")
            centre.sign_in(broker.port)
            centre.say(receipt_topic(NORTH), b"a receipt")
            centre.leave()
            return bytes((await anext(client.messages)).payload)

    assert asyncio.run(exchange()) == b"a receipt"
