"""Profile: what one firmware of one device model says, as data beside its own vectors.

A new kind of profile is a subclass of Header with the methods named there, and one more member of the union.
"""

from config.document import Document
from devices.header import check_lamp
from devices.protocols.lorawan import LorawanProfile
from devices.reading import Reading
from devices.registers import RegisterProfile
from devices.report import Request

Profile = LorawanProfile | RegisterProfile
"""One file under ``firmware_profiles/<vendor>/``."""


def read_profile(content: bytes, source: str) -> Profile:
    """Return the profile in ``content``; raise ConfigError naming file, line and key of what is wrong."""
    document = Document(content, source)
    profile: Profile = document.read(Profile)  # type: ignore[arg-type]  # a union is no class, and msgspec takes it
    check_lamp(profile.lamp, document)
    profile.check(document)
    return profile


def decode(profile: Profile, payload: bytes, port: int | None = None) -> list[Reading]:
    """Return what a message says; raise DecodeError. ``profile.decoded`` says also what could not be read."""
    return profile.decoded(payload, port).readings


def request_of(profile: Profile, command: str, **values: object) -> Request:
    """Return what a link has to send; raise CommandError for an unknown command, or a value out of bounds."""
    return profile.request(command, values)


def commands_of(profile: Profile) -> list[str]:
    """Return the names of the commands that a model takes; ``on``, ``off`` and ``dim`` are those of a lamp."""
    return profile.command_names
