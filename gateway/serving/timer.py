"""Timer ticks: time is not deterministic, so it enters through the journal (architecture, "keep")."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import closing, suppress

from pipelines.continuing import incomplete
from pipelines.database import DISK_ERRORS
from pipelines.datafolder import DataFolder
from pipelines.errors import PipelineError
from pipelines.growing import quiet
from pipelines.journal import SqliteJournal
from pipelines.ports import Kept
from pipelines.reads import StateReader

__all__ = ["Timer"]


class Timer:
    """Has the writer bring growing resources up to date once nothing was added to them for `seconds`, and give up
    messages in parts of which nothing more came for `part_seconds`.

    It looks at the state, not at what comes in: so it needs no memory, and a restart changes nothing.
    """

    def __init__(self, folder: DataFolder, journal: SqliteJournal, seconds: float, part_seconds: float) -> None:
        self._folder = folder
        self._journal = journal
        self._seconds = seconds
        self._part_seconds = part_seconds
        self._next = self._parts_next = 0.0
        self._asked: Future[Kept] | None = None

    def look(self) -> None:
        """Append a tick if one is due; called often, looks now and then."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + min(5.0, max(0.2, min(self._seconds, self._part_seconds) / 4))
        with suppress(PipelineError, *DISK_ERRORS), closing(self._folder.state_reader()) as state:  # it looks again
            if self._under_way(state.cursor()):
                return
            if state.stale(int((time.time() - self._seconds) * 1e6), 1):
                self._asked = self._journal.append(quiet(self._seconds))
            elif self._parts_late(state):
                self._asked = self._journal.append(incomplete(self._part_seconds))

    def _parts_late(self, state: StateReader) -> bool:
        """Whether a part has waited too long. That others of its message came since only the writer knows: so it is not
        asked again at once."""
        now = time.monotonic()
        if now < self._parts_next:
            return False
        late = any(received <= (time.time() - self._part_seconds) * 1e6 for _, received in state.parts_waiting(1))
        if late:
            self._parts_next = now + self._part_seconds / 4
        return late

    def _under_way(self, cursor: int) -> bool:
        """Whether the last tick has still to be settled."""
        if self._asked is None:
            return False
        if not self._asked.done():
            return True
        return self._asked.exception() is None and self._asked.result().seq > cursor
