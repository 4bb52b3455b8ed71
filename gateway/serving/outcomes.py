"""What became of entries, told to whoever waits for it: the door of a channel that answers after map (ADR 18).

The writer's process settles; this one looks into State for what it has committed. So the answer speaks of what is
durable, it is the same however often it is asked for, and nothing has to be handed from one process to the other.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from adapters.hl7v2.mllp import Verdict
from pipelines.acknowledging import LATE, failed, verdict
from pipelines.datafolder import DataFolder
from pipelines.logs import Log
from pipelines.reads import StateReader

__all__ = ["Outcomes"]

_LOOKS = (0.002, 0.004, 0.008, 0.02)  # seconds between looks: the longer nothing is settled, the rarer
_PAUSE = 1.0  # after a look that failed

Done = Callable[[Verdict], None]


class Outcomes:
    """Used on the event loop; State is read on a thread. Costs nothing while nobody waits."""

    def __init__(self, folder: DataFolder, log: Log) -> None:
        self._folder = folder
        self._log = log
        self._thread = ThreadPoolExecutor(1, "outcomes")
        self._state: StateReader | None = None
        self._waiting: dict[int, list[_Waiter]] = {}
        self._order: list[int] = []  # a heap of entries that somebody waits, or has waited, for
        self._looking: asyncio.Task[None] | None = None

    def hear(self, entry: int, seconds: float, done: Done) -> None:
        """`done` is called once: with what became of the entry, or LATE."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(done)
        waiter.timer = loop.call_later(seconds, self._late, entry, waiter)
        if entry not in self._waiting:
            self._waiting[entry] = []
            heapq.heappush(self._order, entry)
        self._waiting[entry].append(waiter)
        if self._looking is None or self._looking.done():
            self._looking = loop.create_task(self._look())

    async def outcome(self, entry: int, seconds: float) -> Verdict:
        """The same, to be awaited."""
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.hear(entry, seconds, lambda found: None if future.done() else future.set_result(found))
        return await future

    def _late(self, entry: int, waiter: _Waiter) -> None:
        waiters = self._waiting[entry]
        waiters.remove(waiter)
        if not waiters:
            del self._waiting[entry]
        waiter.done(LATE)

    async def _look(self) -> None:
        """While somebody waits."""
        loop = asyncio.get_running_loop()
        cursor = idle = 0
        while self._waiting:
            entries = self._up_to(cursor)
            try:
                cursor, found = await loop.run_in_executor(self._thread, self._read, entries)
            except Exception as error:  # noqa: BLE001 (the boundary: whatever it was, who waits asks again or is late)
                self._log.error("outcomes.unavailable", error=type(error).__name__)
                for entry in entries:
                    heapq.heappush(self._order, entry)
                await asyncio.sleep(_PAUSE)
                continue
            for entry, became in found:
                self._tell(entry, became)
            if self._order and self._order[0] <= cursor:
                idle = 0
            else:
                await asyncio.sleep(_LOOKS[min(idle // 8, len(_LOOKS) - 1)])
                idle += 1

    def _up_to(self, cursor: int) -> list[int]:
        entries = []
        while self._order and self._order[0] <= cursor:
            entry = heapq.heappop(self._order)
            if entry in self._waiting:
                entries.append(entry)
        return entries

    def _read(self, entries: list[int]) -> tuple[int, list[tuple[int, Verdict]]]:
        """On the thread: how far the writer has come, and what became of entries before that."""
        state = self._state = self._state or self._folder.state_reader()
        outcomes = [(entry, state.outcome(entry)) for entry in entries]
        found = [(entry, verdict(failed(outcome))) for entry, outcome in outcomes if outcome is not None]
        return state.cursor(), found

    def _tell(self, entry: int, became: Verdict) -> None:
        for waiter in self._waiting.pop(entry, ()):
            if waiter.timer is not None:
                waiter.timer.cancel()
            waiter.done(became)

    async def close(self) -> None:
        """Nobody waits any more."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_state)
        self._thread.shutdown()

    def _close_state(self) -> None:
        if self._state is not None:
            self._state.close()


class _Waiter:
    """Who asked, and the timer that ends its waiting."""

    __slots__ = ("done", "timer")

    def __init__(self, done: Done) -> None:
        self.done = done
        self.timer: asyncio.TimerHandle | None = None
