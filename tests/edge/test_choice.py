"""The choice of a runtime: what costs least and is quick enough, measured once, never in a replay."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from edge.config import Onnx
from edge.inference import Backends, Demand, choice
from edge.inference.choice import Candidate, Measurement, best, candidates, choose, settled
from edge.inference.onnx import Network
from edge.inference.runtime import installed
from tests.fixtures.onnx_file import write_yolox


@pytest.fixture
def model(tmp_path: Path) -> str:
    return write_yolox(tmp_path / "a.onnx", height=64, width=96, labels=80)


@pytest.fixture(autouse=True)
def _ample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time to reach every candidate, and no distrust of what is measured, however busy the machine is."""
    monkeypatch.setattr(choice, "_BUDGET_S", 60.0)
    monkeypatch.setattr(choice, "_BUSY", float("inf"))


def one_thread(cpu_ms: float, wall_ms: float) -> Measurement:
    return Measurement(Candidate("onnxruntime", 1), cpu_ms, wall_ms)


def two_threads(cpu_ms: float, wall_ms: float) -> Measurement:
    return Measurement(Candidate("onnxruntime", 2), cpu_ms, wall_ms)


def openvino(cpu_ms: float, wall_ms: float) -> Measurement:
    return Measurement(Candidate("openvino", 1), cpu_ms, wall_ms)


def threads(*measurements: Measurement, cores: int = 4, **demand: Any) -> int:
    return best(measurements, Demand(**demand), cores).candidate.threads


def test_what_takes_the_least_cpu_time_is_taken_although_another_answers_sooner() -> None:
    assert threads(one_thread(25, 25), two_threads(30, 15)) == 1


def test_more_threads_are_taken_where_one_answers_too_late() -> None:
    assert threads(one_thread(260, 260), two_threads(300, 150), pictures_hz=1) == 2


def test_more_threads_are_taken_where_one_cannot_keep_up_with_all_cameras() -> None:
    slow = one_thread(100, 100), two_threads(120, 60)
    assert threads(*slow, pictures_hz=6) == 1
    assert threads(*slow, pictures_hz=8) == 2


def test_where_cameras_are_looked_at_beside_each_other_fewer_threads_win() -> None:
    slow = one_thread(100, 100), two_threads(120, 60)
    assert threads(*slow, pictures_hz=8, callers=4) == 1


def test_where_nothing_is_quick_enough_the_most_pictures_get_through() -> None:
    assert threads(one_thread(400, 400), two_threads(500, 300)) == 2
    assert threads(one_thread(400, 400), two_threads(500, 300), pictures_hz=8, callers=4) == 1


def test_of_equals_the_runtime_that_is_always_there_is_taken() -> None:
    assert best([openvino(24.5, 25), one_thread(25, 25)], Demand(), 2).candidate.runtime == "onnxruntime"
    assert best([openvino(23, 25), one_thread(25, 25)], Demand(), 2).candidate.runtime == "openvino"


def test_what_is_configured_is_not_open() -> None:
    both = ("onnxruntime", "openvino")
    assert candidates(Onnx(model="m", runtime="openvino", threads=3), both, 8) == [Candidate("openvino", 3)]
    assert candidates(Onnx(model="m", threads=3), both, 8) == [Candidate("onnxruntime", 3), Candidate("openvino", 3)]
    open_threads = candidates(Onnx(model="m", runtime="onnxruntime"), both, 6)
    assert [each.threads for each in open_threads] == [1, 2, 4, 6]


def test_without_a_place_to_remember_in_it_is_the_same_on_every_machine(model: str) -> None:
    assert settled(Onnx(model=model)) == Candidate("onnxruntime", 2)
    assert settled(Onnx(model=model, runtime="openvino", threads=1)) == Candidate("openvino", 1)
    backend = Backends().open(Onnx(model=model))
    assert isinstance(backend, Network)
    assert (backend.runtime.name, backend.runtime.threads) == ("onnxruntime", 2)


def test_what_was_measured_is_said_in_one_line_and_not_measured_again(model: str, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as said:
        first = choose(Onnx(model=model), Demand(), tmp_path / "notes")
        again = choose(Onnx(model=model), Demand(), tmp_path / "notes")
    assert [line["event"] for line in said] == ["inference is computed by"] * 2
    assert said[0]["measured_now"] >= len(installed())
    assert said[1]["measured_now"] == 0
    assert said[0]["runtime"] == first.runtime
    assert all(f"{name}/1: " in said[0]["of"] for name in installed())
    assert again == first


def measured_now(model: str, folder: Path, **config: Any) -> int:
    with structlog.testing.capture_logs() as said:
        choose(Onnx(model=model, **config), Demand(), folder)
    return int(said[-1]["measured_now"])


def only_note(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]", b'{"circumstances": 1, "measurements": []}'])
def test_a_damaged_file_means_measuring_anew(model: str, tmp_path: Path, damage: bytes) -> None:
    every = measured_now(model, tmp_path / "notes")
    only_note(tmp_path / "notes").write_bytes(damage)
    assert measured_now(model, tmp_path / "notes") == every
    assert measured_now(model, tmp_path / "notes") == 0


@pytest.mark.parametrize(
    ("key", "other"),
    [("processor", "another"), ("cores", 99), ("versions", {"onnxruntime": "0.1"}), ("model_sha256", "0" * 64)],
)
def test_another_processor_or_version_means_measuring_anew(model: str, tmp_path: Path, key: str, other: object) -> None:
    every = measured_now(model, tmp_path / "notes")
    path = only_note(tmp_path / "notes")
    notes = msgspec.json.decode(path.read_bytes())
    notes["circumstances"][key] = other
    path.write_bytes(msgspec.json.encode(notes))
    assert measured_now(model, tmp_path / "notes") == every


def test_a_remembered_cost_decides(model: str, tmp_path: Path) -> None:
    measured_now(model, tmp_path / "notes")
    path = only_note(tmp_path / "notes")
    notes = msgspec.json.decode(path.read_bytes())
    notes["measurements"][-1] |= {"cpu_ms": 0.01, "wall_ms": 0.01}
    path.write_bytes(msgspec.json.encode(notes))
    chosen = choose(Onnx(model=model), Demand(), tmp_path / "notes")
    assert [chosen.runtime, chosen.threads] == notes["measurements"][-1]["candidate"]


def test_only_what_is_missing_is_measured(model: str, tmp_path: Path) -> None:
    assert measured_now(model, tmp_path / "notes", runtime="onnxruntime") > 0
    rest = len(installed()) - 1
    assert measured_now(model, tmp_path / "notes", threads=1) == rest


def test_a_measurement_takes_no_longer_than_it_may(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_BUDGET_S", 0.0)
    assert measured_now(model, tmp_path / "notes") == 1  # the first is always measured
    assert measured_now(model, tmp_path / "notes") == 1  # and the next at the next start


def test_what_was_measured_while_the_cores_were_busy_is_used_but_not_remembered(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_BUSY", 0.0)
    every = measured_now(model, tmp_path / "notes")
    assert measured_now(model, tmp_path / "notes") == every > 0
    assert not (tmp_path / "notes").exists()


def test_a_folder_that_cannot_be_written_costs_no_more_than_measuring_again(model: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with structlog.testing.capture_logs() as said:
        choose(Onnx(model=model), Demand(), tmp_path / "file" / "notes")
    assert [line["event"] for line in said] == [
        "what was measured of a model cannot be read, it is measured anew",
        "what was measured of a model cannot be kept",
        "inference is computed by",
    ]


def test_where_the_model_is_not_there_opening_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("weights, supposedly")
    assert choose(Onnx(model=str(tmp_path / "bad.onnx")), Demand(), tmp_path) == Candidate("onnxruntime", 2)
