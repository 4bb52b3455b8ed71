"""Mutants of real messages into the reader: a message or our own error, at least half of them still messages; the time
per input and the memory of the process stay bounded."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.hl7v2 import Hl7Error, group, leaf_text, leaves, read, unescape, units, write
from adapters.hl7v2.conformance import conform
from tests.support.fuzzing import Piece, Watch, long_run
from tests.support.load import seed
from tests.support.soak import amount

_SPLICES = (b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b'""', b"\\X4", b"\\.br\\", b"MSH|", b"\xff", b"\x00", b"\x1b")
_SLOWEST = 2.0  # seconds of CPU for one input of at most a few kilobytes: thousands of times what it takes
_GROWN = 64 << 10  # KiB that a process may grow by after its first ten thousand inputs, whatever their number


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


def fuzz(bodies: Sequence[bytes], seed_: str, count: int) -> Piece:
    chance = random.Random(seed_)
    watch = Watch()
    for _ in range(count):
        data = mutant(chance.choice(bodies), chance)
        with watch.one():
            try:
                message = read(data)
            except Hl7Error:
                continue
            watch.good()
            group(message)
            for position, field, *rest in leaves(message):
                rep, comp, sub = rest
                text = leaf_text(message.segments[position], field, rep, comp, sub, message.delimiters)
                unescape(text, message.delimiters, message.charset)
            conform(message)
            assert sha256(write(message)).digest() == message.sha256
    return watch.piece()


@lru_cache(maxsize=1)
def _bodies(*folders: Path) -> list[bytes]:
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [unit.body for path in files for unit in units(path.read_bytes()) if unit.kind == "message"]
    return [body for body in found if len(body) < 8192]


def _piece(folders: Sequence[Path], seed_: str, count: int) -> Piece:
    """In a process of its own."""
    return fuzz(_bodies(*folders), seed_, count)


def test_mutants(samples: Path, record_property: Callable[[str, object], None]) -> None:
    number = seed()
    found = fuzz(_bodies(samples / "hl7v2"), str(number), 2_000)
    _judge(found, number, record_property)


@pytest.mark.soak
def test_a_million_mutants(
    samples: Path, shared_data: Path, record_property: Callable[[str, object], None], aloud: Callable[[str], None]
) -> None:
    """Of our samples and of the public messages; a slice of it in CI."""
    number = seed()
    work = partial(_piece, (samples / "hl7v2", shared_data / "hl7v2" / "messages"))
    found, more = long_run("reader fuzz", work, amount(1_000_000, 20_000), number, _GROWN, aloud)
    _judge(found, number, record_property, more)


def _judge(found: Piece, number: int, note: Callable[[str, object], None], more: str = "") -> None:
    said = f"{found.good * 100 / found.inputs:.1f} % still messages, slowest {found.slowest * 1000:.0f} ms{more}"
    note("note", f"reader fuzz: {found.inputs:,} mutants, seed {number} (TABELLION_TEST_SEED), {said}")
    assert found.good * 2 >= found.inputs
    assert found.slowest < _SLOWEST
