"""The process that looks: maps every camera's pictures, holds the models, answers what a picture shows."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import msgspec

from detectors.wants import Wants
from edge.channel import Channel, belong_to
from edge.config import Camera, Motion, Onnx
from edge.eyes import Sighting
from edge.gaze import Gaze
from edge.inference import Backend, Backends, Demand
from edge.pictures import slots_of
from edge.reference import reference_of
from edge.video import Frame
from shell.refusal import Refusal

Open = Callable[[Onnx | Motion], Backend]


class Look(msgspec.Struct, frozen=True, tag="look", array_like=True):
    """To the process: look at a picture; it is left as it is until the answer has come."""

    number: int
    """Of this order, for its answer."""
    camera: int
    """By its place among the cameras."""
    slot: int
    time_s: float
    time_ms: int
    wants: Wants


class Ready(msgspec.Struct, frozen=True, tag="ready", array_like=True):
    """Every model is open."""


class Refused(msgspec.Struct, frozen=True, tag="refused", array_like=True):
    """A model cannot be used; the process ends."""

    subject: str
    problem: str
    suggestion: str


class Seen(msgspec.Struct, frozen=True, tag="seen", array_like=True):
    """What the picture of an order shows; None if it was only watched for motion."""

    number: int
    sighting: Sighting | None


Answer = Ready | Refused | Seen
_ENCODER = msgspec.msgpack.Encoder()
_ORDERS = msgspec.msgpack.Decoder(Look)


def main(
    end: socket.socket,
    parent_pid: int,
    cameras: Sequence[tuple[Camera, Any]],
    folder: Path,
    opens: Open | None = None,
) -> None:
    """Entry point of the process, for cameras and the memories that their pictures lie in.

    ``opens`` makes a camera's backend; by default each model is opened once for all cameras, ``folder`` is the agent's
    storage, which remembers how models run best and what each camera should see.
    """
    opens = opens or Backends(Demand(pictures_hz=sum(camera.tick_hz for camera, _ in cameras)), folder / "models").open
    belong_to(parent_pid)
    # Pictures are looked at one at a time, and each piece of work on pixels is too short to be worth waking a thread.
    cv2.setNumThreads(1)
    channel = Channel(end)
    try:
        _serve(channel, cameras, folder, opens)
    except Refusal as refusal:
        channel.send(_ENCODER.encode(Refused(refusal.subject, refusal.problem, refusal.suggestion)))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return  # the agent hung up


def _serve(channel: Channel, cameras: Sequence[tuple[Camera, Any]], folder: Path, opens: Open) -> None:
    slots = [slots_of(memory, camera.size) for camera, memory in cameras]
    for slot in (each for camera in slots for each in camera):
        slot.flags.writeable = False  # stills are taken from the same memory
    gazes = [Gaze(camera, opens(camera.backend), reference_of(camera, folder)) for camera, _ in cameras]
    channel.send(_ENCODER.encode(Ready()))
    while True:
        for body in channel.receive(wait=True):
            look = _ORDERS.decode(body)
            frame = Frame(look.time_s, look.time_ms, slots[look.camera][look.slot])
            channel.send(_ENCODER.encode(Seen(look.number, gazes[look.camera].see(frame, look.wants))))
