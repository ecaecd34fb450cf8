"""Simulated LoRaWAN devices: manholes and levels, as ChirpStack 4 publishes them, with faults on demand.

>>> cover = Manhole("24e124136b000001", number=1)
>>> cover.payload(0.0).hex(" ")
'01 75 63 03 cf 64 00 9c ff 9b 22 00'
>>> cover.fault = "open"
>>> cover.payload(0.0)[5:].hex(" ")
'34 21 9c ff ea 01 01'
"""

import asyncio
import base64
import math
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import aiomqtt
import msgspec

from shell.ending import end

Fault = Literal["", "open", "stuck", "drift", "rising", "low-battery", "silent"]
"""``open``: the cover is lifted. ``stuck``: the level is always the same. ``drift``: it leaves the truth by 1 cm
a minute; ``rising``: the water does, ten times as fast."""
APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
_DRIFT_M_S, _RISE_M_S = 0.01 / 60, 0.1 / 60
_DAY_S = 86_400.0
MOUNT_HEIGHT_M = 3.0
"""Of the sensors above the water."""
_GATEWAYS = 4
_ROUND_S = 0.05


class _Device(ABC):
    """One device on the radio: what it sends, and when."""

    faults: ClassVar[tuple[Fault, ...]] = ("", "low-battery", "silent")

    def __init__(self, eui: str, *, number: int = 0) -> None:
        self.eui, self.number = eui, number
        self.is_hasty = False
        """Whether it has something to say before its time."""
        self._fault: Fault = ""
        self.faulty_since_s: float | None = None
        self.frames = 0

    @property
    def fault(self) -> Fault:
        """What is wrong with it, if anything."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault, self.faulty_since_s = fault, None
        self.is_hasty = True

    @abstractmethod
    def payload(self, now_s: float) -> bytes:
        """Return what it sends at a time, as its profile reads it."""

    def _battery(self) -> bytes:
        level = 4 if self._fault == "low-battery" else 100 - self.number % 40
        return bytes([0x01, 0x75, level])

    def _faulty_s(self, now_s: float) -> float:
        """Return for how long the fault has been there."""
        if self.faulty_since_s is None:
            self.faulty_since_s = now_s
        return now_s - self.faulty_since_s


class Manhole(_Device):
    """A cover with a tilt sensor: ``milesight/em310-tilt``."""

    faults = ("", "open", "low-battery", "silent")
    profile = "milesight/em310-tilt"

    def payload(self, now_s: float) -> bytes:  # noqa: ARG002  # a cover lies still
        """Return battery and angles."""
        is_open = self.fault == "open"
        x, y = math.radians(85 if is_open else self.number % 3), math.radians(-1)
        z = math.asin(math.sqrt(1 - math.sin(x) ** 2 - math.sin(y) ** 2))  # the three lie at right angles
        angles = (round(100 * math.degrees(each)) for each in (x, y, z))
        return self._battery() + b"\x03\xcf" + struct.pack("<hhhB", *angles, int(is_open))


class WaterLevel(_Device):
    """A sensor at the bottom, that tells how deep the water is: ``milesight/em500-swl``."""

    faults = ("", "stuck", "drift", "rising", "low-battery", "silent")
    profile = "milesight/em500-swl"

    def payload(self, now_s: float) -> bytes:
        """Return battery and depth."""
        return self._battery() + b"\x03\x77" + struct.pack("<H", round(100 * max(self.depth_m(now_s), 0.0)))

    def depth_m(self, now_s: float) -> float:
        """Return the depth that it tells: a slow tide, with ripples of a centimetre, and what its fault makes of it."""
        if self.fault == "stuck":
            return 0.42
        tide = 0.6 + 0.2 * math.sin(2 * math.pi * (now_s / _DAY_S + self.number / 17))
        ripple = 0.01 * math.sin(0.9 * now_s + self.number)
        pace = {"drift": _DRIFT_M_S, "rising": _RISE_M_S}.get(self.fault, 0.0)
        return tide + ripple + (pace * self._faulty_s(now_s) if pace else 0.0)


class Distance(WaterLevel):
    """A sensor above the water, or in a bin, that tells how far it is: ``milesight/em310-udl``."""

    profile = "milesight/em310-udl"

    def payload(self, now_s: float) -> bytes:
        """Return battery, distance and position."""
        distance = round(1000 * min(max(MOUNT_HEIGHT_M - self.depth_m(now_s), 0.05), 4.5))
        return self._battery() + b"\x03\x82" + struct.pack("<H", distance) + b"\x04\x00\x00"


def manhole_eui(number: int) -> str:
    """Return the DevEUI of a manhole."""
    return f"24e124136b{number:06x}"


def level_eui(number: int) -> str:
    """Return the DevEUI of a level."""
    return f"24e1241370{number:06x}"


def level_kind(number: int) -> type[WaterLevel]:
    """Return what measures a level: by turns from the bottom and from above."""
    return Distance if number % 2 else WaterLevel


class RadioField:
    """Many devices on one broker; ``run`` has them speak until it is cancelled."""

    def __init__(
        self,
        manholes: int,
        levels: int,
        *,
        period_s: float = 600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.manholes = [Manhole(manhole_eui(number), number=number) for number in range(manholes)]
        self.levels: list[WaterLevel] = [
            level_kind(number)(level_eui(number), number=number) for number in range(levels)
        ]
        self.devices: list[Manhole | WaterLevel] = [*self.manholes, *self.levels]
        self.sent = 0
        self._by_eui = {device.eui: device for device in self.devices}
        self._period_s, self._clock = period_s, clock

    async def run(self, broker: str) -> None:
        """Publish what devices say, and answer what they are told; raise aiomqtt.MqttError when the broker goes."""
        url = urlsplit(broker)
        async with aiomqtt.Client(
            url.hostname or "127.0.0.1", url.port or 1883, username=url.username, password=url.password
        ) as client:
            client.pending_calls_threshold = 1_000
            await client.subscribe(f"application/{APPLICATION}/device/+/command/down", qos=1)
            tasks = [asyncio.create_task(self._speak(client)), asyncio.create_task(self._listen(client))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end(*tasks)
            for task in done:
                task.result()

    def obey(self, line: str) -> str:
        """Carry out one line of the simulator's own language and return the answer.

        ``24e124136b000001 open`` breaks that device, ``... ok`` mends it, a DevEUI alone tells of it, ``broken`` lists
        what is broken.
        """
        words = line.split()
        if words == ["broken"]:
            return ", ".join(f"{device.eui} {device.fault}" for device in self.devices if device.fault) or "none"
        device = self._by_eui.get(words[0].lower()) if words else None
        if device is None:
            return "expected the DevEUI of a device, or `broken`"
        if len(words) > 1:
            fault = "" if words[1] == "ok" else words[1]
            known = [each for each in device.faults if each == fault]
            if not known:
                return f"expected one of: ok, {', '.join(device.faults[1:])}"
            device.fault = known[0]
        return f"{device.profile}, {device.frames} sent, {device.fault or 'ok'}"

    async def _speak(self, client: aiomqtt.Client) -> None:
        """Have each device speak once a period, spread over it, and at once when something happens to it."""
        began_s = self._clock()
        due_s = {
            device.eui: began_s + self._period_s * number / max(len(self.devices), 1)
            for number, device in enumerate(self.devices)
        }
        while True:
            now_s = self._clock()
            for device in self._due(due_s, now_s):
                due_s[device.eui] = max(due_s[device.eui], now_s - self._period_s) + self._period_s
                device.is_hasty = False
                if device.fault != "silent":
                    await client.publish(*_uplink(device, now_s), qos=1)
                    self.sent += 1
            await asyncio.sleep(_ROUND_S)

    def _due(self, due_s: dict[str, float], now_s: float) -> Iterator[Manhole | WaterLevel]:
        return (device for device in self.devices if device.is_hasty or due_s[device.eui] <= now_s)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Tell that a downlink was sent, and if it asked for that, confirmed."""
        async for message in client.messages:
            device = self._by_eui.get(str(message.topic).split("/")[3])
            if device is None or device.fault == "silent" or not isinstance(message.payload, bytes):
                continue
            try:
                order = msgspec.json.decode(message.payload, type=dict[str, object])
            except msgspec.DecodeError:
                continue
            about = {"deviceInfo": _about(device), "time": _stamp(self._clock())}
            sent = {**about, "queueItemId": "1", "gatewayId": "0016c001f153a14c"}
            await client.publish(_topic(device, "txack"), msgspec.json.encode(sent), qos=1)
            if order.get("confirmed") is True:
                await client.publish(_topic(device, "ack"), msgspec.json.encode({**about, "acknowledged": True}), qos=1)


def _uplink(device: Manhole | WaterLevel, now_s: float) -> tuple[str, bytes]:
    """Return topic and content of an uplink event."""
    device.frames += 1
    heard = [
        {
            "gatewayId": f"0016c001f153a1{device.number % _GATEWAYS:02x}",
            "uplinkId": device.frames,
            "rssi": -60 - device.number % 50,
            "snr": 9.5 - device.number % 12,
        }
    ]
    body = {
        "time": _stamp(now_s),
        "deviceInfo": _about(device),
        "dr": 3,
        "fCnt": device.frames,
        "fPort": 85,
        "data": base64.b64encode(device.payload(now_s)).decode(),
        "rxInfo": heard,
        "txInfo": {"frequency": 868_100_000},
    }
    return _topic(device, "up"), msgspec.json.encode(body)


def _about(device: Manhole | WaterLevel) -> dict[str, str]:
    return {"applicationId": APPLICATION, "deviceName": f"simulated {device.eui[-6:]}", "devEui": device.eui}


def _topic(device: Manhole | WaterLevel, event: str) -> str:
    return f"application/{APPLICATION}/device/{device.eui}/event/{event}"


def _stamp(now_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s)) + f".{int(now_s % 1 * 1000):03d}Z"
