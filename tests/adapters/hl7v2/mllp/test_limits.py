"""Slow, greedy and broken peers over real sockets: they are ended or held back, and everybody else is served."""

from __future__ import annotations

import asyncio
import socket

import pytest

from adapters.hl7v2.mllp import KEPT, Budget, Limits, frame
from tests.support.listener import MESSAGE, Keeper, listening, sent


def body(number: int, size: int = 0) -> bytes:
    return MESSAGE % (number, b"P", b"") + b"x" * size


async def ended(reader: asyncio.StreamReader, seconds: float = 5) -> bool:
    """Whether the other end closes within the time."""
    try:
        while await asyncio.wait_for(reader.read(65536), seconds):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    ("limits", "first", "event"),
    [
        (Limits(frame_seconds=0.2), b"\x0bMSH|^~\\&|A", "slow-frame"),
        (Limits(frame_seconds=0.2), frame(body(1)) + b"\x0b", "slow-frame"),
        (Limits(idle_seconds=0.2), b"", "idle"),
        (Limits(idle_seconds=0.2), frame(body(1)), "idle"),
        (Limits(), b"GET / HTTP/1.1\r\n" * 5000, "not-mllp"),
    ],
)
def test_what_takes_too_long_is_ended(limits: Limits, first: bytes, event: str) -> None:
    async def run() -> None:
        async with listening(Keeper(), limits=limits) as (server, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(first)
            assert await ended(reader)
            assert server.tally.events[event] == 1
            writer.close()

    asyncio.run(run())


def test_a_byte_now_and_then_does_not_make_a_slow_frame_a_fast_one() -> None:
    async def run() -> None:
        async with listening(Keeper(), limits=Limits(frame_seconds=0.3, idle_seconds=0.2)) as (server, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            closed = asyncio.create_task(ended(reader))
            writer.write(b"\x0b")
            while not closed.done():
                writer.write(b"M")  # never idle, never whole
                await asyncio.sleep(0.02)
            assert server.tally.events["slow-frame"] == 1
            writer.close()

    asyncio.run(run())


def test_connections_per_peer_and_listener() -> None:
    async def run() -> None:
        for limits in (Limits(connections_per_peer=2), Limits(connections=2)):
            async with listening(Keeper(), limits=limits) as (server, host, port):
                opened = [await asyncio.open_connection(host, port) for _ in range(2)]
                while server.connections < 2:
                    await asyncio.sleep(0.005)
                reader, third = await asyncio.open_connection(host, port)
                assert await ended(reader)
                third.close()
                opened[0][1].close()
                while server.connections == 2:
                    await asyncio.sleep(0.005)
                assert [answer.code for answer in await sent(host, port, body(1))] == ["AA"]
                assert server.tally.events["connections-refused"] == 1
                opened[1][1].close()

    asyncio.run(run())


def test_all_together_are_held_back_until_half_is_kept() -> None:
    """The journal is behind: three senders fill the common memory, nobody is read from, all is kept in the end."""

    async def run() -> None:
        keeper = Keeper(hold=True)
        budget = Budget(10_000)
        async with listening(keeper, budget=budget) as (_, host, port):
            streams = [await asyncio.open_connection(host, port) for _ in range(3)]
            for _, writer in streams:
                writer.write(b"".join(frame(body(n, 1000)) for n in range(2000)))
            answers = 0
            most = 0
            for reader, _ in streams:
                seen = 0
                while seen < 2000:
                    most = max(most, budget.under_way)
                    waiting, keeper.waiting = keeper.waiting, []
                    for done in waiting:
                        done(KEPT)
                    try:
                        seen += (await asyncio.wait_for(reader.read(1 << 16), 0.05)).count(b"\x1c")
                    except TimeoutError:
                        continue
                answers += seen
            assert answers == 6000
            assert budget.under_way == 0
            # one read of each connection may be in it beyond the limit
            assert most < 10_000 + 3 * 300_000
            for _, writer in streams:
                writer.close()

    asyncio.run(run())


def test_unfinished_blocks_are_bounded_and_the_largest_goes() -> None:
    async def run() -> None:
        keeper = Keeper()
        budget = Budget(100_000)
        async with listening(keeper, budget=budget) as (server, host, port):
            small_reader, small = await asyncio.open_connection(host, port)
            small.write(b"\x0b" + body(1)[:20])
            greedy = [await asyncio.open_connection(host, port) for _ in range(4)]
            for _, writer in greedy:
                writer.write(b"\x0b" + b"x" * 40_000)
            while server.tally.events["overload"] < 2:
                await asyncio.sleep(0.005)
            assert budget.unfinished <= 100_000
            small.write(body(1)[20:] + b"\x1c\r")
            assert b"MSA|AA|1" in await asyncio.wait_for(small_reader.read(4096), 5)
            for writer in (small, *(writer for _, writer in greedy)):
                writer.close()
        assert budget.unfinished == 0

    asyncio.run(run())


def test_who_does_not_read_answers_is_not_read_from_and_then_ended() -> None:
    """Answers that nobody reads fill the socket's buffers, then ours: reading stops, at last the connection ends."""

    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper, limits=Limits(answer_seconds=0.5)) as (server, host, port):
            sock = socket.create_connection((host, port))
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            data = b"".join(frame(body(n)) for n in range(1000))

            async def flood() -> None:
                while True:
                    await loop.sock_sendall(sock, data)

            flooding = asyncio.create_task(flood())
            while not server.tally.events["slow-reader"]:
                await asyncio.sleep(0.01)
            kept = len(keeper.bodies)
            with pytest.raises(ConnectionError):
                await flooding
            await asyncio.sleep(0.05)
            assert len(keeper.bodies) == kept
            assert [answer.code for answer in await sent(host, port, body(1))] == ["AA"]
            sock.close()

    asyncio.run(run())


def test_what_went_wrong_is_reported_once_a_run_and_without_content() -> None:
    async def run() -> None:
        reports: list[tuple[str, str, str]] = []
        async with listening(Keeper(), reports=reports) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"ZZTEST^SECRET" + frame(body(1)))
            assert b"MSA|AA|1" in await asyncio.wait_for(reader.read(4096), 5)
            for _ in range(10):
                writer.write(b"ZZTEST^SECRET")
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(frame(body(2)))
            assert b"MSA|AA|2" in await asyncio.wait_for(reader.read(4096), 5)
            writer.close()
        assert [kind for kind, _, _ in reports] == ["junk", "junk"]
        assert "ZZTEST" not in str(reports)

    asyncio.run(run())


def test_a_peer_that_closes_its_half_still_gets_its_answers() -> None:
    async def run() -> None:
        keeper = Keeper(hold=True)
        async with listening(keeper) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(frame(body(1)) + frame(body(2)))
            writer.write_eof()
            while len(keeper.waiting) < 2:
                await asyncio.sleep(0.005)
            for done in keeper.waiting:
                done(KEPT)
            answers = await asyncio.wait_for(reader.read(), 5)  # to the end: then we close, too
            assert b"MSA|AA|1" in answers
            assert b"MSA|AA|2" in answers
            writer.close()

    asyncio.run(run())
