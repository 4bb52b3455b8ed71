"""What an operator may ask of a running service: list, start, stop, reload (`tabellion channels`, SIGHUP).

A reload reads the configuration anew and changes channels, MLLP limits and certificates. It does all that could fail
first; a fault leaves everything as it was. Connections that are open stay open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from typing import Any

from adapters.hl7v2.mllp import TlsUnusable
from gateway.addresses import parse_address
from gateway.errors import UsageError
from gateway.serving.intake import Intake
from mappings import MappingError
from pipelines.datafolder import DataFolder
from pipelines.errors import PipelineError
from pipelines.formats import maps
from pipelines.logs import Log
from pipelines.service import check_tenant
from pipelines.settings import SECTIONS, Settings
from pipelines.translation import prove

__all__ = ["Steering"]

_FAULTS = (PipelineError, MappingError, TlsUnusable, UsageError, OSError)


class Steering:
    """`reread` gives the settings as the files are now; `use` hands them on to whoever else needs them."""

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        intake: Intake,
        log: Log,
        reread: Callable[[], Settings],
        use: Callable[[Settings], None],
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._intake = intake
        self._log = log
        self._reread = reread
        self._use = use
        self._one = asyncio.Lock()

    async def answer(self, do: str, channel: str) -> dict[str, Any]:
        """One command; what it came to."""
        async with self._one:
            try:
                notes = await self._do(do, channel)
            except KeyError:
                return {"error": f"there is no channel {channel!r}; there are {', '.join(self._settings.channels)}"}
            except _FAULTS as error:
                self._log.error(f"channels.{do}.failed", error=type(error).__name__)
                return {"error": str(error)}
        rows = self._intake.channels(await asyncio.to_thread(self._cursor))
        return {"channels": [row for row in rows if channel in ("", row["name"])], "notes": notes}

    def _cursor(self) -> int:
        with closing(self._folder.state_reader()) as state:
            return state.cursor()

    async def _do(self, do: str, channel: str) -> list[str]:
        if do == "reload":
            return await self._reload()
        if do in ("start", "stop"):
            if self._settings.channels[channel].format == "dicom":
                raise UsageError("the DICOM listener is a process of its own: take the channel out and restart")
            await self._intake.switch(channel, do == "start")
            self._log.info(f"channels.{do}", channel=channel)
        elif do != "list":
            raise UsageError(f"{do!r} is nothing that a service does")
        if channel:
            self._settings.channels[channel]
        return []

    async def _reload(self) -> list[str]:
        wanted = await asyncio.to_thread(self._read)
        now = replace(self._settings, channels=wanted.channels, mllp=wanted.mllp)
        kept = [section for section in SECTIONS if section != "mllp" and _differ(wanted, now, section)]
        if wanted.channels_of("dicom") != self._settings.channels_of("dicom"):
            kept.append("the DICOM channels")
        if wanted.mllp.listen != self._settings.mllp.listen:
            kept.append("mllp.listen")
        if wanted.mllp.memory_bytes != self._settings.mllp.memory_bytes:
            kept.append("mllp.memory_bytes")
        await self._intake.change(now, {name: parse_address(name or now.mllp.listen) for name in now.listeners()})
        changed = now.channels != self._settings.channels
        self._settings = now
        if changed:
            self._use(now)
        self._log.info("channels.reloaded", count=len(now.channels))
        return [f"changed, and needs a restart: {name}" for name in kept]

    def _read(self) -> Settings:
        """Read and prove all that can be proved without changing anything."""
        wanted = self._reread()
        check_tenant(wanted, self._folder)
        for format_, overlays in {(channel.format, channel.overlays) for channel in wanted.channels.values()}:
            maps(format_, overlays).check()
        prove(wanted.channels.values(), self._folder.packs_path)
        return wanted


def _differ(one: Settings, other: Settings, section: str) -> bool:
    mine, theirs = getattr(one, section), getattr(other, section)
    return any(getattr(mine, each.name) != getattr(theirs, each.name) for each in fields(mine))
