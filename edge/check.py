"""Check: would this agent work here and now? Every fault is one line that names what to change."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import aiomqtt
import httpx
import msgspec

from detectors.tick import Box
from edge.broker import Broker
from edge.check_gateway import gateway_findings
from edge.check_ground import car_findings, ground_findings
from edge.check_picture import check_picture, write_picture
from edge.config import Camera
from edge.finding import Finding
from edge.inference import open_backend
from edge.plates import open_reader
from edge.setup import Setup
from edge.upload import centre_client
from edge.video import Image, frames
from shell.log import redact
from shell.refusal import Refusal

_UNKNOWN_FILE = hashlib.sha256(b"").hexdigest()


_LOOKS = 20
"""Pictures that are looked at until one shows something: ten seconds of an empty street."""


class _Look(msgspec.Struct, frozen=True):
    """A real picture of a camera, and what its backend finds in it."""

    image: Image
    boxes: tuple[Box, ...]
    result: str


def findings(setup: Setup, picture: Path | None = None, only: str = "") -> Iterator[Finding]:
    """Yield what is found of models, sources, broker and centre, each as soon as it is known.

    ``picture`` is where to draw what was found on a picture of each camera; ``only`` names one camera, and then broker,
    centre and storage are left alone. Raise Refusal if there is no such camera.
    """
    rules = ", ".join(rule.file.name for rule in setup.book.rules)
    yield Finding("rules", setup.agent.rules, rules)
    cameras = [camera for camera in setup.cameras if only in ("", camera.id)]
    if only and not cameras:
        known = ", ".join(camera.id for camera in setup.cameras)
        raise Refusal(only, "no camera of this agent has that id", f"its cameras: {known}")
    for camera in cameras:
        path = picture and (picture if len(cameras) == 1 else picture.with_stem(f"{picture.stem}-{camera.id}"))
        yield from _camera_findings(camera, path)
    if only:
        return
    if setup.gateway is not None:
        yield from gateway_findings(setup.gateway)
    yield _found("broker", redact(setup.agent.broker), lambda: asyncio.run(_ask_broker(setup)))
    yield _found("centre", redact(setup.agent.centre), lambda: asyncio.run(_ask_centre(setup)))
    yield _found("storage", str(setup.storage), lambda: _write(setup.storage))


def _found(what: str, subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, subject, look())
    except Refusal as refusal:
        return Finding(what, subject, redact(str(refusal)), "no")


def _camera_findings(camera: Camera, path: Path | None) -> Iterator[Finding]:
    yield from ground_findings(camera)
    subject = f"{camera.id}: {redact(camera.source)}"
    try:
        look = _look(camera)
        yield Finding("camera", subject, look.result)
        yield from car_findings(camera, look.boxes)
        if camera.plates is not None:
            open_reader(camera.plates)
            yield Finding("plates", camera.id, f"can be read, form: {camera.plates.country}")
        if path is not None:
            write_picture(path, check_picture(look.image, camera, look.boxes))
            yield Finding("picture", camera.id, str(path))
    except Refusal as refusal:
        yield Finding("camera", subject, redact(str(refusal)), "no")


def _look(camera: Camera) -> _Look:
    """Let the backend look at pictures until it finds something; raise Refusal if there is none to look at."""
    backend = open_backend(camera.backend)
    look = None
    pictures = frames(camera.source, tick_hz=camera.tick_hz, decode=camera.decode, size=camera.size)
    for frame in islice(pictures, _LOOKS):
        found = backend.detect(frame.image, frame.time_s)
        result = f"a picture, {backend.name}: {found.blind or f'{len(found.boxes)} boxes'}"
        look = _Look(frame.image, found.boxes, result)
        if found.boxes:
            break
    if look is None:
        raise Refusal(redact(camera.source), "ended before its first picture")
    return look


async def _ask_broker(setup: Setup) -> str:
    broker = Broker(setup.agent, setup.folder)
    try:
        # Under a name of its own: a running agent must not be pushed off.
        async with broker.connected(identifier=f"{setup.agent.id}-check"):
            return f"signed in, MQTT {'5' if broker.version == aiomqtt.ProtocolVersion.V5 else '3.1.1'}"
    except aiomqtt.MqttError as error:
        raise broker.refusal(error) from error


async def _ask_centre(setup: Setup) -> str:
    async with centre_client(setup.agent, setup.folder) as client:
        try:
            answer = await client.head(f"/api/evidence/{_UNKNOWN_FILE}")
        except httpx.HTTPError as error:
            raise Refusal(
                setup.agent.centre, f"cannot be reached: {error}", "is the ingest service running?"
            ) from error
    if answer.status_code in (401, 403):
        raise Refusal(
            setup.agent.centre,
            "the centre refuses the token",
            "put what `wayside ingest agent-token` prints into evidence_token_file",
        )
    if answer.status_code not in (200, 404):
        raise Refusal(setup.agent.centre, f"answers {answer.status_code}", "expected the ingest service of Wayside")
    return "takes evidence"


def _write(storage: Path) -> str:
    probe = storage / ".probe"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise Refusal(str(storage), f"cannot be written: {error.strerror}", "choose another `storage`") from error
    return "can be written"
