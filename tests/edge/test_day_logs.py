from pathlib import Path

from detectors.tick import Tick
from edge.day_logs import DayLogs
from edge.ring import Packet, Ring
from edge.tick_log import read_ticks

DAY_MS = 86_400_000


def a_tick(time_ms: int) -> Tick:
    return Tick(camera="cam-1", time_s=time_ms / 1000, time_ms=time_ms, size=(640, 480), boxes=())


def test_each_day_has_a_log_of_its_own(tmp_path: Path) -> None:
    logs = DayLogs(tmp_path)
    for time_ms in (DAY_MS - 500, DAY_MS):
        logs.append(a_tick(time_ms))
    logs.close()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["1970-01-01.ticks.zst", "1970-01-02.ticks.zst"]
    assert [tick.time_ms for tick in read_ticks(tmp_path / "1970-01-02.ticks.zst")] == [DAY_MS]


def test_a_log_that_a_power_cut_has_broken_is_put_aside_and_recording_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "1970-01-01.ticks.zst"
    path.write_bytes(b"\0" * 4096)
    logs = DayLogs(tmp_path)
    logs.append(a_tick(500))
    logs.close()
    assert [tick.time_ms for tick in read_ticks(path)] == [500]
    assert [each.read_bytes() for each in tmp_path.glob("*.corrupt-*")] == [b"\0" * 4096]


def test_a_folder_that_takes_no_log_does_not_stop_the_watching(tmp_path: Path) -> None:
    (tmp_path / "1970-01-01.ticks.zst").mkdir()
    logs = DayLogs(tmp_path)
    logs.append(a_tick(500))
    logs.append(a_tick(DAY_MS))
    logs.close()
    assert [tick.time_ms for tick in read_ticks(tmp_path / "1970-01-02.ticks.zst")] == [DAY_MS]


def test_the_ring_gives_nothing_for_a_time_after_its_last_packet() -> None:
    ring = Ring(60.0)
    for number in range(10):
        time_s = float(number)
        ring.append(Packet(time_s, time_s, number * 1000, is_key=number % 5 == 0, content=b"x"))
    assert [packet.shown_s for packet in ring.cut(8.0, 20.0)] == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert ring.cut(9.5, 20.0) == []
