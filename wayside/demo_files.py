"""The configuration that a demo generates: what a real box and a real centre would have, in one folder."""

import fcntl
import math
import secrets
import shutil
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import msgspec
import yaml

from detectors.parking import Parking
from edge.calibration import Calibration, GroundPoint
from edge.config import Agent, Camera, Motion, Onnx, Zone
from edge.models import catalogue, find
from edge.video import is_live, open_video
from ingest.config import Centre
from ingest.evidence import token_of
from shell.refusal import Refusal
from wayside.scene import Truth

AGENT, GATEWAY = "demo-box", "demo-gateway"
PLACE = (30.25113, 120.16562)  # WGS-84; somewhere with streets, for the map
_SCENE_LIMIT_S, _LIMIT_S = 12.0, 30.0
_MARK = ".wayside-demo"


def fresh_folder(folder: Path) -> IO[str]:
    """Empty the folder of an earlier demo, or make it; return the lock that keeps others out. Raise Refusal."""
    mark = folder / _MARK
    if folder.exists() and not mark.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refusal(str(folder), "holds what no demo has made", "name an empty folder: --folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = mark.open("w")
    except OSError as error:
        raise Refusal(str(folder), f"cannot be written: {error.strerror}", "name another one: --folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise Refusal(
            str(folder), "another demo runs in it", "stop that one, or name another folder: --folder"
        ) from error
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != mark:
            path.unlink()
    (folder / "logs").mkdir()
    return lock


def scene_camera(video: Path, truth: Truth, limit_s: float | None) -> Camera:
    """Return the camera that looks at the drawn street."""
    zone = Zone(
        id="kerb",
        name="No stopping, Linden Street",
        type="no_parking",
        polygon=truth.zone,
        parameters={"limit_s": limit_s or _SCENE_LIMIT_S},
    )
    return Camera(
        id="linden-street",
        name="Linden Street",
        source=str(video),
        loop=True,
        size=truth.size,
        backend=Motion(),
        # With so short a limit the first still would else be taken as late as the second.
        parking=Parking(settle_s=2.0),
        position=PLACE,
        zones=(zone,),
        calibration=Calibration(
            points=tuple(GroundPoint(pixel=pixel, metres=metres) for pixel, metres in truth.marks), rms_px_max=2.0
        ),
    )


def source_camera(source: str, limit_s: float | None) -> Camera:
    """Return a camera for any source, its whole picture the zone. Raise Refusal if it cannot be read."""
    with open_video(source) as (_, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
    if min(width, height) < 64:
        raise Refusal(source, f"expected a picture of at least 64x64, got {width}x{height}")
    corners = ((0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, float(height)))
    zone = Zone(
        id="picture",
        name="The whole picture",
        type="no_parking",
        polygon=corners,
        parameters={"limit_s": limit_s or _LIMIT_S},
    )
    return Camera(
        id="camera-1",
        source=source if is_live(source) else str(Path(source).resolve()),
        loop=not is_live(source),
        size=(width, height),
        backend=_backend(),
        position=PLACE,
        zones=(zone,),
    )


def adapted(camera: Camera, folder: Path, source: str, limit_s: float | None) -> Camera:
    """Return a user's camera with another source or limit, where one is given; a file is played again and again."""
    chosen = source or camera.source
    if not is_live(chosen):
        chosen = str((Path() if source else folder).resolve() / chosen)
        camera = msgspec.structs.replace(camera, loop=True)
    zones = camera.zones
    if limit_s is not None:
        zones = tuple(
            msgspec.structs.replace(zone, parameters={**zone.parameters, "limit_s": limit_s}) for zone in zones
        )
    with open_video(chosen):
        return msgspec.structs.replace(camera, source=chosen, zones=zones)


def write_centre(folder: Path, broker: str, port: int) -> Centre:
    """Write the centre's file and secret; return its configuration with absolute paths."""
    secret = secrets.token_hex(32)
    _write_secret(folder / "agent-secret", secret)
    _write_secret(folder / "evidence-token", token_of(secret.encode(), AGENT))
    (folder / "basemap.json").write_bytes(msgspec.json.encode(_streets(*PLACE)))
    centre = Centre(
        broker=broker,
        # The broker may be another centre's too: neither its session nor its agents' messages may be taken.
        broker_user=f"demo-{secrets.token_hex(4)}",
        agents=(AGENT, GATEWAY),
        database=f"sqlite:///{folder / 'centre.sqlite'}",
        storage=str(folder / "evidence"),
        port=port,
        agent_secret_file=str(folder / "agent-secret"),
        basemap=str(folder / "basemap.json"),
    )
    _write(folder / "centre.yaml", centre)
    return centre


def write_agent(folder: Path, broker: str, centre_url: str, camera: Camera) -> None:
    """Write the agent's file and its camera's."""
    _write(folder / "camera.yaml", camera)
    agent = Agent(
        id=AGENT,
        broker=broker,
        centre=centre_url,
        evidence_token_file="evidence-token",  # noqa: S106  # a file's name
        storage="box",
        rules=str(files("rules").joinpath("book")),
        cameras=("camera.yaml",),
    )
    _write(folder / "edge.yaml", agent)


def _backend() -> Onnx | Motion:
    """Return the model that is there, the widest picture first; without one, what needs none."""
    names = [model.name for model in reversed(catalogue()) if find(model) is not None]
    return Onnx(model=names[0]) if names else Motion()


def _write(path: Path, config: msgspec.Struct) -> None:
    # By way of JSON, for YAML would write tuples in a dialect of its own.
    plain = msgspec.json.decode(msgspec.json.encode(config))
    path.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def _write_secret(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)


def _streets(latitude: float, longitude: float) -> dict[str, Any]:
    """Return an invented quarter around a place, as GeoJSON: a grid of streets, slightly turned."""
    per_metre = 1 / 111_320

    def at(east_m: float, north_m: float) -> list[float]:
        turn = math.radians(9)
        east = east_m * math.cos(turn) - north_m * math.sin(turn)
        north = east_m * math.sin(turn) + north_m * math.cos(turn)
        return [longitude + east * per_metre / math.cos(math.radians(latitude)), latitude + north * per_metre]

    shapes: list[dict[str, Any]] = []
    rows, columns = (-330, -205, -90, 0, 120, 240, 345), (-520, -390, -240, -110, 60, 210, 330, 480)
    for south, north in pairwise(rows):
        for west, east in pairwise(columns):
            w, e, s, n = west + 11, east - 11, south + 11, north - 11
            ring = [at(w, s), at(e, s), at(e, n), at(w, n), at(w, s)]
            shapes.append({"type": "Polygon", "coordinates": [ring]})
    ends = columns[0] - 60, columns[-1] + 60
    shapes += [{"type": "LineString", "coordinates": [at(ends[0], y), at(ends[1], y)]} for y in rows]
    shapes += [{"type": "LineString", "coordinates": [at(x, rows[0] - 60), at(x, rows[-1] + 60)]} for x in columns]
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes],
    }
