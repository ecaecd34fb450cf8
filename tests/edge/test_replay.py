"""Recordings of every kind through the live pipeline."""

import gzip
import lzma
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from edge.config import read_camera
from edge.mot import read_mot
from edge.replay import Frames, replay, sequences, ticks_of
from edge.rule_files import OWN_BOOK, read_book
from edge.tick_log import TickLog
from shell.refusal import Refusal
from wayside.replay import replay_app

CAMERA = """\
id: cam-1
source: none
size: [640, 480]
backend: {kind: motion}
zones:
  - {id: kerb, type: no_parking, polygon: [[0, 0], [640, 0], [640, 480], [0, 480]], parameters: {limit_s: 30}}
"""
FPS = 10


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    path = tmp_path / "cam.yaml"
    path.write_text(CAMERA)
    return path


def _text(seconds: float, *, lead: int = 0) -> str:
    """A car that stands from ``lead`` frames on, boxed in every frame; another is only passing."""
    rows = []
    for frame in range(1, round(seconds * FPS) + 1):
        if frame > lead:
            rows.append(f"{frame},-1,200,250,80,60,0.8,2,-1,-1")
        rows.append(f"{frame},-1,{frame * 7 % 500},100,60,40,0.7,7,-1,-1")
    return "\n".join(rows) + "\n"


def test_a_text_is_sampled_to_the_ticks_of_the_camera_and_scaled_to_its_size(tmp_path: Path, camera: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("1,-1,10,20,30,40,0.9,2,-1,-1\n2,-1,1,1,1,1,0.9,2\n11,-1,10,20,30,40,0.5,7\n16,-1,0,0,5,5,1\n")
    ticks = list(read_mot(path, read_camera(camera), fps=10, size=(320, 240)))
    assert [tick.time_s for tick in ticks] == [0.0, 0.5, 1.0, 1.5]
    assert [[(*msgspec.structs.astuple(box),) for box in tick.boxes] for tick in ticks] == [
        [(20, 40, 80, 120, "car", 0.9)],
        [],
        [(20, 40, 80, 120, "truck", 0.5)],
        [(0, 0, 10, 10, "thing", 1.0)],
    ]


@pytest.mark.parametrize(("fps", "times"), [(12.5, [0, 0.56, 1.04]), (1, [0, 1]), (25, [0, 0.52, 1])])
def test_ticks_fall_on_the_first_frame_at_or_after_them(
    tmp_path: Path, camera: Path, fps: float, times: list[float]
) -> None:
    path = tmp_path / "one.txt"
    frames = range(1, round(1.1 * fps) + 2)
    path.write_text("".join(f"{frame},-1,10,20,30,40,0.9,2\n" for frame in frames))
    ticks = list(read_mot(path, read_camera(camera), fps=fps, size=(640, 480)))
    assert [round(tick.time_s, 3) for tick in ticks][: len(times)] == times
    assert all(len(tick.boxes) == 1 for tick in ticks)


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        ("1,-1,1,1,5,5,0.9,2\n2,-1,x,1,5,5,0.9,2\n", "one.txt:2", "got '2,-1,x,1,5,5,0.9,2'"),
        ("0,-1,1,1,5,5,0.9,2\n", "one.txt:1", "expected numbers frame,id,x,y,w,h"),
        ("1,-1,1,1,5,nan,0.9,2\n", "one.txt:1", "expected numbers"),
        ("1,-1,1,1,-5,5,0.9,2\n", "one.txt:1", "expected numbers"),
        ("99999999999,-1,1,1,5,5,0.9,2\n", "one.txt:1", "expected numbers"),
        ("1,2,3\n", "one.txt:1", "got '1,2,3'"),
        ("", "one.txt", "is empty"),
    ],
)
def test_a_malformed_text_is_refused_by_file_and_line(
    tmp_path: Path, camera: Path, content: str, place: str, problem: str
) -> None:
    path = tmp_path / "one.txt"
    path.write_text(content)
    with pytest.raises(Refusal) as caught:
        list(read_mot(path, read_camera(camera), fps=10, size=(640, 480)))
    assert caught.value.subject == str(tmp_path / place)
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["one.txt.xz", "one.txt.gz", "one.txt", "one.ticks.zst"])
def test_what_is_not_what_its_name_says_is_refused(tmp_path: Path, camera: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe no such thing")
    with pytest.raises(Refusal) as caught:
        list(ticks_of(path, read_camera(camera), Frames(fps=10)))
    assert caught.value.subject == str(path)
    assert "\n" not in str(caught.value)


def test_an_archive_that_was_cut_short_is_refused(tmp_path: Path, camera: Path) -> None:
    for name, packed in (("one.txt.xz", lzma.compress(_text(60).encode())), ("one.txt.gz", gzip.compress(b"1" * 999))):
        path = tmp_path / name
        path.write_bytes(packed[:-20])
        with pytest.raises(Refusal, match="cannot be read"):
            list(ticks_of(path, read_camera(camera), Frames(fps=10)))


def test_a_text_needs_to_be_told_its_pace(tmp_path: Path, camera: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(_text(1))
    with pytest.raises(Refusal, match="add --fps"):
        list(ticks_of(path, read_camera(camera), Frames()))


def test_a_tick_log_of_another_size_is_refused(tmp_path: Path, camera: Path) -> None:
    read = read_camera(camera)
    log = TickLog(tmp_path / "one.ticks.zst")
    (tmp_path / "one.txt").write_text(_text(1))
    small = msgspec.structs.replace(read, size=(320, 240))
    for tick in ticks_of(tmp_path / "one.txt", small, Frames(fps=FPS)):
        log.append(tick)
    log.close()
    with pytest.raises(Refusal, match="was recorded at 320x240, the camera's size is 640x480"):
        list(ticks_of(tmp_path / "one.ticks.zst", read, Frames()))


def test_a_folder_without_recordings_and_a_path_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds no recording"):
        sequences(tmp_path)
    with pytest.raises(Refusal, match="no such file or folder"):
        sequences(tmp_path / "gone")


def test_a_text_and_the_tick_log_made_of_it_raise_the_same(tmp_path: Path, camera: Path) -> None:
    read, book = read_camera(camera), read_book(OWN_BOOK)
    text, log_path = tmp_path / "one.txt.xz", tmp_path / "one.ticks.zst"
    text.write_bytes(lzma.compress(_text(60, lead=45).encode()))
    log = TickLog(log_path)
    for tick in ticks_of(text, read, Frames(fps=FPS)):
        # A live camera's clock starts anywhere; a replay counts from the first tick.
        later = msgspec.structs.replace(tick, time_s=tick.time_s + 1000)
        log.append(later)
    log.close()
    (raised,) = replay(text, read, book, Frames(fps=FPS))
    assert (raised.sequence, raised.start_s, raised.raise_s, raised.end_s) == ("one", 4.5, 34.5, None)
    assert replay(log_path, read, book, Frames()) == [raised]


def test_the_end_of_a_stay_is_told_when_it_was_seen_to_leave(tmp_path: Path, camera: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(_text(50) + "700,-1,0,0,5,5,0.9,2\n")
    (raised,) = replay(path, read_camera(camera), read_book(OWN_BOOK), Frames(fps=FPS))
    assert (raised.raise_s, raised.end_s) == (30.0, 49.5)


def test_the_command_gives_the_same_bytes_twice(tmp_path: Path, camera: Path) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    for number in range(3):
        (folder / f"part-{number}.txt.gz").write_bytes(gzip.compress(_text(40 + number).encode()))
    (folder / "part-3.txt").write_text(_text(20))
    for name in ("first.jsonl", "second.jsonl"):
        arguments = [str(folder), "--camera", str(camera), "--out", str(tmp_path / name), "--fps", "10"]
        result = CliRunner().invoke(replay_app, [*arguments, "--size", "640x480", "--progress"])
        assert result.exit_code == 0, result.output
    first = (tmp_path / "first.jsonl").read_bytes()
    assert first == (tmp_path / "second.jsonl").read_bytes()
    rows = [msgspec.json.decode(line) for line in first.splitlines()]
    assert [row["sequence"] for row in rows] == ["part-0", "part-1", "part-2"]
    assert list(rows[0]) == [
        "sequence", "kind", "camera", "zone", "id", "start_s", "raise_s", "end_s", "bbox", "confidence",
    ]  # fmt: skip


def test_the_command_refuses_a_size_that_is_none(tmp_path: Path, camera: Path) -> None:
    arguments = [str(tmp_path), "--camera", str(camera), "--out", str(tmp_path / "x"), "--size", "640*480"]
    result = CliRunner().invoke(replay_app, arguments)
    assert isinstance(result.exception, Refusal)
    assert "for example --size 640x540" in str(result.exception)
