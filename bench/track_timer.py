"""The peer of `bench.parking`: ByteTrack of supervision 0.26 and a dwell timer on the track id; run by it, not by hand.

    uv run --isolated --no-project --with supervision==0.26.1 python bench/track_timer.py FOLDER LIMIT_S OUT

A track stands while its base point stays within 0.3 of its box's diagonal of where its clock began; when it moves
further, the clock begins anew there. This is what most open implementations do, with their tracker's defaults.
"""

import json
import lzma
import math
import sys
from pathlib import Path

import numpy as np
import supervision as sv

FPS = 10
VEHICLES = (2, 5, 7)
STILL = 0.3


def rows_of(path: Path) -> dict[int, np.ndarray]:
    """Return the detections of each frame: x1, y1, x2, y2, confidence, class."""
    frames: dict[int, list[list[float]]] = {}
    with lzma.open(path, "rt") as file:
        for line in file:
            cells = [float(cell) for cell in line.split(",")]
            x, y, width, height, confidence, kind = cells[2:8]
            if int(kind) in VEHICLES:
                frames.setdefault(int(cells[0]), []).append([x, y, x + width, y + height, confidence, kind])
    return {number: np.array(rows) for number, rows in frames.items()}


def alarms_of(path: Path, frames: int, limit_s: float) -> list[dict[str, object]]:
    """Return what a timer on the track id raises in one sequence."""
    tracker, rows = sv.ByteTrack(frame_rate=FPS), rows_of(path)
    clocks: dict[int, dict[str, object]] = {}
    alarms: list[dict[str, object]] = []
    for number in range(1, frames + 1):
        found = rows.get(number, np.empty((0, 6)))
        tracked = tracker.update_with_detections(
            sv.Detections(found[:, :4], confidence=found[:, 4], class_id=found[:, 5].astype(int))
            if len(found)
            else sv.Detections.empty()
        )
        now_s = (number - 1) / FPS
        for box, identity in zip(tracked.xyxy, tracked.tracker_id, strict=True):
            x1, y1, x2, y2 = (float(side) for side in box)
            base, diagonal = ((x1 + x2) / 2, y2), math.hypot(x2 - x1, y2 - y1)
            clock = clocks.get(int(identity))
            if clock is None or math.dist(base, clock["base"]) > STILL * diagonal:
                clock = clocks[int(identity)] = {"base": base, "start_s": now_s, "alarm": None}
            if clock["alarm"] is None and now_s - clock["start_s"] >= limit_s:
                clock["alarm"] = {
                    "sequence": path.name.removesuffix(".txt.xz"),
                    "start_s": clock["start_s"],
                    "raise_s": now_s,
                    "end_s": None,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
                alarms.append(clock["alarm"])
    return alarms


def main() -> None:
    """Write the alarms of every sequence as JSON lines."""
    folder, limit_s, out = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    truth = json.loads((folder / "events.json").read_text("utf-8"))
    with out.open("w") as file:
        for sequence in truth["sequences"]:
            path = folder / "det" / f"{sequence['name']}.txt.xz"
            if path.exists():
                for alarm in alarms_of(path, sequence["frames"], limit_s):
                    file.write(json.dumps(alarm) + "\n")


if __name__ == "__main__":
    main()
