"""Runtimes: what computes a model in ONNX format. Both compute in 32-bit floats, so they find the same boxes."""

import importlib.metadata
import importlib.util
import re
import threading
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

from shell.refusal import Refusal

Floats = NDArray[np.float32]
RuntimeName = Literal["onnxruntime", "openvino"]
RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino")
_ONNXRUNTIME_ERRORS = (
    onnxruntime_errors.Fail,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.RuntimeException,
)
RUN_ERRORS = (*_ONNXRUNTIME_ERRORS, RuntimeError)
"""What a runtime raises that cannot compute a model; OpenVINO knows no narrower class."""


class Input(NamedTuple):
    """What a model takes, one of its inputs; a side that is left open is a word or None."""

    shape: tuple[int | str | None, ...]
    is_float: bool


class Runtime(Protocol):
    """A model, opened. May be called from several threads at once."""

    name: RuntimeName
    threads: int
    inputs: tuple[Input, ...]

    def run(self, picture: Floats) -> Floats:
        """Return the model's first output; it holds until the same thread calls again."""


def installed() -> tuple[RuntimeName, ...]:
    """Return the runtimes that this machine has, the one that is always there first."""
    return tuple(name for name in RUNTIMES if importlib.util.find_spec(name) is not None)


def version(name: RuntimeName) -> str:
    """Return the version of a runtime that is installed."""
    return importlib.metadata.version(name)


def open_runtime(path: Path, name: RuntimeName, threads: int, size: tuple[int, int] | None = None) -> Runtime:
    """Open a model; ``size`` is height and width for a model that takes any. Raise Refusal."""
    if name not in installed():
        raise Refusal(f"runtime: {name}", "is not installed", f"install the extra `wayside[{name}]`, or say `auto`")
    try:
        return _OnnxRuntime(path, threads) if name == "onnxruntime" else _OpenVino(path, threads, size)
    except RUN_ERRORS as error:
        raise Refusal(str(path), f"is not an ONNX model that can be opened: {said(error)}") from error


def said(error: BaseException) -> str:
    """Return what a runtime says in one line, without its error codes and the places in its source."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("Exception from ", "Check '"))), type(error).__name__)


class _OnnxRuntime:
    name: RuntimeName = "onnxruntime"

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Threads that spin while they wait would take the cores from the cameras' decoders.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        takes = self._session.get_inputs()
        self.inputs = tuple(Input(tuple(each.shape), each.type == "tensor(float)") for each in takes)
        self._input = takes[0].name if takes else ""

    def run(self, picture: Floats) -> Floats:
        output: Floats = self._session.run(None, {self._input: picture})[0]
        return output


class _OpenVino:
    name: RuntimeName = "openvino"

    def __init__(self, path: Path, threads: int, size: tuple[int, int] | None) -> None:
        import openvino  # noqa: PLC0415  # an extra, and slow to load

        core = openvino.Core()
        model = core.read_model(str(path))
        self.threads = threads
        self.inputs = tuple(_input_of(each) for each in model.inputs)
        if size is not None and len(self.inputs) == 1 and None in self.inputs[0].shape[2:]:
            model.reshape([1, 3, *size])  # a fixed shape is planned once, an open one for every picture
        settings = {
            # Left alone, OpenVINO computes in bfloat16 where the processor can: its answers then differ by about a
            # hundredth, and a threshold would fall otherwise on one box than on the next. Speed is compared at equal
            # precision too.
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # decoders must be free to take any core
        }
        self._model = core.compile_model(model, "CPU", settings)
        self._own = threading.local()

    def run(self, picture: Floats) -> Floats:
        request: Any = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._model.create_infer_request()
        output: Floats = request.infer([picture], share_inputs=True, share_outputs=True)[0]
        return output


def _input_of(port: Any) -> Input:
    shape = tuple(None if side.is_dynamic else side.get_length() for side in port.get_partial_shape())
    return Input(shape, port.get_element_type().get_type_name() == "f32")
