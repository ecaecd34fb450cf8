"""What gateways tell of devices, vehicles and lamps: taken once, the newest word wins, in whatever order it comes."""

import itertools
import zoneinfo
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from ingest.changes import Change
from ingest.store import device_queries, devices, lamp_queries
from ingest.store.device_queries import DeviceFilter
from ingest.store.engine import writing
from ingest.store.fixes import forget_fixes
from tests.fixtures.district import a_lamp, a_state
from tests.fixtures.messages import T0, a_batch, an_event
from wire.device import Presence, Stranger
from wire.fix import Fix
from wire.observation import Observation

TABLES = ("device", "device_group", "lamp", "fix", "stranger", "dead_letter")


def a_fix(second: int, **changes: Any) -> Fix:
    fix = Fix(device="truck-1", time_ms=T0 + second * 1000, latitude=31.2, longitude=121.5 + second * 1e-4)
    return msgspec.structs.replace(fix, **changes)


def presence(state: Any, second: int) -> Presence:
    return Presence(device="lamp-0001", state=state, time_ms=T0 + second * 1000, last_ms=T0)


def test_a_card_is_found_by_what_it_says(send: Any, engine: sa.Engine) -> None:
    taken = send(a_batch([a_lamp(1), a_lamp(2, name="Corner <b>")]))
    assert taken.changes >= {Change(kind="device", id="lamp-0001"), Change(kind="device", id="lamp-0002")}
    page = device_queries.list_devices(engine, DeviceFilter(text="corner"))
    assert [(each.id, each.agent, each.area) for each in page.devices] == [("lamp-0002", "box-1", "area-0")]
    told = device_queries.read_device(engine, "lamp-0001")
    assert told is not None
    assert told.groups == ("odd",)


def test_the_same_again_changes_nothing(send: Any, query: Any) -> None:
    messages = [a_lamp(1), presence("live", 1), a_state(1), a_fix(1), stranger(3)]
    send(a_batch(messages))
    before = [query(f"select * from {table}") for table in TABLES]
    send(a_batch(messages))
    send(a_batch(messages, epoch="f" * 16))
    after = [query(f"select * from {table}") for table in TABLES]
    assert [len(rows) for rows in after] == [len(rows) for rows in before]
    assert query("select state from agent") == [("online",)]


def stranger(last: int, **changes: Any) -> Stranger:
    told = Stranger(link="radio", address="a81758fffe000001", first_ms=T0 + last, last_ms=T0 + last, count=last)
    return msgspec.structs.replace(told, sample=f"{last:02x}", **changes)


MESSAGES = [
    (1, a_lamp(1, name="old")),
    (2, a_state(1, time_ms=T0 + 1, desired=0)),
    (3, presence("live", 1)),
    (4, stranger(5)),
    (5, a_lamp(1, name="new", groups=("x",))),
    (6, a_state(1, time_ms=T0 + 2, desired=50, version=7)),
    (7, presence("offline", 2)),
    (8, stranger(9)),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_the_newest_word_holds_in_whatever_order_it_comes(send: Any, query: Any, order: tuple[int, ...]) -> None:
    for part in order:
        for seq, message in MESSAGES[part::4]:
            send(a_batch([message], seq))
    assert query("select name, presence from device") == [("new", "offline")]
    assert query("select name from device_group") == [("x",)]
    assert query("select desired, version from lamp") == [(50, 7)]
    assert query("select first_ms, last_ms, count, sample from stranger") == [(T0 + 5, T0 + 9, 9, "09")]


def test_no_gateway_speaks_of_anothers_device(send: Any, query: Any) -> None:
    send(a_batch([a_lamp(1), a_state(1)]))
    foreign = [
        a_lamp(1, name="mine now"),
        a_state(1, time_ms=T0 + 9, proven=0),
        presence("offline", 9),
        Observation(source="lamp-0001", property="current", result=0.0, time_ms=T0),
        Observation(source="lamp-0002", property="current", result=0.0, time_ms=T0),
        an_event("dark", camera=None, zone=None, bbox=None, size=None, device="lamp-0001", kind="lamp_dark"),
    ]
    taken = send(a_batch(foreign, agent="box-2"))
    (rejections,) = taken.rejected.values()
    assert [each.seq for each in rejections] == [1, 2, 3, 4, 6]
    assert query("select count(*) from dead_letter") == [(5,)]
    assert query("select agent, name, presence from device") == [("box-1", "Pole 1", "unheard")]
    assert query("select proven from lamp") == [(100,)]
    assert query("select source from observation") == [("lamp-0002",)]
    assert query("select count(*) from cases") == [(0,)]


def test_a_device_that_was_given_up_may_be_named_by_another_gateway(send: Any, query: Any) -> None:
    send(a_batch([a_lamp(1), a_state(1)]), a_batch([a_lamp(1, is_removed=True)], 3))
    send(a_batch([presence("live", 5)], 4))  # late word of it brings nothing back
    assert query("select is_removed from device") in ([(True,)], [(1,)])
    send(a_batch([a_lamp(1, name="moved")], agent="box-2"))
    assert query("select agent, name from device") == [("box-2", "moved")]
    assert query("select count(*) from lamp") == [(0,)]
    assert send(a_batch([a_lamp(1)], 5)).rejected.popitem()[1] != []


def test_a_gateway_has_no_more_devices_than_it_may(send: Any, query: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "DEVICES_MAX", 3)
    taken = send(a_batch([a_lamp(number) for number in range(5)]))
    assert [each.reason for each in taken.rejected.popitem()[1]] == ["an agent has at most 3 devices"] * 2
    send(a_batch([a_lamp(9)], agent="box-2"))
    assert query("select count(*) from device") == [(4,)]


def test_the_census_queue_is_bounded_and_empties_when_a_file_names_the_device(
    send: Any, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "STRANGERS_MAX", 3)
    send(a_batch([stranger(n, address=f"a{n}") for n in range(1, 6)]))
    assert [each.address for each in device_queries.list_strangers(engine)] == ["a5", "a4", "a3"]
    send(a_batch([a_lamp(1, link="radio", address="a4")], 6))
    assert [each.address for each in device_queries.list_strangers(engine)] == ["a5", "a3"]


def test_a_track_is_played_in_order_and_a_clock_in_the_future_moves_no_vehicle(send: Any, engine: sa.Engine) -> None:
    ahead = a_fix(10_000_000)
    send(a_batch([a_fix(3), ahead, a_fix(1), a_fix(2, speed_km_h=30.0), a_fix(3)], stream="observations"))
    places = device_queries.track(engine, "truck-1", from_ms=T0, to_ms=T0 + 60_000)
    assert [each.time_ms - T0 for each in places] == [1_000, 2_000, 3_000]
    (vehicle,) = device_queries.list_vehicles(engine)
    assert vehicle.fix is not None
    assert vehicle.fix.time_ms == T0 + 3_000


def test_fixes_that_came_long_ago_are_forgotten_oldest_first(send: Any, engine: sa.Engine, query: Any) -> None:
    for n in range(4):
        send(a_batch([a_fix(n)], n + 1, stream="observations"), now_ms=T0 + n)
    with writing(engine) as connection:
        assert forget_fixes(connection, T0 + 2, 10) == 2
        assert forget_fixes(connection, T0 + 2, 10) == 0
    assert query("select count(*) from fix") == [(2,)]


def test_energy_of_today_begins_at_midnight_where_the_centre_is(send: Any, engine: sa.Engine) -> None:
    zone = zoneinfo.ZoneInfo("Asia/Shanghai")
    midnight = T0 + (86_400 - (T0 // 1000 + 8 * 3600) % 86_400) * 1000
    for seq, (offset_s, kwh) in enumerate([(-7200, 10.0), (-60, 12.0), (60, 12.5), (3600, 14.0)], 1):
        send(
            a_batch([a_state(1, time_ms=midnight + offset_s * 1000, energy_kwh=kwh)], seq), now_ms=midnight + 4_000_000
        )
    found = lamp_queries.totals(engine, lamp_queries.today(midnight + 4_000_000, zone))
    assert (found.kwh, found.kwh_today, found.lit) == (14.0, 2.0, 1)
    send(a_batch([a_state(1, time_ms=midnight + 4_000_000, energy_kwh=1.0)], 5), now_ms=midnight + 4_000_000)
    assert lamp_queries.totals(engine, lamp_queries.today(midnight, zone)).kwh_today == 0.0


def test_the_last_value_of_each_property_and_a_series_are_read(send: Any, engine: sa.Engine) -> None:
    results: list[tuple[str, float | str]] = [("current", 0.4), ("voltage", 229.0), ("current", 0.5), ("word", "ok")]
    send(
        a_batch(
            [
                Observation(source="lamp-0001", property=name, result=result, time_ms=T0 + n, unit="A")
                for n, (name, result) in enumerate(results)
            ],
            stream="observations",
        ),
        a_batch([a_lamp(1)]),
    )
    told = device_queries.read_device(engine, "lamp-0001")
    assert told is not None
    assert [(each.property, each.result) for each in told.values] == [
        ("current", 0.5),
        ("voltage", 229.0),
        ("word", "ok"),
    ]
    found = device_queries.series(engine, "lamp-0001", prop="current", feature="", from_ms=T0, to_ms=T0 + 100)
    assert [each.result for each in found] == [0.4, 0.5]
