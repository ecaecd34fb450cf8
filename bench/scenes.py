"""Every composited scene through the whole edge, `onnx` backend: `python -m bench.scenes [FOLDER]`.

FOLDER holds scenes as WAYSIDE_DATA/scenes does. Limits are those the scenes are made for. Scored by the scorer that
came with them: on time is within 10 s of due, and nothing may be raised twice or where nothing is.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.fixtures.scenes import raised_in, scenes
from tests.fixtures.scorers import find_scorer, score

COLUMNS = ("truths", "on_time", "early", "late", "missed", "false", "duplicates")


def main() -> None:
    """Print a row for each scene, what was raised in it, and the sum beside the goal."""
    if "WAYSIDE_DATA" not in os.environ:
        print("scenes: not measured, WAYSIDE_DATA does not name the folder of recordings")
        return
    recordings = Path(os.environ["WAYSIDE_DATA"])
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else recordings / "scenes"
    scorer = find_scorer(recordings, "score_scenes.py")
    began_s = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(raised_in, scenes(folder)))
    raised = [event for events in found for event in events]
    for event in raised:
        end = "stays" if event.end_s is None else f"to {event.end_s:.1f} s"
        print(f"  {event.sequence}: {event.kind} from {event.start_s:.1f} s {end}, raised at {event.raise_s:.1f} s")
    if scorer is None:
        print("scenes: not scored, the scorer is not beside the recordings")
        return
    result = score(scorer, folder, raised)
    print(f"{'scene':<34}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name, row in [*result["scenes"].items(), ("all", result["total"])]:
        print(f"{name:<34}" + "".join(f"{row[column]:>11}" for column in COLUMNS))
    total = result["total"]
    is_met = total["on_time"] == total["truths"] and not total["false"] and not total["duplicates"]
    print(
        f"{len(found)} scenes in {time.monotonic() - began_s:.0f} s | "
        f"goal: every truth on time, none false, none twice: {'met' if is_met else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
