"""Word of commits reaches the pages, without ever piling up."""

import asyncio
import threading

from ingest.changes import WAITING_MAX, Change, Changes

CASE = Change(kind="case", id="7")
AGENT = Change(kind="agent", id="box-1")


def test_a_change_told_by_another_thread_wakes_the_listener() -> None:
    async def scenario() -> tuple[Change, ...]:
        changes = Changes()
        with changes.listen() as listener:
            threading.Thread(target=changes.tell, args=([CASE],)).start()
            return await asyncio.wait_for(listener.changes(), 20)

    assert asyncio.run(scenario()) == (CASE,)


def test_what_was_told_while_nobody_asked_comes_once_each() -> None:
    async def scenario() -> tuple[Change, ...]:
        changes = Changes()
        with changes.listen() as listener:
            for _ in range(3):
                changes.tell([CASE, AGENT])
            return await asyncio.wait_for(listener.changes(), 20)

    assert asyncio.run(scenario()) == (CASE, AGENT)


def test_every_change_is_heard_once() -> None:
    async def scenario() -> list[tuple[Change, ...]]:
        changes = Changes()
        with changes.listen() as listener:
            heard = []
            for change in (CASE, AGENT, CASE):
                changes.tell([change])
                heard.append(await asyncio.wait_for(listener.changes(), 20))
            return heard

    assert asyncio.run(scenario()) == [(CASE,), (AGENT,), (CASE,)]


def test_a_listener_far_behind_is_told_that_everything_changed() -> None:
    async def scenario() -> tuple[Change, ...]:
        changes = Changes()
        with changes.listen() as listener:
            changes.tell(Change(kind="case", id=str(n)) for n in range(WAITING_MAX + 1))
            return await asyncio.wait_for(listener.changes(), 20)

    assert asyncio.run(scenario()) == (Change(kind="everything"),)


def test_who_has_left_is_told_nothing_and_harms_nobody() -> None:
    changes = Changes()

    async def leave() -> None:
        with changes.listen():
            pass

    asyncio.run(leave())
    changes.tell([CASE])
