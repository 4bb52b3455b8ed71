"""MLLP release 1 framing: tables of byte streams, each split at every byte, and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.mllp import Event, Frame, Framer, Junk, Oversize, Truncated, frame

STREAMS: list[tuple[str, bytes, list[Event]]] = [
    ("one block", b"\x0bMSH|a\r\x1c\r", [Frame(b"MSH|a\r")]),
    ("two blocks in one read", b"\x0bA\x1c\r\x0bB\x1c\r", [Frame(b"A"), Frame(b"B")]),
    ("no CR after FS", b"\x0bA\x1c\x0bB\x1c", [Frame(b"A"), Frame(b"B")]),
    ("LF after FS", b"\x0bA\x1c\n\x0bB\x1c\r\n", [Frame(b"A"), Frame(b"B")]),
    ("VT inside data", b"\x0bA\x0bB\x1c\r", [Frame(b"A\x0bB")]),
    ("a block that lost its end", b"\x0bMSH|1\r\x0bMSH|2\r\x1c\r", [Truncated(6), Frame(b"MSH|2\r")]),
    ("empty block", b"\x0b\x1c\r", [Frame(b"")]),
    ("nothing", b"", []),
]


@pytest.mark.parametrize(("name", "stream", "events"), STREAMS, ids=[row[0] for row in STREAMS])
def test_stream(name: str, stream: bytes, events: list[Event]) -> None:
    """The events are the same in one read, byte by byte, and split at every place."""
    assert list(Framer().receive(stream)) == events
    for cut in range(len(stream)):
        framer = Framer()
        assert [*framer.receive(stream[:cut]), *framer.receive(stream[cut:])] == events
    framer = Framer()
    assert [event for byte in stream for event in framer.receive(bytes([byte]))] == events


def test_junk_between_blocks_is_counted_and_skipped() -> None:
    """Bytes outside blocks never reach a message, and are not silently dropped."""
    framer = Framer()
    events = list(framer.receive(b"noise\x0bA\x1c\rmore\x0bB\x1c\r"))
    assert events == [Junk(5), Frame(b"A"), Junk(4), Frame(b"B")]


def test_oversize_is_reported_once_and_skipped_without_being_held() -> None:
    """After an over-long block the next one is read as ever."""
    framer = Framer(limit=10)
    events: list[Event] = []
    for _ in range(1000):
        events += framer.receive(b"\x0bMSH|" + b"x" * 5 if not events and not framer.pending else b"x" * 5)
        assert framer.pending <= 20
    events += framer.receive(b"\x1c\r\x0bA\x1c\r")
    assert [type(event) for event in events] == [Oversize, Frame]
    assert events[-1] == Frame(b"A")


def test_connection_that_ends_inside_a_block() -> None:
    """The unfinished block is reported by its size."""
    framer = Framer()
    assert list(framer.receive(b"\x0bMSH")) == []
    assert framer.close() == Truncated(3)
    assert Framer().close() is None


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_give_events_and_splits_do_not_matter(reads: list[bytes]) -> None:
    """No byte stream raises; whole blocks do not depend on how reads are split."""
    split, whole = Framer(limit=64), Framer(limit=64)
    frames = [event for data in reads for event in split.receive(data) if isinstance(event, Frame)]
    assert frames == [event for event in whole.receive(b"".join(reads)) if isinstance(event, Frame)]


@given(
    st.lists(
        st.binary(max_size=60).filter(lambda data: b"\x1c" not in data and b"\x0bMSH" not in b"\x0b" + data), max_size=5
    )
)
def test_what_is_framed_comes_out(messages: list[bytes]) -> None:
    """Any data without FS goes through unchanged."""
    events = list(Framer().receive(b"".join(map(frame, messages))))
    assert [event for event in events if isinstance(event, Frame)] == [Frame(data) for data in messages]
