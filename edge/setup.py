"""Setup: all files of an agent, read and checked as one before anything is started."""

import hashlib
from pathlib import Path

import msgspec

from config.document import ConfigError, Document
from edge.config import Agent, Camera, read_agent, read_camera
from edge.device_watch import DeviceWatch
from edge.gateway_config import GatewaySetup, read_gateway
from edge.rule_files import read_book
from edge.watch import Watch
from rules.rule_book import Book
from wire.health import CameraCard


class Setup(msgspec.Struct, frozen=True):
    """What an agent is to do; paths in it are absolute."""

    agent: Agent
    folder: Path
    """Of the agent's file."""
    cameras: tuple[Camera, ...]
    book: Book
    gateway: GatewaySetup | None
    sha256: str
    """Of the agent's file, the cameras', the gateway's and the rules."""

    @property
    def storage(self) -> Path:
        """Where the outbox, waiting evidence and tick logs are."""
        return self.folder / self.agent.storage

    @property
    def cards(self) -> tuple[CameraCard, ...]:
        """What the console shows of the cameras."""
        return tuple(
            CameraCard(
                id=camera.id,
                name=camera.name,
                position=camera.position,
                zones=tuple(zone.id for zone in camera.zones),
            )
            for camera in self.cameras
        )


def read_setup(path: Path) -> Setup:
    """Read an agent's file and all that it names; raise ConfigError."""
    agent = read_agent(path)
    folder = path.parent
    book = read_book(folder / agent.rules)
    cameras: list[Camera] = []
    digest = hashlib.sha256(path.read_bytes())
    for number, name in enumerate(agent.cameras):
        camera = read_camera(folder / name)
        if any(camera.id == other.id for other in cameras):
            raise ConfigError(str(folder / name), 0, "id", f"camera {camera.id!r} is there twice", f"cameras[{number}]")
        _refuse_parameters(camera, book, folder / name)
        cameras.append(anchored(camera, (folder / name).parent))
        digest.update((folder / name).read_bytes())
    gateway = read_gateway(folder / agent.gateway) if agent.gateway else None
    if gateway is not None:
        digest.update(gateway.content)
        watch_of(gateway, book)
    for rule in book.rules:
        digest.update(rule.sha256.encode())
    return Setup(agent, folder, tuple(cameras), book, gateway, digest.hexdigest())


def watch_of(gateway: GatewaySetup, book: Book) -> DeviceWatch:
    """Return what watches the devices of a gateway; raise ConfigError for a parameter that no rule takes."""
    return DeviceWatch(gateway.entries, book, gateway.gateway.place.zone, gateway.places)


def _refuse_parameters(camera: Camera, book: Book, path: Path) -> None:
    """Refuse a zone's parameter that no rule takes, where it stands in the camera's file."""
    try:
        Watch(camera, book)
    except ConfigError as error:
        document = Document(path.read_bytes(), str(path))
        raise document.error(error.key, error.problem, error.suggestion) from error


def anchored(camera: Camera, folder: Path) -> Camera:
    """Take files, as a source or a reference view, from the folder of the camera's own file."""
    source = camera.source if "://" in camera.source else str(folder / camera.source)
    reference = str(folder / camera.reference) if camera.reference else ""
    return msgspec.structs.replace(camera, source=source, reference=reference)
