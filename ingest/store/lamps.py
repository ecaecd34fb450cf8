"""Lamps: what each one is to do, says, and is proven to do, as its gateway last told."""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from ingest.store.devices import AHEAD_MS
from ingest.store.tables import lamp
from ingest.store.upsert import chunks, insert_into
from wire.command import LampState

_STATE = [name for name in LampState.__struct_fields__ if name != "lamp"]


def take_lamps(
    connection: sa.Connection, told: Sequence[tuple[int, LampState]], now_ms: int, zone: zoneinfo.ZoneInfo
) -> set[str]:
    """Write the newest state of each lamp, told with its sequence number; return the lamps whose state is new."""
    known = _rows(connection, {each.lamp for _, each in told})
    newest: dict[str, tuple[int, LampState]] = {}
    for seq, each in told:
        before = _order(*newest[each.lamp]) if each.lamp in newest else _order_of(known.get(each.lamp))
        if _order(seq, each) > before or before[0] > now_ms + AHEAD_MS:
            newest[each.lamp] = (seq, each)
    rows = []
    for key, (seq, each) in newest.items():
        row = {"device": key, "seq": seq} | {name: getattr(each, name) for name in _STATE}
        rows.append(row | _meter(each, known.get(key), _day(each.time_ms, zone)))
    if rows:
        insert = insert_into(connection, lamp)
        values = {column.name: insert.excluded[column.name] for column in lamp.columns if column.name != "device"}
        connection.execute(insert.on_conflict_do_update(index_elements=["device"], set_=values), rows)
    return set(newest)


def day_of(time_ms: int, zone: zoneinfo.ZoneInfo) -> str:
    """Return the day that an instant lies in.

    >>> day_of(1_700_000_000_000, zoneinfo.ZoneInfo("Asia/Shanghai"))
    '2023-11-15'
    """
    return dt.datetime.fromtimestamp(time_ms / 1000, zone).date().isoformat()


def _day(time_ms: int, zone: zoneinfo.ZoneInfo) -> str:
    try:
        return day_of(time_ms, zone)
    except (ValueError, OverflowError, OSError):  # a gateway's clock may say anything
        return ""


def _order(seq: int, state: LampState) -> tuple[int, int, int]:
    return state.time_ms, state.version, seq


def _order_of(row: Any) -> tuple[int, int, int]:
    return (-1, 0, 0) if row is None else (row.time_ms, row.version, row.seq)


def _meter(state: LampState, row: Any, day: str) -> dict[str, Any]:
    """Return the day and what the lamp's meter showed when it began: the last reading of the day before."""
    if row is None or row.energy_kwh is None:
        return {"day": day, "day_kwh": state.energy_kwh}
    if state.energy_kwh is None:  # one message without a reading is no new meter
        return {"day": row.day, "day_kwh": row.day_kwh, "energy_kwh": row.energy_kwh}
    if state.energy_kwh < row.energy_kwh:  # another meter, or one that began anew
        return {"day": day, "day_kwh": state.energy_kwh}
    return {"day": day, "day_kwh": row.day_kwh if row.day == day else row.energy_kwh}


def _rows(connection: sa.Connection, lamps: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for few in chunks(sorted(lamps)):
        found |= {row.device: row for row in connection.execute(sa.select(lamp).where(lamp.c.device.in_(few)))}
    return found
