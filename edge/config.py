"""Configuration of an agent and of its cameras; strict, read once, every fault named by file, line and key."""

import difflib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config.document import ConfigError, Document
from detectors.geometry import Point
from detectors.health import Health
from detectors.parking import Parking
from detectors.site import PlaceType
from detectors.spills import Spills
from detectors.stalls import Stalls
from edge.calibration import Calibration, refuse_horizon, survey
from edge.pace import Pacing
from edge.places import refuse_time_zone
from rules.hours import Allowance, Hours
from rules.setting import Terms
from wire.identifiers import Id, Sha256
from wire.values import Label

Share = Annotated[float, Meta(ge=0, le=1)]


class Zone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in the picture that rules speak of."""

    id: Id
    name: str = ""
    type: PlaceType
    """no_parking, stall (a place that must stay free of stalls and goods), storefront (the strip beyond a shop's line),
    lane (a carriageway that is watched for what falls from trucks)."""
    polygon: Annotated[tuple[Point, ...], Meta(min_length=3, description="Corners in pixels of `size`.")]
    lane: Annotated[
        tuple[Point, ...] | None,
        Meta(description="The carriageway beside the zone, whose flow tells a jam from a stay."),
    ] = None
    direction: Annotated[
        Point | None, Meta(description="Of a lane's traffic, in pixels right and down; any length.")
    ] = None
    parameters: dict[str, float] = {}
    """Values for the rules' parameters that differ in this zone, for example ``limit_s: 30``."""
    evidence: bool = True
    """Whether what happens here may serve as evidence; if not, its events say ``fit_for_evidence: false``."""
    by_label: dict[Label, dict[str, float]] = {}
    """The same for some labels only: ``bus: {limit_s: 600}``."""
    hours: tuple[Hours, ...] | None = None
    """When the rules hold here, instead of the rules' own hours."""
    allow: tuple[Allowance, ...] | None = None
    """Who may stand here all the same, instead of the rules' own list."""

    @property
    def terms(self) -> Terms:
        """What the zone says of the rules."""
        return Terms(parameters=self.parameters, by_label=self.by_label, hours=self.hours, allow=self.allow)


class Onnx(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="onnx", tag_field="kind"):
    """A detection model in ONNX format."""

    model: str
    """A name that `wayside model list` shows, or a path."""
    decoder: Literal["yolox", "yolov8"] = "yolox"
    """The layout of its output: YOLOX's, or that of YOLOv8 and later models as ultralytics exports them."""
    labels: Literal["coco"] | tuple[Label, ...] = "coco"
    input: tuple[int, int] | None = None
    """Height and width that the model takes; read from the model when left out."""
    sha256: Sha256 | None = None
    """What the file must hash to; known already for models that Wayside knows by name."""
    confidence: Share = 0.05
    """Boxes below this are dropped before they are recorded; detectors have thresholds of their own."""
    runtime: Literal["auto", "onnxruntime", "openvino"] = "auto"
    """What computes it; auto measures at the first start and takes what costs least. A replay takes onnxruntime."""
    threads: Literal["auto"] | Annotated[int, Meta(ge=1, le=64)] = "auto"
    """That work on one picture; auto measures at the first start. A replay takes two."""


class Motion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="motion", tag_field="kind"):
    """Class-free: whatever differs from the empty street. Needs no weights; made for fixed, quiet views."""

    learn_s: Annotated[float, Meta(ge=1, le=600)] = 4.0
    """How long the empty street is learnt at the start; nothing is concluded in that time."""
    threshold: Annotated[float, Meta(ge=1, le=255)] = 22.0
    """Grey levels by which a pixel must differ from the empty street."""
    area_min: Share = 0.0015
    """Smallest thing, as a share of the picture."""
    forget_s: Annotated[float, Meta(ge=60, le=86_400)] = 3_600.0
    """After about this long a thing that stands still is taken for street."""


class Plates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How plates are read."""

    country: Literal["cn", "any"] = "cn"
    """``cn``: plates by GA 36-2018, all else is refused; ``any``: four to nine letters and figures."""
    confidence_min: Share = 0.8
    """A plate that is less sure is told as an empty text, with its confidence."""
    readings_min: Annotated[int, Meta(ge=1, le=10)] = 2
    """How many pictures of a stay must show the same plate."""
    again_s: Annotated[float, Meta(ge=1, le=3_600, extra_json_schema={"unit": "s"})] = 5.0
    """A vehicle that stands is read no more often than this."""


class Camera(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera; `source` is an `rtsp://` URL or a file."""

    id: Id
    name: str = ""
    source: str
    loop: bool = False
    """Play a file again and again."""
    size: tuple[Annotated[int, Meta(ge=64, le=8192)], Annotated[int, Meta(ge=64, le=8192)]]
    """Width and height that the polygons are drawn in; a stream of another size is scaled to it."""
    decode: Literal["full", "keyframe", "auto"] = "full"
    """full: every picture. keyframe: key frames only. auto: key frames, as long as they come at least every 2.5 s, and
    every picture while a truck passes."""
    tick_hz: Annotated[float, Meta(gt=0, le=10)] = 2.0
    look: Literal["paced", "always"] = "paced"
    """paced: while nothing moves the model looks at few of the pictures (see `pacing`). always: at every one. The
    `motion` backend always does."""
    pacing: Pacing = Pacing()
    backend: Onnx | Motion
    parking: Parking = Parking()
    stalls: Stalls = Stalls()
    spills: Spills = Spills()
    health: Health = Health()
    time_zone: str = "Asia/Shanghai"
    """IANA name of the place's time zone, in which the hours of rules are told."""
    reference: str = ""
    """A picture of the view that the camera should have; if left out, it is learnt from the first good seconds."""
    position: tuple[Annotated[float, Meta(ge=-90, le=90)], Annotated[float, Meta(ge=-180, le=180)]] | None = None
    """WGS-84 latitude and longitude, degrees."""
    calibration: Calibration | None = None
    """Points of the road that were measured; with it detectors reckon in metres. See docs/calibration.md."""
    plates: Plates | None = None
    """Read the plates of vehicles that stand where they may not; needs the extra ``plates``. Off when left out."""
    ring_s: Annotated[float, Meta(ge=10, le=600)] = 60.0
    """How much compressed video is kept in memory for clips, seconds."""
    zones: Annotated[tuple[Zone, ...], Meta(min_length=1)]


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One roadside box. Paths are taken from the folder of the file."""

    id: Id
    broker: str
    """``mqtt://host:1883``, or ``mqtts://`` with TLS."""
    centre: str
    """``http(s)://host:port`` of the ingest service, which takes the evidence."""
    broker_user: str = ""
    """Defaults to the agent's id when a password file is given."""
    broker_password_file: str = ""
    evidence_token_file: str = ""
    ca_file: str = ""
    storage: str = "storage"
    """Folder of the outbox, the evidence that waits, the tick logs."""
    rules: str
    cameras: tuple[str, ...] = ()
    """Files, one a camera."""
    gateway: str = ""
    """The file of what else hangs on this box: lamps, meters, sensors, vehicles."""
    outbox_bytes_max: Annotated[int, Meta(ge=1_000_000)] = 512_000_000
    record_ticks: bool = True


def read_camera(path: Path) -> Camera:
    """Read and check one camera file; raise ConfigError."""
    document = _document(path)
    camera = document.read(Camera)
    refuse_time_zone(document, "time_zone", camera.time_zone)
    width, height = camera.size
    for number, zone in enumerate(camera.zones):
        if any(other.id == zone.id for other in camera.zones[:number]):
            raise document.error(f"zones[{number}].id", f"zone {zone.id!r} is there twice")
        for key, polygon in (("polygon", zone.polygon), ("lane", zone.lane or ())):
            for corner, (x, y) in enumerate(polygon):
                if not (0 <= x <= width and 0 <= y <= height):
                    raise document.error(
                        f"zones[{number}].{key}[{corner}]",
                        f"({x:g}, {y:g}) lies outside the frame of {width}x{height}",
                        f"x goes from 0 to {width}, y from 0 to {height}",
                    )
        if _area(zone.polygon) < 1:
            raise document.error(f"zones[{number}].polygon", "expected an area, got a line or a point")
    try:
        _refuse_calibration(camera)
    except ConfigError as error:
        raise document.error(error.key, error.problem, error.suggestion) from error
    return camera


def read_agent(path: Path) -> Agent:
    """Read and check an agent's file; raise ConfigError."""
    document = _document(path)
    agent = document.read(Agent)
    for key, schemes in (("broker", ("mqtt", "mqtts")), ("centre", ("http", "https"))):
        url = str(getattr(agent, key))
        scheme = url.partition("://")[0]
        if "://" not in url or scheme not in schemes:
            close = difflib.get_close_matches(scheme, schemes, n=1) or [schemes[0]]
            raise document.error(key, f"expected a URL that begins with {close[0]}://, got {url!r}")
    if not agent.cameras and not agent.gateway:
        raise document.error("", "there is nothing to do", "name `cameras`, a `gateway`, or both")
    return agent


def _refuse_calibration(camera: Camera) -> None:
    """Refuse points that give no plane, or one on which a zone would reach the sky; raise ConfigError."""
    if camera.calibration is not None:
        result = survey(camera.calibration, camera.size)
        for number, zone in enumerate(camera.zones):
            refuse_horizon(result, zone.polygon, f"zones[{number}].polygon")


def _document(path: Path) -> Document:
    try:
        return Document(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(str(path), 0, "", f"cannot be read: {error.strerror}") from error


def _area(polygon: tuple[Point, ...]) -> float:
    """Return the area of a polygon, square pixels (shoelace formula)."""
    ring = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in ring)) / 2
