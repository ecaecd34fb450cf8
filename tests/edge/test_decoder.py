"""What is decoded when that is left to the decoder."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from edge.decoder import Decoder
from edge.pace import Sampling
from edge.video import frames, open_video, time_base_of
from tests.fixtures.video import number_of, write_video


def decoded(path: Path, is_asked: Callable[[int], bool]) -> list[tuple[int, list[int]]]:
    """Return for each packet of a video, by its number, the numbers of the pictures that came of it."""
    found = []
    with open_video(str(path)) as (container, stream):
        stream.codec_context.thread_count = 1
        decoder = Decoder(stream.codec_context, float(time_base_of(stream)), "auto")
        for number, packet in enumerate(container.demux(stream)):
            decoder.is_asked = is_asked(number)
            shown, flawed = decoder.take(packet)
            assert flawed == 0
            found.append((number, [number_of(frame.to_ndarray(format="bgr24")) for _, frame in shown]))
    return found


@pytest.mark.parametrize("bframes", [0, 2])
def test_once_two_key_frames_are_close_enough_only_they_are_decoded(tmp_path: Path, bframes: int) -> None:
    path = write_video(tmp_path / "a.mp4", frames=35, gop=10, bframes=bframes)
    shown = [number for _, numbers in decoded(path, lambda _: False) for number in numbers]
    assert sorted(shown) == shown
    assert [number for number in shown if number >= 10] == [10, 20, 30]
    assert [number for number in shown if number < 10] == list(range(10))


def test_who_asks_for_every_picture_gets_them_at_once_from_the_middle_of_a_group_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=36, gop=10)
    found = dict(decoded(path, lambda number: 15 <= number < 21))
    assert [number for number in range(10, 15) if found[number]] == [10]
    # The packets since the key frame are caught up on, and of them the newest alone is shown.
    assert found[15] == [15]
    assert [found[number] for number in range(16, 21)] == [[number] for number in range(16, 21)]
    # What is under way when nobody asks any more is decoded to its end, for the next key frame needs no other.
    assert [number for number in range(21, 36) if found[number]] == list(range(21, 31))


def test_where_key_frames_are_rare_every_picture_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=70, gop=30)
    assert [number for _, numbers in decoded(path, lambda _: False) for number in numbers] == [
        number % 36 for number in range(70)
    ]


def test_key_frames_that_stop_coming_are_noticed_after_2_5_s(tmp_path: Path) -> None:
    first = write_video(tmp_path / "first.mp4", frames=30, gop=10)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = None
        offset = 0
        for part, gop in ((first, 10), (write_video(tmp_path / "second.mp4", frames=60, gop=100), 100)):
            del gop
            with av.open(str(part)) as source:
                stream = stream or file.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        packet.stream = stream
                        file.mux(packet)
                offset += round(3 / source.streams.video[0].time_base)
    found = decoded(path, lambda _: False)
    shown = [number for number, numbers in found if numbers]
    # From 3.0 s on there is no key frame any more; at 5.6 s that has been too long.
    assert [number for number in shown if number > 20] == [30, *range(56, 90)]


def test_a_recording_is_taken_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=36, gop=10)
    taken: list[float] = []

    def asks() -> Sampling:
        is_burst = bool(taken) and 1 <= taken[-1] < 2
        return Sampling(5.0, is_full=True) if is_burst else Sampling(2.0)

    for frame in frames(str(path), tick_hz=2, decode="auto", size=(320, 240), asks=asks):
        taken += [round(frame.time_s, 1)]
    assert taken == [0, 0.5, 1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3]
