"""Replay: which frames are taken, at what size, and what is said of a source that cannot be read."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.video import frames
from shell.refusal import Refusal
from tests.fixtures.video import number_of, write_video

SIZE = (320, 240)


def taken(path: Path, tick_hz: float = 2.0, decode: str = "full") -> list[tuple[float, int]]:
    return [
        (round(frame.time_s, 3), number_of(frame.image))
        for frame in frames(str(path), tick_hz=tick_hz, decode=decode, size=SIZE)
    ]


def test_the_first_frame_of_each_tick_is_taken(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=21, fps=10)
    assert taken(path) == [(0.0, 0), (0.5, 5), (1.0, 10), (1.5, 15), (2.0, 20)]


def test_a_rate_that_does_not_divide_the_ticks_takes_the_next_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=16, fps=8)
    assert taken(path, tick_hz=3.0) == [(0.0, 0), (0.375, 3), (0.75, 6), (1.0, 8), (1.375, 11), (1.75, 14)]


def test_missing_frames_leave_a_gap_and_shift_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=31, fps=10, skip=range(4, 22))
    assert taken(path) == [(0.0, 0), (2.2, 22), (2.5, 25), (3.0, 30)]


def test_frames_out_of_order_in_the_file_come_in_order_of_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=21, fps=10, bframes=2)
    assert taken(path) == [(0.0, 0), (0.5, 5), (1.0, 10), (1.5, 15), (2.0, 20)]


@pytest.mark.parametrize("bframes", [0, 2])
def test_keyframe_decoding_shows_key_frames_only_and_all_of_them(tmp_path: Path, bframes: int) -> None:
    path = write_video(tmp_path / "a.mp4", frames=35, fps=10, gop=10, bframes=bframes)
    assert taken(path, decode="keyframe") == [(0.0, 0), (1.0, 10), (2.0, 20), (3.0, 30)]


def test_a_source_of_another_size_is_scaled_to_the_configured_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=3, size=(640, 480))
    shapes = {frame.image.shape for frame in frames(str(path), tick_hz=2, decode="full", size=SIZE)}
    assert shapes == {(240, 320, 3)}


def test_two_replays_give_the_same_pixels_at_the_same_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=30, bframes=2)
    first, second = (
        [(f.time_s, f.time_ms, f.image.tobytes()) for f in frames(str(path), tick_hz=4, decode="full", size=SIZE)]
        for _ in range(2)
    )
    assert first == second


def test_a_broken_stretch_costs_pictures_but_not_the_rest(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", frames=60, fps=10, gop=10)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xaa" * 2000
    path.write_bytes(content)
    times = [time for time, _ in taken(path)]
    assert times[0] == 0
    assert times[-1] >= 5


def refusal(source: str) -> Refusal:
    with pytest.raises(Refusal) as raised:
        next(iter(frames(source, tick_hz=2, decode="full", size=SIZE)))
    assert "\n" not in str(raised.value)
    return raised.value


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write_video(tmp_path / "street.mp4", frames=2)
    text = str(refusal(str(tmp_path / "stret.mp4")))
    assert "no such file" in text
    assert "street.mp4" in text


def test_a_text_file_is_refused_as_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("this is not a video\n" * 50)
    assert "cannot be read as video; expected a video file or an rtsp:// URL" in str(refusal(str(tmp_path / "a.mp4")))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in str(refusal(str(tmp_path)))


def test_a_sound_file_is_refused_for_want_of_video(tmp_path: Path) -> None:
    import wave  # noqa: PLC0415  # for this test alone

    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0\0" * 8000)
    assert "has no video stream" in str(refusal(str(tmp_path / "a.wav")))


def test_a_truncated_file_is_refused_and_not_taken_for_an_empty_street(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    assert "cannot be read as video" in str(refusal(str(path)))


def test_a_camera_that_is_not_there_is_refused_without_its_password() -> None:
    with socket.socket() as taken_port:
        taken_port.bind(("127.0.0.1", 0))
        port = taken_port.getsockname()[1]
        text = str(refusal(f"rtsp://admin:geheim@127.0.0.1:{port}/stream"))
    assert "connection refused" in text
    assert "geheim" not in text


@contextmanager
def answering(status: str) -> Iterator[int]:
    """A server that answers one RTSP connection, every request with the same status."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while request := connection.recv(4096).decode():
                    number = next(line for line in request.splitlines() if line.startswith("CSeq"))
                    connection.sendall(f"RTSP/1.0 {status}\r\n{number}\r\n\r\n".encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("401 Unauthorized", "refuses the user name or password"),
        ("403 Forbidden", "refuses the user name or password"),
        ("404 Not Found", "knows no such stream"),
        ("500 Internal Server Error", "refuses the request"),
    ],
)
def test_what_a_camera_answers_is_put_into_words(status: str, said: str) -> None:
    with answering(status) as port:
        assert said in str(refusal(f"rtsp://127.0.0.1:{port}/stream"))
