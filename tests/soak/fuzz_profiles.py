"""Random and mutated messages for every profile and every JSON reader: nothing but the errors they say they raise.

`python -m tests.soak.fuzz_profiles 1000000`
"""

import math
import random
import sys
from collections import Counter
from pathlib import Path

import msgspec

import firmware_profiles
from devices.profile import Profile, read_profile
from devices.protocols.lorawan import LorawanProfile
from devices.protocols.plain_json import JsonProfile
from devices.reader import READINGS_MAX
from devices.reading import Decoded, DecodeError
from devices.uplink_json import Uplink, UplinkError, read_uplink

FOLDER = Path(firmware_profiles.__path__[0])
TOPICS = [
    "",
    "application/1/device/0102030405060708/event/up",
    "application/1/device/0102030405060708/event/ack",
    "v3/app1@ttn/devices/dev1/up",
    "v3/app1/devices/dev1/down/ack",
    "tele/plug/SENSOR",
]
UPLINKS = b"""
{"applicationID":"1","devEUI":"0102030405060708","rxInfo":[{"gatewayID":"b827ebfffeaa4582","rssi":-60,"loRaSNR":7.5}],"fCnt":71,"fPort":2,"data":"AGhCAGcA0g=="}
{"type":"up","payload":{"devEUI":"AQIDBAUGBwg=","rxInfo":[{"gatewayID":"cLPVsCAAAX4=","rssi":-57,"time":null}],"fPort":23,"data":"AY6ygmYgAEcHGgACAd7+IQAA","publishedAt":"2024-07-01T13:43:46.875848807Z"}}
{"deviceInfo":{"applicationId":"1","devEui":"0102030405060708"},"time":"2022-07-18T09:34:15.775023242+00:00","dr":1,"fPort":1,"data":"qg==","rxInfo":[{"gatewayId":"0016c001f153a14c","rssi":-36}]}
{"deviceInfo":{"devEui":"0102030405060708"},"queueItemId":"1bbcab1d","acknowledged":true,"fCntDown":3}
{"end_device_ids":{"device_id":"dev1","application_ids":{"application_id":"app1"},"dev_eui":"0004A30B001C0530"},"received_at":"2020-02-12T15:15:46.014773143Z","uplink_message":{"f_cnt":1,"frm_payload":"gkHe","rx_metadata":[{"rssi":-35,"snr":5}],"settings":{"frequency":"868300000"}}}
""".strip().splitlines()  # as they are sent
JSON_PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"1e999", b"-1e308", b"NaN", b"9" * 400, b'"\\u0000"',
    b"[" * 64, b'{"a":' * 64, b'"\xff"', b'"ON"', b"0.1", b'"9999-12-31T23:59:59Z"', b'"0001-01-01T00:00:00+23:59"',
]  # fmt: skip


class Fuzz:
    """One run of made-up messages; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.radio: list[tuple[LorawanProfile, dict[int | None, list[bytes]]]] = []
        self.plain: list[tuple[JsonProfile, list[bytes]]] = []
        for path in sorted(FOLDER.rglob("*.yaml")):
            profile: Profile = read_profile(path.read_bytes(), str(path))
            if isinstance(profile, LorawanProfile):
                known: dict[int | None, list[bytes]] = {None: []}
                for vector in profile.vectors:
                    known.setdefault(vector.port, []).append(bytes.fromhex(vector.bytes))
                    known[None].append(bytes.fromhex(vector.bytes))
                self.radio.append((profile, known))
            elif isinstance(profile, JsonProfile):
                self.plain.append((profile, [vector.message.encode() for vector in profile.vectors]))

    def run(self, count: int) -> Counter[str]:
        """Try ``count`` messages; raise whatever a decoder should not."""
        for _ in range(count):
            kind = self.random.random()
            if kind < 0.6:
                self._try_radio()
            elif kind < 0.8:
                self._try_plain()
            else:
                self._try_uplink()
        return self.seen

    def _try_radio(self) -> None:
        profile, known = self.random.choice(self.radio)
        port = self.random.choice(list(known))
        self._decode(profile, self._mutated(known[port], b""), port)

    def _try_plain(self) -> None:
        profile, known = self.random.choice(self.plain)
        self._decode(profile, self._mutated(known, self.random.choice(JSON_PIECES)), None)

    def _decode(self, profile: Profile, payload: bytes, port: int | None) -> None:
        refusal: DecodeError | None = None
        try:
            decoded = profile.decoded(payload, port)
        except DecodeError as error:
            refusal = error
            decoded = Decoded(list(error.readings), (str(error),))
        self.seen["refused" if refusal else "decoded"] += 1
        check_bounds(decoded, payload)

    def _try_uplink(self) -> None:
        payload = self._mutated(UPLINKS, self.random.choice(JSON_PIECES))
        try:
            uplink: Uplink = read_uplink(self.random.choice(TOPICS), payload)
        except UplinkError:
            self.seen["refused"] += 1
            return
        self.seen["uplinks"] += 1
        assert len(uplink.dev_eui) == 16, payload
        assert len(uplink.payload) <= 512, payload
        assert len(uplink.facts) <= 32, payload
        msgspec.json.encode(uplink)

    def _mutated(self, known: list[bytes], piece: bytes) -> bytes:
        """Return a known message with some bytes other than they were, or random ones altogether."""
        if self.random.random() < 0.1:
            return self.random.randbytes(self.random.randrange(0, 64))
        made = bytearray(self.random.choice(known))
        for _ in range(self.random.randrange(0, 4)):
            at = self.random.randrange(0, len(made) + 1)
            match self.random.randrange(0, 5):
                case 0 if at < len(made):
                    made[at] = self.random.randrange(0, 256)
                case 1:
                    del made[at:]
                case 2:
                    made[at:at] = piece or self.random.randbytes(self.random.randrange(1, 9))
                case 3:
                    other = self.random.choice(known)
                    made[at:] = other[self.random.randrange(0, len(other) + 1) :]
                case _ if at < len(made):
                    made[at] ^= 1 << self.random.randrange(0, 8)
        return bytes(made)


def check_bounds(decoded: Decoded, payload: bytes) -> None:
    """Fail unless what was decoded is small, finite and can be sent on."""
    assert len(decoded.readings) <= READINGS_MAX + 64, payload.hex()
    assert len(decoded.faults) <= READINGS_MAX + 64, payload.hex()
    assert all(len(fault) < 1_000 for fault in decoded.faults), payload.hex()
    for reading in decoded.readings:
        assert not isinstance(reading.result, float) or math.isfinite(reading.result), (reading, payload.hex())
        assert not isinstance(reading.result, str) or len(reading.result) <= 1_024, payload.hex()
        assert len(reading.feature) <= 128, payload.hex()
    msgspec.json.encode(decoded)


def main() -> None:
    """Run as many as the command line says, and print how they came out."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    print(f"{count} messages, seed {seed}: {dict(Fuzz(seed).run(count))}")  # noqa: T201  # a soak says what it did


if __name__ == "__main__":
    main()
