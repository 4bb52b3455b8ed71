"""Links that use the sequence number protocol: their numbers, durable before the answer, one message at a time.

The order is: message into the journal, number into this file, answer. A crash between the first two leaves the number
behind; the sender repeats the message, the journal knows it, and the number follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.hl7v2.mllp import NEW_LINK, UNAVAILABLE, Link, Outcome, Step, Taking, Verdict, step
from pipelines.errors import PipelineError
from pipelines.links import Links

__all__ = ["Sequences"]

Done = Callable[[Verdict], None]
Keep = Callable[[Done], None]
Key = tuple[str, bytes]  # channel, the two applications


@dataclass(frozen=True, slots=True)
class _Job:
    number: bytes
    mark: bytes
    keep: Keep
    done: Done


class Sequences:
    """All links of a service. Opened before the listeners; used on the event loop."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "links")
        self._store = self._thread.submit(Links, path).result()
        self._links = self._thread.submit(self._store.read).result()
        self._jobs: dict[Key, deque[_Job]] = {}

    def take(self, key: Key, number: bytes, mark: bytes, keep: Keep, done: Done) -> None:
        """One message: `keep` makes it durable if it is its turn, `done` hears the verdict."""
        jobs = self._jobs.setdefault(key, deque())
        jobs.append(_Job(number, mark, keep, done))
        if len(jobs) == 1:
            self._begin(key)

    def _begin(self, key: Key) -> None:
        job = self._jobs[key][0]
        before = self._links.get(key, NEW_LINK)
        wanted = step(before, job.number, job.mark)
        if wanted.taking is Taking.KEEP:
            job.keep(partial(self._kept, key, before, wanted))
        elif wanted.taking is Taking.REFUSE:
            self._end(key, Verdict(Outcome.UNREADABLE, wanted.fault, wanted.expected))
        elif wanted.link == before:
            self._end(key, Verdict(Outcome.KEPT, None, wanted.expected))
        else:
            self._save(key, wanted)

    def _kept(self, key: Key, before: Link, wanted: Step, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.KEPT:
            self._save(key, wanted)
        else:
            self._end(key, Verdict(verdict.outcome, verdict.fault, before.expected, verdict.error))

    def _save(self, key: Key, wanted: Step) -> None:
        loop = asyncio.get_running_loop()

        def saved() -> Verdict:
            try:
                self._store.write(key, wanted.link)
            except PipelineError as error:
                return Verdict(Outcome.FAILED, UNAVAILABLE, error=type(error).__name__)
            return Verdict(Outcome.KEPT, None, wanted.expected)

        def answer(verdict: Verdict) -> None:
            if verdict.outcome is Outcome.KEPT:
                self._links[key] = wanted.link
            self._end(key, verdict)

        self._thread.submit(lambda: loop.call_soon_threadsafe(answer, saved()))

    def _end(self, key: Key, verdict: Verdict) -> None:
        jobs = self._jobs[key]
        jobs.popleft().done(verdict)
        if jobs:
            self._begin(key)
        else:
            del self._jobs[key]

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._thread.submit(self._store.close)
        self._thread.shutdown()
