"""Fuzz runs in pieces: each under a seed of its own, over all cores; progress is shown, time and memory measured."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Piece", "Watch", "long_run"]

_PIECE = 10_000  # inputs
_SHOWN = 20  # lines of progress over a run


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of some inputs. `good`: those that became a value; `slowest`: CPU seconds of one input; `process` and
    its `memory` at its highest so far, in KiB."""

    inputs: int
    good: int
    slowest: float
    process: int
    memory: int


class Watch:
    """Adds up one piece."""

    def __init__(self) -> None:
        self._inputs = 0
        self._good = 0
        self._slowest = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Time one input."""
        begun = time.process_time()
        yield
        self._slowest = max(self._slowest, time.process_time() - begun)
        self._inputs += 1

    def good(self) -> None:
        """It was a value."""
        self._good += 1

    def piece(self) -> Piece:
        """So far."""
        return Piece(self._inputs, self._good, self._slowest, os.getpid(), _highest())


def _highest() -> int:
    """KiB that this process held at its highest. `ru_maxrss` would begin with what its parent held at the fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.read_text().partition("VmHWM:")[2].split()[0])


def long_run(
    what: str, run: Callable[[str, int], Piece], count: int, number: int, most: int, say: Callable[[str], None]
) -> tuple[Piece, str]:
    """Run `count` inputs: what came of them, and words on memory. No process may grow by more than `most` KiB."""
    found, grown = _in_pieces(what, run, count, number, say)
    assert found.inputs == count
    assert grown < most
    return found, f", {found.memory >> 10} MiB, grown by {grown >> 10} MiB"


def _in_pieces(
    what: str, run: Callable[[str, int], Piece], count: int, number: int, say: Callable[[str], None]
) -> tuple[Piece, int]:
    """As pieces over all cores: all of it together, and the KiB by which a process grew at most from the end of its
    first piece to the end of its last: what leaks grows without end, what is cached does not.

    `run(seed, inputs)` must be importable; the seeds follow from `number`, so that a piece can be run again alone.
    """
    sizes = [min(_PIECE, count - done) for done in range(0, count, _PIECE)]
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    inputs = good = 0
    slowest = 0.0
    begun = time.monotonic()
    shown = 0
    # spawned: what the test process has in memory is no part of the measurement
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        pieces = [pool.submit(run, f"{number}/{place}", size) for place, size in enumerate(sizes)]
        for each in as_completed(pieces):
            piece = each.result()
            inputs, good, slowest = inputs + piece.inputs, good + piece.good, max(slowest, piece.slowest)
            first.setdefault(piece.process, piece.memory)
            last[piece.process] = max(piece.memory, last.get(piece.process, 0))
            if inputs * _SHOWN // count > shown:
                shown = inputs * _SHOWN // count
                say(f"{what}: {inputs:,} of {count:,} after {time.monotonic() - begun:.0f} s")
    grown = max(last[process] - first[process] for process in first)
    return Piece(inputs, good, slowest, os.getpid(), max(last.values())), grown
