"""Feed spoilt JT/T 808 streams to the decoder: `python -m tests.soak.fuzz_jt808 1000000`."""

import random
import resource
import sys
import time

import msgspec

from devices.protocols import jt808_parts
from devices.protocols.jt808 import PIECE_BYTES_MAX, Framer, checksum_of, encode_frame, escaped, read_frame
from devices.protocols.jt808_location import Location, encode_batch, encode_location
from devices.protocols.jt808_report import Dialect, FlagBit, reports_of
from devices.reading import DecodeError
from wayside.jt808 import described

NOW_MS = 1_795_000_000_000
_PLACE = Location(
    alarm=2, status=3, latitude=31.2, longitude=121.4, altitude_m=5, speed_km_h=40.0, course_deg=90, time_ms=NOW_MS,
    items=((0x01, b"\x00\x00\x00\x64"), (0x30, b"\x14"), (0x31, b"\x09"), (0xE4, b"\x00\x64")),
)  # fmt: skip
_BODIES = {
    0x0002: b"",
    0x0100: bytes(37) + b"ABC",
    0x0102: b"code",
    0x0107: bytes(60),
    0x0200: encode_location(_PLACE),
    0x0201: b"\0\1" + encode_location(_PLACE),
    0x0702: bytes.fromhex("01251009150751000030303239623838350000000000000000000000000000000000"),
    0x0704: encode_batch((_PLACE,) * 4, is_late=True),
    0x0701: b"\0\0\0\5hello",
    0x1300: b"\0\1" + "hello".encode("utf-16-be"),
    0x6006: b"\0hello",
    0x0900: b"\x41text",
}
_DIALECTS = (Dialect(), Dialect(datum="gcj02", flags=(FlagBit(where="e4", bit=3, property="bed.covered"),)))


class Outcome(msgspec.Struct):
    """What became of the inputs."""

    inputs: int = 0
    reports: int = 0
    errors: int = 0
    spoilt_parts: int = 0


def fuzz(count: int, *, seed: int) -> Outcome:
    """Decode so many spoilt inputs; raise whatever the decoder raises that it should not."""
    chance = random.Random(seed)
    outcome = Outcome()
    framer, waiting = Framer(), jt808_parts.Waiting()
    while outcome.inputs < count:
        outcome.inputs += 1
        for piece in framer.feed(_spoilt(chance)):
            waiting = _decode(piece, waiting, outcome, chance)
        if len(framer._rest) > PIECE_BYTES_MAX or waiting.size_bytes > jt808_parts.BYTES_MAX:
            raise AssertionError(f"seed {seed}, input {outcome.inputs}: memory is not bounded")
    return outcome


def _decode(piece: bytes, waiting: jt808_parts.Waiting, outcome: Outcome, chance: random.Random) -> jt808_parts.Waiting:
    if chance.random() < 0.01:
        described(piece)
    try:
        frame = read_frame(piece)
        if frame.is_part:
            waiting, whole = jt808_parts.step(waiting, frame, outcome.inputs / 1_000)
            waiting, late = jt808_parts.expire(waiting, outcome.inputs / 1_000, after_s=1.0)
            outcome.spoilt_parts += len(late) + isinstance(whole, jt808_parts.Spoiled)
            if not isinstance(whole, jt808_parts.Whole):
                return waiting
            frame = whole.frame
        reports = reports_of(frame, chance.choice(_DIALECTS), link="fuzz", received_ms=NOW_MS)
        outcome.reports += len(reports)
        msgspec.json.encode(reports)
    except DecodeError:
        outcome.errors += 1
    return waiting


def _spoilt(chance: random.Random) -> bytes:
    """Return a message with something wrong: bits, lengths, escapes, parts, or all of it."""
    message = chance.choice(tuple(_BODIES))
    body = _BODIES[message]
    version = chance.choice((None, None, 1))
    part = (chance.randint(0, 5), chance.randint(0, 5)) if chance.random() < 0.1 else None
    terminal = f"{chance.randint(1, 3):0{12 if version is None else 20}d}"
    sent = bytearray(encode_frame(message, terminal, chance.randint(0, 6), body, version=version, part=part))
    for _ in range(chance.choice((0, 1, 1, 2, 8))):
        sent[chance.randrange(len(sent))] = chance.choice((0, 0xFF, 0x7E, 0x7D, chance.randrange(256)))
    if chance.random() < 0.3:
        del sent[chance.randrange(len(sent)) :]
    if chance.random() < 0.05:
        sent += chance.randbytes(chance.randrange(3_000))
    if chance.random() < 0.5:  # the checksum is right again, so that what is spoilt is believed
        content = bytes(sent).strip(b"\x7e")[:-1]
        return b"\x7e" + escaped(content + bytes((checksum_of(content),))) + b"\x7e"
    return bytes(sent)


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
