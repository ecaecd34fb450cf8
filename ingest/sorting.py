"""Sorting: what a payload is, and how a group is taken of which some cannot be.

The group is tried whole, then item by item, then a failing batch in halves, so that one message that no database
would store costs a few more transactions and takes no other message with it.
"""

import zoneinfo
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from ingest.config import TIME_ZONE, Centre
from ingest.intake import Item, Parcel, Taken, take
from ingest.store.dead_letters import DeadLetter, drop_dead_letter, find_dead_letter
from ingest.store.engine import writing
from shell.crash_point import crash_point
from wire.batch import BatchError, Message, Refused, alone, decode
from wire.health import Status
from wire.topics import parse_up, status_topic

_STATUS = msgspec.json.Decoder(Status)
_STATUS_MSGPACK = msgspec.msgpack.Decoder(Status)


class UnkeepableError(RuntimeError):
    """A dead letter that the database refuses for its content; there is nowhere left to put it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to take things, and how much to keep of what cannot be taken."""

    engine: sa.Engine
    dead_letters_max: int
    zone: zoneinfo.ZoneInfo = zoneinfo.ZoneInfo(TIME_ZONE)
    """Where the centre is: a lamp's day begins there."""


def settings_of(centre: Centre, engine: sa.Engine) -> Settings:
    """Return a centre's settings."""
    zone = zoneinfo.ZoneInfo(centre.time_zone)
    return Settings(engine=engine, dead_letters_max=centre.dead_letters_max, zone=zone)


def item_of(topic: str, payload: bytes) -> Item:
    """Return what a payload is; a DeadLetter with its reason if it is nothing that was agreed."""
    try:
        agent, channel = parse_up(topic)
    except ValueError as error:
        return DeadLetter(topic=topic, payload=payload, reason=str(error))
    try:
        if channel == "status":
            is_json = payload[:1] == b"{"
            status = (_STATUS if is_json else _STATUS_MSGPACK).decode(payload)
            return _checked(status, topic, payload, agent)
        opened = decode(payload)
    except (BatchError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return DeadLetter(topic=topic, payload=payload, reason=str(error), agent=agent)
    if opened.stream != channel:
        reason = f"a batch of the stream {opened.stream!r} on the topic of {channel!r}"
        return DeadLetter(topic=topic, payload=payload, reason=reason, agent=agent)
    return _checked(Parcel(topic=topic, opened=opened), topic, payload, agent)


def _checked(item: Parcel | Status, topic: str, payload: bytes, agent: str) -> Item:
    said = item.agent if isinstance(item, Status) else item.opened.agent
    if said == agent:
        return item
    reason = f"it says agent {said!r} on the topic of {agent!r}"
    return DeadLetter(topic=topic, payload=payload, reason=reason, agent=agent)


def take_all(settings: Settings, items: Sequence[Item], now_ms: int) -> Taken:
    """Take items, each at least as a dead letter; raise sqlalchemy.exc.SQLAlchemyError if the database cannot."""
    try:
        with writing(settings.engine) as connection:
            taken = _take(settings, connection, items, now_ms)
            crash_point("ingest.before-commit")
        return taken
    except (sa.exc.StatementError, OverflowError, UnicodeError) as error:
        if not is_of_content(error):
            raise
        return _take_apart(settings, items, now_ms, str(getattr(error, "orig", error)))


def _take(settings: Settings, connection: sa.Connection, items: Sequence[Item], now_ms: int) -> Taken:
    return take(connection, items, now_ms=now_ms, dead_letters_max=settings.dead_letters_max, zone=settings.zone)


def is_of_content(error: Exception) -> bool:
    """Tell whether an error speaks of what was to be stored, and not of the database; only such may be put aside."""
    if isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)
    return isinstance(error, sa.exc.StatementError | OverflowError | UnicodeError)


def _take_apart(settings: Settings, items: Sequence[Item], now_ms: int, reason: str) -> Taken:
    parts: Sequence[Item] = items if len(items) > 1 else _parts_of(items[0], reason)
    total = Taken()
    for part in parts:
        taken = take_all(settings, (part,), now_ms)
        total.cursors |= taken.cursors
        total.changes |= taken.changes
        total.repeated += taken.repeated
        for key, rejections in taken.rejected.items():
            total.rejected.setdefault(key, []).extend(rejections)
        for kind, count in taken.messages.items():
            total.messages[kind] = total.messages.get(kind, 0) + count
    return total


def _parts_of(item: Item, reason: str) -> tuple[Item, ...]:
    """Return a failing item in smaller parts; the smallest is a dead letter, which always can be kept."""
    if isinstance(item, Status):
        topic = status_topic(item.agent)
        return (DeadLetter(topic=topic, payload=msgspec.json.encode(item), reason=reason, agent=item.agent),)
    if isinstance(item, DeadLetter):
        raise UnkeepableError(f"a dead letter cannot be kept: {reason}")
    opened = item.opened
    if not opened.messages and opened.first_seq == opened.last_seq:  # not even its number can be noted
        payload = alone(opened, opened.refused[0])
        return (DeadLetter(topic=item.topic, payload=payload, reason=reason, agent=opened.agent),)
    if opened.last_seq > opened.first_seq:
        middle = (opened.first_seq + opened.last_seq) // 2
        return (_part(item, opened.first_seq, middle), _part(item, middle + 1, opened.last_seq))
    refused = tuple(_refused(seq, message, reason) for seq, message in opened.messages)
    return (msgspec.structs.replace(item, opened=msgspec.structs.replace(opened, messages=(), refused=refused)),)


def _part(parcel: Parcel, first_seq: int, last_seq: int) -> Parcel:
    opened = parcel.opened
    return msgspec.structs.replace(
        parcel,
        opened=msgspec.structs.replace(
            opened,
            first_seq=first_seq,
            last_seq=last_seq,
            messages=tuple(each for each in opened.messages if first_seq <= each[0] <= last_seq),
            refused=tuple(each for each in opened.refused if first_seq <= each.seq <= last_seq),
        ),
    )


def _refused(seq: int, message: Message, reason: str) -> Refused:
    return Refused(seq=seq, reason=reason, raw=msgspec.msgpack.encode(message), is_json=False)


def redrive(settings: Settings, letter_id: int, now_ms: int) -> str:
    """Try a dead letter again; return why it is still one, or an empty string, and then it is gone."""
    with settings.engine.connect() as connection:
        row = find_dead_letter(connection, letter_id)
    if row is None:
        return "there is no such dead letter"
    item = item_of(row.topic, row.payload)
    if isinstance(item, DeadLetter):
        return item.reason
    if isinstance(item, Parcel) and row.seq is not None:
        item = msgspec.structs.replace(item, is_redriven=True)
    try:
        with writing(settings.engine) as connection:
            taken = _take(settings, connection, (item,), now_ms)
            rejected = [each for some in taken.rejected.values() for each in some]
            if not rejected or row.seq is None:  # of a whole batch the rejected ones are letters of their own now
                drop_dead_letter(connection, letter_id)
        return rejected[0].reason if rejected and row.seq is not None else ""
    except (sa.exc.StatementError, OverflowError, UnicodeError) as error:
        if not is_of_content(error):
            raise
        return str(getattr(error, "orig", error))
