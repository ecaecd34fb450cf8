"""Decoder: which of a stream's packets are decoded; key frames alone are a tenth of the work."""

from collections.abc import Sequence
from typing import Literal

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Decode = Literal["full", "keyframe", "auto"]
KEY_GAP_S = 2.5
"""Key frames further apart than this are too few to watch a street by."""
_Shown = list[tuple[int, VideoFrame]]
"""Sound frames with their presentation times, in the stream's own unit."""


class Decoder:
    """Takes one stream's packets in their order; ``time_base_s`` is the unit of their times.

    With ``auto`` it begins with every picture, and changes to key frames once it has seen that they come often enough.
    When `is_asked` is set it goes back at once, not only at the next key frame: the packets since the last one are
    kept, compressed, and decoded then, of which only the newest picture is given out.
    """

    def __init__(self, context: VideoCodecContext, time_base_s: float, decode: Decode) -> None:
        self._context, self._time_base_s, self._decode = context, time_base_s, decode
        self.is_asked = False
        """Whether every picture is wanted."""
        self.key_gap_s: float | None = None
        """The time between the last two key frames, or already since the last one."""
        self._key_s: float | None = None
        self._follows = True
        """Whether the decoder has had every packet since the last key frame."""
        self._group: list[av.Packet[VideoStream]] = []

    @property
    def is_rare(self) -> bool:
        """Whether key frames are too far apart to do with them alone."""
        return self.key_gap_s is not None and self.key_gap_s > KEY_GAP_S

    def take(self, packet: "av.Packet[VideoStream]") -> tuple[_Shown, int]:
        """Return the sound frames that a packet completes, and how many were broken."""
        if self._decode == "full" or packet.size == 0:
            return self._decoded([packet])
        time_s = self._time_s(packet)
        if packet.is_keyframe:
            if self._key_s is not None and time_s is not None:
                self.key_gap_s = max(0.0, time_s - self._key_s)
            self._key_s = time_s
            return self._take_key(packet)
        if self._decode == "keyframe":
            return [], 0
        if time_s is not None and self._key_s is not None and time_s - self._key_s > KEY_GAP_S:
            self.key_gap_s = time_s - self._key_s
        if self._follows:
            return self._decoded([packet])
        self._group.append(packet)
        if not self.is_asked and not self.is_rare:
            return [], 0
        group, self._group, self._follows = self._group, [], True
        shown, flawed = self._decoded(group)
        return shown[-1:], flawed

    def _take_key(self, packet: "av.Packet[VideoStream]") -> tuple[_Shown, int]:
        was_following = self._follows
        self._follows = self._decode == "auto" and (self.is_asked or self.key_gap_s is None or self.is_rare)
        if self._follows:
            self._group = []
            return self._decoded([packet])
        self._group = [packet]
        # What the decoder still holds of the group before comes out, and is not shown late. And one that expects
        # B-frames would hold each key frame back until it has seen the next ones.
        before, flawed_before = self._decoded([None], flush=True) if was_following else ([], 0)
        shown, flawed = self._decoded([packet, None], flush=True)
        return [*before, *shown], flawed_before + flawed

    def _time_s(self, packet: "av.Packet[VideoStream]") -> float | None:
        stamp = packet.pts if packet.dts is None else packet.dts
        return None if stamp is None else stamp * self._time_base_s

    def _decoded(
        self, packets: "Sequence[av.Packet[VideoStream] | None]", *, flush: bool = False
    ) -> tuple[_Shown, int]:
        shown: _Shown = []
        flawed = 0
        for packet in packets:
            try:
                frames = self._context.decode(packet)
            except av.error.EOFError:
                continue
            except av.error.FFmpegError:
                flawed += 1
                continue
            sound = [(frame.pts, frame) for frame in frames if frame.pts is not None and not frame.is_corrupt]
            shown += sound
            flawed += len(frames) - len(sound)
        if flush:
            self._context.flush_buffers()
        return shown, flawed
