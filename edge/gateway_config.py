"""Gateway configuration: links, devices, who may give orders, and what lamps do by themselves; all checked as one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

import firmware_profiles
from config.document import ConfigError, Document
from devices import sun
from devices.circuit import CircuitMeter
from devices.guard import Limits
from devices.inventory import DeviceEntry
from devices.lamp_state import Lamp
from devices.profile import Profile, commands_of, read_profile
from devices.report import Report
from devices.schedule import Schedule
from edge.device_terms import Place
from edge.links.kinds import NEEDS_NO_PROFILE, LinkConfig, open_link
from edge.places import refuse_time_zone
from shell.order_keys import read_keys
from shell.refusal import Refusal
from wire.values import Position

OWN_PROFILES = Path(firmware_profiles.__path__[0])
Minutes = Annotated[float, Meta(ge=1, le=10_080, extra_json_schema={"unit": "min"})]


class GuardTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many lamps one person may order to be darker; above that a second one has to approve."""

    share_of_circuit: Annotated[float, Meta(gt=0, le=1)] = 0.10
    """Of the lamps of a circuit, within the window; one may always be switched."""
    window_s: Annotated[float, Meta(ge=1, le=3_600, extra_json_schema={"unit": "s"})] = 60.0

    @property
    def limits(self) -> Limits:
        """The same for the guard; what all lamps of the city may do together, the centre knows."""
        window_ms = round(self.window_s * 1000)
        return Limits(share_of_all=1.0, share_of_circuit=self.share_of_circuit, window_ms=window_ms)


class Gateway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What hangs on this box beside cameras. Paths are taken from the folder of the file."""

    position: Position
    """WGS-84 latitude and longitude, degrees: where the sun rises for its lamps."""
    time_zone: str = "Asia/Shanghai"
    """IANA name."""
    links: Annotated[tuple[LinkConfig, ...], Meta(min_length=1, max_length=64)]
    devices: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    """Files, each with a list ``devices``."""
    profiles: str = ""
    """A folder with profiles of one's own, ``<vendor>/<model>.yaml``, which go before Wayside's."""
    command_keys: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    """Files with the public keys that orders may be signed with; without one no order is taken."""
    schedules: str = ""
    """A file of schedules, until the centre orders others. Without one lamps burn."""
    override_minutes: Minutes = 60.0
    """How long an order holds that names no end."""
    override_minutes_max: Minutes = 720.0
    guard: GuardTerms = GuardTerms()
    circuit_meter: CircuitMeter = CircuitMeter()

    @property
    def place(self) -> sun.Place:
        """Where its lamps are."""
        return sun.Place(latitude=self.position[0], longitude=self.position[1], time_zone=self.time_zone)


class DevicesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a gateway's inventory."""

    devices: Annotated[tuple[DeviceEntry, ...], Meta(max_length=20_000)]


class GatewaySetup(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway's file and all that it names, read and checked."""

    gateway: Gateway
    folder: Path
    """Of the gateway's file."""
    entries: tuple[DeviceEntry, ...]
    places: dict[str, Place]
    """Where each device stands, to say what is wrong with it."""
    profiles: dict[str, Profile]
    """By device."""
    lamps: dict[str, Lamp]
    keys: dict[str, Ed25519PublicKey]
    schedule: Schedule | None
    content: bytes
    """Of all files, for their hash."""

    def of_link(self, link: str) -> list[tuple[DeviceEntry, Profile | None]]:
        """Return the devices of a link."""
        return [(entry, self.profiles.get(entry.id)) for entry in self.entries if entry.link == link]


def read_gateway(path: Path) -> GatewaySetup:
    """Read a gateway's file and all that it names; raise ConfigError."""
    document = _document(path)
    gateway = document.read(Gateway)
    folder = path.parent
    refuse_time_zone(document, "time_zone", gateway.time_zone)
    for number, link in enumerate(gateway.links):
        if any(link.id == other.id for other in gateway.links[:number]):
            raise document.error(f"links[{number}].id", f"link {link.id!r} is there twice")
    if gateway.override_minutes > gateway.override_minutes_max:
        raise document.error(
            "override_minutes", f"expected at most override_minutes_max, {gateway.override_minutes_max:g}"
        )
    entries, places, content = _read_devices(gateway, folder)
    profiles = dict(_profiles(gateway, folder, entries, places))
    setup = GatewaySetup(
        gateway=gateway,
        folder=folder,
        entries=entries,
        places=places,
        profiles=profiles,
        lamps=_lamps(entries, profiles, places),
        keys=_keys(gateway, folder, document),
        schedule=_schedule(gateway, folder, entries),
        content=path.read_bytes() + content,
    )
    _try_links(setup, document)
    return setup


def _read_devices(gateway: Gateway, folder: Path) -> tuple[tuple[DeviceEntry, ...], dict[str, Place], bytes]:
    links = {link.id for link in gateway.links}
    entries: list[DeviceEntry] = []
    places: dict[str, Place] = {}
    addresses: dict[tuple[str, str], str] = {}
    content = b""
    for name in gateway.devices:
        document = _document(folder / name)
        content += (folder / name).read_bytes()
        for number, entry in enumerate(document.read(DevicesFile).devices):
            key = f"devices[{number}]"
            if entry.id in places:
                raise document.error(f"{key}.id", f"device {entry.id!r} is there twice")
            if entry.link not in links:
                known = f"its links: {', '.join(sorted(links))}"
                raise document.error(f"{key}.link", f"the gateway has no link {entry.link!r}", known)
            taken = addresses.setdefault((entry.link, entry.address), entry.id)
            if taken != entry.id:
                raise document.error(f"{key}.address", f"{entry.address!r} of {entry.link!r} is {taken!r} already")
            places[entry.id] = Place(document, key)
            entries.append(entry)
    return tuple(entries), places, content


def _profiles(
    gateway: Gateway, folder: Path, entries: Sequence[DeviceEntry], places: dict[str, Place]
) -> Iterator[tuple[str, Profile]]:
    """Yield the profile of each device that has one."""
    folders = [folder / gateway.profiles, OWN_PROFILES] if gateway.profiles else [OWN_PROFILES]
    free = {link.id for link in gateway.links if isinstance(link, NEEDS_NO_PROFILE)}
    read: dict[str, Profile] = {}
    for entry in entries:
        if not entry.profile and entry.link in free:
            continue
        if entry.profile not in read:
            paths = [each / f"{entry.profile}.yaml" for each in folders]
            path = next((each for each in paths if each.is_file()), None)
            if path is None or ".." in entry.profile:
                place = places[entry.id]
                raise place.document.error(
                    f"{place.key}.profile",
                    f"no profile {entry.profile!r}" if entry.profile else f"a device of {entry.link!r} needs a profile",
                    "`wayside profiles list` shows those there are",
                )
            read[entry.profile] = read_profile(path.read_bytes(), str(path))
        yield entry.id, read[entry.profile]


def _lamps(entries: Sequence[DeviceEntry], profiles: dict[str, Profile], places: dict[str, Place]) -> dict[str, Lamp]:
    metered = {
        entry.circuit
        for entry in entries
        if entry.role == "circuit" and entry.id in profiles and "current" in profiles[entry.id].properties
    }
    lamps = {}
    for entry in entries:
        if entry.role != "lamp":
            continue
        profile = profiles.get(entry.id)
        commands = commands_of(profile) if profile else []
        if profile is None or not {"on", "off"} <= set(commands):
            place = places[entry.id]
            problem = f"{entry.profile or 'it'} cannot be switched: a lamp's profile has the commands `on` and `off`"
            raise place.document.error(f"{place.key}.profile", problem)
        curve = profile.lamp
        lamps[entry.id] = Lamp(
            id=entry.id,
            curve=curve,
            has_meter="current" in profile.properties,
            rated_a=entry.rated_a or (curve.rated_a if curve else 0.0),
            is_dimmable="dim" in commands,
            on_circuit_meter=bool(entry.circuit) and entry.circuit in metered,
            period_s=entry.period_s,
            heartbeat_s=entry.heartbeat_s,
        )
    return lamps


def _keys(gateway: Gateway, folder: Path, document: Document) -> dict[str, Ed25519PublicKey]:
    keys: dict[str, Ed25519PublicKey] = {}
    for number, name in enumerate(gateway.command_keys):
        try:
            keys |= read_keys([folder / name])
        except Refusal as refusal:
            problem = f"{refusal.subject}: {refusal.problem}"
            raise document.error(f"command_keys[{number}]", problem, refusal.suggestion) from refusal
    return keys


def _schedule(gateway: Gateway, folder: Path, entries: Sequence[DeviceEntry]) -> Schedule | None:
    if not gateway.schedules:
        return None
    path = folder / gateway.schedules
    try:
        schedule = Schedule(path.read_bytes(), str(path), gateway.place)
    except OSError as error:
        raise ConfigError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
    schedule.refuse_strangers([entry for entry in entries if entry.role == "lamp"])
    return schedule


def _try_links(setup: GatewaySetup, document: Document) -> None:
    """Refuse, where it stands, a device that its link cannot speak to."""

    async def nobody(_report: Report) -> None:
        """Take nothing: these links never run."""

    for number, config in enumerate(setup.gateway.links):
        try:
            open_link(config, setup.of_link(config.id), nobody, folder=setup.folder, secret=b"")
        except Refusal as refusal:
            place = setup.places.get(refusal.subject)
            if place is None:
                raise document.error(f"links[{number}]", f"{refusal.subject}: {refusal.problem}") from refusal
            raise place.document.error(place.key, refusal.problem, refusal.suggestion) from refusal


def _document(path: Path) -> Document:
    try:
        return Document(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
