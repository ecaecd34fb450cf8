"""Messages of network servers: as their documents print them, and as nobody should send them."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.report import Downlink
from devices.uplink_json import Origin, UplinkError, downlink_message, read_uplink

EUI = "0102030405060708"
UP = f"application/1/device/{EUI}/event/up"
V4 = {"deviceInfo": {"applicationId": "1", "devEui": EUI}, "fPort": 1, "data": "qg==", "rxInfo": []}
THINGS = {
    "end_device_ids": {"device_id": "dev1", "application_ids": {"application_id": "app1"}, "dev_eui": EUI},
    "uplink_message": {"f_port": 15, "frm_payload": "vu8="},
}


def sent(document: Any) -> bytes:
    return json.dumps(document).encode()


def vectors(name: str) -> Any:
    if "WAYSIDE_DATA" not in os.environ:
        pytest.skip("WAYSIDE_DATA is not set: no vectors")
    return json.loads((Path(os.environ["WAYSIDE_DATA"]) / "vectors" / "uplink_json" / name).read_text("utf-8"))


@pytest.mark.data
@pytest.mark.parametrize("name", ["chirpstack-v3-json.json", "chirpstack-v3-protobuf-json-lamp.json"])
def test_an_uplink_of_chirpstack_3_is_read_in_both_its_forms(name: str) -> None:
    sample = vectors(name)
    expected = sample["expected"]
    uplink = read_uplink("", sent(sample["message"]))
    assert (uplink.event, uplink.origin.network) == ("up", "chirpstack-3")
    assert (uplink.dev_eui, uplink.port, uplink.payload.hex()) == (
        expected["dev_eui"],
        expected["f_port"],
        expected["payload_hex"],
    )
    assert (uplink.facts["rssi"], uplink.facts["frame_count"]) == (expected["best_rssi"], expected["f_cnt"])
    assert uplink.facts["gateway"] in {*expected.get("gateway_ids", ()), "b827ebfffeaa4582"}
    assert uplink.time_ms in (1_677_099_936_000, 1_719_841_422_236)


@pytest.mark.data
def test_every_event_of_chirpstack_4_is_known() -> None:
    for sample in vectors("chirpstack-v4-events.json")["events"]:
        expected = sample["expected"]
        for topic in (sample["topic"], ""):
            event = read_uplink(topic, sent(sample["message"]))
            assert event.event == sample["event"], (topic, sample["title"])
            assert event.dev_eui == expected["dev_eui"]
            assert event.time_ms is not None
            assert event.time_ms // 1000 == 1_658_136_855 or event.event != "up"
        if sample["event"] == "up":
            assert (event.payload.hex(), event.port) == (expected["payload_hex"], expected["f_port"])
            assert (event.facts["rssi"], event.facts["snr"]) == (expected["best_rssi"], expected["best_snr"])
        elif sample["event"] == "ack":
            assert event.facts["acknowledged"] is True


@pytest.mark.data
def test_uplinks_of_the_things_stack_are_read_and_what_they_leave_out_is_zero() -> None:
    samples = [*vectors("tts-v3-uplinks.json")["samples"], vectors("tts-v3-events-and-downlink.json")["events"][0]]
    for sample in samples:
        expected = sample["expected"]
        uplink = read_uplink("", sent(sample["message"]))
        assert (uplink.event, uplink.dev_eui) == ("up", expected["dev_eui"].lower())
        assert (uplink.port, uplink.payload.hex()) == (expected["f_port"] or 0, expected["payload_hex"])
        assert (uplink.facts["rssi"], uplink.facts["frame_count"]) == (expected["best_rssi"], expected["f_cnt"])
        assert uplink.origin.device == expected["device_id"]


@pytest.mark.data
def test_downlinks_are_what_the_servers_documents_print() -> None:
    printed = vectors("tts-v3-events-and-downlink.json")["downlink"][0]
    origin = Origin(network="things-stack-3", application="app1", device="dev1")
    topic, payload = downlink_message(origin, EUI, Downlink(port=15, payload=b"\xbe\xef"), confirmed=True)
    one, said = json.loads(payload)["downlinks"][0], printed["message"]["downlinks"][0]
    assert topic == printed["topic"]
    assert one == {key: said[key] for key in ("f_port", "frm_payload", "priority", "confirmed")}
    said = vectors("chirpstack-v4-downlink.json")["messages"][0]
    origin = Origin(network="chirpstack-4", application="1", device=EUI)
    topic, payload = downlink_message(origin, EUI, Downlink(port=10, payload=b"\x01"), confirmed=True)
    assert topic == f"application/1/device/{EUI}/command/down"
    assert json.loads(payload) == {**{key: said[key] for key in ("devEui", "confirmed", "fPort")}, "data": "AQ=="}


def test_a_server_is_answered_where_it_was_heard() -> None:
    tenant = read_uplink("v3/app1@city/devices/dev1/up", sent(THINGS))
    topic, _ = downlink_message(tenant.origin, tenant.dev_eui, Downlink(port=1, payload=b""))
    assert topic == "v3/app1@city/devices/dev1/down/push"
    old = read_uplink("", sent({"applicationID": "7", "devEUI": EUI, "data": "qg==", "fPort": 1, "rxInfo": []}))
    topic, payload = downlink_message(old.origin, old.dev_eui, Downlink(port=1, payload=b"\xaa"))
    assert topic == f"application/7/device/{EUI}/command/down"
    assert json.loads(payload) == {"confirmed": False, "fPort": 1, "data": "qg=="}


@pytest.mark.parametrize(
    ("word", "key", "event"),
    [
        ("join", "join_accept", "join"),
        ("down/ack", "downlink_ack", "ack"),
        ("down/nack", "downlink_nack", "ack"),
        ("down/sent", "downlink_sent", "txack"),
        ("down/failed", "downlink_failed", "log"),
        ("service/data", "service_data", "other"),
    ],
)
def test_other_events_of_the_things_stack_are_known_by_topic_and_by_content(word: str, key: str, event: str) -> None:
    document = {"end_device_ids": THINGS["end_device_ids"], key: {"f_port": 15}}
    known = read_uplink(f"v3/app1/devices/dev1/{word}", sent(document))
    assert (known.event, known.payload, known.port) == (event, b"", None)
    assert read_uplink("", sent(document)).event == event
    assert known.facts.get("acknowledged") == {"downlink_ack": True, "downlink_nack": False}.get(key)


@pytest.mark.parametrize(
    ("topic", "document", "message"),
    [
        ("", b"", "no valid JSON"),
        ("", b"\xff\xfe", "no valid JSON"),
        ("", b'{"a": NaN}', "no valid JSON"),
        ("", b'{"a": 1e999}', "no valid JSON"),
        ("", b"[" * 100_000, "at most 65536 bytes"),
        ("", b"[" * 1_000 + b"]" * 1_000, "at most 16 levels of nesting"),
        ("", b"[1, 2]", "expected a JSON object"),
        ("", b"{}", "no DevEUI in it"),
        ("", sent({"end_device_ids": "dev1"}), "no DevEUI in it"),
        ("", sent({"devEUI": "01020304"}), "expected a DevEUI of 16 hexadecimal digits, or base64 of 8 bytes"),
        ("", sent({"devEUI": 12}), "no DevEUI in it"),
        (UP, sent({**V4, "deviceInfo": {"devEui": "ff" * 8}}), "its topic is of 0102030405060708, its content of ffff"),
        ("v3/app1/devices/dev2/up", sent(THINGS), "its topic is of dev2, its content of dev1"),
        ("v3/app2/devices/dev1/up", sent(THINGS), "its topic is of dev1"),
        (UP, sent({**V4, "fPort": 256}), "expected an FPort from 0 to 255, got 256"),
        (UP, sent({**V4, "fPort": True}), "expected an FPort from 0 to 255, got True"),
        (UP, sent({**V4, "fPort": "1"}), "expected an FPort from 0 to 255, got 1"),
        (UP, b'{"deviceInfo":{"devEui":"0102030405060708"},"fPort":' + b"9" * 5_000 + b"}", ""),
        (UP, sent({**V4, "data": "q!=="}), "expected base64, got 'q!=='"),
        (UP, sent({**V4, "data": "qg"}), "expected base64, got 'qg'"),
        (UP, sent({**V4, "data": 7}), "expected a payload of at most 512 bytes in base64"),
        (UP, sent({**V4, "data": base64.b64encode(bytes(513)).decode()}), "at most 512 bytes, got 513"),
        ("", sent({"applicationID": "a/#", "devEUI": EUI}), "a name that cannot stand in a topic"),
    ],
)
def test_what_is_no_uplink_is_refused_and_said(topic: str, document: bytes, message: str) -> None:
    with pytest.raises(UplinkError) as caught:
        read_uplink(topic, document)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_a_gateway_says_wrong_is_left_out() -> None:
    heard = [
        {"rssi": "loud"},
        {"rssi": 1e300},
        "gateway",
        None,
        {"rssi": -50, "snr": 9.5, "gatewayId": "\u0000x" * 200},
    ]
    uplink = read_uplink(UP, sent({**V4, "rxInfo": heard, "time": "yesterday", "dr": 10**30, "fCnt": [1]}))
    assert (uplink.facts["rssi"], uplink.facts["gateways"], uplink.time_ms) == (-50.0, 5.0, None)
    assert "rate" not in uplink.facts
    assert len(str(uplink.facts["gateway"])) <= 128


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(
    topic=st.sampled_from([UP, "", "v3/app1/devices/dev1/up"]),
    key=st.sampled_from([*V4, *THINGS, "time", "txInfo"]),
    value=JSON,
)
def test_any_json_in_the_place_of_any_part_is_an_uplink_or_is_refused(topic: str, key: str, value: Any) -> None:
    for document in ({**V4, key: value}, {**THINGS, key: value}):
        try:
            uplink = read_uplink(topic, json.dumps(document).encode())
        except UplinkError:
            continue
        assert len(uplink.dev_eui) == 16
