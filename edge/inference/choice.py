"""Choice: by which runtime and with how many threads a model is computed on this box; measured once, remembered."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import structlog
from msgspec import Meta

from edge.config import Onnx
from edge.inference import Demand
from edge.inference.runtime import RUN_ERRORS, Runtime, RuntimeName, installed, open_runtime, version
from edge.models import resolve, sha256_of
from shell.refusal import Refusal

_LOG = structlog.get_logger()
_SETTLED_THREADS = 2
_THREADS_MAX = 8
"""Networks as small as these gain nothing from more."""
_BUDGET_S = 3.0
"""For all candidates; one that is not reached is measured at the next start."""
_RUNS = (3, 12)
"""At least, and at most, of a candidate."""
_LATENCY_MAX_S = 0.25
"""Half of a tick at the usual two a second; a slower answer is late for what it says."""
_LOAD_MAX = 0.7
"""Of the time in which pictures come; beyond it they queue."""
_BUSY = 1.5
"""Wall time over CPU time beyond which the cores were busy with something else; that is no property of the box."""
_EQUAL = 1.05
"""What differs by less is equal: two measurements of the same differ as much."""


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """One way to compute a model."""

    runtime: RuntimeName
    threads: int


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one picture costs; the least of several, for whatever disturbs a measurement only adds to it."""

    candidate: Candidate
    cpu_ms: Annotated[float, Meta(gt=0)]
    """Of all threads."""
    wall_ms: Annotated[float, Meta(gt=0)]


class Circumstances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that measurements depend on; where one of these is another, they say nothing."""

    model_sha256: str
    input: tuple[int, int] | None
    processor: str
    cores: int
    versions: dict[str, str]


class _Notes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of what was measured."""

    circumstances: Circumstances
    measurements: tuple[Measurement, ...]


def settled(config: Onnx) -> Candidate:
    """Return what is taken without measuring: the same on every machine, so that a replay is."""
    return Candidate(
        "onnxruntime" if config.runtime == "auto" else config.runtime,
        _SETTLED_THREADS if config.threads == "auto" else config.threads,
    )


def choose(config: Onnx, demand: Demand, folder: Path) -> Candidate:
    """Return the best for this box, measured or remembered in ``folder``. Raise Refusal for a model nobody can open."""
    cores = len(os.sched_getaffinity(0))
    wanted = candidates(config, installed(), cores)
    if len(wanted) == 1:
        return wanted[0]
    path = resolve(config.model, config.sha256)
    here = Circumstances(
        model_sha256=sha256_of(path),
        input=config.input,
        processor=_processor(),
        cores=cores,
        versions={name: version(name) for name in installed()},
    )
    notes = folder / f"runtime-{here.model_sha256[:16]}.json"
    remembered = read_notes(notes, here)
    missing = [each for each in wanted if each not in {known.candidate for known in remembered}]
    measured = _measure_all(path, missing, config.input)
    lasting = [each for each in measured if each.wall_ms <= _BUSY * each.cpu_ms]
    if lasting:
        _write_notes(notes, _Notes(here, (*remembered, *lasting)))
    usable = [each for each in (*remembered, *measured) if each.candidate in wanted]
    if not usable:
        return settled(config)  # none could be opened: opening it again says why
    chosen = best(usable, demand, cores)
    _LOG.info(
        "inference is computed by",
        model=path.name,
        runtime=chosen.candidate.runtime,
        threads=chosen.candidate.threads,
        cpu_ms=chosen.cpu_ms,
        wall_ms=chosen.wall_ms,
        of=", ".join(
            f"{each.candidate.runtime}/{each.candidate.threads}: {each.cpu_ms:g} ms CPU, {each.wall_ms:g} ms"
            for each in usable
        ),
        measured_now=len(measured),
    )
    return chosen.candidate


def candidates(config: Onnx, runtimes: Sequence[RuntimeName], cores: int) -> list[Candidate]:
    """Return all that the configuration leaves open, the likeliest first.

    >>> [(each.runtime, each.threads) for each in candidates(Onnx(model="m"), ("onnxruntime",), 4)]
    [('onnxruntime', 1), ('onnxruntime', 2), ('onnxruntime', 4)]
    """
    names = runtimes if config.runtime == "auto" else (config.runtime,)
    if config.threads == "auto":
        most = min(cores, _THREADS_MAX)
        threads = sorted({*(1 << n for n in range(most.bit_length())), most})
    else:
        threads = [config.threads]
    return [Candidate(name, count) for count in threads for name in names]


def best(measurements: Sequence[Measurement], demand: Demand, cores: int) -> Measurement:
    """Return what takes the least CPU time among what is quick enough; if nothing is, what gets most pictures through.

    All cameras share the cores, so CPU time bounds how many there can be: threads that work on one picture wait for
    each other, and pay off only where a picture would be late otherwise.
    """

    def load(each: Measurement) -> float:
        lanes = max(1, min(demand.callers, cores // each.candidate.threads))
        return demand.pictures_hz * each.wall_ms / 1000 / lanes

    quick = [each for each in measurements if each.wall_ms <= _LATENCY_MAX_S * 1000 and load(each) <= _LOAD_MAX]
    if not quick:
        return min(measurements, key=load)
    bound = min(each.cpu_ms for each in quick) * _EQUAL
    equal = [each for each in quick if each.cpu_ms <= bound]
    return min(equal, key=lambda each: (each.candidate.threads, each.candidate.runtime != "onnxruntime", each.cpu_ms))


def read_notes(path: Path, here: Circumstances) -> tuple[Measurement, ...]:
    """Return what was measured in the same circumstances; nothing if the file is not there or not whole."""
    try:
        notes = msgspec.json.decode(path.read_bytes(), type=_Notes)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        _LOG.warning("what was measured of a model cannot be read, it is measured anew", reason=str(error))
        return ()
    return notes.measurements if notes.circumstances == here else ()


def _write_notes(path: Path, notes: _Notes) -> None:
    """Write a file whole or not at all; a disk that is full costs a measurement at the next start, no more."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(notes), indent=1))
        partial.replace(path)
    except OSError as error:
        _LOG.warning("what was measured of a model cannot be kept", path=str(path), reason=error.strerror)


def _measure_all(path: Path, wanted: Sequence[Candidate], size: tuple[int, int] | None) -> list[Measurement]:
    measured: list[Measurement] = []
    began_s = time.monotonic()
    for n, candidate in enumerate(wanted):
        left_s = _BUDGET_S - (time.monotonic() - began_s)
        if left_s <= 0 and measured:
            break
        try:
            runtime = open_runtime(path, candidate.runtime, candidate.threads, size)
            measured.append(measure(runtime, size, left_s / (len(wanted) - n)))
        except (Refusal, *RUN_ERRORS) as error:
            _LOG.warning("a runtime cannot compute the model", runtime=candidate.runtime, reason=str(error))
    return measured


def measure(runtime: Runtime, size: tuple[int, int] | None, budget_s: float) -> Measurement:
    """Return what a picture costs, in about that time. Raise what the runtime raises if it cannot."""
    sides = [side if isinstance(side, int) else None for side in runtime.inputs[0].shape[2:]]
    height, width = (int(own or given) for own, given in zip(sides, size or (0, 0), strict=True))
    picture = np.random.default_rng(7).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    runtime.run(picture)  # the first plans its memory
    costs: list[tuple[float, float]] = []
    until_s = time.monotonic() + budget_s
    while len(costs) < _RUNS[0] or (time.monotonic() < until_s and len(costs) < _RUNS[1]):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        runtime.run(picture)
        costs.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    cpu_ms, wall_ms = (max(round(min(kind) * 1000, 2), 0.01) for kind in zip(*costs, strict=True))
    return Measurement(Candidate(runtime.name, runtime.threads), cpu_ms, wall_ms)


def _processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = (
        line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware", "CPU part"))
    )
    return next(named, platform.processor())
