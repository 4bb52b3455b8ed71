"""Flat: memory and cost per message when the store holds ten times as much.

Journal, mapper process and writer as `serve` runs them, over admissions and reports of a population that grows with the
messages: about every second message is of a person seen before, however long ago. Measured in a process of its own at
10⁵ and at 10⁶ records (`--quick`: 10⁴ and 10⁵, where SQLite's page cache is still filling, so that memory is reported
but not judged).

`python -m benchmarks.flat FOLDER RECORDS RECORDS` prints one line of JSON per point.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import cpu_seconds, resident
from benchmarks.messages import generate
from benchmarks.result import Row
from pipelines.configuration import load
from pipelines.datafolder import DataFolder, init_folder
from pipelines.envelope import Envelope
from pipelines.journal import SqliteJournal
from pipelines.mapper import Mapper, config_of
from pipelines.pool import Pool
from pipelines.settings import Settings
from pipelines.state import SqliteState
from pipelines.writer import Writer

__all__ = ["Point", "Reading", "cost", "run"]

CHUNK = 64  # messages between two readings
MEMORY, COST = 1.1, 1.3
_SPACE = 8 << 30  # bytes free for a full run


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since the start: messages settled, records, CPU seconds without the making of messages, seconds."""

    messages: int
    records: int
    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Point:
    """What it was like around a number of records. Costs in microseconds per message, memory in bytes."""

    records: int
    memory: int
    cpu: float
    wall: float
    records_per_message: float
    size: float


def cost(before: Reading, after: Reading) -> tuple[float, float]:
    """CPU and wall microseconds per message between two readings."""
    count = after.messages - before.messages
    return (after.cpu - before.cpu) / count * 1e6, (after.wall - before.wall) / count * 1e6


def run(quick: bool, folder: Path) -> list[Row]:
    """Rows for memory and for cost."""
    sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
    found = os.statvfs(folder)
    if not quick and found.f_bavail * found.f_frsize < _SPACE:
        raise OSError(f"a full run of `flat` needs {_SPACE >> 30} GiB of free disk")
    words = [sys.executable, "-m", "benchmarks.flat", str(folder / "data"), *map(str, sizes)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    small, large = (Point(**json.loads(line)) for line in done.stdout.splitlines())
    return rows(small, large, judge_memory=not quick)


def rows(small: Point, large: Point, *, judge_memory: bool) -> list[Row]:
    """The comparison of two points."""
    title, peer = f"at {large.records:,} records", f"at {small.records:,} records"
    note = f"{large.records_per_message:.1f} records per message"
    mib = 1 << 20
    return [
        Row(
            f"memory {title}",
            large.memory / mib,
            "MiB",
            peer,
            small.memory / mib,
            large.memory / small.memory,
            wanted=MEMORY if judge_memory else None,
            most=True,
            hard=True,
            note="writer and mapper",
        ),
        Row(
            f"CPU per message {title}",
            large.cpu,
            "us",
            peer,
            small.cpu,
            large.cpu / small.cpu,
            wanted=COST,
            most=True,
            hard=True,
            size=large.size,
            share=large.cpu / large.wall,
            note=note,
        ),
        Row(f"time per message {title}", large.wall, "us", peer, small.wall, large.wall / small.wall, size=large.size),
    ]


class _Stages:
    """Journal, mapper process and writer on one folder; keeps and settles messages, and takes readings."""

    def __init__(self, folder: DataFolder, settings: Settings, journal: SqliteJournal, writer: Writer) -> None:
        self._journal = journal
        self._writer = writer
        self._channel = next(iter(settings.channels))
        self._state = folder.state_reader()
        self._making = 0.0
        self._begun = time.perf_counter()
        self._messages = 0
        self._bytes = 0

    @property
    def size(self) -> float:
        """Bytes per message so far."""
        return self._bytes / self._messages

    def chunk(self) -> Reading:
        """Some more messages, to the durable leaf."""
        cpu = time.process_time()
        bodies = generate("mixed", CHUNK, seed=self._messages, first=self._messages)
        self._making += time.process_time() - cpu
        self._messages += len(bodies)
        self._bytes += sum(map(len, bodies))
        kept = [
            self._journal.append(Envelope(self._channel, "hl7v2", body, body.split(b"|", 10)[9])) for body in bodies
        ]
        for each in kept:
            each.result()
        self._writer.drain()
        wall = time.perf_counter() - self._begun
        failed = self._state.dead_letters()
        if failed:
            raise RuntimeError(f"a message was not settled: {failed[0].cause} {failed[0].place} {failed[0].text}")
        return Reading(self._messages, self._state.size(), cpu_seconds(os.getpid()) - self._making, wall)


def points(folder: Path, sizes: list[int]) -> Iterator[Point]:
    """Fill a store up to the sizes; what it was like over the last fifth before each."""
    settings = load(None, {})
    data = init_folder(folder)
    with closing(data.journal(settings.journal())) as journal, closing(data.state()) as state:
        config = config_of(settings, data.keystore.namespace)
        pool = Pool(config, 1, seconds=settings.pipeline.message_seconds)
        with closing(pool):
            stages = _Stages(data, settings, journal, _writer(data, settings, state, pool))
            before = now = stages.chunk()
            for size in sizes:
                while now.records < size:
                    if now.records < size - size // 5:
                        before = now
                    now = stages.chunk()
                cpu, wall = cost(before, now)
                per = (now.records - before.records) / (now.messages - before.messages)
                yield Point(now.records, resident(os.getpid()), cpu, wall, per, stages.size)


def _writer(data: DataFolder, settings: Settings, state: SqliteState, pool: Pool) -> Writer:
    maps = Mapper(config_of(settings, data.keystore.namespace)).load_all()
    return Writer(
        state,
        data.journal_reader(),
        data.blobs,
        pool,
        channels=settings.channels,
        pipeline=settings.pipeline,
        effective_map=lambda channel: maps[channel],
    )


def main() -> None:
    """The process."""
    for point in points(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]):
        print(json.dumps(asdict(point)), flush=True)


if __name__ == "__main__":
    main()
