"""Whose picture is looked at next, told by a simulation: cameras at 2 Hz, and a backend that may be too slow."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.wants import Pace
from edge.turns import Claim, Turns, first


def looked_at(paces: list[Pace], takes_s: float, seconds: float, phases_s: list[float] | None = None) -> list[int]:
    """Return the cameras that were looked at, in order; each has one place in the queue, however many pictures come."""
    phases_s = phases_s or [number * 0.5 / len(paces) for number in range(len(paces))]
    next_s = list(phases_s)
    waiting: dict[int, Claim] = {}
    looked: list[int] = []
    last_s = [-1.0] * len(paces)
    now_s = 0.0
    while now_s < seconds:
        for number, pace in enumerate(paces):
            while next_s[number] <= now_s:
                waiting.setdefault(number, Claim(next_s[number] + 0.5, pace, last_s[number]))
                next_s[number] += 0.5
        if waiting:
            claim = first(waiting.values(), now_s)
            number = next(each for each, other in waiting.items() if other is claim)
            del waiting[number]
            looked.append(number)
            last_s[number] = now_s
            now_s += takes_s
        else:
            now_s = min(next_s)
    return looked


def test_with_time_enough_everybody_is_looked_at_in_the_order_of_their_pictures() -> None:
    looked = looked_at(["quiet", "armed", "busy", "quiet"], 0.1, 10)
    assert looked[:8] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert set(Counter(looked).values()) == {20}


@settings(max_examples=50)
@given(st.floats(0.13, 0.6), st.lists(st.floats(0, 0.5), min_size=4, max_size=4))
def test_every_camera_gets_at_least_half_of_its_share_of_what_there_is(takes_s: float, phases_s: list[float]) -> None:
    looks = Counter(looked_at(["busy"] * 4, takes_s, 60, phases_s))
    assert min(looks.values()) >= 0.5 * looks.total() / 4


@settings(max_examples=50)
@given(st.floats(0.26, 0.45))
def test_when_it_cannot_keep_up_quiet_cameras_give_way_but_are_not_forgotten(takes_s: float) -> None:
    looks = Counter(looked_at(["armed", "quiet", "quiet", "quiet"], takes_s, 120))
    assert looks[0] >= 2 * max(looks[number] for number in (1, 2, 3))
    # Every 10 s or so each of them has its turn.
    assert min(looks[number] for number in (1, 2, 3)) >= 8


def test_no_more_than_two_turns_are_had_at_once_and_none_is_lost_with_who_gives_up() -> None:
    async def scenario() -> None:
        turns = Turns()
        had: list[int] = []
        most = under_way = 0

        async def camera(number: int) -> None:
            nonlocal most, under_way
            async with turns.turn(f"cam-{number}", float(number), "busy"):
                under_way += 1
                most = max(most, under_way)
                try:
                    await asyncio.sleep(0.01)
                    had.append(number)
                finally:
                    under_way -= 1

        cameras = [asyncio.create_task(camera(number)) for number in range(10)]
        await asyncio.sleep(0)
        for number in (0, 1, 7):  # two that have their turn, one that waits
            cameras[number].cancel()
        await asyncio.wait(cameras)
        assert most == 2
        assert had == [2, 3, 4, 5, 6, 8, 9]
        async with asyncio.timeout(10), turns.turn("cam-0", 0.0, "quiet"):
            pass

    asyncio.run(scenario())
