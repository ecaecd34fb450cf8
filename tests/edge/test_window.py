import pytest

from edge.window import Window

_BATCH = 2_000


def _after(*took_s: float) -> Window:
    window = Window()
    for each in took_s:
        window.settled(_BATCH, each)
    return window


def test_it_grows_while_receipts_come_as_quickly_as_ever() -> None:
    assert _after(*[2.0] * 10).size == Window().size + 10 * _BATCH


def test_it_shrinks_when_receipts_queue_and_keeps_still_at_a_short_queue() -> None:
    grown = _after(*[0.1] * 10)
    before = grown.size
    grown.settled(_BATCH, 1.6)
    assert grown.size == pytest.approx(before)
    grown.settled(_BATCH, 10.0)
    assert grown.size == pytest.approx(before - _BATCH)


def test_a_receipt_that_does_not_come_halves_it() -> None:
    window = _after(*[0.1] * 10)
    before = window.size
    window.lost()
    assert window.size == before / 2


def test_it_stays_between_a_batch_and_two_megabytes() -> None:
    window = Window()
    for _ in range(20):
        window.lost()
    assert window.size == 4 * 1024
    for _ in range(5_000):
        window.settled(_BATCH, 0.1)
    assert window.size == 2 * 1024 * 1024


def test_it_waits_half_a_minute_for_a_receipt_and_longer_on_a_slow_link() -> None:
    assert Window().patience_s == 30
    assert _after(*[0.1] * 10).patience_s == 30
    assert _after(*[20.0] * 10).patience_s == pytest.approx(80)
