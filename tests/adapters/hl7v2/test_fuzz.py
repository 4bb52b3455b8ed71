"""Mutants of real messages into the reader: a message or our own error, at least half of them still messages; the time
per input and the memory of the process stay bounded."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.hl7v2 import Hl7Error, group, leaf_text, leaves, read, unescape, units, write
from adapters.hl7v2.conformance import conform
from tests.support.load import seed

_SPLICES = (b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b'""', b"\\X4", b"\\.br\\", b"MSH|", b"\xff", b"\x00", b"\x1b")
_SLOWEST = 2.0  # seconds of CPU for one input of at most a few kilobytes: thousands of times what it takes
_GROWN = 200 << 10  # KiB that the process may grow by, whatever the number of inputs


def mutant(body: bytes, chance: random.Random) -> bytes:
    """One to three changes: bytes replaced, taken out, put in, doubled, swapped, or the tail cut off."""
    data = bytearray(body)
    for _ in range(chance.randrange(1, 4)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        to = min(to, at + 40)
        change = chance.randrange(6)
        if change == 0:
            data[at:to] = chance.randbytes(to - at)
        elif change == 1:
            del data[at:to]
        elif change == 2:
            data[at:at] = chance.choice(_SPLICES) * chance.randrange(1, 4)
        elif change == 3:
            data[at:at] = data[at:to]
        elif change == 4:
            lines = bytes(data).split(b"\r")
            chance.shuffle(lines)
            lines.sort(key=lambda line: not line.startswith(b"MSH"))
            data = bytearray(b"\r".join(lines))
        elif chance.random() < 0.2:
            del data[at:]
        data = data or bytearray(body)
    return bytes(data)


def fuzz(bodies: Sequence[bytes], count: int, note: Callable[[str, object], None]) -> None:
    number = seed()
    chance = random.Random(number)
    parsed, slowest = 0, 0.0
    read(bodies[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(count):
        data = mutant(chance.choice(bodies), chance)
        begun = time.process_time()
        try:
            message = read(data)
        except Hl7Error:
            message = None
        if message is not None:
            parsed += 1
            group(message)
            for position, field, *rest in leaves(message):
                rep, comp, sub = rest
                text = leaf_text(message.segments[position], field, rep, comp, sub, message.delimiters)
                unescape(text, message.delimiters, message.charset)
            conform(message)
            assert sha256(write(message)).digest() == message.sha256
        slowest = max(slowest, time.process_time() - begun)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    said = f"{parsed * 100 // count} % still messages, slowest {slowest * 1000:.0f} ms, grown by {grown >> 10} MiB"
    note("note", f"reader fuzz: {count} mutants, seed {number} (TABELLION_TEST_SEED), {said}")
    assert parsed * 2 >= count
    assert slowest < _SLOWEST
    assert grown < _GROWN


def _bodies(folders: Sequence[Path]) -> list[bytes]:
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [unit.body for path in files for unit in units(path.read_bytes()) if unit.kind == "message"]
    return [body for body in found if len(body) < 8192]


def test_mutants(samples: Path, record_property: Callable[[str, object], None]) -> None:
    fuzz(_bodies([samples / "hl7v2"]), 2_000, record_property)


@pytest.mark.soak
def test_a_million_mutants(samples: Path, shared_data: Path, record_property: Callable[[str, object], None]) -> None:
    """Of our samples and of the public messages; a slice of it in CI."""
    count = 20_000 if os.environ.get("TABELLION_SOAK_SLICE") else 1_000_000
    fuzz(_bodies([samples / "hl7v2", shared_data / "hl7v2" / "messages"]), count, record_property)
