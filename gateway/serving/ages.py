"""The age of the oldest message of each channel that is not settled yet: the figure that says whether one is behind.

The journal holds bodies, so asking it would mean reading through a backlog. What intake keeps is noted here instead, a
mark a second per channel and rarer the older the backlog is; a mark goes once the writer's cursor has passed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from pipelines.ports import Entry

__all__ = ["Ages"]

_FINEST = 1.0  # seconds between marks
_SPREAD = 1000  # marks for a backlog, about: a day's are a minute and a half apart


@dataclass(slots=True)
class _Mark:
    """Messages kept one after the other: when the first was, and the last one's seq."""

    time: float
    last: int


class Ages:
    """Marks per channel; noted on the loop, looked at from any thread."""

    def __init__(self) -> None:
        self._marks: dict[str, deque[_Mark]] = {}
        self._lock = Lock()

    def begin(self, entries: Iterable[Entry]) -> None:
        """What an earlier run has left, as far as it was looked at."""
        for entry in entries:
            self.note(entry.channel, entry.seq, entry.received_at / 1e6)

    def note(self, channel: str, seq: int, now: float) -> None:
        """A message was kept."""
        with self._lock:
            marks = self._marks.get(channel)
            if marks is None:
                marks = self._marks[channel] = deque()
            if marks and now - marks[-1].time < max(_FINEST, (now - marks[0].time) / _SPREAD):
                marks[-1].last = max(seq, marks[-1].last)
            else:
                marks.append(_Mark(now, seq))

    def oldest(self, cursor: int, now: float) -> dict[str, float]:
        """Seconds (0: all is settled) per channel, given the last settled seq; a mark's breadth too much at most."""
        ages: dict[str, float] = {}
        with self._lock:
            for channel, marks in self._marks.items():
                while marks and marks[0].last <= cursor:
                    marks.popleft()
                ages[channel] = max(0.0, now - marks[0].time) if marks else 0.0
        return ages
