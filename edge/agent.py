"""Agent: one roadside box. The list of its tasks is its architecture."""

import asyncio
import contextlib
import gc
import hashlib
import importlib.metadata
import shutil
import signal
import sys
import time
from pathlib import Path

import msgspec
import psutil
import structlog

from edge.broker import Broker
from edge.camera import CameraFeed
from edge.camera_state import CameraState
from edge.camera_watch import CameraWatch, state_name
from edge.centre_time import CentreTime
from edge.clock import Clock
from edge.config import Camera
from edge.day_logs import DayLogs
from edge.evidence import sweep
from edge.gateway import Gateway
from edge.outbox import Outbox
from edge.outbox_rows import Upload
from edge.pictures import Pictures
from edge.plate_desk import PlateDesk
from edge.plates import open_reader
from edge.progress import Progress
from edge.provenance import provenance
from edge.sealing import Sealer, open_chain
from edge.setup import Setup, watch_of
from edge.signing import SigningKey, open_key
from edge.uplink import Uplink
from edge.upload import Uploader, centre_client
from edge.vision import Vision
from edge.watch import Watch
from shell.systemd import notify
from wire.health import Health, Status

_LOG = structlog.get_logger()
_HEALTH_S = 30.0
_WAKE_S = 5
_COLLECTIONS = (20_000, 20, 100)
"""How many new objects a collection waits for, and how many of those a larger one."""
_SWITCH_S = 0.001
"""How long the outbox's thread waits for the interpreter while the loop is busy."""
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
    async with contextlib.AsyncExitStack() as stack:
        vision = None
        if setup.cameras:
            vision = await stack.enter_async_context(Vision(setup.cameras, pictures, setup.storage))
        await _run(setup, broker, pictures, vision)
    _LOG.info("ended", agent=setup.agent.id)


async def _run(setup: Setup, broker: Broker, pictures: list[Pictures], vision: Vision | None) -> None:
    agent, evidence = setup.agent, setup.storage / "evidence"
    progress, clock, centre = Progress(), Clock(), CentreTime()
    key = open_key(setup.storage / "keys")
    outbox = Outbox(setup.storage / "outbox.sqlite", agent=agent.id, bytes_max=agent.outbox_bytes_max)
    try:
        sealer = Sealer(agent.id, key, await open_chain(outbox), evidence)
        cameras = await _cameras(setup, pictures, vision, outbox, sealer=sealer, clock=clock, progress=progress)
        gateway = _gateway(setup, outbox, key, clock=clock, centre=centre, progress=progress)
        async with centre_client(agent, setup.folder) as client, asyncio.TaskGroup() as tasks:
            for feed, watch in cameras:
                tasks.create_task(feed.run())
                tasks.create_task(watch.run())
            if vision is not None:
                tasks.create_task(vision.run())
            if gateway is not None:
                tasks.create_task(gateway.run())
            uplink = Uplink(
                outbox,
                broker,
                _status(setup, outbox, sealer.public_key),
                advanced=progress.loop("uplink"),
                heard=centre.heard,
                order=gateway.order if gateway is not None else None,
            )
            tasks.create_task(uplink.run())
            tasks.create_task(Uploader(outbox, client, evidence, advanced=progress.loop("upload")).run())
            watches = [watch for _, watch in cameras]
            tasks.create_task(
                _tell_health(setup, outbox, watches, vision=vision, gateway=gateway, clock=clock, progress=progress)
            )
            tasks.create_task(progress.run())
            tasks.create_task(_until_stopped())
            _settle()
            notify("READY=1")
            devices = len(setup.gateway.entries) if setup.gateway else 0
            _LOG.info("running", agent=agent.id, cameras=len(cameras), devices=devices, epoch=outbox.epoch)
    except* _Stopped:
        pass
    finally:
        outbox.close()


def _settle() -> None:
    """Keep the interpreter from long pauses: with thousands of devices a full collection takes a tenth of a second."""
    gc.collect()
    gc.freeze()  # what was read stays until the end
    gc.set_threshold(*_COLLECTIONS)
    sys.setswitchinterval(_SWITCH_S)


async def _cameras(
    setup: Setup,
    pictures: list[Pictures],
    vision: Vision | None,
    outbox: Outbox,
    *,
    sealer: Sealer,
    clock: Clock,
    progress: Progress,
) -> list[tuple[CameraFeed, CameraWatch]]:
    """Return what reads and what watches each camera, where it was when the agent ended."""
    evidence = setup.storage / "evidence"
    states = {camera.id: await _state_of(camera, setup, outbox) for camera in setup.cameras}
    await _sweep(evidence, outbox, states)
    found = []
    for camera, memory in zip(setup.cameras, pictures, strict=True):
        assert vision is not None  # noqa: S101  # whoever has cameras has it
        state = states[camera.id]
        feed = CameraFeed(camera, memory, continue_from=(state.time_s, state.time_ms) if state.time_ms else None)
        watch = CameraWatch(
            Watch(camera, setup.book),
            feed,
            vision,
            outbox,
            state,
            folder=evidence,
            tick_log=DayLogs(setup.storage / "ticks" / camera.id) if setup.agent.record_ticks else None,
            clock=clock,
            sealer=sealer,
            provenance=await asyncio.to_thread(provenance, camera),
            advanced=progress.loop(f"camera {camera.id}"),
            plates=PlateDesk(camera.plates, open_reader(camera.plates)) if camera.plates else None,
        )
        found.append((feed, watch))
    return found


def _gateway(
    setup: Setup, outbox: Outbox, key: SigningKey, *, clock: Clock, centre: CentreTime, progress: Progress
) -> Gateway | None:
    if setup.gateway is None:
        return None
    return Gateway(
        setup.agent.id,
        setup.gateway,
        outbox,
        watch=watch_of(setup.gateway, setup.book),
        clock=clock.state,
        centre=centre,
        # Ed25519 signs the same always alike, so nothing more has to be kept secret.
        secret=hashlib.sha256(key.sign(b"codes of terminals").encode()).digest(),
        advanced=progress.loop("gateway"),
    )


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
    setup: Setup,
    outbox: Outbox,
    cameras: list[CameraWatch],
    *,
    vision: Vision | None,
    gateway: Gateway | None,
    clock: Clock,
    progress: Progress,
) -> None:
    """Put the agent's health into the outbox every 30 seconds, and when the state of a camera or link has changed.

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
            looking_restarts=vision.restarts if vision is not None else 0,
            evidence_files=len(waiting),
            cameras=tuple(camera.health() for camera in cameras),
            links=gateway.health() if gateway is not None else (),
            orders_refused=gateway.orders_refused if gateway is not None else 0,
            shed=shed,
        )
        await asyncio.wrap_future(outbox.put([("health", health)]))
        states = _states(cameras, gateway)
        for second in range(int(_HEALTH_S)):
            if second % _WAKE_S == 0:
                await asyncio.wrap_future(outbox.lanes())
                advanced()
            await asyncio.sleep(1)
            if _states(cameras, gateway) != states:
                break


def _states(cameras: list[CameraWatch], gateway: Gateway | None) -> list[object]:
    """Return what is worth telling at once when it changes."""
    return [*(camera.health().state for camera in cameras), gateway.troubled if gateway is not None else ()]


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
