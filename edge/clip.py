"""Clip: packets of the ring as an mp4 that a browser plays."""

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import msgspec
from av.video.stream import VideoStream

from edge.decoder import Decoder
from edge.ring import Packet, StreamHead
from edge.video import time_base_of

_TICK = Fraction(1, 90_000)


class Clip(msgspec.Struct, frozen=True):
    """A file of video and its first picture's time."""

    path: Path
    start_s: float
    """The camera's steady clock; at or before what was asked for, since a copy can only begin at a key frame."""
    duration_s: float
    time_ms: int


def sample_of(stream: VideoStream, key_packet: "av.Packet[VideoStream]") -> bytes:
    """Return a NUT file of one key frame, from which another process can take the stream's description."""
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as sample:
        copy = av.Packet(bytes(key_packet))
        copy.pts, copy.dts, copy.time_base = 0, 0, time_base_of(stream)
        copy.is_keyframe = True
        copy.stream = sample.add_stream_from_template(stream, opaque=True)
        sample.mux_one(copy)
    return file.getvalue()


def write_clip(path: Path, head: StreamHead, packets: Sequence[Packet]) -> Clip:
    """Write packets, the first of which is a key frame, as mp4 with its index in front; times begin at 0.

    H.264 is copied as it came. What no browser plays (H.265, MPEG-4, Motion JPEG) is encoded anew as H.264.
    """
    with (
        av.open(io.BytesIO(head.sample)) as sample,
        av.open(str(path), "w", format="mp4", container_options={"movflags": "faststart"}) as file,
    ):
        template = sample.streams.video[0]
        if head.codec == "h264":
            stream = file.add_stream_from_template(template, opaque=True)
            for packet in _timed(packets):
                packet.stream = stream
                file.mux_one(packet)
        else:
            stream = file.add_stream("libx264", options={"preset": "veryfast", "crf": "23"})
            stream.width, stream.height = (side // 2 * 2 for side in head.size)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = _TICK
            decoder = Decoder(template.codec_context, float(_TICK), "full")
            for packet in _timed(packets):
                for _, frame in decoder.take(packet)[0]:
                    frame.time_base = _TICK
                    frame.pict_type = 0
                    file.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
            file.mux(stream.encode(None))
    first = packets[0]
    return Clip(path, first.shown_s, max(each.shown_s for each in packets) - first.shown_s, first.time_ms)


def _timed(packets: Sequence[Packet]) -> Iterator["av.Packet[VideoStream]"]:
    """Yield packets with times from 0; decoding times rise strictly, as a muxer demands."""
    zero_s = packets[0].shown_s
    last = -(2**62)
    for each in packets:
        packet = cast("av.Packet[VideoStream]", av.Packet(each.content))
        packet.time_base = _TICK
        packet.is_keyframe = each.is_key
        last = max(round((each.decoded_s - zero_s) / _TICK), last + 1)
        packet.dts = last
        packet.pts = max(round((each.shown_s - zero_s) / _TICK), last)
        yield packet
