"""The writer's process: opens the state, starts the mappers, settles what comes, until told to stop.

`serve` runs it beside intake. It ends when its parent does, and what it had under way is in the journal.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from mappings import MappingError
from pipelines.control import Listener
from pipelines.datafolder import DataFolder, open_folder
from pipelines.deadletters import expire
from pipelines.errors import PipelineError, SettingsError
from pipelines.logs import Log
from pipelines.mapper import Mapper, config_of, failure
from pipelines.memory import settle_in
from pipelines.metrics import write_snapshot
from pipelines.outbound import taken_over
from pipelines.pool import Inline, Mappers, Pool
from pipelines.settings import Settings
from pipelines.writer import Writer
from pipelines.writermetrics import WriterMetrics

_IDLE = 0.05  # seconds between looks into the journal when nobody wakes us
_SNAPSHOT = 1.0  # seconds between metrics snapshots
_RETENTION = 3600.0  # seconds between looks for what may go


def check_tenant(settings: Settings, folder: DataFolder) -> None:
    """SettingsError if a channel is of another tenant than the data folder: one folder, one tenant."""
    wrong = [channel.name for channel in settings.channels.values() if channel.tenant not in ("", _tenant(folder))]
    if wrong:
        raise SettingsError(f"channels {', '.join(wrong)}: the data folder is of the tenant {_tenant(folder)!r}")


def _tenant(folder: DataFolder) -> str:
    return folder.identity.tenant


def mapper_count(wanted: int) -> int:
    """Processes for `pipeline.mappers`: -1 = one per core but one, at least one."""
    return max(1, len(os.sched_getaffinity(0)) - 1) if wanted < 0 else wanted


def run_writer(path: Path, settings: Settings, mappers: int, control: Listener) -> None:
    """Settle until told to stop, then what is left in the journal. The parent rings when something was appended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent says when; it drains intake first
    os.nice(10)  # with the mappers: where cores are scarce the sender's answer goes first, the journal holds the rest
    log = Log(level=settings.service.log_level)
    try:
        _run(path, settings, mapper_count(mappers), control, log)
    except (PipelineError, MappingError) as error:
        log.error("writer.stopped", error=type(error).__name__, text=str(error))
        raise SystemExit(1) from None
    except Exception as error:  # noqa: BLE001 (the process's edge: a traceback could show what a message held)
        log.error("writer.failed", error=type(error).__name__, text=failure(error).text)
        raise SystemExit(1) from None


def _run(path: Path, settings: Settings, count: int, control: Listener, log: Log) -> None:
    folder = open_folder(path)
    check_tenant(settings, folder)
    namespace = folder.keystore.namespace
    config = config_of(settings, namespace, folder.packs_path, folder.packages_path)
    metrics = WriterMetrics()

    def report(event: str) -> None:
        log.warning(event)
        metrics.restarted(event.removeprefix("mapper."))

    with ExitStack() as closing:
        state = folder.state()
        closing.callback(state.close)
        journal = folder.journal_reader()
        closing.callback(journal.close)
        mapper = Mapper(config)
        maps = mapper.load_all()
        for effective in set(maps.values()):
            effective.check()  # a broken map stops the start, not a message
        pool: Mappers = Inline(mapper)
        if count:
            pool = Pool(config, count, seconds=settings.pipeline.message_seconds, report=report)
        closing.callback(pool.close)
        writer = Writer(
            state,
            journal,
            folder.blobs,
            pool,
            channels=settings.channels,
            pipeline=settings.pipeline,
            effective_map=lambda channel: maps[channel],
            metrics=metrics,
        )
        settle_in()
        log.info("writer.started", pid=os.getpid(), count=count, entry=writer.cursor)
        _settle(folder, settings, writer, control)
    log.info("writer.ended", entry=writer.cursor)


def _let_go(folder: DataFolder, settings: Settings) -> None:
    """What the channels no longer keep: journal segments, dead letters."""
    now = time.time()
    if days := settings.retention_days():
        folder.drop_segments(int((now - days * 86_400) * 1e6))
    if any(channel.error_retention_days for channel in settings.channels.values()):
        expire(folder, settings, now)


def _settle(folder: DataFolder, settings: Settings, writer: Writer, control: Listener) -> None:
    snapshot = retention = float("-inf")
    while not control.orphaned:  # the service was killed: leave no writer behind
        now = time.monotonic()
        if now - snapshot >= _SNAPSHOT:
            snapshot = now
            write_snapshot(folder.path, writer.metrics.registry.text())
        if now - retention >= _RETENTION:
            retention = now
            _let_go(folder, settings)
            writer.forget_outbound(taken_over(folder.outbound_path))
        if control.wait(0):
            writer.look()
        if control.leaving:
            writer.commit()
            break
        if writer.step():
            continue
        if control.stopped and not writer.poll():
            break
        control.wait(_IDLE)
        writer.look()
    write_snapshot(folder.path, writer.metrics.registry.text())
