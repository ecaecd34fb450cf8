"""Uplinks decoded a second on one core, beside the goal and beside a bare loop of struct.unpack over the same bytes.

The uplinks are the vectors of every LoRaWAN profile, in turn; what is measured is a profile's own decode, from bytes to
readings, in seconds of this process's own time: others on the machine do not count. The loop unpacks each payload as if
it were bytes only; no profile can be faster.
"""

import struct
import time
from pathlib import Path

import firmware_profiles
from devices.profile import decode, read_profile
from devices.protocols.lorawan import LorawanProfile

GOAL = 50_000
SECONDS = 4.0
FOLDER = Path(firmware_profiles.__path__[0])
Sample = tuple[LorawanProfile, bytes, int | None]


def samples() -> list[Sample]:
    """Return every vector that is no error, with its profile."""
    found: list[Sample] = []
    for path in sorted(FOLDER.rglob("*.yaml")):
        profile = read_profile(path.read_bytes(), str(path))
        if isinstance(profile, LorawanProfile):
            found += [
                (profile, bytes.fromhex(one.bytes), one.port) for one in profile.vectors if one.readings is not None
            ]
    return found


def rate(known: list[Sample], seconds: float) -> tuple[float, float]:
    """Return uplinks and readings a second."""
    count, readings, begin = 0, 0, time.process_time()
    while (taken := time.process_time() - begin) < seconds:
        for profile, payload, port in known:
            readings += len(decode(profile, payload, port))
        count += len(known)
    return count / taken, readings / taken


def bound(known: list[Sample], seconds: float) -> float:
    """Return how many payloads a second a bare loop of struct.unpack takes."""
    plain = [(struct.Struct(f"{len(payload)}B").unpack, payload) for _, payload, _ in known]
    count, begin = 0, time.process_time()
    while (taken := time.process_time() - begin) < seconds:
        for unpack, payload in plain:
            unpack(payload)
        count += len(plain)
    return count / taken


def main() -> None:
    """Print the rates."""
    known = samples()
    rate(known, 0.5)  # compiles every profile
    uplinks, readings = rate(known, SECONDS)
    verdict = "met" if uplinks >= GOAL else "MISSED"
    each = sum(len(decode(*one)) for one in known) / len(known)
    print(f"{len(known)} uplinks of {len({id(one[0]) for one in known})} models, {each:.1f} readings each")
    print(f"decode: {uplinks:,.0f} uplinks/s, {readings:,.0f} readings/s | goal >= {GOAL:,} uplinks/s: {verdict}")
    print(f"bound: {bound(known, 1.0):,.0f} payloads/s by struct.unpack alone, without a reading")
    for model in ("milesight/em310-udl", "milesight/ws523", "decentlab/dl-atm41", "nas/ul20xx"):
        some = [one for one in known if f"{one[0].vendor}/{one[0].model}" == model]
        print(f"  {model}: {rate(some, 0.7)[0]:,.0f} uplinks/s")


if __name__ == "__main__":
    main()
