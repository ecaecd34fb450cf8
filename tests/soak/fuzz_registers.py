"""Feed spoilt Modbus answers and exchanges to the decoders: `python -m tests.soak.fuzz_registers 1000000`."""

import random
import resource
import sys
import time

import msgspec

from devices.protocols.modbus import (
    TCP_PDU_MAX,
    FrameError,
    SlaveError,
    TcpFrames,
    answer_size,
    answered,
    read_request,
    rtu_answer,
    rtu_frame,
    tcp_frame,
    write_request,
)
from devices.reading import DecodeError
from devices.registers import RegisterProfile
from devices.report import Write
from tests.fixtures.modbus import shipped
from wayside.profiles import FOLDER

PROFILES = [
    shipped(f"{path.parent.name}/{path.stem}")
    for path in sorted(FOLDER.rglob("*.yaml"))
    if "\nprotocol: modbus\n" in path.read_text()
]
BLOCKS = [(profile, block) for profile in PROFILES for block in profile.blocks()]


class Outcome(msgspec.Struct):
    """What became of the inputs."""

    inputs: int = 0
    readings: int = 0
    faults: int = 0
    errors: int = 0
    frames: int = 0


def fuzz(count: int, *, seed: int) -> Outcome:
    """Decode so many spoilt inputs; raise whatever the decoders raise that they should not."""
    chance = random.Random(seed)
    outcome = Outcome()
    frames = TcpFrames()
    while outcome.inputs < count:
        outcome.inputs += 1
        profile, block = chance.choice(BLOCKS)
        request = read_request(block.function, block.address, block.count)
        answer = _spoilt(chance, request)
        _decode(profile, request + answer, outcome)
        frames = _frames(frames, tcp_frame(outcome.inputs & 0xFFFF, 1, answer[:TCP_PDU_MAX]), chance, outcome)
        if outcome.inputs % 8 == 0:
            _line(chance, request, answer, outcome)
    return outcome


def _decode(profile: RegisterProfile, payload: bytes, outcome: Outcome) -> None:
    try:
        said = profile.decoded(payload)
    except DecodeError as error:
        outcome.errors += 1
        if error.at_byte > len(payload):
            raise AssertionError(f"{error} in {len(payload)} bytes") from error
        return
    outcome.readings += len(said.readings)
    outcome.faults += len(said.faults)
    if len(said.readings) + len(said.faults) > 8 * len(payload):
        raise AssertionError(f"{len(said.readings)} readings of {len(payload)} bytes")
    msgspec.json.encode(said.readings)


def _frames(frames: TcpFrames, sent: bytes, chance: random.Random, outcome: Outcome) -> TcpFrames:
    """Feed a spoilt stream in pieces; begin anew where a link would hang up."""
    stream = bytearray(sent)
    if chance.random() < 0.2:
        stream[chance.randrange(len(stream))] = chance.randrange(256)
    at = chance.randrange(len(stream) + 1)
    try:
        outcome.frames += len(frames.feed(bytes(stream[:at]))) + len(frames.feed(bytes(stream[at:])))
    except FrameError:
        return TcpFrames()
    if len(frames._unread) > 2 * TCP_PDU_MAX:
        raise AssertionError("memory is not bounded")
    return frames


def _line(chance: random.Random, request: bytes, answer: bytes, outcome: Outcome) -> None:
    """Look for an answer in what a serial line brings."""
    if chance.random() < 0.3:
        request = write_request(Write(function=6, address=chance.randrange(65_536), values=(chance.randrange(65_536),)))
    noise = chance.randbytes(chance.randrange(20)) + rtu_frame(chance.randrange(1, 4), answer) + chance.randbytes(3)
    found = rtu_answer(noise, 1, request)
    if found is None:
        return
    if len(found[0]) not in (2, answer_size(request)):
        raise AssertionError(f"{found} for {request!r}")
    try:
        answered(request, found[0])
    except (SlaveError, FrameError):
        outcome.errors += 1


def _spoilt(chance: random.Random, request: bytes) -> bytes:
    """Return an answer to a request, with something wrong in it or not."""
    size = answer_size(request)
    answer = bytearray([request[0], size - 2])
    if chance.random() < 0.5:
        answer += chance.randbytes(size - 2)
    else:  # what registers often hold: nothing, all of it, infinities and other numbers that are none
        words = (b"\0\0", b"\xff\xff", b"\x7f\x80", b"\x7f\xff", b"\x80\0", b"\xff\x80", b"\0\1")
        answer += b"".join(chance.choice(words) for _ in range(size))[: size - 2]
    kind = chance.random()
    if kind < 0.1:
        return bytes([request[0] | 0x80, chance.randrange(256)])
    if kind < 0.2:
        del answer[chance.randrange(len(answer)) :]
    elif kind < 0.25:
        answer += chance.randbytes(chance.randrange(300))
    elif kind < 0.35:
        answer[chance.randrange(2)] = chance.randrange(256)
    return bytes(answer)


def main() -> None:
    """Print what became of them."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    fuzz(10_000, seed=seed)  # whatever is built up once is there
    before_kib, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    outcome = fuzz(count, seed=seed)
    seconds = time.perf_counter() - begin
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1_024
    print(f"{outcome}, seed {seed}: {count / seconds:,.0f} inputs/s, grown by {grown_mib:.1f} MiB")  # noqa: T201
    if grown_mib > 20:
        sys.exit(1)


if __name__ == "__main__":
    main()
