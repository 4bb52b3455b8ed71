"""The sequence number protocol as a table, and MLLP release 2 over a socket."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.mllp import NEW_LINK, Link, NoAnswer, Sender, Taking, acknowledged, frame, step
from tests.support.listener import MESSAGE, Keeper, listening

KNOWN = Link(7, b"mark")


@pytest.mark.parametrize(
    ("link", "number", "mark", "taking", "expected", "after"),
    [
        (NEW_LINK, b"0", b"", Taking.ANSWER, -1, NEW_LINK),
        (KNOWN, b"0", b"", Taking.ANSWER, 8, KNOWN),
        (KNOWN, b"-1", b"", Taking.ANSWER, -1, NEW_LINK),
        (NEW_LINK, b"41", b"m", Taking.KEEP, 41, Link(41, b"m")),
        (KNOWN, b"8", b"m", Taking.KEEP, 8, Link(8, b"m")),
        (KNOWN, b"7", b"mark", Taking.ANSWER, 8, KNOWN),  # our acknowledgement was lost
        (KNOWN, b"7", b"other", Taking.REFUSE, 8, KNOWN),
        (KNOWN, b"6", b"mark", Taking.REFUSE, 8, KNOWN),
        (KNOWN, b"9", b"m", Taking.REFUSE, 8, KNOWN),
        (KNOWN, b"-2", b"m", Taking.REFUSE, 8, KNOWN),
        (KNOWN, b"8.0", b"m", Taking.REFUSE, 8, KNOWN),
    ],
)
def test_the_table(link: Link, number: bytes, mark: bytes, taking: Taking, expected: int, after: Link) -> None:
    found = step(link, number, mark)
    assert (found.taking, found.expected, found.link) == (taking, expected, after)
    assert (found.fault is not None) is (taking is Taking.REFUSE)


@given(st.binary(max_size=20))
def test_any_number_is_answered(number: bytes) -> None:
    assert step(KNOWN, number, b"").expected in (-1, 8)


def message(number: int, accept: bytes = b"", processing: bytes = b"P") -> bytes:
    return MESSAGE % (number, processing, accept)


def test_release_2_commits_each_block() -> None:
    """ACK before the message's own answer; NAK where it was not kept; commit acknowledgements are never answered."""

    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper, release=2) as (server, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(frame(message(1)))
            answer = await asyncio.wait_for(reader.readuntil(b"|1\r\x1c\r"), 5)
            assert answer.startswith(b"\x0b\x06\x1c\r\x0bMSH")
            writer.write(frame(b"\x06") + frame(b"\x15") + frame(message(2, processing=b"T")))
            answer = await asyncio.wait_for(reader.readuntil(b"only P here\r\x1c\r"), 5)
            assert answer.startswith(b"\x0b\x15\x1c\r\x0bMSH")
            writer.write(frame(message(3, b"NE")))
            assert await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 5) == frame(b"\x06")
            writer.close()
            assert dict(server.tally.codes) == {"AA": 1, "AR": 1, "none": 1}

    asyncio.run(run())


def test_both_ends_in_release_2() -> None:
    async def run() -> None:
        async with listening(Keeper(), release=2) as (_, host, port):
            sender = await Sender.connect(host, port, 5, release=2)
            assert acknowledged(await sender.send(message(1), 5) or b"") == ("AA", b"1")
            assert acknowledged(await sender.send(message(2, processing=b"T"), 5) or b"") == ("AR", b"2")
            assert await sender.send(message(3, b"NE"), 5) is None
            with pytest.raises(NoAnswer, match="NAK"):
                await sender.send(message(4, b"NE", b"T"), 5)
            await sender.close()
        async with listening(Keeper()) as (_, host, port):
            sender = await Sender.connect(host, port, 5, release=2)
            with pytest.raises(NoAnswer, match="does not speak MLLP release 2"):
                await sender.send(message(1), 5)
            await sender.close()

    asyncio.run(run())
