import hashlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edge.config import Camera, Motion, Zone
from edge.evidence import (
    File,
    PendingClip,
    Still,
    adopt_file,
    clip_message,
    late_clip,
    names_of,
    pending_clip,
    still_messages,
    sweep,
    upload_of,
    write_file,
)
from edge.overlay import caption, jpeg, with_overlay
from wire.event import Event
from wire.stay import Stay

_EVENT_ID = "018bcfe5-6800-7f70-85ab-33365204ce9b"
_CAMERA = Camera(
    id="cam-1",
    source="street.mp4",
    size=(320, 240),
    backend=Motion(),
    zones=(Zone(id="kerb", type="no_parking", polygon=((10, 10), (200, 10), (200, 100), (10, 100))),),
)
_STAY = Stay(
    id=_EVENT_ID,
    camera="cam-1",
    zone="kerb",
    time_s=100.0,
    time_ms=1_700_000_000_000,
    start_s=70.0,
    start_ms=1_699_999_970_000,
    dwell_s=30.0,
    visible_s=30.0,
    occluded_s=0.0,
    blind_s=0.0,
    visible_share=1.0,
    unseen_s=0.0,
    in_jam=False,
    is_blind=False,
    has_left=False,
    label="car",
    confidence=0.9,
    bbox=(50.0, 40.0, 60.0, 30.0),
    size=(320, 240),
)
_EVENT = Event(
    id=_EVENT_ID,
    phase="start",
    rule="illegal-parking",
    kind="illegal_parking",
    camera="cam-1",
    zone="kerb",
    time_ms=1_700_000_000_000,
    start_ms=1_699_999_970_000,
    clock="synced",
    trace_id="0" * 32,
    bbox=(50.0, 40.0, 60.0, 30.0),
    size=(320, 240),
    label="car",
    confidence=0.9,
)


def test_a_file_is_named_by_its_hash_and_leaves_nothing_temporary(tmp_path: Path) -> None:
    file = write_file(tmp_path, b"picture", ".jpg")
    assert file.name == hashlib.sha256(b"picture").hexdigest() + ".jpg"
    assert file.size == 7
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    (tmp_path / "being-written.mp4").write_bytes(b"clip")
    adopted = adopt_file(tmp_path, tmp_path / "being-written.mp4", ".mp4")
    assert {path.name for path in tmp_path.iterdir()} == {file.name, adopted.name}
    assert (tmp_path / adopted.name).read_bytes() == b"clip"


def test_a_kill_after_the_write_leaves_a_whole_file_that_the_sweep_finds(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from edge.evidence import write_file\n"
    script += "write_file(Path(sys.argv[1]), b'picture', '.jpg')"
    killed = subprocess.run(
        [sys.executable, "-c", script, tmp_path], env={**os.environ, "CRASH_AT": "evidence.after-write"}, check=False
    )
    assert killed.returncode == 137
    (orphan,) = tmp_path.iterdir()
    assert orphan.read_bytes() == b"picture"
    assert sweep(tmp_path, set()) == 1
    assert not list(tmp_path.iterdir())


def test_the_sweep_keeps_what_is_spoken_of_and_what_was_put_aside(tmp_path: Path) -> None:
    kept = write_file(tmp_path, b"kept", ".jpg")
    write_file(tmp_path, b"orphan", ".jpg")
    (tmp_path / "half.part.jpg").write_bytes(b"half")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "old.jpg").write_bytes(b"old")
    assert sweep(tmp_path, {kept.name}) == 2
    assert {path.name for path in tmp_path.iterdir()} == {kept.name, "damaged"}
    assert (tmp_path / "damaged" / "old.jpg").exists()


def test_a_still_is_told_as_an_original_and_its_copy(tmp_path: Path) -> None:
    original, copy = write_file(tmp_path, b"original", ".jpg"), write_file(tmp_path, b"copy", ".jpg")
    still = Still("limit", 5, original, copy)
    first, second = still_messages(_EVENT_ID, still)
    assert (first.sha256, first.copy_of, first.role, first.size) == (original.sha256, None, "limit", 8)
    assert (second.sha256, second.copy_of, second.role) == (copy.sha256, original.sha256, "limit")
    assert names_of([still]) == {original.name, copy.name}
    assert upload_of(first, ".jpg").path == original.name
    assert upload_of(first, ".jpg").rank < upload_of(clip_message(_EVENT_ID, original, 5), ".mp4").rank


def test_the_overlay_is_drawn_on_the_copy_alone() -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    before = image.copy()
    drawn = with_overlay(image, _CAMERA, _STAY, "limit", "ab" * 32)
    assert np.array_equal(image, before)
    assert drawn.shape == image.shape
    assert tuple(drawn[10, 100]) == (0, 200, 255)
    assert tuple(drawn[40, 80]) == (60, 60, 255)
    assert drawn[-20:].max() > 200


def test_the_caption_says_when_where_and_which_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    import time  # noqa: PLC0415  # only to make the zone hold

    time.tzset()
    lines = caption(_CAMERA, _STAY, "middle", "ab" * 32)
    monkeypatch.undo()
    time.tzset()
    assert lines == ("2023-11-15 06:13:20 +0800  cam-1  kerb", "2/3 middle  stands 30 s  sha256 abababababab")
    assert "".join(lines).isascii()


def test_two_like_pictures_are_two_files_and_decode_to_the_same_pixels() -> None:
    image = np.full((48, 64, 3), 90, np.uint8)
    first, second = jpeg(image, "arrival"), jpeg(image, "limit")
    assert first != second
    pictures = [np.asarray(cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR)) for each in (first, second)]
    assert np.array_equal(pictures[0], pictures[1])
    assert pictures[0].shape == image.shape


def test_a_clip_goes_from_before_the_stand_to_after_the_event_but_not_beyond_the_ring() -> None:
    clip = pending_clip(_EVENT, 100.0, 60.0)
    assert (clip.start_s, clip.end_s) == (60.0, 105.0)
    assert pending_clip(_EVENT, 100.0, 20.0).start_s == 85.0
    long_ago = msgspec.structs.replace(_EVENT, start_ms=0)
    assert pending_clip(long_ago, 100.0, 60.0).start_s == 45.0
    stepped_back = msgspec.structs.replace(_EVENT, start_ms=_EVENT.time_ms + 3_600_000)
    assert pending_clip(stepped_back, 100.0, 60.0).start_s == 90.0


def test_a_late_clip_is_of_the_time_that_comes() -> None:
    clip = late_clip(PendingClip(_EVENT_ID, 60.0, 105.0), 130.0)
    assert (clip.start_s, clip.end_s, clip.tries) == (130.0, 140.0, 2)


def test_what_waits_survives_encoding() -> None:
    still = Still("limit", 5, File("a" * 64, 1, ".jpg"), File("b" * 64, 1, ".jpg"))
    clip = PendingClip(_EVENT_ID, 60.0, 105.0, 3, "no video")
    for each in (still, clip):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(each), type=type(each)) == each
