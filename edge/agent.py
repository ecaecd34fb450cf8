"""Agent: one roadside box. The list of its tasks is its architecture."""

import asyncio
import importlib.metadata
import shutil
import signal
import time
from pathlib import Path

import msgspec
import psutil
import structlog

from edge.broker import Broker
from edge.camera import CameraFeed
from edge.camera_state import CameraState
from edge.camera_watch import CameraWatch, state_name
from edge.clock import Clock
from edge.config import Camera
from edge.day_logs import DayLogs
from edge.evidence import sweep
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.pictures import Pictures
from edge.plate_desk import PlateDesk
from edge.plates import open_reader
from edge.progress import Progress
from edge.provenance import provenance
from edge.sealing import Sealer, open_chain
from edge.setup import Setup
from edge.signing import open_key
from edge.uplink import Uplink
from edge.upload import Uploader, centre_client
from edge.vision import Vision
from edge.watch import Watch
from shell.systemd import notify
from wire.health import Health, Status

_LOG = structlog.get_logger()
_HEALTH_S = 30.0
_WAKE_S = 5
_LAST_S = 15
"""Whoever has not ended by then is ended: nothing is lost, the outbox stands a kill."""


class _Stopped(Exception):  # noqa: N818  # it is no error
    """The agent was told to end."""


async def run_agent(setup: Setup) -> None:
    """Run until told to end (SIGTERM, SIGINT).

    Raises Refusal for what cannot be opened, and a group with sqlite3.Error in it when the disk does not commit.
    """
    broker = Broker(setup.agent, setup.folder)
    pictures = [Pictures(camera.size) for camera in setup.cameras]
    # What may be refused is opened before anything runs.
    async with Vision(setup.cameras, pictures, setup.storage) as vision:
        await _run(setup, broker, pictures, vision)
    _LOG.info("ended", agent=setup.agent.id)


async def _run(setup: Setup, broker: Broker, pictures: list[Pictures], vision: Vision) -> None:
    agent, evidence = setup.agent, setup.storage / "evidence"
    progress, clock = Progress(), Clock()
    facts = {camera.id: await asyncio.to_thread(provenance, camera) for camera in setup.cameras}
    key = open_key(setup.storage / "keys")
    desks = [PlateDesk(each.plates, open_reader(each.plates)) if each.plates else None for each in setup.cameras]
    outbox = Outbox(setup.storage / "outbox.sqlite", agent=agent.id, bytes_max=agent.outbox_bytes_max)
    try:
        states = {camera.id: await _state_of(camera, setup, outbox) for camera in setup.cameras}
        await _sweep(evidence, outbox, states)
        sealer = Sealer(agent.id, key, await open_chain(outbox), evidence)
        async with centre_client(agent, setup.folder) as client, asyncio.TaskGroup() as tasks:
            cameras = []
            for camera, memory, desk in zip(setup.cameras, pictures, desks, strict=True):
                state = states[camera.id]
                feed = CameraFeed(
                    camera, memory, continue_from=(state.time_s, state.time_ms) if state.time_ms else None
                )
                watch = CameraWatch(
                    Watch(camera, setup.book),
                    feed,
                    vision,
                    outbox,
                    state,
                    folder=evidence,
                    tick_log=DayLogs(setup.storage / "ticks" / camera.id) if agent.record_ticks else None,
                    clock=clock,
                    sealer=sealer,
                    provenance=facts[camera.id],
                    advanced=progress.loop(f"camera {camera.id}"),
                    plates=desk,
                )
                cameras.append(watch)
                tasks.create_task(feed.run())
                tasks.create_task(watch.run())
            tasks.create_task(vision.run())
            status = _status(setup, outbox, sealer.public_key)
            tasks.create_task(Uplink(outbox, broker, status, advanced=progress.loop("uplink")).run())
            tasks.create_task(Uploader(outbox, client, evidence, advanced=progress.loop("upload")).run())
            tasks.create_task(_tell_health(setup, outbox, cameras, vision=vision, clock=clock, progress=progress))
            tasks.create_task(progress.run())
            tasks.create_task(_until_stopped())
            notify("READY=1")
            _LOG.info("running", agent=agent.id, cameras=len(cameras), epoch=outbox.epoch)
    except* _Stopped:
        pass
    finally:
        outbox.close()


async def _until_stopped() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    notify("STOPPING=1")
    signal.alarm(_LAST_S)
    raise _Stopped


async def _state_of(camera: Camera, setup: Setup, outbox: Outbox) -> CameraState:
    """Return where a camera was when the agent ended, so that its stays go on."""
    blob = await asyncio.wrap_future(outbox.state(state_name(camera.id)))
    if blob is not None:
        try:
            return msgspec.msgpack.decode(blob, type=CameraState)
        except msgspec.DecodeError as error:
            _LOG.error("the state is of another version, the camera begins anew", camera=camera.id, reason=str(error))
    return CameraState(watch=Watch(camera, setup.book).first())


async def _sweep(folder: Path, outbox: Outbox, states: dict[str, CameraState]) -> None:
    if outbox.is_salvaged:
        return  # nobody knows any more which files still wait
    uploads = await asyncio.wrap_future(outbox.uploads())
    sweep(folder, {upload.path for upload in uploads}.union(*(state.file_names for state in states.values())))


def _status(setup: Setup, outbox: Outbox, public_key: str) -> Status:
    return Status(
        agent=setup.agent.id,
        state="online",
        time_ms=0,
        epoch=outbox.epoch,
        version=_version(),
        config_sha256=setup.sha256,
        cameras=setup.cards,
        public_key=public_key,
    )


def _version() -> str:
    try:
        return importlib.metadata.version("wayside")
    except importlib.metadata.PackageNotFoundError:
        return "source"


async def _tell_health(
    setup: Setup, outbox: Outbox, cameras: list[CameraWatch], *, vision: Vision, clock: Clock, progress: Progress
) -> None:
    """Put the agent's health into the outbox every 30 seconds, and when a camera's state has changed.

    That the outbox commits is part of being alive.
    """
    began_s, process, advanced = time.monotonic(), psutil.Process(), progress.loop("outbox")
    while True:
        lanes, shed = await asyncio.wrap_future(outbox.lanes())
        waiting: list[Upload] = await asyncio.wrap_future(outbox.uploads())
        family = [process, *process.children(recursive=True)]
        health = Health(
            time_ms=time.time_ns() // 1_000_000,
            uptime_s=round(time.monotonic() - began_s, 1),
            clock=clock.state(),
            rss_bytes=sum(_rss_bytes(each) for each in family),
            disk_free_bytes=shutil.disk_usage(setup.storage).free,
            lanes=lanes,
            looking_restarts=vision.restarts,
            evidence_files=len(waiting),
            cameras=tuple(camera.health() for camera in cameras),
            shed=shed,
        )
        await asyncio.wrap_future(outbox.put([("health", health)]))
        states = [camera.state for camera in health.cameras]
        for second in range(int(_HEALTH_S)):
            if second % _WAKE_S == 0:
                await asyncio.wrap_future(outbox.lanes())
                advanced()
            await asyncio.sleep(1)
            if [camera.health().state for camera in cameras] != states:
                break


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
