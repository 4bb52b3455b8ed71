"""Byte streams into the framer and the acknowledgement: a value or our own error, time and memory bounded."""

from __future__ import annotations

import os
import random
import time

import pytest

from adapters.hl7v2.mllp import (
    Frame,
    Framer,
    HeaderUnusable,
    Junk,
    Outcome,
    Oversize,
    Truncated,
    acknowledge,
    answer_code,
    peek,
    trim,
)
from tests.support.load import seed

LIMIT = 400
_PIECES = (
    *(
        b"\x0b",
        b"\x1c",
        b"\r",
        b"\n",
        b"\x1c\r",
        b"\x0bMSH",
        b"MSH|^~\\&|",
        b"MSH",
        b"|",
        b"^",
        b"\xef\xbb\xbf",
        b"PID|1",
    ),
    *(
        b"MSH|^~\\&|A|B|C|D|20260102||ADT^A01|7|P|2.5.1|||AL|AL",
        b"MSH|^~\\&|A||||||ACK|1|P|2.3\rMSA|AA|1",
        b"\x06",
        b"\x15",
    ),
)


def stream(chance: random.Random) -> bytes:
    """Tokens of the protocol, in any order, and noise."""
    return b"".join(
        chance.choice(_PIECES) if chance.random() < 0.8 else chance.randbytes(chance.randrange(1, 120))
        for _ in range(chance.randrange(1, 12))
    )


def fuzz(count: int) -> None:
    number = seed()
    chance = random.Random(number)
    print(f"seed {number} (TABELLION_TEST_SEED)")
    longest = 0.0
    framer = Framer(LIMIT)
    for _ in range(count):
        if chance.random() < 0.2:
            framer = Framer(LIMIT)
        data = stream(chance)
        at = 0
        begun = time.perf_counter()
        while at < len(data):
            piece = data[at : at + chance.choice((1, 3, 50, 2000))]
            at += len(piece)
            for event in framer.receive(piece):
                if isinstance(event, Frame):
                    assert len(event.data) <= LIMIT
                    assert b"\x1c" not in event.data
                    _answer(event.data)
                elif isinstance(event, Oversize):
                    _answer(event.head)
                else:
                    assert isinstance(event, Junk | Truncated)
                    assert event.size >= 0
            assert framer.pending <= LIMIT + len(piece)
        longest = max(longest, time.perf_counter() - begun)
    # whatever was in it: two frame ends bring it back into step
    framer.receive(b"")
    events = [event for part in (b"\x1c\r\x1c\r", b"\x0bMSH|^~\\&|last\x1c\r") for event in framer.receive(part)]
    assert events[-1] == Frame(b"MSH|^~\\&|last")
    print(f"{count} streams, the slowest {longest * 1000:.1f} ms")
    assert longest < 2


def _answer(data: bytes) -> None:
    try:
        header = peek(trim(data))
    except HeaderUnusable:
        return
    for outcome in Outcome:
        code = answer_code(header, outcome)
        if code is not None:
            assert acknowledge(header, code, "TAB1", "20260101").startswith(b"MSH" + header.separator)


def test_streams() -> None:
    fuzz(5_000)


@pytest.mark.soak
def test_a_million_streams() -> None:
    """A slice of them in CI."""
    fuzz(50_000 if os.environ.get("TABELLION_SOAK_SLICE") else 1_000_000)
