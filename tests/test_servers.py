"""The servers that tests stand on do what those tests believe of them."""

import paho.mqtt.client as mqtt
import psycopg
import pytest

from tests.fixtures.mosquitto import Mosquitto
from tests.fixtures.postgres import Postgres

pytestmark = pytest.mark.system


def retained(server: Mosquitto) -> list[bytes]:
    """Return the retained messages that a newcomer is given."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    payloads: list[bytes] = []
    done: list[int] = []
    client.on_message = lambda _client, _userdata, message: payloads.append(message.payload)
    client.on_subscribe = lambda _client, _userdata, mid, _codes, _properties: done.append(mid)
    client.on_connect = lambda connected, *_: connected.subscribe("kept", qos=1)
    client.connect("127.0.0.1", server.port)
    while not done:
        client.loop(0.1)
    for _ in range(5):
        client.loop(0.05)
    client.disconnect()
    return payloads


def test_a_killed_broker_comes_back_on_its_port_and_has_forgotten_all(own_mosquitto: Mosquitto) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", own_mosquitto.port)
    kept = client.publish("kept", b"state", qos=1, retain=True)
    while not kept.is_published():
        client.loop(0.1)
    client.disconnect()
    assert retained(own_mosquitto) == [b"state"]

    own_mosquitto.kill()
    own_mosquitto.start()

    assert retained(own_mosquitto) == []


def test_a_stopped_database_comes_back_with_what_was_committed(own_postgres: Postgres) -> None:
    url = own_postgres.new_database().replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("create table t as select 7 as n")

    own_postgres.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("select n from t").fetchall() == [(7,)]
