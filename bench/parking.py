"""Parking on real traffic beside a timer on track ids, both scored in one call: `python -m bench.parking`.

The RoadTrack developer set (WAYSIDE_DATA/roadtrack: six motorway cameras, detections as text) through `wayside replay`,
the whole picture as the zone, limits of 30 and 60 s. The peer is ByteTrack of a public library with a dwell timer on
its ids, on the same text; it is fetched into an environment of its own, and left out with a word where that cannot be.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.fixtures.scorers import find_scorer, score

SIZE = (640, 540)
GOALS = {30: (0.94, 0.98, 0), 60: (0.90, 0.98, 0)}
PEER = "supervision==0.26.1"


def main() -> None:
    """Print a row for each method and limit, beside the goal."""
    if "WAYSIDE_DATA" not in os.environ:
        print("parking: not measured, WAYSIDE_DATA does not name the folder of recordings")
        return
    recordings = Path(os.environ["WAYSIDE_DATA"])
    folder, scorer = recordings / "roadtrack", find_scorer(recordings, "score_parking.py")
    if scorer is None:
        print("parking: not measured, the scorer is not beside the recordings")
        return
    print(f"{'method, limit':<46}{'on time':>9}{'precision':>11}{'false':>7}{'twice':>7}{'on N':>6}")
    for limit_s, goal in GOALS.items():
        with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name:
            ours = read(replayed(folder, limit_s, Path(name)))
            row(f"slot ledger, {limit_s} s", rated(scorer, folder, ours, limit_s), goal)
            theirs = peer(folder, limit_s, Path(name))
            if theirs is not None:
                row(f"ByteTrack + timer on the track id, {limit_s} s", rated(scorer, folder, theirs, limit_s))


def replayed(folder: Path, limit_s: float, scratch: Path) -> Path:
    """Return the events that `wayside replay` writes."""
    corners = [[0, 0], [SIZE[0], 0], list(SIZE), [0, SIZE[1]]]
    zone = {"id": "whole-frame", "type": "no_parking", "polygon": corners, "parameters": {"limit_s": limit_s}}
    camera = {"id": "roadtrack", "source": "none", "size": list(SIZE), "backend": {"kind": "motion"}, "zones": [zone]}
    (scratch / "camera.yaml").write_text(yaml.safe_dump(camera))
    out = scratch / "events.jsonl"
    command = [sys.executable, "-m", "wayside", "replay", str(folder / "det"), "--camera", str(scratch / "camera.yaml")]
    subprocess.run([*command, "--fps", "10", "--out", str(out)], check=True, capture_output=True)
    return out


def peer(folder: Path, limit_s: float, scratch: Path) -> list[dict[str, Any]] | None:
    """Return what the timer on track ids raises; None, and a word, where the library cannot be had."""
    out = scratch / "peer.jsonl"
    uv = [str(Path(sys.executable).with_name("uv")), "run", "--isolated", "--no-project", "--with", PEER, "python"]
    command = [*uv, str(Path(__file__).with_name("track_timer.py")), str(folder), str(limit_s), str(out)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        print(f"  the peer is left out, {PEER} does not run here: {reason.strip().splitlines()[-1]}")
        return None
    return read(out)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def rated(scorer: Path, folder: Path, events: list[dict[str, Any]], limit_s: float) -> dict[str, Any]:
    """Return what the scorer says."""
    return score(scorer, folder, events, "--limit-s", str(limit_s))


def row(method: str, verdict: dict[str, Any], goal: tuple[float, float, int] | None = None) -> None:
    """Print what one method reached."""
    recall, precision, twice = verdict["recall_on_time"], verdict["precision"], verdict["duplicates"]
    normal = verdict["per_hour"]["N"]["false"]
    said = f"{method:<46}{recall:>9.3f}{precision:>11.3f}{verdict['false_alarms']:>7}{twice:>7}{normal:>6}"
    if goal:
        is_met = recall >= goal[0] and precision >= goal[1] and twice <= goal[2] and not normal
        said += f" | goal >= {goal[0]:.2f}, >= {goal[1]:.2f}, twice {goal[2]}: {'met' if is_met else 'MISSED'}"
    print(said, flush=True)


if __name__ == "__main__":
    main()
