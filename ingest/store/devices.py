"""Devices as their gateways tell of them: whose each is, its card, whether it is heard, who speaks and is unknown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from ingest.store.tables import device, device_group, lamp, stranger
from ingest.store.upsert import chunks, insert_into
from wire.device import Device, Presence, Stranger
from wire.fix import Fix

DEVICES_MAX = 10_000
"""Most devices of one gateway."""
STRANGERS_MAX = 1_000
"""Most unknown devices kept of one gateway; those heard longest ago go first."""
AHEAD_MS = 300_000
"""A clock further ahead than this does not keep later words of the same device out."""
_CARD = ("role", "name", "profile", "link", "address", "area", "circuit", "rated_w", "component", "is_removed")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A device's card, who sent it, and where it stood in what that gateway sends."""

    agent: str
    card: Device
    epoch: str
    seq: int
    sent_ms: int


class Owners(msgspec.Struct, kw_only=True):
    """Whose each device is, as the store knows and as a group of messages claims."""

    known: dict[str, str]
    removed: set[str]
    """Those whose gateway has given them up: another one's card may name them."""
    counts: dict[str, int]
    """Devices of each gateway that claims one."""
    claims: dict[str, tuple[str, str]] = {}
    """Device -> gateway and role, of those that nobody had."""

    def refusal(self, device_id: str, agent: str, *, role: str = "", is_card: bool = False) -> str:
        """Return why an agent may not speak of a device, or an empty string.

        With a ``role`` it claims one that nobody has.
        """
        owner = self.known.get(device_id)
        if owner == agent:
            return ""
        if owner is not None and not (is_card and device_id in self.removed):
            return f"device {device_id} belongs to another agent"
        if role:
            if self.counts.get(agent, 0) >= DEVICES_MAX:
                return f"an agent has at most {DEVICES_MAX} devices"
            self.counts[agent] = self.counts.get(agent, 0) + 1
            self.known[device_id] = agent
            self.removed.discard(device_id)
            self.claims[device_id] = (agent, role)
        return ""


def owners_of(connection: sa.Connection, claimed: set[str], named: set[str], agents: Iterable[str]) -> Owners:
    """Return whose some devices are: those that some agents claim, and others that they only speak of."""
    known: dict[str, str] = {}
    removed: set[str] = set()
    for few in chunks(sorted(claimed | named)):
        query = sa.select(device.c.id, device.c.agent, device.c.is_removed).where(device.c.id.in_(few))
        for row in connection.execute(query):
            known[row.id] = row.agent
            if row.is_removed:
                removed.add(row.id)
    counts: dict[str, int] = {}
    if removed or not claimed <= known.keys():
        every = sa.select(device.c.agent, sa.func.count()).where(device.c.agent.in_(sorted(set(agents))))
        counts = {row[0]: row[1] for row in connection.execute(every.group_by(device.c.agent))}
    return Owners(known=known, removed=removed, counts=counts)


def claim(connection: sa.Connection, claims: Mapping[str, tuple[str, str]]) -> None:
    """Give devices that nobody has to the gateway that spoke of them first."""
    rows = [_blank(device_id, agent, role) for device_id, (agent, role) in claims.items()]
    if not rows:
        return
    insert = insert_into(connection, device)
    values = {column.name: insert.excluded[column.name] for column in device.columns if column.name != "id"}
    # One that was removed is free; of two gateways that claim one at once the first has it.
    connection.execute(
        insert.on_conflict_do_update(index_elements=["id"], set_=values, where=device.c.is_removed), rows
    )
    for few in chunks(claims):  # what another gateway said of it before
        connection.execute(sa.delete(lamp).where(lamp.c.device.in_(few)))
        connection.execute(sa.delete(device_group).where(device_group.c.device.in_(few)))


def _blank(device_id: str, agent: str, role: str) -> dict[str, Any]:
    words = dict.fromkeys(("name", "profile", "link", "address", "area", "circuit", "component"), "")
    empty = dict.fromkeys(("latitude", "longitude", "rated_w", "heard_ms", "fix"), None)
    numbers = dict.fromkeys(("seq", "sent_ms", "presence_ms", "fix_ms"), 0)
    order = {"epoch": "", "presence": "unheard", "presence_reason": "", "is_removed": False}
    return {"id": device_id, "agent": agent, "role": role} | words | empty | numbers | order


def take_cards(connection: sa.Connection, cards: Sequence[Card], now_ms: int) -> set[str]:
    """Write the newest card of each device; return the devices whose card is new."""
    newest: dict[str, Card] = {}
    known = _rows(connection, {each.card.id for each in cards})
    for each in cards:
        old = newest.get(each.card.id) or known.get(each.card.id)
        if old is None or _is_newer(each, old, now_ms):
            newest[each.card.id] = each
    rows = [_card_row(each) for each in newest.values()]
    if rows:
        names = [name for name in rows[0] if name not in ("of", "of_agent")]
        query = sa.update(device).where(device.c.id == sa.bindparam("of"), device.c.agent == sa.bindparam("of_agent"))
        connection.execute(query.values({name.removeprefix("new_"): sa.bindparam(name) for name in names}), rows)
        for few in chunks(newest):
            connection.execute(sa.delete(device_group).where(device_group.c.device.in_(few)))
        groups = [
            {"device": key, "name": name} for key, each in newest.items() for name in sorted(set(each.card.groups))
        ]
        if groups:
            connection.execute(sa.insert(device_group), groups)
    return set(newest)


def _is_newer(card: Card, old: Any, now_ms: int) -> bool:
    """Tell whether a card comes after another: by its number in one epoch, by its time in another."""
    if card.epoch == old.epoch:
        return card.seq > int(old.seq)
    return old.seq == 0 or card.sent_ms >= int(old.sent_ms) or old.sent_ms > now_ms + AHEAD_MS


def _card_row(each: Card) -> dict[str, Any]:
    row = {f"new_{name}": getattr(each.card, name) for name in _CARD}
    row["new_latitude"], row["new_longitude"] = each.card.position or (None, None)
    row |= {"new_epoch": each.epoch, "new_seq": each.seq, "new_sent_ms": each.sent_ms}
    return row | {"of": each.card.id, "of_agent": each.agent}


def take_presence(connection: sa.Connection, told: Sequence[Presence], now_ms: int) -> set[str]:
    """Write the newest word on whether each device is heard; return the devices whose state changed."""
    known = _rows(connection, {each.device for each in told})
    newest: dict[str, Presence] = {}
    for each in told:
        old, row = newest.get(each.device), known.get(each.device)
        before_ms = old.time_ms if old else row.presence_ms if row else 0
        if each.time_ms >= before_ms or before_ms > now_ms + AHEAD_MS:
            newest[each.device] = each
    query = sa.update(device).where(device.c.id == sa.bindparam("of"))
    names = ("presence", "presence_ms", "presence_reason", "heard_ms")
    rows = [
        dict(zip(("of", *names), (key, each.state, each.time_ms, each.reason, each.last_ms), strict=True))
        for key, each in newest.items()
    ]
    if rows:
        renamed = [{"of": row["of"]} | {f"new_{name}": row[name] for name in names} for row in rows]
        connection.execute(query.values({name: sa.bindparam(f"new_{name}") for name in names}), renamed)
    return {key for key, each in newest.items() if key not in known or known[key].presence != each.state}


def take_fix_heads(connection: sa.Connection, fixes: Iterable[Fix], now_ms: int) -> set[str]:
    """Write where each vehicle was last; return the vehicles that moved on."""
    newest: dict[str, Fix] = {}
    for each in fixes:
        if each.time_ms <= now_ms + AHEAD_MS and (
            each.device not in newest or each.time_ms > newest[each.device].time_ms
        ):
            newest[each.device] = each
    known = _rows(connection, newest)
    rows = [
        {"of": key, "new_fix": each, "new_ms": each.time_ms}
        for key, each in newest.items()
        if key not in known or each.time_ms > known[key].fix_ms
    ]
    if rows:
        query = sa.update(device).where(device.c.id == sa.bindparam("of"))
        connection.execute(query.values(fix=sa.bindparam("new_fix"), fix_ms=sa.bindparam("new_ms")), rows)
    return {str(row["of"]) for row in rows}


def take_strangers(connection: sa.Connection, told: Sequence[tuple[str, Stranger]]) -> None:
    """Keep who speaks and is named nowhere; what is known of each only grows."""
    if not told:
        return
    insert = insert_into(connection, stranger)
    new, old = insert.excluded, stranger.c
    is_later = new.last_ms >= old.last_ms
    values = {
        "first_ms": sa.case((new.first_ms < old.first_ms, new.first_ms), else_=old.first_ms),
        "last_ms": sa.case((is_later, new.last_ms), else_=old.last_ms),
        "count": sa.case((new["count"] > old["count"], new["count"]), else_=old["count"]),
        "sample": sa.case((is_later, new.sample), else_=old.sample),
    }
    rows = [
        {name: getattr(each, name) for name in Stranger.__struct_fields__} | {"agent": agent} for agent, each in told
    ]
    connection.execute(insert.on_conflict_do_update(index_elements=["agent", "link", "address"], set_=values), rows)
    for agent in {agent for agent, _ in told}:
        kept = sa.select(stranger.c.last_ms).where(stranger.c.agent == agent).order_by(stranger.c.last_ms.desc())
        oldest = kept.limit(1).offset(STRANGERS_MAX - 1).scalar_subquery()
        connection.execute(sa.delete(stranger).where(stranger.c.agent == agent, stranger.c.last_ms < oldest))


def _rows(connection: sa.Connection, device_ids: Iterable[str]) -> dict[str, Any]:
    columns = [device.c[name] for name in ("id", "epoch", "seq", "sent_ms", "presence", "presence_ms", "fix_ms")]
    found: dict[str, Any] = {}
    for few in chunks(sorted(device_ids)):
        found |= {row.id: row for row in connection.execute(sa.select(*columns).where(device.c.id.in_(few)))}
    return found
