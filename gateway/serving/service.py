"""The service: journal and listeners here, the writer and the publisher as children, probes on the HTTP port."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from gateway.addresses import parse_address
from gateway.serving.children import Children
from gateway.serving.delivery import Delivery
from gateway.serving.dicom import listener, run_dicom, shown
from gateway.serving.folders import Folders
from gateway.serving.ingest import Ingest
from gateway.serving.intake import Intake
from gateway.serving.operations import listen
from gateway.serving.outcomes import Outcomes
from gateway.serving.probes import probes
from gateway.serving.sequences import Sequences
from gateway.serving.states import Stopped
from gateway.serving.steering import Steering
from gateway.serving.stow import Stow
from gateway.serving.timer import Timer
from gateway.serving.validating import Validating
from gateway.web import Guard, Limits, Route, serve_http
from pipelines.datafolder import DataFolder, open_folder
from pipelines.formats import maps
from pipelines.logs import Log
from pipelines.mapper import failure
from pipelines.metrics import Registry, read_snapshots
from pipelines.ports import Entry
from pipelines.service import check_tenant
from pipelines.settings import Settings
from pipelines.statusmetrics import StatusMetrics
from pipelines.translation import prove

__all__ = ["Addresses", "serve"]

_WATCH = 0.2  # seconds between looks at the children
_LEFT = 256  # entries of an earlier run that are looked at for their age


@dataclass(frozen=True, slots=True)
class Addresses:
    """HOST:PORT of the MLLP listener of channels without one of their own, of the HTTP port and of the DICOM port."""

    mllp: str
    http: str
    dicom: str = ""


def serve(
    path: Path,
    settings: Settings,
    addresses: Addresses,
    ready: Callable[[dict[str, object]], None],
    reread: Callable[[], Settings] | None = None,
) -> int:
    """Run until SIGTERM or SIGINT, then drain; give the exit code. `ready` hears the bound addresses once,
    `reread` gives the settings as they stand in the files when somebody asks for a reload.

    Raises PipelineError (folder in use, not ours, newer; a channel of another tenant; a translation plan),
    MappingError (faulty maps), TlsUnusable (certificates) and OSError (address taken).
    """
    folder = open_folder(path, create=True)
    check_tenant(settings, folder)
    for format_, overlays in {(channel.format, channel.overlays) for channel in settings.channels.values()}:
        maps(format_, overlays).check()  # here, where it is one plain error; the writer could only fail again and again
    prove(settings.channels.values(), folder.packs_path)
    with folder.lock():
        return uvloop.run(_serve(folder, settings, addresses, ready, reread or (lambda: settings)))


async def _serve(
    folder: DataFolder,
    settings: Settings,
    addresses: Addresses,
    ready: Callable[[dict[str, object]], None],
    reread: Callable[[], Settings],
) -> int:
    loop = asyncio.get_running_loop()
    log = Log(level=settings.service.log_level)
    registry = Registry()
    children = Children(log)

    def notify(callback: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(callback)
        children.ring()

    journal = folder.journal(settings.journal(), notify=notify)
    delivery = Delivery(folder, settings, log, registry)
    sequences = Sequences(folder.links_path)
    stopped = Stopped(folder.stopped_path)
    outcomes = Outcomes(folder, log)
    intake = Intake(journal, settings, log, registry, delivery, sequences, stopped, outcomes)
    intake.ages.begin(unsettled(folder), time.monotonic(), time.time())
    ingest = Ingest(journal, settings, registry, stopped, outcomes)
    validating = Validating(folder.packages_path, folder.packs_path)
    folders = Folders(journal, settings, log, registry, stopped)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    def renew() -> None:
        # the loop keeps only a weak reference to a task, so the set has to
        renewing.add(task := loop.create_task(steering.answer("reload", "")))
        task.add_done_callback(renewing.discard)

    def use(other: Settings) -> None:
        delivery.use(other)
        ingest.use(other)
        folders.use(other)
        children.renew(folder.path, other)

    steering = Steering(folder, settings, intake, log, reread, use)
    renewing: set[asyncio.Task[dict[str, Any]]] = set()
    loop.add_signal_handler(signal.SIGHUP, renew)
    totals = StatusMetrics(registry)
    answers = registry.gauge("http_answers", "HTTP answers since start, by route and status.")
    connections = registry.gauge("http_connections", "Open HTTP connections.")

    def causes() -> Iterator[str]:
        yield from (f"{name} is not running" for name in children.down())
        if journal.failure is not None:
            yield "the journal can't keep messages"
        yield from folders.causes()
        if stopping.is_set():
            yield "draining"

    def metrics() -> str:
        with closing(folder.state_reader()) as state:
            intake.observe(state.cursor())
        ingest.observe()
        for (route, status), count in list(http.counts.items()):  # the loop counts on
            answers.set(count, route=route, status=str(status))
        connections.set(http.connections)
        totals.observe(folder)
        return registry.text() + read_snapshots(folder.path)

    def failed(route: str, error: Exception) -> None:
        log.error("http.failed", error=type(error).__name__, text=f"{route}: {failure(error).text}")

    routes: tuple[Route, ...] = (*probes(causes, metrics), *ingest.routes, *Stow(ingest).routes, *validating.routes)
    guard = Guard(settings.http.all_tokens())
    http = await serve_http(*parse_address(addresses.http), routes, guard, _limits(settings), failed)
    try:
        delivery.start()
        children.start(folder.path, settings, settings.pipeline.mappers)
        wanted = {name: parse_address(name or addresses.mllp) for name in settings.listeners()}
        bound = dict(zip(wanted, await intake.listen(wanted), strict=True))
        mllp = bound.get("") or next(iter(bound.values()), None)
        dicom = _dicom(loop, folder, settings, addresses.dicom, children)
        port = None if dicom is None else shown(dicom)
        control = await listen(folder.socket_path, steering.answer)
        ready({"ready": True, "mllp": mllp, "dicom": port, "http": http.address, "data": str(folder.path)})
        log.info("service.ready")
        watching = loop.create_task(folders.run(stopping))
        timer = Timer(folder, journal, settings.dicom.quiet_seconds, settings.pipeline.part_seconds)
        while not stopping.is_set():
            children.watch()
            await loop.run_in_executor(None, timer.look)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _WATCH)
        log.info("service.draining")
        control.close()
        folder.socket_path.unlink(missing_ok=True)
        if dicom is not None:
            loop.remove_reader(dicom)
            dicom.close()  # who connects now is refused
            await loop.run_in_executor(None, children.end, "dicom", settings.service.drain_seconds)
        await intake.drain(settings.service.drain_seconds)
        await watching
    finally:
        await loop.run_in_executor(None, journal.close)
        await delivery.stop()
        sequences.close()
        await loop.run_in_executor(None, children.stop, settings.service.drain_seconds)
        await http.close(1.0)
        await outcomes.close()
    log.info("service.stopped")
    return 0


def _dicom(
    loop: asyncio.AbstractEventLoop, folder: DataFolder, settings: Settings, address: str, children: Children
) -> socket.socket | None:
    """Listen for DICOM if a channel wants it. Its process starts with the first connection: who has no modality pays
    for none."""
    if not settings.channels_of("dicom"):
        return None
    bound = listener(*parse_address(address))

    def first() -> None:
        loop.remove_reader(bound)
        children.add("dicom", run_dicom, folder.path, settings, bound)

    loop.add_reader(bound, first)
    return bound


def unsettled(folder: DataFolder) -> list[Entry]:
    """The oldest entries that an earlier run has left unsettled, to know their age."""
    with closing(folder.state_reader()) as state, closing(folder.journal_reader()) as journal:
        return journal.read(state.cursor(), _LEFT)


def _limits(settings: Settings) -> Limits:
    http = settings.http
    return Limits(
        body=http.max_body_bytes,
        window=max(http.window_bytes, http.max_body_bytes),
        connections=http.connections,
        idle=http.idle_seconds,
        body_seconds=http.body_seconds,
    )
