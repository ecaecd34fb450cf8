"""A tick log loses at most what was being written when it was cut."""

from pathlib import Path

import pytest

from detectors.tick import Box, Tick
from edge.tick_log import TickLog, read_ticks
from shell.refusal import Refusal


def _tick(number: int) -> Tick:
    box = Box(number, 1.5, number + 10, 20, "car", 0.75)
    return Tick(camera="cam-1", time_s=number / 2, time_ms=number * 500, size=(640, 480), boxes=(box,) * (number % 4))


def _write(path: Path, numbers: range) -> list[Tick]:
    ticks = [_tick(number) for number in numbers]
    log = TickLog(path)
    for tick in ticks:
        log.append(tick)
    log.close()
    return ticks


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    ticks = _write(tmp_path / "day.ticks.zst", range(1000))
    assert list(read_ticks(tmp_path / "day.ticks.zst")) == ticks


def test_a_log_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "day.ticks.zst"
    ticks = _write(path, range(50)) + _write(path, range(50, 70))
    assert list(read_ticks(path)) == ticks


def test_a_kill_loses_no_more_than_the_ticks_that_were_waiting(tmp_path: Path) -> None:
    path = tmp_path / "day.ticks.zst"
    log = TickLog(path, ticks_a_frame=20)
    for number in range(59):
        log.append(_tick(number))
    assert list(read_ticks(path)) == [_tick(number) for number in range(40)]
    log.close()


@pytest.mark.parametrize("cut_bytes", [1, 7, 40])
def test_a_tail_that_was_cut_short_is_passed_over_and_then_written_over(tmp_path: Path, cut_bytes: int) -> None:
    path = tmp_path / "day.ticks.zst"
    ticks = _write(path, range(60))
    path.write_bytes(path.read_bytes()[:-cut_bytes])
    assert list(read_ticks(path)) == ticks[:40]
    more = _write(path, range(60, 80))
    assert list(read_ticks(path)) == ticks[:40] + more


def test_zeros_that_a_power_cut_left_behind_do_not_stop_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "day.ticks.zst"
    ticks = _write(path, range(20))
    path.write_bytes(path.read_bytes() + b"\0" * 4096)
    more = _write(path, range(20, 40))
    assert list(read_ticks(path)) == ticks + more


@pytest.mark.parametrize("content", [b"", b"frame,id\n1,2\n", b"\x28\xb5\x2f\xfd\x20\x04\x21\0\0\0\0\x03\x01\x02"])
def test_what_is_no_tick_log_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "day.ticks.zst"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=r"day\.ticks\.zst: .*expected a tick log") as caught:
        list(read_ticks(path))
    assert "\n" not in str(caught.value)


def test_the_writer_does_not_write_into_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "day.ticks.zst"
    path.write_bytes(b"frame,id\n1,2\n")
    with pytest.raises(Refusal, match="move the file away"):
        TickLog(path)
    assert path.read_bytes() == b"frame,id\n1,2\n"
