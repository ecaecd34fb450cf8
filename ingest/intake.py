"""Intake: one transaction takes a group of what agents sent, each message of it once, whatever came before."""

import zoneinfo
from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from ingest.changes import Change
from ingest.cursor import Cursor
from ingest.device_news import DeviceNews, device_ids_of, take_news
from ingest.rights import Rights
from ingest.store.acks import open_ledger
from ingest.store.agents import Word, note_agents
from ingest.store.cursors import StreamKey, lock_cursors, save_cursors
from ingest.store.dead_letters import DeadLetter, keep_dead_letter
from ingest.store.devices import owners_of
from ingest.store.evidence import cases_with_evidence, name_evidence, note_completeness
from ingest.store.intake_cases import Received, known_events, take_events
from ingest.store.losses import add_losses
from ingest.store.observations import Row, add_observations, row_of
from wire.batch import Message, Opened, alone
from wire.command import Ack
from wire.event import Event, Evidence
from wire.health import Health, Status
from wire.loss import LossRecord
from wire.observation import Observation
from wire.receipt import Rejection

Numbered = tuple[int, Message]


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A batch, or a part of one, on its way into the store."""

    topic: str
    opened: Opened
    is_redriven: bool = False
    """It was put aside before: its numbers are held already, and it is taken all the same."""

    @property
    def key(self) -> StreamKey:
        """The stream that it belongs to."""
        return self.opened.agent, self.opened.epoch, self.opened.stream


Item = Parcel | Status | DeadLetter


class Taken(msgspec.Struct, kw_only=True):
    """What one transaction did."""

    cursors: dict[StreamKey, Cursor] = {}
    changes: set[Change] = set()
    rejected: dict[StreamKey, list[Rejection]] = {}
    messages: dict[str, int] = {}
    """Messages taken, by type."""
    repeated: int = 0
    """Messages that were here already."""


class _Load(msgspec.Struct, kw_only=True):
    """Messages sorted by where they go, if their sender may speak of what they are about."""

    rights: Rights
    observations: list[Row] = []
    events: list[Received] = []
    evidence: list[tuple[str, Evidence]] = []
    losses: list[tuple[str, LossRecord]] = []
    words: dict[str, Word] = {}
    news: DeviceNews = msgspec.field(default_factory=DeviceNews)


def take(
    connection: sa.Connection,
    items: Sequence[Item],
    *,
    now_ms: int,
    dead_letters_max: int,
    zone: zoneinfo.ZoneInfo,
) -> Taken:
    """Take items inside the connection's transaction; ``zone`` says where a lamp's day begins.

    Raises what SQLAlchemy raises: DataError, IntegrityError or StatementError if the content of some item cannot be
    stored, anything else if the database cannot store at all.
    """
    taken = Taken()
    parcels = [item for item in items if isinstance(item, Parcel)]
    taken.cursors = lock_cursors(connection, _keys(parcels), now_ms)
    before = dict(taken.cursors)
    letters = [item for item in items if isinstance(item, DeadLetter)]
    known = known_events(connection, _event_ids(parcels))
    rights = Rights(
        events={each.id: each.agent for each in known},
        devices=owners_of(connection, *device_ids_of(_messages(parcels)), {each.opened.agent for each in parcels}),
        ledger=open_ledger(connection, _acks(parcels)),
    )
    load = _Load(rights=rights)
    for item in items:
        if isinstance(item, Status):
            load.words.setdefault(item.agent, Word()).status = item
        elif isinstance(item, Parcel):
            letters += _sort(item, load, taken, now_ms)
    add_observations(connection, load.observations)
    name_evidence(connection, load.evidence)
    opened = take_events(connection, load.events, known, now_ms)
    add_losses(connection, load.losses)
    taken.changes |= take_news(connection, load.news, rights.devices, rights.ledger, now_ms=now_ms, zone=zone)
    shown = {each.event_id for _, each in load.evidence} | set(opened)
    complete = cases_with_evidence(connection, shown)
    note_completeness(connection, complete, now_ms)
    agents = note_agents(connection, load.words, now_ms)
    changed = {key: cursor for key, cursor in taken.cursors.items() if cursor != before[key]}
    save_cursors(connection, changed, now_ms)
    for letter in letters:
        keep_dead_letter(connection, letter, now_ms=now_ms, rows_max=dead_letters_max)
    taken.changes |= {Change(kind="case", id=str(case_id)) for case_id in {*opened.values(), *complete}}
    taken.changes |= {Change(kind="agent", id=name) for name in agents}
    return taken


def _keys(parcels: Iterable[Parcel]) -> set[StreamKey]:
    """Return every stream whose cursor may move: those of the batches, and those that loss records speak of."""
    keys = {parcel.key for parcel in parcels}
    for parcel in parcels:
        for _, message in parcel.opened.messages:
            if isinstance(message, LossRecord):
                keys.add((parcel.opened.agent, message.epoch, message.stream))
    return keys


def _messages(parcels: Iterable[Parcel]) -> Iterable[Message]:
    return (message for parcel in parcels for _, message in parcel.opened.messages)


def _acks(parcels: Iterable[Parcel]) -> list[tuple[str, Ack]]:
    return [
        (parcel.opened.agent, message)
        for parcel in parcels
        for _, message in parcel.opened.messages
        if isinstance(message, Ack)
    ]


def _event_ids(parcels: Iterable[Parcel]) -> set[str]:
    found = set()
    for message in _messages(parcels):
        if isinstance(message, Event):
            found.add(message.id)
            if message.resumes:
                found.add(message.resumes)
        elif isinstance(message, Evidence):
            found.add(message.event_id)
    return found


def _sort(parcel: Parcel, load: _Load, taken: Taken, now_ms: int) -> list[DeadLetter]:
    """Put the new messages of a parcel where they go and its numbers on the cursor; return what must be put aside."""
    opened, key = parcel.opened, parcel.key
    cursor = taken.cursors[key]
    fresh = _fresh(parcel, cursor)
    taken.repeated += len(opened.messages) - len(fresh)
    letters: list[DeadLetter] = []
    rejections = taken.rejected.setdefault(key, [])
    for refused in opened.refused:
        rejections.append(Rejection(seq=refused.seq, reason=refused.reason))
        if parcel.is_redriven or not cursor.covers(refused.seq):
            letters.append(letter_of(parcel, refused.seq, refused.reason, alone(opened, refused)))
    word = load.words.setdefault(opened.agent, Word())
    word.sent_ms = opened.sent_ms
    for seq, message in _take_observations(opened.agent, fresh, load, taken, now_ms):
        foreign = load.rights.refusal(message, opened.agent)
        if foreign:
            rejections.append(Rejection(seq=seq, reason=foreign))
            letters.append(letter_of(parcel, seq, foreign, alone(opened, message)))
            continue
        kind = type(message).__name__.lower()
        taken.messages[kind] = taken.messages.get(kind, 0) + 1
        if not load.news.put(opened, seq, message):
            _put(message, opened.agent, load, taken, word)
    taken.cursors[key] = taken.cursors[key].with_run(opened.first_seq, opened.last_seq)
    return letters


def _fresh(parcel: Parcel, cursor: Cursor) -> Sequence[Numbered]:
    opened = parcel.opened
    if parcel.is_redriven or cursor.is_clear_of(opened.first_seq, opened.last_seq):
        return opened.messages
    return [(seq, message) for seq, message in opened.messages if not cursor.covers(seq)]


def _take_observations(agent: str, fresh: Sequence[Numbered], load: _Load, taken: Taken, now_ms: int) -> list[Numbered]:
    """Take the observations of a batch at one go, for there are many; return the other messages and foreign ones."""
    foreign = {device_id for device_id, owner in load.rights.devices.known.items() if owner != agent}
    if foreign:
        foreign &= {message.source for _, message in fresh if type(message) is Observation}
    rows = [
        row_of(agent, message, now_ms)
        for _, message in fresh
        if type(message) is Observation and message.source not in foreign
    ]
    if rows:
        load.observations += rows
        taken.messages["observation"] = taken.messages.get("observation", 0) + len(rows)
    if len(rows) == len(fresh):
        return []
    return [each for each in fresh if type(each[1]) is not Observation or each[1].source in foreign]


def _put(message: Message, agent: str, load: _Load, taken: Taken, word: Word) -> None:
    match message:
        case Event():
            load.events.append(Received(agent=agent, event=message))
        case Evidence():
            load.evidence.append((agent, message))
        case Health():
            if word.health is None or message.time_ms >= word.health.time_ms:
                word.health = message
        case LossRecord():
            load.losses.append((agent, message))
            lost = (agent, message.epoch, message.stream)
            taken.cursors[lost] = taken.cursors[lost].with_run(message.first_seq, message.last_seq)


def letter_of(parcel: Parcel, seq: int, reason: str, payload: bytes) -> DeadLetter:
    """Return one message of a parcel as a dead letter."""
    return DeadLetter(topic=parcel.topic, payload=payload, reason=reason, agent=parcel.opened.agent, seq=seq)
