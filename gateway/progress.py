"""Progress of long work: one line on stderr, redrawn in place, only where a person is watching."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]

_INTERVAL = 0.1  # seconds between redraws


class Progress:
    """Counts units of work. `total` None: not known beforehand. Prints nothing unless stderr is a terminal."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._drawn = 0.0
        self._begun = time.monotonic()
        self._shown = sys.stderr.isatty()

    def advance(self, count: int = 1) -> None:
        """Note that `count` more are done."""
        self._done += count
        now = time.monotonic()
        if self._shown and now - self._drawn >= _INTERVAL:
            self._drawn = now
            self._draw()

    def _draw(self) -> None:
        rate = self._done / max(time.monotonic() - self._begun, 1e-9)
        of = f"/{self._total}" if self._total is not None else ""
        print(f"\r{self._what}: {self._done}{of} ({rate:.0f}/s) ", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Draw the last state and leave the line."""
        if self._shown:
            self._draw()
            print(file=sys.stderr)
