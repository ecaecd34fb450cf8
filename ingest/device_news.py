"""Device news: what a group of messages says of devices, lamps and commands, on its way into the store."""

import zoneinfo
from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from ingest.changes import Change, Kind
from ingest.store.acks import Ledger, take_acks
from ingest.store.devices import Card, Owners, claim, take_cards, take_fix_heads, take_presence, take_strangers
from ingest.store.fixes import add_fixes
from ingest.store.lamps import take_lamps
from wire.batch import Message, Opened
from wire.command import Ack, LampState
from wire.device import Device, Presence, Stranger
from wire.event import Event
from wire.fix import Fix
from wire.observation import Observation

_TOLD_MAX = 50
"""Beyond so many changes of a kind pages are told once that many changed."""


class DeviceNews(msgspec.Struct, kw_only=True):
    """Messages by what they are about, each with its sender where that counts."""

    cards: list[Card] = []
    presence: list[Presence] = []
    strangers: list[tuple[str, Stranger]] = []
    fixes: list[Fix] = []
    lamps: list[tuple[int, LampState]] = []
    acks: list[tuple[str, Ack]] = []

    def put(self, opened: Opened, seq: int, message: Message) -> bool:
        """Take a message; return False if it is not about devices."""
        match message:
            case Device():
                card = Card(agent=opened.agent, card=message, epoch=opened.epoch, seq=seq, sent_ms=opened.sent_ms)
                self.cards.append(card)
            case Presence():
                self.presence.append(message)
            case Stranger():
                self.strangers.append((opened.agent, message))
            case Fix():
                self.fixes.append(message)
            case LampState():
                self.lamps.append((seq, message))
            case Ack():
                self.acks.append((opened.agent, message))
            case _:
                return False
        return True


def device_ids_of(messages: Iterable[Message]) -> tuple[set[str], set[str]]:
    """Return the devices that messages claim for their sender, and those that they only speak of."""
    claimed: set[str] = set()
    named: set[str] = set()
    for message in messages:
        match message:
            case Observation():
                named.add(message.source)
            case Device():
                claimed.add(message.id)
            case Presence() | Fix():
                claimed.add(message.device)
            case LampState():
                claimed.add(message.lamp)
            case Event() if message.device is not None:
                named.add(message.device)
    return claimed, named


def take_news(
    connection: sa.Connection,
    news: DeviceNews,
    owners: Owners,
    ledger: Ledger,
    *,
    now_ms: int,
    zone: zoneinfo.ZoneInfo,
) -> set[Change]:
    """Write the news; return what changed."""
    claim(connection, owners.claims)
    devices = take_cards(connection, news.cards, now_ms) | take_presence(connection, news.presence, now_ms)
    take_strangers(connection, news.strangers)
    add_fixes(connection, news.fixes, now_ms)
    vehicles = take_fix_heads(connection, news.fixes, now_ms)
    lamps = take_lamps(connection, news.lamps, now_ms, zone)
    commands = take_acks(connection, ledger, news.acks, now_ms)
    told = _told("device", devices) | _told("vehicle", vehicles) | _told("lamp", lamps) | _told("command", commands)
    return told | ({Change(kind="device")} if news.strangers else set())


def _told(kind: Kind, ids: set[str]) -> set[Change]:
    if len(ids) > _TOLD_MAX:
        return {Change(kind=kind)}
    return {Change(kind=kind, id=each) for each in ids}
