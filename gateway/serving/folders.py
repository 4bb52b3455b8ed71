"""Watched folders (`[channels.NAME] folder`): files in, journal commit, then the move; in that order, so that a crash
between repeats a file and never loses one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from pathlib import Path

from gateway.serving.drops import Drop, Unreadable, Watch, drop_at, move, prepare, take
from pipelines.channels import Channel
from pipelines.envelope import Envelope
from pipelines.errors import Unavailable
from pipelines.journal import SqliteJournal
from pipelines.logs import Log
from pipelines.mapper import failure
from pipelines.metrics import Registry
from pipelines.settings import Settings

__all__ = ["Folders"]

_LOOK = 0.5  # seconds between looks
_MARKS = 10_000  # files that can't be read, remembered
_AT_ONCE = 256  # units of one file under way


class Folders:
    """All watched folders of one service."""

    def __init__(
        self, journal: SqliteJournal, settings: Settings, log: Log, registry: Registry, stopped: Container[str] = ()
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._log = log
        self._stopped = stopped
        self._watches: dict[tuple[str, str, str], Watch] = {}
        self._unusable: set[str] = set()
        self._unread: set[tuple[str, str]] = set()  # channel and mark of files that can't be read: said once each
        self._files = registry.counter(
            "folder_files_total", "Files of watched folders, by channel and where they went."
        )

    def use(self, settings: Settings) -> None:
        """Other channels from now on."""
        self._settings = settings

    def causes(self) -> list[str]:
        """Why the service isn't ready."""
        return [f"the folder of channel {name} can't be used" for name in sorted(self._unusable)]

    async def run(self, stopping: asyncio.Event) -> None:
        """Look until told to stop; a file under way is finished."""
        while not stopping.is_set():
            for channel in list(self._settings.channels.values()):
                if channel.folder and channel.name not in self._stopped and not stopping.is_set():
                    await asyncio.to_thread(self.look, channel)
            try:
                await asyncio.wait_for(stopping.wait(), _LOOK)
            except TimeoutError:
                continue

    def look(self, channel: Channel) -> None:
        """One look into one folder; whatever a file does, the others are taken."""
        key = (channel.name, channel.folder, channel.folder_marker)
        folder = Path(channel.folder)
        watch = self._watches.setdefault(key, Watch(folder, channel.folder_seconds, channel.folder_marker))
        try:
            ready = watch.ready(time.monotonic())
            if ready:
                prepare(folder)
        except OSError as error:
            self._report(channel, error)
            return
        self._unusable.discard(channel.name)
        for drop in ready:
            try:
                self._one(channel, drop)
            except FileNotFoundError:
                continue  # its sender took it back
            except Unreadable as error:
                self._unreadable(channel, drop, error)
            except (OSError, Unavailable) as error:
                self._report(channel, error)  # it lies where it was: the next look tries again
                return

    def _one(self, channel: Channel, drop: Drop) -> None:
        try:
            self._file(channel, drop)
        except (OSError, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 (the boundary: a poison file goes aside, the others go on)
            name = type(error).__name__
            self._log.error("folder.failed", channel=channel.name, error=name, text=failure(error).text)
            move(drop, ({"index": None, "place": "", "text": f"an error of ours: {name}"},))
            self._files.add(channel=channel.name, status="failed")

    def _file(self, channel: Channel, drop: Drop) -> None:
        taken = take(drop, channel)
        if drop_at(drop.path) != drop:
            return  # it grew while it was read: what was read may end anywhere
        facts = {"transport": "folder"}
        for start in range(0, len(taken.units), _AT_ONCE):
            part = taken.units[start : start + _AT_ONCE]
            now = time.time_ns() // 1000
            kept = [
                self._journal.append(Envelope(channel.name, channel.format, body, identity, now, "folder", facts))
                for body, identity in part
            ]
            for future in kept:
                future.result()  # raises Unavailable
        if drop_at(drop.path) != drop:
            return  # somebody wrote on: it is another file now, and will be ready once more
        move(drop, taken.faults)
        status = "failed" if taken.faults else "done"
        self._files.add(channel=channel.name, status=status)
        self._log.info(f"folder.{status}", channel=channel.name, count=len(taken.units))

    def _unreadable(self, channel: Channel, drop: Drop, error: OSError) -> None:
        """One file costs nobody else anything; it is tried again at each look."""
        known = (channel.name, drop.mark)
        if known not in self._unread:
            if len(self._unread) >= _MARKS:
                self._unread.clear()
            self._unread.add(known)
            self._log.error("folder.unreadable", channel=channel.name, error=type(error.__cause__ or error).__name__)
            self._files.add(channel=channel.name, status="unreadable")

    def _report(self, channel: Channel, error: Exception) -> None:
        if channel.name not in self._unusable:
            self._log.error("folder.unusable", channel=channel.name, error=type(error).__name__)
        self._unusable.add(channel.name)
