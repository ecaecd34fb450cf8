"""Link: what the gateway asks of every kind of wire."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from devices.inventory import DeviceEntry
from devices.profile import Profile
from devices.report import Report, Request

Take = Callable[[Report], Awaitable[None]]
"""Give a report to the gateway; it returns when all that the report leads to is committed. Who must answer the device
answers it then, and not before."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a link should expect, and what it speaks."""

    entry: DeviceEntry
    profile: Profile


class Unreachable(Exception):  # noqa: N818  # it says what the device is
    """A request did not reach its device; the text says why."""


class Link(Protocol):
    """One wire: a bus, a socket, a broker."""

    @property
    def id(self) -> str:
        """Its name in the gateway's file."""

    async def run(self) -> None:
        """Hear and speak for ever; whatever is wrong with the wire is tried again, and said in ``trouble``."""

    @property
    def trouble(self) -> str:
        """Why nothing is heard at the moment; empty if something can be."""

    async def send(self, address: str, request: Request) -> None:
        """Bring a request to a device; raise Unreachable when it cannot be known to have arrived."""

    def hurry(self, address: str) -> None:
        """Read this device as soon as possible, where this end decides when."""
