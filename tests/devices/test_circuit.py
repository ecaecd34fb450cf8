"""A circuit's meter proves what is larger than its error, and says how much is not."""

import pytest

from devices.circuit import CircuitMeter, judge, unseen

LAMP_A = 0.45


@pytest.mark.parametrize(("lamps", "hidden"), [(5, 0), (10, 0), (20, 0), (40, 1), (60, 1), (100, 3), (200, 6)])
def test_the_longer_the_circuit_the_more_lamps_may_fail_unseen(lamps: int, hidden: int) -> None:
    assert unseen(CircuitMeter(), [LAMP_A] * lamps) == hidden


def test_the_smallest_lamps_hide_first() -> None:
    assert unseen(CircuitMeter(tolerance=0, noise_a=0.35), [5.0, 0.1, 0.1, 0.1]) == 3
    assert unseen(CircuitMeter(tolerance=0, noise_a=0.3), []) == 0


def test_a_switch_of_all_is_proven_by_the_sum() -> None:
    verdict = judge(CircuitMeter(), before_a=0, after_a=[LAMP_A] * 100, measured_a=44.5, changed_a=45)
    assert verdict.word == "agrees"
    assert verdict.reason == "the circuit draws 44.50 A of 45.00 A expected; 3 dark lamps would not show"


def test_a_circuit_that_stays_dark_differs() -> None:
    verdict = judge(CircuitMeter(), before_a=0, after_a=[LAMP_A] * 100, measured_a=0.02, changed_a=45)
    assert (verdict.word, verdict.reason) == ("differs", "the circuit draws 0.02 A of 45.00 A expected")


def test_one_lamp_of_a_hundred_cannot_be_told() -> None:
    verdict = judge(CircuitMeter(), before_a=99 * LAMP_A, after_a=[LAMP_A] * 100, measured_a=45, changed_a=LAMP_A)
    assert verdict.word == "cannot-tell"
    assert "3 dark lamps would not show" in verdict.reason


def test_one_lamp_of_five_can() -> None:
    verdict = judge(CircuitMeter(), before_a=4 * LAMP_A, after_a=[LAMP_A] * 5, measured_a=5 * LAMP_A, changed_a=LAMP_A)
    assert verdict.word == "agrees"
