"""Peers that vanish silently, at each moment of an exchange: the connection and its place are given back in bounded
time, and neither the listener nor the sender waits for them for ever."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine

import pytest
import uvloop

from adapters.hl7v2.mllp import (
    KEPT,
    Limits,
    NoAnswer,
    Sender,
    Tls,
    TlsFiles,
    client_context,
    frame,
    server_context,
)
from adapters.hl7v2.mllp.shared import probe
from tests.support.certificates import Authority
from tests.support.deaf import deafen
from tests.support.listener import MESSAGE, Keeper, listening

SILENT = 2.0
MOST = 20.0  # seconds: TCP's clocks are coarse at this end of their scale, and the machine may be busy
RUNNERS = pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
Runner = Callable[[Coroutine[None, None, None]], None]


def body(number: int, size: int = 0) -> bytes:
    return MESSAGE % (number, b"P", b"") + b"x" * size


async def given_back(limits: Limits, event: str, sent: bytes, kept: bool = False, tls: Authority | None = None) -> None:
    """A peer sends, is kept or not, and vanishes; the one place of its address is free again in time, and the next
    peer is served."""
    keeper = Keeper(hold=True)
    context = server_context(TlsFiles(str(tls.path.parent / "server.pem"), ca=str(tls.path))) if tls else None
    client = _client(tls) if tls else None
    async with listening(keeper, limits=limits, tls=context) as (server, host, port):
        first = await Sender.connect(host, port, 5, client)
        try:
            first._writer.write(sent)
            await first._writer.drain()
            while not server.connections or (kept and not keeper.waiting):
                await asyncio.sleep(0.01)
            if not kept:
                await asyncio.sleep(0.1)
            deafen(first._writer.get_extra_info("socket"))
            begun = time.monotonic()
            waiting, keeper.waiting, keeper.hold = keeper.waiting, [], False
            for done in waiting:
                done(KEPT)
            while server.connections:
                assert time.monotonic() - begun < MOST
                await asyncio.sleep(0.02)
            assert server.tally.events[event] == 1
            second = await Sender.connect(host, port, 5, client)
            assert b"MSA|AA|2" in (await second.send(body(2), 5) or b"")
            await second.close()
        finally:
            first._writer.transport.abort()


def _client(ca: Authority) -> Tls:
    return Tls(client_context(TlsFiles(str(ca.path.parent / "lab.pem"), ca=str(ca.path))), "server")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("pki"))
    authority.issue("server")
    authority.issue("lab")
    return authority


@RUNNERS
def test_a_peer_that_vanishes_gives_its_place_back(ca: Authority, runner: Runner) -> None:
    """Idle; inside a block, with and without a time per block; before our answer, which nobody acknowledges, so that
    TCP's own probes are silent and its repeats would go on for a quarter of an hour; over TLS."""
    silent = Limits(connections_per_peer=1, silent_seconds=SILENT, frame_seconds=0)
    timed = Limits(connections_per_peer=1, frame_seconds=0.5)

    async def run() -> None:
        await asyncio.gather(
            given_back(silent, "silent", b""),
            given_back(silent, "silent", b"\x0b" + body(1)),
            given_back(timed, "slow-frame", b"\x0b" + body(1)),
            given_back(silent, "silent", frame(body(1)), kept=True),
            given_back(silent, "silent", b"", tls=ca),
            given_back(silent, "silent", frame(body(1)), kept=True, tls=ca),
        )

    runner(run())


@RUNNERS
def test_a_peer_that_vanishes_with_answers_unread(runner: Runner) -> None:
    """More of them than its buffers and ours hold: `answer_seconds` ends it before TCP does."""

    async def run() -> None:
        keeper = Keeper()
        limits = Limits(connections_per_peer=1, answer_seconds=0.5)
        async with listening(keeper, limits=limits) as (server, host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport, typed as less
            data = b"".join(frame(body(number)) for number in range(1000))
            while server.connections and not next(iter(server._shared.connections))._stuck:
                writer.write(data)
                await asyncio.sleep(0.01)
            deafen(writer.get_extra_info("socket"))
            begun = time.monotonic()
            while server.connections:
                assert time.monotonic() - begun < MOST
                await asyncio.sleep(0.02)
            assert server.tally.events["slow-reader"] == 1
            assert server._shared.hosts == {}
            writer.transport.abort()
            del reader

    runner(run())


@RUNNERS
def test_a_sender_does_not_wait_for_ever(runner: Runner) -> None:
    """The receiver vanishes before it answers, or while a message larger than all buffers is on its way: NoAnswer after
    the time that it has, and the end of the connection takes no longer."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as connected:
            listener.setblocking(False)
            loop = asyncio.get_running_loop()
            for size in (0, 20 << 20):
                sender = await Sender.connect("127.0.0.1", listener.getsockname()[1], 5)
                sock, _ = await loop.sock_accept(listener)
                connected.enter_context(sock)
                deafen(sock)
                begun = time.monotonic()
                with pytest.raises(NoAnswer, match="did not read" if size else "no acknowledgement"):
                    await sender.send(body(1, size), 0.5)
                await sender.close()
                assert time.monotonic() - begun < 30  # TCP alone would take a quarter of an hour

    runner(run())


def test_as_long_as_a_peer_is_there_it_may_be_silent() -> None:
    """TCP's probes are answered by its system: nothing ends."""

    async def run() -> None:
        async with listening(Keeper(), limits=Limits(silent_seconds=1.0)) as (server, host, port):
            sender = await Sender.connect(host, port, 5)
            await asyncio.sleep(3.5)
            assert server.connections == 1
            assert b"MSA|AA|1" in (await sender.send(body(1), 5) or b"")
            await sender.close()

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [0.001, 86_400.0, 1e9])
def test_any_time_can_be_asked_of_tcp(seconds: float) -> None:
    with socket.socket() as sock:
        probe(sock, seconds)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
