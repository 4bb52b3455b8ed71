"""Memory of intake and of the reader after ten times the messages: what is remembered per message has a bound.

Intake as a process of its own takes small messages over 64 connections; the reader reads as many in another process,
each of them once, with the text of every leaf. Memory at 10⁵ and at 10⁶ messages (`--quick`: 10⁴ and 10⁵, where
SQLite's page cache is still filling, so that it is reported and not judged).

`python -m benchmarks.memory MESSAGES MESSAGES` prints the reader's memory at each, in bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.acknowledge.load import drive
from benchmarks.acknowledge.servers import serving
from benchmarks.measure import resident
from benchmarks.messages import generate
from benchmarks.result import Row

__all__ = ["run"]

MOST = 1.1
_CONNECTIONS = 64
_POOL = 1024
_MIB = 1 << 20


def run(quick: bool, folder: Path) -> list[Row]:
    """A row for each of the two."""
    sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
    found = {"intake": _intake(folder, sizes), "reader": _reader(sizes)}
    return [_row(name, sizes, small, large, not quick) for name, (small, large) in found.items()]


def _row(name: str, sizes: tuple[int, int], small: int, large: int, judged: bool) -> Row:
    return Row(
        f"memory of {name} at {sizes[1]:,} messages", large / _MIB, "MiB", f"at {sizes[0]:,} messages", small / _MIB,
        large / small, wanted=MOST if judged else None, most=True, hard=True,
    )  # fmt: skip


def _intake(folder: Path, sizes: tuple[int, int]) -> tuple[int, int]:
    place = folder / "intake"
    place.mkdir()
    with serving("intake", place) as server:
        found = []
        sent = 0
        for size in sizes:
            sent += drive(server.address, _CONNECTIONS, "small", 1 + sent, messages=size - sent).sent
            time.sleep(0.5)  # the last commit's memory is given back
            found.append(resident(server.pid))
    return found[0], found[1]


def _reader(sizes: tuple[int, int]) -> tuple[int, int]:
    words = [sys.executable, "-m", "benchmarks.memory", *map(str, sizes)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    small, large = map(int, done.stdout.split())
    return small, large


def _read(sizes: list[int]) -> Iterator[int]:
    from adapters.hl7v2 import leaf_text, leaves, read, unescape

    parts = [body.split(b"|B", 1) for body in generate("small", _POOL, seed=1)]
    count = 0
    for size in sizes:
        while count < size:
            before, after = parts[count % _POOL]
            message = read(b"%b|B%09d%b" % (before, count, after[9:]))
            for position, field, rep, comp, sub in leaves(message):
                text = leaf_text(message.segments[position], field, rep, comp, sub, message.delimiters)
                unescape(text, message.delimiters, message.charset)
            count += 1
        yield resident(os.getpid())


def main() -> None:
    """The reader's process."""
    for memory in _read([int(word) for word in sys.argv[1:]]):
        print(memory, flush=True)


if __name__ == "__main__":
    main()
