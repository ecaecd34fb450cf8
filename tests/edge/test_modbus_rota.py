"""The turns of a bus, in made-up time: what silent units cost the others."""

import statistics

import pytest

from edge.links.modbus_rota import PAUSE_MAX_S, Rota


def played(
    dead: set[int], *, units: int, period_s: float, exchange_s: float, timeout_s: float, until_s: float
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Play a bus and return when each live unit was heard, and each dead one asked."""
    rota = Rota(range(1, units + 1), period_s=period_s, timeout_s=timeout_s, now_s=0.0)
    heard: dict[int, list[float]] = {unit: [] for unit in range(1, units + 1)}
    asked: dict[int, list[float]] = {unit: [] for unit in dead}
    now_s = 0.0
    while now_s < until_s:
        unit = rota.next(now_s)
        if unit is None:
            now_s += rota.wait_s(now_s)
            continue
        took_s = timeout_s if unit in dead else exchange_s
        if unit in dead:
            asked[unit].append(now_s)
        now_s += took_s
        rota.done(unit, is_heard=unit not in dead, now_s=now_s, took_s=took_s)
        if unit not in dead:
            heard[unit].append(now_s)
    return {unit: times for unit, times in heard.items() if unit not in dead}, asked


def period(times: list[float]) -> float:
    return (times[-1] - times[0]) / (len(times) - 1)


@pytest.mark.parametrize(("exchange_s", "period_s"), [(0.02, 5.0), (0.03, 1.0), (0.1, 1.0)])
def test_ten_silent_units_of_thirty_cost_the_others_less_than_a_fifth(exchange_s: float, period_s: float) -> None:
    dead = set(range(1, 31, 3))
    alone, _ = played(set(), units=20, period_s=period_s, exchange_s=exchange_s, timeout_s=0.3, until_s=300)
    beside, _ = played(dead, units=30, period_s=period_s, exchange_s=exchange_s, timeout_s=0.3, until_s=300)
    before = statistics.fmean(period(times) for times in alone.values())
    worst = max(period(times) for times in beside.values())
    assert len(beside) == 20
    assert worst <= 1.2 * before


def test_a_silent_unit_is_asked_again_after_pauses_that_double_up_to_a_limit() -> None:
    _, asked = played({2}, units=2, period_s=1, exchange_s=0.01, timeout_s=0.1, until_s=400)
    pauses = [after - before for before, after in zip(asked[2], asked[2][1:], strict=False)]
    assert [round(pause) for pause in pauses[:6]] == [1, 2, 4, 8, 16, 32]
    assert max(pauses) <= PAUSE_MAX_S + 1


def test_a_unit_that_speaks_again_has_its_period_back() -> None:
    rota = Rota([1], period_s=10, timeout_s=0.5, now_s=0)
    rota.done(1, is_heard=False, now_s=0.5, took_s=0.5)
    assert rota.is_silent(1)
    assert rota.next(1.4) is None
    assert rota.next(1.6) == 1
    rota.done(1, is_heard=True, now_s=1.6, took_s=0.01)
    assert not rota.is_silent(1)
    assert (rota.next(9.9), rota.next(10.1)) == (None, 1)


def test_who_is_hurried_comes_first_and_keeps_its_beat() -> None:
    rota = Rota([1, 2, 3], period_s=10, timeout_s=0.5, now_s=0)
    rota.hurry(3)
    assert rota.next(0) == 3
    rota.done(3, is_heard=True, now_s=0.01, took_s=0.01, is_whole=False)
    assert rota.next(0.01) == 1
    assert rota.polls(3) == 0


def test_a_unit_that_is_hurried_during_its_own_turn_has_another() -> None:
    rota = Rota([1], period_s=10, timeout_s=0.5, now_s=0)
    assert rota.next(0) == 1
    rota.hurry(1)
    rota.done(1, is_heard=True, now_s=0.01, took_s=0.01)
    assert rota.next(0.02) == 1


def test_turns_that_were_missed_are_not_made_up() -> None:
    rota = Rota([1], period_s=1, timeout_s=0.5, now_s=0)
    rota.done(1, is_heard=True, now_s=20, took_s=20)
    assert rota.next(20.5) is None
    assert rota.next(21) == 1


def test_an_empty_bus_has_nobody_to_ask() -> None:
    rota = Rota([], period_s=10, timeout_s=0.5, now_s=0)
    assert rota.next(5) is None
    assert rota.wait_s(5) == 10
