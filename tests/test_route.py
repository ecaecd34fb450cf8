"""The whole route with real parts: camera, agent, broker, centre; and each of them killed on the way."""

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ingest.store import tables
from tests.fixtures.agent import AgentProcess
from tests.fixtures.centre import CentreProcess, wait_until
from tests.fixtures.mosquitto import Mosquitto
from tests.fixtures.street_video import write_street

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

VTEST = """
id: vtest
source: {video}
size: [768, 576]
backend: {{kind: onnx, model: yolox-nano-416x736}}
zones:
  - id: yellow-lines
    type: no_parking
    polygon: [[630, 20], [767, 20], [767, 140], [630, 140]]
    parameters: {{limit_s: 30}}
"""


@pytest.fixture
def centre(tmp_path: Path, own_mosquitto: Mosquitto) -> Iterator[CentreProcess]:
    folder = tmp_path / "centre"
    folder.mkdir()
    centre = CentreProcess(folder, broker=own_mosquitto.url)
    centre.start()
    centre.wait_ready()
    yield centre
    centre.stop()


def rows(centre: CentreProcess, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    engine = sa.create_engine(f"sqlite:///{centre.folder / 'centre.sqlite'}")
    with engine.connect() as connection:
        found = list(connection.execute(sa.select(table)))
    engine.dispose()
    return found


@pytest.mark.data
def test_two_parked_cars_on_real_footage_are_two_cases_with_three_stills_each(
    tmp_path: Path, own_mosquitto: Mosquitto, centre: CentreProcess
) -> None:
    if not os.environ.get("WAYSIDE_DATA"):
        pytest.skip("WAYSIDE_DATA is not set: no footage")
    video = Path(os.environ["WAYSIDE_DATA"]) / "footage" / "vtest.avi"
    agent = AgentProcess(tmp_path / "box", "box-1", video, broker=own_mosquitto.url, centre=centre.url)
    (tmp_path / "box" / "cam.yaml").write_text(VTEST.format(video=video))
    agent.start()
    try:
        wait_until(
            lambda: [each.is_complete for each in rows(centre, tables.cases)] == [True, True],
            f"two complete cases: see {agent.log} and {centre.log}",
            patience_s=120,
        )
        time.sleep(10)  # time for a third, if there were one
        cases = rows(centre, tables.cases)
        originals = [each for each in rows(centre, tables.evidence) if each.copy_of is None]
    finally:
        agent.stop()
    assert len(cases) == 2
    for case in cases:
        roles = {each.role for each in originals if case.merge_key.endswith(each.event_id)}
        assert roles == {"arrival", "middle", "limit", "closeup", "clip", "manifest"}
    taken_ms = sorted(each.time_ms for each in originals if each.role in ("arrival", "middle", "limit"))
    assert taken_ms[-1] - taken_ms[0] >= 20_000


def test_nothing_is_lost_and_nothing_twice_whoever_is_killed(
    tmp_path: Path, own_mosquitto: Mosquitto, centre: CentreProcess
) -> None:
    seed = int(os.environ.get("WAYSIDE_SEED", "7"))
    print(f"repeat with: WAYSIDE_SEED={seed} pytest tests/test_route.py -k killed")  # noqa: T201  # for who must mend it
    choose = random.Random(seed)
    video = write_street(tmp_path / "street.mp4")
    agent = AgentProcess(tmp_path / "box", "box-1", video, broker=own_mosquitto.url, centre=centre.url)
    agent.start()
    victims = ["agent", "broker", "centre"] * 3
    choose.shuffle(victims)
    for victim in victims:
        time.sleep(choose.uniform(1, 9))
        if victim == "agent":
            agent.kill()
            agent.start()
        elif victim == "broker":
            own_mosquitto.kill()  # it keeps nothing, so this wipes its state
            time.sleep(choose.uniform(0, 2))
            own_mosquitto.start()
        else:
            centre.kill()
            time.sleep(choose.uniform(0, 2))
            centre.start()
            centre.wait_ready()

    def has_all() -> bool:
        evidence = rows(centre, tables.evidence)
        return (
            # The street is played again and again: the same car at the same place within minutes is the same case.
            sum(each.phase == "start" for each in rows(centre, tables.event)) >= 2
            and bool(evidence)
            and all(each.stored_ms for each in evidence)
            and any(case.is_complete for case in rows(centre, tables.cases))
        )

    wait_until(has_all, f"complete evidence: see {agent.log} and {centre.log}", patience_s=120)
    agent.kill()
    made = _last_seq(agent)
    agent.start()  # it sends what was left behind

    def has_made() -> bool:
        cursors = {each.stream: each for each in rows(centre, tables.cursor)}
        return all(seq == 0 or cursors[stream].through_seq >= seq for stream, seq in made.items())

    wait_until(has_made, f"{made} at the centre: see {agent.log} and {centre.log}", patience_s=120)
    agent.stop()
    assert len({each.epoch for each in rows(centre, tables.cursor)}) == 1
    assert rows(centre, tables.dead_letter) == []
    assert rows(centre, tables.loss) == []
    started = [each.id for each in rows(centre, tables.event) if each.phase == "start"]
    assert len(started) == len(set(started))
    cases = rows(centre, tables.cases)
    assert len(cases) <= len(started)
    assert {each.case_id for each in rows(centre, tables.event)} == {each.id for each in cases}


def _last_seq(agent: AgentProcess) -> dict[str, int]:
    """Return the last number that each stream of a killed agent has given out."""
    connection = sqlite3.connect(agent.folder / "storage" / "outbox.sqlite")
    try:
        return dict(connection.execute("SELECT name, last_seq FROM stream"))
    finally:
        connection.close()
