import contextlib
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.fixtures.agent import ROOT, AgentProcess
from tests.fixtures.centre_http import EvidenceServer
from tests.fixtures.mosquitto import Mosquitto, free_port
from tests.fixtures.street_video import write_street
from tests.fixtures.subscriber import Subscriber
from wire.batch import Message
from wire.event import Event, Evidence
from wire.health import Health
from wire.loss import LossRecord

pytestmark = pytest.mark.system

CRASH_POINTS = (
    "outbox.before-commit:9",
    "outbox.after-commit:9",
    "uplink.before-publish:4",
    "uplink.after-publish:4",
    "uplink.before-settle:4",
    "uplink.after-settle:4",
    "evidence.after-write:2",
    "evidence.after-write:7",
    "upload.after-chunk:2",
    "seal.after-write:1",
)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("street") / "street.mp4")


@pytest.fixture
def centre() -> Iterator[EvidenceServer]:
    server = EvidenceServer()
    server.takes_all = True
    yield server
    server.stop()


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(mosquitto.url)
    yield subscriber
    subscriber.stop()


def _events(subscriber: Subscriber, agent: AgentProcess) -> list[Message]:
    """Return what came of the events stream of one agent, in the order of its numbers."""
    places = sorted(place for place in subscriber.messages if place[1] == "events")
    found = [subscriber.messages[place] for place in places]
    mine = {each.id for each in found if isinstance(each, Event) and each.camera == f"{agent.agent}-cam"}
    return [
        each
        for each in found
        if (isinstance(each, Event) and each.id in mine) or (isinstance(each, Evidence) and each.event_id in mine)
    ]


def _complete(subscriber: Subscriber, centre: EvidenceServer, agent: AgentProcess) -> set[str]:
    """Return the events of which everything has come: start, end, three stills each with its copy, the clip."""
    events = _events(subscriber, agent)
    complete = set()
    for event in {each.id for each in events if isinstance(each, Event)}:
        phases = Counter(each.phase for each in events if isinstance(each, Event) and each.id == event)
        files = [each for each in events if isinstance(each, Evidence) and each.event_id == event]
        roles = Counter(each.role for each in files)
        if (
            phases == {"start": 1, "end": 1}
            and roles.keys() == {"arrival", "middle", "limit", "closeup", "clip", "manifest"}
            and all(each.sha256 in centre.stored for each in files)
        ):
            complete.add(event)
    return complete


def _numbers_have_no_holes(subscriber: Subscriber) -> None:
    numbers: dict[tuple[str, str], list[int]] = {}
    for epoch, stream, seq in sorted(subscriber.messages):
        numbers.setdefault((epoch, stream), []).append(seq)
    for found in numbers.values():
        assert found == list(range(1, len(found) + 1))


def test_the_walk_knows_every_crash_point_of_the_edge() -> None:
    # Those of the gateway, which these boxes do not have, are walked in test_gateway.py.
    paths = [path for path in (ROOT / "edge").rglob("*.py") if not path.name.startswith("gateway")]
    sources = "".join(path.read_text() for path in paths)
    assert {point.partition(":")[0] for point in CRASH_POINTS} == set(
        re.findall(r'crash_point\("([a-z.-]+)"\)', sources)
    )


@pytest.mark.timeout(600)
def test_a_kill_at_any_point_loses_nothing_and_tells_nothing_twice(
    street: Path, mosquitto: Mosquitto, subscriber: Subscriber, centre: EvidenceServer, tmp_path: Path
) -> None:
    agents = {}
    for number, point in enumerate(CRASH_POINTS):
        agent = AgentProcess(tmp_path / str(number), f"box-{number}", street, broker=mosquitto.url, centre=centre.url)
        agent.start(CRASH_AT=point)
        agents[point] = agent
    waiting = dict(agents)
    deadline = time.monotonic() + 480
    while waiting:
        for point, agent in list(waiting.items()):
            if agent.has_crashed():
                assert agent.exits == [137], f"{point}: {agent.log.read_text()}"
                agent.start()
            elif agent.exits and _complete(subscriber, centre, agent):
                assert agent.stop() == 0, f"{point}: {agent.log.read_text()}"
                del waiting[point]
        assert time.monotonic() < deadline, {
            point: (agent.exits, _events(subscriber, agent)) for point, agent in waiting.items()
        }
        time.sleep(0.5)
    assert not subscriber.altered
    _numbers_have_no_holes(subscriber)
    assert not any(isinstance(message, LossRecord) for message in subscriber.messages.values())
    for point, agent in agents.items():
        phases = Counter((each.id, each.phase) for each in _events(subscriber, agent) if isinstance(each, Event))
        assert max(phases.values()) == 1, f"{point}: {phases}"


@pytest.mark.timeout(400)
def test_an_event_goes_on_through_a_kill_and_still_gets_its_clip(
    street: Path, mosquitto: Mosquitto, subscriber: Subscriber, centre: EvidenceServer, tmp_path: Path
) -> None:
    agent = AgentProcess(tmp_path, "box-a", street, broker=mosquitto.url, centre=centre.url)
    agent.start()
    subscriber.wait_for(lambda each: any(isinstance(one, Event) for one in each.messages.values()), 120)
    agent.kill()
    agent.start()
    (start,) = (each for each in _events(subscriber, agent) if isinstance(each, Event))
    subscriber.wait_for(
        lambda _: any(
            isinstance(each, Event) and (each.id, each.phase) == (start.id, "end")
            for each in _events(subscriber, agent)
        ),
        120,
    )
    events = _events(subscriber, agent)
    (end,) = (each for each in events if isinstance(each, Event) and (each.id, each.phase) == (start.id, "end"))
    clips = [each for each in events if isinstance(each, Evidence) and (each.event_id, each.role) == (start.id, "clip")]
    assert end.start_ms == start.start_ms
    assert len(clips) == 1 or "clip_missing" in end.facts
    assert agent.stop() == 0


def _children(agent: AgentProcess) -> dict[str, psutil.Process]:
    """Return the agent's processes by what they do, told by the one library that the other does not load."""
    found = {}
    for process in psutil.Process(agent.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a process may end while it is looked at
            if any("spawn_main" in word for word in process.cmdline()):
                looks = any("cv2" in mapped.path for mapped in process.memory_maps())
                found["looks" if looks else "reads"] = process
    return found


def _until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _states(subscriber: Subscriber, camera: str) -> list[str]:
    """Return the states of a camera in the order in which they were published, each once until it changes."""
    healths = [message for _, message in sorted(subscriber.messages.items()) if isinstance(message, Health)]
    states = [each.state for health in healths for each in health.cameras if each.id == camera]
    return [state for before, state in pairwise(["", *states]) if state != before]


def test_whichever_process_is_killed_or_hangs_is_replaced_and_events_go_on(
    street: Path, mosquitto: Mosquitto, subscriber: Subscriber, centre: EvidenceServer, tmp_path: Path
) -> None:
    agent = AgentProcess(tmp_path, "box-f", street, broker=mosquitto.url, centre=centre.url)
    agent.start()
    _until(lambda: set(_children(agent)) == {"looks", "reads"})
    subscriber.wait_for(lambda each: "live" in _states(each, "box-f-cam"))
    for name, number in (("looks", signal.SIGKILL), ("reads", signal.SIGSTOP)):
        lost = _children(agent)[name]
        lost.send_signal(number)
        if name == "reads":
            subscriber.wait_for(lambda each: _states(each, "box-f-cam")[-1:] == ["stalled"])
        _until(lambda name=name, lost=lost: _children(agent).get(name, lost).pid != lost.pid)
    subscriber.wait_for(lambda each: _states(each, "box-f-cam")[-1:] == ["live"])
    assert agent.exits == []
    events = len(_events(subscriber, agent))
    subscriber.wait_for(lambda _: len(_events(subscriber, agent)) > events, 60)
    children = psutil.Process(agent.pid).children()
    agent.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def test_a_model_that_is_not_there_is_refused_in_one_line_before_anything_starts(
    street: Path, centre: EvidenceServer, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    agent = AgentProcess(tmp_path, "box-g", street, broker=mosquitto.url, centre=centre.url)
    text = (tmp_path / "cam.yaml").read_text()
    (tmp_path / "cam.yaml").write_text(text.replace("{kind: motion, learn_s: 1}", "{kind: onnx, model: gone.onnx}"))
    agent.start()
    _until(agent.has_crashed)
    assert agent.exits == [2]
    said = agent.log.read_text().strip()
    assert "gone.onnx" in said
    assert "\n" not in said
    assert not (tmp_path / "storage" / "outbox.sqlite").exists()


def test_the_broker_tells_of_a_killed_agent_and_systemd_of_a_running_one(
    street: Path, mosquitto: Mosquitto, subscriber: Subscriber, centre: EvidenceServer, tmp_path: Path
) -> None:
    agent = AgentProcess(tmp_path / "box", "box-b", street, broker=mosquitto.url, centre=centre.url)
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(60)
        agent.start(NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000")
        heard = {systemd.recv(64) for _ in range(4)}
    assert heard == {b"READY=1", b"WATCHDOG=1"}
    subscriber.wait_for(lambda each: any(one.agent == "box-b" for one in each.statuses))
    agent.kill()
    subscriber.wait_for(lambda each: each.statuses[-1].agent == "box-b" and each.statuses[-1].state == "offline")
    born = next(one for one in subscriber.statuses if one.agent == "box-b" and one.state == "online")
    assert [card.id for card in born.cameras] == ["box-b-cam"]
    assert born.cameras[0].zones == ("kerb",)


def test_check_says_what_is_there(street: Path, mosquitto: Mosquitto, centre: EvidenceServer, tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path, "box-c", street, broker=mosquitto.url, centre=centre.url)
    result = agent.check()
    assert (result.returncode, result.stderr.strip()) == (0, "")
    for word in ("illegal-parking", "box-c-cam", "signed in, MQTT 5", "takes evidence", "can be written"):
        assert word in result.stdout


def test_check_refuses_each_fault_in_one_line_and_exits_with_2(
    street: Path, tmp_path: Path, centre: EvidenceServer
) -> None:
    nowhere = free_port()
    centre.refuse = 401
    agent = AgentProcess(tmp_path, "box-d", street, broker=f"mqtt://127.0.0.1:{nowhere}", centre=centre.url)
    (tmp_path / "cam.yaml").write_text((tmp_path / "cam.yaml").read_text().replace(street.name, "stret.mp4"))
    result = agent.check()
    assert result.returncode == 2
    assert [line for line in result.stderr.splitlines() if line] == [
        (
            f"wayside: {street.parent / 'stret.mp4'}: no such file; expected a video file or an rtsp:// URL; "
            f"did you mean {street}?"
        ),
        f"wayside: mqtt://127.0.0.1:{nowhere}: connection refused; is the broker running, and is the port right?",
        (
            f"wayside: {centre.url}: the centre refuses the token; "
            "put what `wayside ingest agent-token` prints into evidence_token_file"
        ),
    ]


def test_an_agent_of_an_unknown_key_is_refused_before_anything_starts(street: Path, tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path, "box-e", street, broker="mqtt://127.0.0.1:1", centre="http://127.0.0.1:1")
    agent.config.write_text(agent.config.read_text().replace("broker:", "brokr:"))
    result = agent.check()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"wayside: {agent.config}:2: brokr: unknown key; did you mean 'broker'?\n"
