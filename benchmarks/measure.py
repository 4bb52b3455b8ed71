"""Clocks and their arithmetic: interleaved repeats, medians, percentiles, the CPU time of processes."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

__all__ = ["Lap", "compare", "cpu_seconds", "flush_times", "median_ratio", "percentile", "resident", "run_lap"]


@dataclass(frozen=True, slots=True)
class Lap:
    """One timed run over `count` messages, in seconds."""

    count: int
    wall: float
    cpu: float

    @property
    def share(self) -> float:
        """Cores it had: below 1 the machine was busy with something else."""
        return self.cpu / self.wall

    @property
    def per_core(self) -> float:
        """Messages per second of CPU time: what an idle core gives, whatever else runs on the machine."""
        return self.count / self.cpu


def run_lap(work: Callable[[], object], count: int) -> Lap:
    """Time one run in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Lap(count, time.perf_counter() - wall, time.process_time() - cpu)


def compare(
    contestants: Mapping[str, Callable[[Sequence[bytes]], object]], rounds: Sequence[Sequence[bytes]]
) -> dict[str, list[Lap]]:
    """Each round gives all contestants the same messages, one after another, each round another first: what slows the
    machine for a while slows them all."""
    laps: dict[str, list[Lap]] = {name: [] for name in contestants}
    names = list(contestants)
    for number, messages in enumerate(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            laps[name].append(run_lap(partial(contestants[name], messages), len(messages)))
    return laps


def median_ratio(ours: Sequence[Lap], theirs: Sequence[Lap]) -> float:
    """Median over the rounds of our speed / theirs, in CPU time."""
    return median(a.per_core / b.per_core for a, b in zip(ours, theirs, strict=True))


def percentile(ascending: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that `share` of all values don't exceed."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def flush_times(folder: Path, count: int = 100) -> list[float]:
    """Seconds that each of `count` writes of 4 KiB with fdatasync takes: the disk under every durable figure."""
    spans = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(count):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            spans.append(time.perf_counter() - begun)
    return spans


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU time of a running process and of all its running and ended descendants (Linux: /proc)."""
    total = 0.0
    for process in _tree(pid):
        # the command's name in parentheses may hold anything: fields count from behind it (proc(5): utime is the 14th)
        fields = _read(process, "stat").rpartition(")")[2].split()
        if fields:
            total += sum(map(int, fields[11:15])) / _TICKS
    return total


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*"):
            found += map(int, _read(parent, f"task/{task.name}/children").split())
    return found


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:  # it ended meanwhile
        return ""


def resident(pid: int) -> int:
    """Bytes of memory that a process and its running descendants hold now (Linux: /proc)."""
    return sum(int(_read(process, "statm").split()[1]) for process in _tree(pid)) * _PAGE
