"""The window: what was read from the journal and is on its way through the mappers (`window_messages`, `window_bytes`).

Mappers may finish in any order; the window hands out entries and results in that of the journal.
"""

from __future__ import annotations

from collections import deque

from pipelines.bodies import Bodies
from pipelines.errors import BlobMissing
from pipelines.mapper import Failure, Result
from pipelines.pool import Mappers
from pipelines.ports import Entry
from pipelines.replay import JournalReader
from pipelines.settings import Pipeline

__all__ = ["Window", "gone"]

_READ = 64  # entries per look into the journal: each may hold 1 MiB


class Window:
    """Entries after a place of the journal, as far as the writer hasn't taken them."""

    def __init__(
        self, journal: JournalReader, bodies: Bodies, mappers: Mappers, pipeline: Pipeline, after: int
    ) -> None:
        self._journal = journal
        self._bodies = bodies
        self._mappers = mappers
        self._pipeline = pipeline
        self._read_to = after
        self._pending: deque[Entry] = deque()
        self._failed: dict[int, Failure] = {}  # those that never got to the mappers
        self._size = 0
        self._more = True  # the journal may hold entries we haven't read
        self._asides = 0

    def look(self) -> None:
        """There may be new entries: the next `fill` reads the journal again."""
        self._more = True

    def fill(self) -> Entry | None:
        """Hand entries to the mappers, as many as there is room for; the first in the window, which is next."""
        pipeline, pending = self._pipeline, self._pending
        while self._more and len(pending) <= pipeline.window_messages - pipeline.window_messages // 4:
            if pending and self._size >= pipeline.window_bytes:
                break
            entries = self._journal.read(self._read_to, min(_READ, max(1, pipeline.window_messages - len(pending))))
            self._more = bool(entries)
            for entry in entries:
                self._submit(entry)
                self._read_to = entry.seq
        return pending[0] if pending else None

    def _submit(self, entry: Entry) -> None:
        if entry.kind == "message":
            try:
                self._mappers.submit(entry.seq, entry.channel, self._bodies.read(entry))
            except BlobMissing as error:
                self._failed[entry.seq] = gone(error)
        self._pending.append(entry)
        self._size += entry.size

    def result(self, entry: Entry, timeout: float) -> Result | None:
        """What the mappers made of it; None: nothing yet, after so many seconds."""
        if entry.seq in self._failed:
            return self._failed.pop(entry.seq)
        return self._mappers.result(entry.seq, max(0.0, timeout))

    def take(self) -> None:
        """The first leaves the window."""
        self._size -= self._pending.popleft().size

    def aside(self, entry: Entry, body: bytes | None = None) -> Result:
        """Map an entry out of turn; `body`: other bytes than its own."""
        self._asides += 1
        ticket = -self._asides
        try:
            self._mappers.submit(ticket, entry.channel, self._bodies.read(entry) if body is None else body)
        except BlobMissing as error:
            return gone(error)
        while (result := self._mappers.result(ticket, 1.0)) is None:
            pass  # ends: the mappers answer every message within its time limit
        return result


def gone(error: BlobMissing) -> Failure:
    """The bytes of a message can't be had."""
    return Failure("gone", "", str(error))
