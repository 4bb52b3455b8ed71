"""What hospitals and networks do to a listener, over real sockets against the real service."""

from __future__ import annotations

import asyncio
import base64
import random
import resource
from collections.abc import Iterator

import pytest

from adapters.hl7v2.mllp import acknowledged, frame
from tests.support.load import message
from tests.support.service import Service, settled

SLOW = 1000
_CONFIG = (
    "[mllp]\nconnections = 3000\nconnections_per_peer = 3000\n[pipeline]\nmappers = 0\n[channels.load]\n"
    "[storage]\nmin_free_bytes = 0\n"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all of them: nothing that a peer does may leave a trace for the next."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard))
    with Service(tmp_path_factory.mktemp("robust") / "data", _CONFIG) as made:
        yield made
        assert settled(made.data, 120)["dead_letters"] == 0
        assert made.stop() == 0


class Wire:
    """One connection, bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, service: Service) -> Wire:
        return cls(*await asyncio.open_connection(service.host, service.port, limit=1 << 22))

    async def answers(self, count: int, seconds: float = 30) -> list[tuple[str, bytes]]:
        """(MSA-1, MSA-2) of the next answers."""
        found = []
        for _ in range(count):
            block = await asyncio.wait_for(self.reader.readuntil(b"\x1c\r"), seconds)
            found.append(acknowledged(block[1:-2]))
        return found


def run(service: Service, *parts: bytes, pause: bool = False) -> list[tuple[str, bytes]]:
    """Write the parts, end, and give all answers."""

    async def talk() -> list[tuple[str, bytes]]:
        wire = await Wire.open(service)
        for part in parts:
            wire.writer.write(part)
            await wire.writer.drain()
            if pause:
                await asyncio.sleep(0.001)
        wire.writer.write_eof()
        raw = await asyncio.wait_for(wire.reader.read(), 30)
        wire.writer.close()
        return [acknowledged(block.strip(b"\x0b\r")) for block in raw.split(b"\x1c")[:-1]]

    return asyncio.run(talk())


def aa(*numbers: int) -> list[tuple[str, bytes]]:
    return [("AA", b"L%08d" % number) for number in numbers]


def test_split_at_every_byte(service: Service) -> None:
    whole = frame(message(10))
    assert run(service, *(whole[place : place + 1] for place in range(len(whole))), pause=True) == aa(10)

    async def in_two() -> None:
        wire = await Wire.open(service)
        for place in range(1, len(whole)):
            wire.writer.write(whole[:place])
            await wire.writer.drain()
            wire.writer.write(whole[place:])
        assert await wire.answers(len(whole) - 1) == aa(10) * (len(whole) - 1)
        wire.writer.close()

    asyncio.run(in_two())


def test_many_frames_in_one_write(service: Service) -> None:
    numbers = range(20, 120)
    assert run(service, b"".join(frame(message(number)) for number in numbers)) == aa(*numbers)


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [
        (b"junk" + frame(message(201)) + b"\r\nmore\x1c\r" + frame(message(202)), (201, 202)),
        (b"\x0b" + message(203) + frame(message(204)), (204,)),  # 203 lost its end: unanswered, sent again
        (b"\x0b" + message(205) + b"\x1c" + b"\x0b" + message(206) + b"\x1c\n", (205, 206)),
        (frame(message(207).replace(b"\r", b"\n")), (207,)),
        (frame(message(208).replace(b"\r", b"\r\n")), (208,)),
        (frame(message(210).replace(b"N210", b"N\x0b210")), (210,)),
        (frame(b"\xef\xbb\xbf" + message(211)), (211,)),
        (frame(b"\r\n" + message(212) + b"\r\r"), (212,)),
    ],
)
def test_what_stands_where_it_should_not(service: Service, raw: bytes, numbers: tuple[int, ...]) -> None:
    assert run(service, raw) == aa(*numbers)


def test_a_20_mb_pdf(service: Service) -> None:
    """Base64 in an OBX: answered, kept as a blob, settled (the fixture looks)."""
    content = base64.b64encode(random.Random(1).randbytes(15 << 20))
    assert len(content) == 20 << 20
    segment = b"OBX|9|ED|11502-2^Report^LN||^application^pdf^Base64^" + content + b"||||||F\r"
    assert run(service, frame(message(302) + segment)) == aa(302)


def test_slow_sockets_do_not_starve_a_fast_one(service: Service) -> None:
    """A thousand connections that each give a byte now and then, and one that sends as fast as it is answered: it does
    at least a third of what it does alone, measured before, between and after."""

    async def fast(seconds: float, first: int) -> int:
        wire = await Wire.open(service)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        count = 0
        while loop.time() < until:
            wire.writer.write(frame(message(first + count)))
            assert await wire.answers(1) == aa(first + count)
            count += 1
        wire.writer.close()
        return count

    async def dribble(wires: list[Wire]) -> None:
        data = frame(message(400))
        for place in range(len(data) - 2):  # never whole
            for number, wire in enumerate(wires):
                wire.writer.write(data[place : place + 1])
                if number % 50 == 0:
                    await asyncio.sleep(0.02)

    async def both() -> None:
        alone = await fast(0.7, 1_000)
        wires = [await Wire.open(service) for _ in range(SLOW)]
        dribbling = asyncio.create_task(dribble(wires))
        beside = await fast(1.4, 10_000)
        assert not dribbling.done()
        dribbling.cancel()
        again = alone + await fast(0.7, 20_000)
        for wire in wires:
            wire.writer.close()
        assert beside * 3 >= again, (alone, beside, again)

    asyncio.run(both())


def test_peers_that_go_without_a_word(service: Service) -> None:
    """Reset in the middle of a message, before the answer, and with answers unread: the next one is served."""

    async def talk() -> None:
        for sent in (
            frame(message(501))[:40],
            frame(message(502)),
            b"".join(map(frame, map(message, range(510, 560)))),
        ):
            wire = await Wire.open(service)
            wire.writer.write(sent)
            await wire.writer.drain()
            wire.writer.transport.abort()

    asyncio.run(talk())
    assert run(service, frame(message(502)), frame(message(503))) == aa(502, 503)
