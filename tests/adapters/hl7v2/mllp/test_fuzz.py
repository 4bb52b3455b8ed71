"""Byte streams into the framer and the acknowledgement: a value or our own error, time and memory bounded."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from adapters.hl7v2.mllp import (
    Event,
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
from tests.support.fuzzing import Piece, Watch, long_run
from tests.support.load import seed
from tests.support.soak import amount

LIMIT = 400
_SLOWEST = 1.0  # seconds of CPU for one stream, which takes some microseconds
_GROWN = 16 << 10  # KiB that a process may grow by after its first ten thousand streams, whatever their number
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


def fuzz(seed_: str, count: int) -> Piece:
    chance = random.Random(seed_)
    watch = Watch()
    framer = Framer(LIMIT)
    for _ in range(count):
        if chance.random() < 0.2:
            framer = Framer(LIMIT)
        data = stream(chance)
        at = 0
        good = False
        with watch.one():
            while at < len(data):
                piece = data[at : at + chance.choice((1, 3, 50, 2000))]
                at += len(piece)
                for event in framer.receive(piece):
                    good |= isinstance(event, Frame)
                    _event(event)
                assert framer.pending <= LIMIT + len(piece)
        if good:
            watch.good()
    # whatever was in it: two frame ends bring it back into step
    events = [event for part in (b"\x1c\r\x1c\r", b"\x0bMSH|^~\\&|last\x1c\r") for event in framer.receive(part)]
    assert events[-1] == Frame(b"MSH|^~\\&|last")
    return watch.piece()


def _event(event: Event) -> None:
    if isinstance(event, Frame):
        assert len(event.data) <= LIMIT
        assert b"\x1c" not in event.data
        _answer(event.data)
    elif isinstance(event, Oversize):
        _answer(event.head)
    else:
        assert isinstance(event, Junk | Truncated)
        assert event.size >= 0


def _answer(data: bytes) -> None:
    try:
        header = peek(trim(data))
    except HeaderUnusable:
        return
    for outcome in Outcome:
        code = answer_code(header, outcome)
        if code is not None:
            assert acknowledge(header, code, "TAB1", "20260101").startswith(b"MSH" + header.separator)


def test_streams(record_property: Callable[[str, object], None]) -> None:
    number = seed()
    _judge(fuzz(str(number), 5_000), number, record_property)


@pytest.mark.soak
def test_a_million_streams(record_property: Callable[[str, object], None], aloud: Callable[[str], None]) -> None:
    """A slice of them in CI."""
    number = seed()
    found, more = long_run("framer fuzz", fuzz, amount(1_000_000, 50_000), number, _GROWN, aloud)
    _judge(found, number, record_property, more)


def _judge(found: Piece, number: int, note: Callable[[str, object], None], more: str = "") -> None:
    said = f"{found.good * 100 / found.inputs:.1f} % hold a frame, slowest {found.slowest * 1000:.0f} ms{more}"
    note("note", f"framer fuzz: {found.inputs:,} streams, seed {number} (TABELLION_TEST_SEED), {said}")
    assert found.slowest < _SLOWEST
