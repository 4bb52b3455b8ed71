"""The children of `serve`: the writer (with its mappers) and the Kafka publisher, each a spawned process.

A child that ends by itself is started again, with growing pauses: its recovery is its normal start. One that never
comes up leaves the service running and not ready: messages are still kept, nothing is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

from pipelines.control import Bell, bell
from pipelines.logs import Log
from pipelines.settings import Settings

__all__ = ["Children"]

_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
_SETTLED = 30.0  # seconds after which a child counts as having come up


@dataclass(slots=True)
class _Child:
    name: str
    target: Callable[..., None]
    arguments: tuple[object, ...]
    process: SpawnProcess | None = None
    bell: Bell | None = None
    started: float = 0.0
    next_start: float = 0.0
    failures: int = 0
    renewed: float = 0.0  # since when it is to make room for one with other settings


@dataclass(slots=True)
class Children:
    """Starts, watches and ends them."""

    log: Log
    _children: list[_Child] = field(default_factory=list)

    def start(self, path: Path, settings: Settings, mappers: int) -> None:
        """Start what the settings ask for."""
        from pipelines.service import run_writer

        self._children.append(_Child("writer", run_writer, (path, settings, mappers)))
        if settings.kafka.servers:
            from pipelines.publishing import run_publisher

            self._children.append(_Child("publisher", run_publisher, (path, settings)))
        for child in self._children:
            self._launch(child)

    def _launch(self, child: _Child) -> None:
        # not daemonic: the writer has children of its own
        ours, theirs = bell()
        process = get_context("spawn").Process(target=child.target, args=(*child.arguments, theirs), name=child.name)
        process.start()
        theirs.close()
        child.process, child.bell, child.started = process, ours, time.monotonic()

    def add(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        """Start one more; it is watched like the others."""
        child = _Child(name, target, arguments)
        self._children.append(child)
        self._launch(child)

    def end(self, name: str, seconds: float) -> None:
        """End one before the others: what it still keeps is to be settled."""
        for child in [each for each in self._children if each.name == name]:
            self._children.remove(child)
            _end([child], seconds, self.log)

    def ring(self) -> None:
        """The journal holds something new. Called from any thread; never blocks."""
        for child in self._children:
            if child.bell is not None:
                child.bell.ring()

    def renew(self, path: Path, settings: Settings) -> None:
        """Let the writer and its mappers go on with other settings: the running one ends at its next commit."""
        for child in self._children:
            if child.name == "writer":
                child.arguments = (path, settings, settings.pipeline.mappers)
                child.renewed = time.monotonic()

    def _make_room(self, child: _Child, now: float) -> None:
        if child.bell is not None and child.process is not None and child.process.exitcode is None:
            child.bell.leave()
            if now - child.renewed > _SETTLED:
                child.process.kill()  # what it had under way is in the journal
            return
        child.renewed, child.failures, child.next_start = 0.0, 0, 0.0
        if child.bell is not None:
            child.bell.close()
            child.bell = None
        child.process = None

    def watch(self) -> None:
        """Start anew what ended; call it now and then."""
        now = time.monotonic()
        for child in self._children:
            if child.renewed:
                self._make_room(child, now)
            if child.process is None:
                if now >= child.next_start:
                    self._launch(child)
            elif child.process.exitcode is not None:
                if now - child.started > _SETTLED:
                    child.failures = 0
                pause = _PAUSES[min(child.failures, len(_PAUSES) - 1)]
                self.log.error("child.ended", process=child.name, code=str(child.process.exitcode), seconds=pause)
                child.failures += 1
                if child.bell is not None:
                    child.bell.close()
                    child.bell = None
                child.process, child.next_start = None, now + pause

    def down(self) -> list[str]:
        """Names of those that are not running."""
        return [child.name for child in self._children if child.process is None or child.process.exitcode is not None]

    def stop(self, seconds: float) -> None:
        """Tell them to finish what they have; end what doesn't within the time."""
        _end(self._children, seconds, self.log)


def _end(children: Sequence[_Child], seconds: float, log: Log) -> None:
    for child in children:
        if child.bell is not None:
            child.bell.stop()
    until = time.monotonic() + seconds
    for child in children:
        if child.process is None:
            continue
        child.process.join(max(0.1, until - time.monotonic()))
        if child.process.exitcode is None:
            log.error("child.killed", process=child.name)
            child.process.kill()
            child.process.join()
