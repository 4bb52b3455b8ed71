"""The listener over real sockets: answers after the keep, in order, and what it does when keeping fails."""

from __future__ import annotations

import asyncio

from adapters.hl7v2.mllp import KEPT, WAITING, Budget, Fault, Outcome, Verdict, acknowledged, frame
from tests.support.listener import MESSAGE, Keeper, listening, sent


def test_kept_messages_are_answered() -> None:
    """AA for each, the bodies as sent less the final CR, over three connections."""

    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper) as (server, host, port):
            bodies = [MESSAGE % (n, b"P", b"") + b"\r" for n in range(20)]
            answers = await sent(host, port, *bodies, connections=3)
            assert {(answer.control_id, answer.code) for answer in answers} == {(str(n), "AA") for n in range(20)}
            assert sorted(keeper.bodies) == sorted(body.rstrip(b"\r") for body in bodies)
            assert server.tally.codes["AA"] == 20

    asyncio.run(run())


def test_no_answer_before_the_keep_and_answers_in_order() -> None:
    """Two messages in one write: nothing comes until they are kept; answers keep the order of the messages."""

    async def run() -> None:
        keeper = Keeper(hold=True)
        async with listening(keeper) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(frame(MESSAGE % (1, b"P", b"")) + frame(MESSAGE % (2, b"P", b"")) + frame(b"no message"))
            while len(keeper.waiting) < 2:
                await asyncio.sleep(0.005)
            try:
                early = await asyncio.wait_for(reader.read(1), 0.1)
            except TimeoutError:
                early = b""
            assert early == b""
            keeper.waiting[1](KEPT)
            keeper.waiting[0](KEPT)
            raw = b""
            while raw.count(b"\x1c") < 3:
                raw += await asyncio.wait_for(reader.read(4096), 2)
            codes = [acknowledged(part.strip(b"\x0b\r")) for part in raw.split(b"\x1c")[:3]]
            assert codes == [("AA", b"1"), ("AA", b"2"), ("AE", b"")]
            writer.close()

    asyncio.run(run())


def test_an_answer_that_waits_keeps_its_place_and_no_memory() -> None:
    """WAITING, then the verdict: order stands, and the bytes are given back at once. A connection with 64 of them isn't
    read from until half are answered. Release 2: the block is committed whatever the answer says."""

    async def run() -> None:
        keeper, budget = Keeper(hold=True), Budget()
        async with listening(keeper, budget=budget, release=2) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"".join(frame(MESSAGE % (n, b"P", b"")) for n in range(64)))
            while len(keeper.waiting) < 64:
                await asyncio.sleep(0.005)
            for done in keeper.waiting:
                done(WAITING)
            assert budget.under_way == 0
            writer.write(frame(MESSAGE % (64, b"P", b"")))
            await asyncio.sleep(0.1)
            assert len(keeper.bodies) == 64
            breach = Fault("101", "Required field missing", None, "no date", "PID[1]-7[1]")
            for done in reversed(keeper.waiting[:40]):
                done(Verdict(Outcome.NONCONFORMING, breach))
            while len(keeper.waiting) < 65:
                await asyncio.sleep(0.005)
            for done in keeper.waiting[40:]:
                done(KEPT)
            raw = b""
            while raw.count(b"\x1c") < 2 * 65:
                raw += await asyncio.wait_for(reader.read(1 << 16), 2)
            blocks = [part.strip(b"\x0b\r") for part in raw.split(b"\x1c")[: 2 * 65]]
            assert set(blocks[::2]) == {b"\x06"}
            wanted = [("AE" if n < 40 else "AA", b"%d" % n) for n in range(65)]
            assert [acknowledged(block) for block in blocks[1::2]] == wanted
            writer.close()

    asyncio.run(run())


def test_refused_unreadable_and_silent() -> None:
    """AR by the gate, AE without MSH-10, nothing for NE; none of the first two is kept."""

    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper) as (_, host, port):
            answers = await sent(
                host, port, MESSAGE % (1, b"T", b""), b"MSH|^~\\&|A||||||ADT^A01||P|2.3", MESSAGE % (3, b"P", b"NE")
            )
            assert [answer.code for answer in answers] == ["AR", "AE", None]
            assert all(answer.error is None for answer in answers)
            while not keeper.bodies:
                await asyncio.sleep(0.005)
            assert len(keeper.bodies) == 1

    asyncio.run(run())


def test_our_failure_is_ar_207_then_close_never_aa() -> None:
    """A full disk: AR with 207 and the connection closed, so that the sender stops."""

    async def run() -> None:
        keeper = Keeper(fail=True)
        async with listening(keeper) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(frame(MESSAGE % (1, b"P", b"")))
            answer = await asyncio.wait_for(reader.read(), 2)  # to the end: the listener closed
            assert b"MSA|AR|1" in answer
            assert b"207^Application internal error^HL70357" in answer
            writer.close()

    asyncio.run(run())


def test_split_at_every_byte_and_over_size() -> None:
    """A message byte by byte is kept once; one over the limit gets AE and the connection closes."""

    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper, message_bytes=200) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            for byte in frame(MESSAGE % (1, b"P", b"")):
                writer.write(bytes([byte]))
                await writer.drain()
            assert b"MSA|AA|1" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 2)
            writer.write(frame(MESSAGE % (2, b"P", b"") + b"x" * 500))
            assert b"MSA|AE|2" in await asyncio.wait_for(reader.read(), 2)
            assert len(keeper.bodies) == 1
            writer.close()

    asyncio.run(run())


def test_back_pressure_pauses_a_flood_and_loses_nothing() -> None:
    """With a small window, a flood waits for the journal; all is answered in the end."""

    async def run() -> None:
        keeper = Keeper(hold=True)
        async with listening(keeper, window_bytes=2000) as (_, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            flood = b"".join(frame(MESSAGE % (n, b"P", b"") + b"x" * 1000) for n in range(3000))
            writer.write(flood)
            await asyncio.sleep(0.2)
            assert len(keeper.bodies) < 3000
            raw = bytearray()
            while raw.count(b"\x1c") < 3000:
                for done in keeper.waiting:
                    done(KEPT)
                keeper.waiting.clear()
                raw += await asyncio.wait_for(reader.read(1 << 16), 5)
            assert len(keeper.bodies) == 3000
            writer.close()

    asyncio.run(run())
