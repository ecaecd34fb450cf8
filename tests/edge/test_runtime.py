"""Runtimes: what they compute is the same, and what they say of a model that cannot be opened is one line."""

from pathlib import Path

import numpy as np
import pytest

from edge.config import Onnx
from edge.inference import runtime as runtimes
from edge.inference.choice import Candidate
from edge.inference.onnx import Network
from edge.inference.runtime import RuntimeName, installed, open_runtime
from edge.video import frames
from shell.refusal import Refusal
from tests.fixtures.onnx_file import write_identity, write_yolox

needs_openvino = pytest.mark.skipif("openvino" not in installed(), reason="the extra `openvino` is not installed")
names = pytest.mark.parametrize("name", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])


@needs_openvino
def test_both_runtimes_give_the_same_numbers(tmp_path: Path) -> None:
    model = Path(write_yolox(tmp_path / "a.onnx", height=64, width=96, labels=3))
    picture = np.random.default_rng(1).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    one, other = (open_runtime(model, name, 1).run(picture).copy() for name in installed())
    assert one.std() > 0.05
    assert np.abs(one - other).max() < 1e-3


@needs_openvino
@pytest.mark.data
def test_a_real_model_finds_the_same_by_both_runtimes(recorded: Path) -> None:
    config = Onnx(model="yolox-nano-416x736")
    one, other = (Network(config, Candidate(name, 1)) for name in installed())
    for frame in frames(str(recorded / "footage" / "vtest.avi"), tick_hz=0.05, decode="full", size=(768, 576)):
        picture = one.canvas.fit(frame.image)[0]
        assert np.abs(one.runtime.run(picture) - other.runtime.run(picture)).max() < 1e-3
        pairs = list(zip(one.detect(frame.image, 0).boxes, other.detect(frame.image, 0).boxes, strict=True))
        assert pairs
        for a, b in pairs:
            assert (a.x1, a.y1, a.x2, a.y2) == pytest.approx((b.x1, b.y1, b.x2, b.y2), abs=0.11)
            assert (a.label, a.confidence) == (b.label, pytest.approx(b.confidence, abs=1e-3))


@pytest.mark.data
def test_the_number_of_threads_changes_no_bit(recorded: Path) -> None:
    model = recorded / "models" / "yolox_nano.onnx"
    picture = np.random.default_rng(1).uniform(0, 255, (1, 3, 416, 416)).astype(np.float32)
    first, *others = (open_runtime(model, "onnxruntime", threads).run(picture) for threads in (2, 1, 3))
    assert all(np.array_equal(first, other) for other in others)


@names
def test_a_model_of_any_size_computes_in_the_size_that_it_is_told(tmp_path: Path, name: RuntimeName) -> None:
    model = write_yolox(tmp_path / "a.onnx", height=64, width=96, labels=80, sides=("h", "w"))
    backend = Network(Onnx(model=model, input=(64, 96), runtime=name))
    assert backend.input_size == (96, 64)
    assert backend.runtime.run(np.zeros((1, 3, 64, 96), np.float32)).shape == (1, 126, 85)


@names
def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path, name: RuntimeName) -> None:
    (tmp_path / "a.onnx").write_text("weights, supposedly")
    with pytest.raises(Refusal, match=r"is not an ONNX model that can be opened: ..") as raised:
        open_runtime(tmp_path / "a.onnx", name, 1)
    assert "\n" not in str(raised.value)
    assert "Exception from" not in str(raised.value)


@names
def test_a_model_that_takes_another_size_is_refused(tmp_path: Path, name: RuntimeName) -> None:
    model = write_identity(tmp_path / "a.onnx", takes=(1, 3, 64, 96), gives=(1, 3, 64, 96))
    with pytest.raises(Refusal, match=r"is configured, but the model takes \[64, 96\]"):
        Network(Onnx(model=model, input=(416, 736), runtime=name))


def test_a_runtime_that_is_not_installed_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda name: None if name == "openvino" else name)
    model = write_identity(tmp_path / "a.onnx", takes=(1, 3, 64, 96), gives=(1, 3, 64, 96))
    with pytest.raises(Refusal) as raised:
        Network(Onnx(model=model, runtime="openvino"))
    assert str(raised.value) == (
        "runtime: openvino: is not installed; install the extra `wayside[openvino]`, or say `auto`"
    )
