"""What the console and the API ask of the store about agents, their cameras, and what was lost or could not be read."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, func, select

from ingest.cursor import Cursor
from ingest.store.rows import read_row
from ingest.store.tables import agent, cursor, dead_letter, loss
from wire.health import CameraCard, CameraHealth, Health, Status

GAPS_MAX = 20
"""Most gaps shown of one agent, newest first."""
PREVIEW_BYTES = 2_000

T = TypeVar("T")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A run of sequence numbers that the centre has not; ``reason`` is empty while it may still come."""

    epoch: str
    stream: str
    first_seq: int
    last_seq: int
    reason: str = ""
    time_ms: int

    @property
    def count(self) -> int:
        """How many messages it is."""
        return self.last_seq - self.first_seq + 1


class CameraRow(msgspec.Struct, frozen=True, kw_only=True):
    """A camera: its card from the agent's birth, its health from the last report if there was one."""

    card: CameraCard
    health: CameraHealth | None


class AgentRow(msgspec.Struct, frozen=True, kw_only=True):
    """An agent, as the fleet page shows it."""

    id: str
    state: str
    state_ms: int
    seen_ms: int
    skew_ms: int | None
    status: Status | None
    health: Health | None
    cameras: tuple[CameraRow, ...]
    gaps: tuple[Gap, ...]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived and could not be read; ``preview`` is the beginning of the payload as text."""

    id: int
    topic: str
    agent: str
    reason: str
    first_ms: int
    last_ms: int
    count: int
    size: int
    preview: str


def list_agents(engine: Engine) -> list[AgentRow]:
    """Return every agent, those that are away first."""
    with engine.connect() as connection:
        gaps = _gaps(connection)
        rows = connection.execute(select(agent).order_by(agent.c.state, agent.c.id)).mappings().all()
    return [_agent(dict(row), tuple(gaps.get(row["id"], ()))) for row in rows]


def camera_cards(engine: Engine) -> dict[str, CameraCard]:
    """Return what is known of every camera, by its id."""
    with engine.connect() as connection:
        found = [_read(row, Status) for row in connection.scalars(select(agent.c.status))]
    return {card.id: card for status in found if status for card in status.cameras}


def list_dead_letters(engine: Engine, *, rows: int = 100) -> list[DeadLetter]:
    """Return the dead letters that came last."""
    with engine.connect() as connection:
        found = connection.execute(select(dead_letter).order_by(dead_letter.c.last_ms.desc()).limit(rows)).mappings()
        return [read_row(DeadLetter, row, size=len(row["payload"]), preview=preview(row["payload"])) for row in found]


def count_dead_letters(engine: Engine) -> int:
    """Return how many dead letters there are."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(dead_letter)) or 0


def preview(payload: bytes) -> str:
    """Return the beginning of a payload as text, or as hexadecimal when it is none.

    >>> preview(b'{"version": 9}'), preview(bytes([0x28, 0xB5, 0x2F, 0xFD, 0x00]))
    ('{"version": 9}', '28 b5 2f fd 00')
    """
    head = payload[:PREVIEW_BYTES]
    text = head.decode("utf-8", "replace")
    if text.count("\ufffd") <= 1 and all(each.isprintable() or each in "\r\n\t\ufffd" for each in text):
        return text
    return head[:256].hex(" ")


def _agent(row: dict[str, Any], gaps: tuple[Gap, ...]) -> AgentRow:
    status, health = _read(row["status"], Status), _read(row["health"], Health)
    reports = {each.id: each for each in health.cameras} if health else {}
    cards = status.cameras if status else ()
    known = {card.id for card in cards}
    cards += tuple(CameraCard(id=each) for each in reports if each not in known)
    cameras = tuple(CameraRow(card=card, health=reports.get(card.id)) for card in cards)
    held = {name: row[name] for name in ("id", "state", "state_ms", "seen_ms", "skew_ms")}
    return AgentRow(**held, status=status, health=health, cameras=cameras, gaps=gaps)


def _gaps(connection: Connection) -> dict[str, list[Gap]]:
    """Return what is missing of each agent: runs between committed ones, and runs that were given up."""
    found: dict[str, list[Gap]] = {}
    for row in connection.execute(select(cursor).order_by(cursor.c.time_ms.desc())).mappings():
        for first, last in Cursor(row["through_seq"], tuple((low, high) for low, high in row["above"])).missing():
            found.setdefault(row["agent"], []).append(read_row(Gap, row, first_seq=first, last_seq=last))
    for row in connection.execute(select(loss).order_by(loss.c.time_ms.desc()).limit(1_000)).mappings():
        found.setdefault(row["agent"], []).append(read_row(Gap, row))
    return {name: gaps[:GAPS_MAX] for name, gaps in found.items()}


def _read(value: Any, kind: type[T]) -> T | None:
    """Return a stored message, or None when there is none or it is of a version that this one does not know."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
