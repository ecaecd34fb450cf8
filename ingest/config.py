"""Configuration of the centre; strict, read once, every fault named by file, line and key."""

import re
import zoneinfo
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from config.document import ConfigError, Document
from wire.command import DEADLINE_S_MAX
from wire.identifiers import Id

TIME_ZONE = "Asia/Shanghai"
_DATABASES = ("sqlite", "postgresql+psycopg")


class Centre(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ingest service. Paths are taken from the folder of the file."""

    broker: str
    """``mqtt://host:1883``, or ``mqtts://`` with TLS."""
    broker_user: str = "ingest"
    """Also names the session at the broker: two centres on one broker need two names."""
    agents: tuple[Id, ...] = ()
    """Take messages of these agents only; left out, of all."""
    broker_password_file: str = ""
    ca_file: str = ""
    database: str = "sqlite:///centre.sqlite"
    """SQLAlchemy URL; ``{password}`` in it is replaced by the content of ``database_password_file``."""
    database_password_file: str = ""
    storage: str = "evidence"
    """Folder of the evidence files, each named by its SHA-256."""
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    agent_secret_file: str = ""
    """Holds the secret from which every agent's evidence token is derived; left out, any agent may upload."""
    is_https: bool = False
    """Whether browsers reach the console by HTTPS (a proxy in front); cookies are then marked Secure."""
    languages: tuple[str, ...] = ("en", "zh")
    basemap: str = ""
    """GeoJSON file of roads and blocks to draw under the map's pins; a plain grid when left out."""
    dead_letters_max: Annotated[int, Meta(ge=100)] = 10_000
    observations_keep_days: Annotated[int, Meta(ge=1)] = 30
    fixes_keep_days: Annotated[int, Meta(ge=1)] = 30
    """How long tracks of vehicles can be played back."""
    commands_keep_days: Annotated[int, Meta(ge=1)] = 400
    """How long it is known what each lamp did with each command; who ordered what stays in the audit log."""
    time_zone: str = TIME_ZONE
    """Where a day of energy begins; a name of the tz database."""
    command_deadline_s: Annotated[int, Meta(ge=2, le=DEADLINE_S_MAX, extra_json_schema={"unit": "s"})] = 8
    """A gateway that hears of a command later refuses it; a lamp without a word by then is unreachable."""
    override_minutes_max: Annotated[int, Meta(ge=1, le=10_080, extra_json_schema={"unit": "min"})] = 720
    """The longest that a lamp may be kept off its schedule by hand; 60 if nobody says how long."""


def read_centre(path: Path) -> Centre:
    """Read and check the centre's file; raise ConfigError."""
    try:
        document = Document(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
    centre = document.read(Centre)
    if not centre.broker.startswith(("mqtt://", "mqtts://")):
        raise document.error("broker", f"expected a URL that begins with mqtt:// or mqtts://, got {centre.broker!r}")
    if not centre.database.startswith(_DATABASES):
        expected = " or ".join(f"{name}://" for name in _DATABASES)
        raise document.error("database", f"expected a URL that begins with {expected}, got {centre.database!r}")
    try:
        zoneinfo.ZoneInfo(centre.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise document.error("time_zone", f"expected a name such as {TIME_ZONE}, got {centre.time_zone!r}") from error
    return _with_absolute_paths(centre, path.resolve().parent)


def _with_absolute_paths(centre: Centre, folder: Path) -> Centre:
    names = ("broker_password_file", "ca_file", "database_password_file", "storage", "agent_secret_file", "basemap")
    paths = {name: str(folder / value) for name in names if (value := getattr(centre, name))}
    database = re.sub(r"^sqlite:///(?=[^/])", f"sqlite:///{folder}/", centre.database)
    return msgspec.structs.replace(centre, database=database, **paths)
