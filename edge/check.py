"""Check: would this agent work here and now? Every fault is one line that names what to change."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import aiomqtt
import httpx
import msgspec

from edge.broker import Broker
from edge.config import Camera
from edge.inference import open_backend
from edge.setup import Setup
from edge.upload import centre_client
from edge.video import frames
from shell.log import redact
from shell.refusal import Refusal

_UNKNOWN_FILE = hashlib.sha256(b"").hexdigest()


class Finding(msgspec.Struct, frozen=True):
    """What came of one look."""

    what: str
    subject: str
    result: str
    is_good: bool = True


def findings(setup: Setup) -> Iterator[Finding]:
    """Yield what is found of models, sources, broker and centre, each as soon as it is known."""
    rules = ", ".join(rule.file.name for rule in setup.book.rules)
    yield Finding("rules", setup.agent.rules, rules)
    for camera in setup.cameras:
        yield _found("camera", f"{camera.id}: {redact(camera.source)}", partial(_look, camera))
    yield _found("broker", redact(setup.agent.broker), lambda: asyncio.run(_ask_broker(setup)))
    yield _found("centre", redact(setup.agent.centre), lambda: asyncio.run(_ask_centre(setup)))
    yield _found("storage", str(setup.storage), lambda: _write(setup.storage))


def _found(what: str, subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, subject, look())
    except Refusal as refusal:
        return Finding(what, subject, redact(str(refusal)), is_good=False)


def _look(camera: Camera) -> str:
    """Take one picture and let the backend look at it."""
    backend = open_backend(camera.backend)
    frame = next(frames(camera.source, tick_hz=camera.tick_hz, decode=camera.decode, size=camera.size), None)
    if frame is None:
        raise Refusal(redact(camera.source), "ended before its first picture")
    found = backend.detect(frame.image, frame.time_s)
    return f"a picture, {backend.name}: {found.blind or f'{len(found.boxes)} boxes'}"


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
