"""The age of the oldest message of each channel that is not settled yet: the figure that says whether one is behind.

The journal holds bodies, so asking it would mean reading through a backlog. What intake keeps is noted here instead, a
mark a second per channel and rarer the older the backlog is; a mark goes once the writer's cursor has passed it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Lock

from pipelines.ports import Entry

__all__ = ["Ages"]

_FINEST = 1.0  # seconds between marks
_SPREAD = 1000  # marks for a backlog, about: a day's are a minute and a half apart


class Ages:
    """Marks per channel; noted on the loop, looked at from any thread. Times are those of the monotonic clock."""

    def __init__(self) -> None:
        self._marks: dict[str, deque[tuple[int, float]]] = {}  # seq of the first message since, and when
        self._newest: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._lock = Lock()

    def begin(self, entries: Iterable[Entry], now: float, clock: float) -> None:
        """What an earlier run has left, as far as it was looked at; `clock`: what a calendar's clock says now."""
        for entry in entries:
            self.note(entry.channel, entry.seq, now - (clock - entry.received_at / 1e6))

    def note(self, channel: str, seq: int, now: float) -> None:
        """A message was kept. Runs for each: most only move a number."""
        self._newest[channel] = seq
        if now >= self._next.get(channel, float("-inf")):
            with self._lock:
                marks = self._marks.setdefault(channel, deque())
                marks.append((seq, now))
                self._next[channel] = now + max(_FINEST, (now - marks[0][1]) / _SPREAD)

    def oldest(self, cursor: int, now: float) -> dict[str, float]:
        """Seconds (0: all is settled) per channel, given the last settled seq; a mark's breadth too much at most."""
        ages: dict[str, float] = {}
        with self._lock:
            for channel, marks in self._marks.items():
                while len(marks) > 1 and marks[1][0] <= cursor + 1:
                    marks.popleft()
                settled = self._newest[channel] <= cursor
                ages[channel] = 0.0 if settled else max(0.0, now - marks[0][1])
        return ages
