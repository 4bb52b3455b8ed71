"""TLS over real sockets: who gets in, who does not, and what a verified certificate says of its owner."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from adapters.hl7v2.mllp import (
    Limits,
    NoAnswer,
    Sender,
    Tls,
    TlsFiles,
    TlsUnusable,
    client_context,
    frame,
    server_context,
)
from tests.support.certificates import Authority
from tests.support.listener import MESSAGE, Keeper, listening

Runner = Callable[[Coroutine[None, None, None]], None]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("pki"))
    for name in ("server", "lab", "adt", "other"):
        authority.issue(name)
    return authority


def files(ca: Authority, name: str = "server", crl: str = "") -> TlsFiles:
    return TlsFiles(str(ca.path.parent / f"{name}.pem"), ca=str(ca.path), crl=crl)


def client(ca: Authority, certificate: Path | str = "") -> Tls:
    return Tls(client_context(TlsFiles(str(certificate), ca=str(ca.path))), "server")


async def answered(host: str, port: int, tls: Tls | None, number: int = 1) -> str:
    """MSA-1, or the class of the error that the sender sees."""
    try:
        sender = await Sender.connect(host, port, 5, tls)
        try:
            answer = await sender.send(MESSAGE % (number, b"P", b""), 5)
        finally:
            await sender.close()
    except (OSError, NoAnswer) as error:
        return type(error).__name__
    assert answer is not None
    return answer.split(b"|MSA|")[0].split(b"MSA|")[1][:2].decode()


def test_a_certificate_of_the_ca_gets_in_and_is_known_by_its_names(ca: Authority) -> None:
    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper, tls=server_context(files(ca))) as (_, host, port):
            assert await answered(host, port, client(ca, ca.path.parent / "lab.pem")) == "AA"
        assert keeper.origins[0].peer.names == (ca.fingerprint("lab"), "dns:lab", "ip:127.0.0.1", "cn:lab")

    asyncio.run(run())


def test_who_does_not_get_in(ca: Authority, tmp_path: Path) -> None:
    """No certificate, self-signed, expired, another CA's, revoked: nothing is kept, and nothing is answered."""
    foreign = Authority(tmp_path / "foreign", "foreign")
    expired = ca.issue("expired", expired=True)
    revoked = ca.issue("revoked")
    crl = ca.revoke("revoked")
    intruders: dict[str, Path | str] = {
        "none": "",
        "self-signed": ca.issue("selfsigned", own=True),
        "expired": expired,
        "of another CA": foreign.issue("lab"),
        "revoked": revoked,
    }

    async def run() -> None:
        keeper = Keeper()
        async with listening(keeper, tls=server_context(files(ca, crl=str(crl)))) as (_, host, port):
            for why, certificate in intruders.items():
                assert await answered(host, port, client(ca, certificate)) != "AA", why
            assert await answered(host, port, None) != "AA", "without TLS"
            assert keeper.bodies == []
            assert await answered(host, port, client(ca, ca.path.parent / "lab.pem")) == "AA"

    asyncio.run(run())


def test_old_versions_and_weak_ciphers_are_refused(ca: Authority) -> None:
    def attempt(port: int, adjust: str) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=ca.path)
        context.load_cert_chain(ca.path.parent / "lab.pem")
        if adjust == "TLS 1.1":
            with pytest.warns(DeprecationWarning, match="TLSv1"):
                context.minimum_version = ssl.TLSVersion.TLSv1
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        elif adjust:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(adjust)
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 5) as plain,
                context.wrap_socket(plain, server_hostname="server") as tls,
            ):
                tls.sendall(frame(MESSAGE % (1, b"P", b"")))
                return tls.recv(4096)[-20:].decode()
        except ssl.SSLError as error:
            return error.reason or "refused"

    lax = server_context(files(ca))
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    weak = ("TLS 1.1", "ECDHE-ECDSA-AES256-SHA384")

    async def said(tls: ssl.SSLContext, adjust: str) -> bool:
        async with listening(Keeper(), tls=tls) as (_, _, port):
            return "MSA|AA|1" in await asyncio.to_thread(attempt, port, adjust)

    async def run() -> None:
        for adjust in ("", "ECDHE+AESGCM"):
            assert await said(server_context(files(ca)), adjust)
        for adjust in weak:
            assert not await said(server_context(files(ca)), adjust), adjust
            # the same client, met by a server that is not strict, gets in: it is our context that refuses
            assert await said(lax, adjust), adjust

    asyncio.run(run())


def test_new_certificates_are_for_new_connections(ca: Authority) -> None:
    """Renewed while a connection is open: it stays; the next one meets the new certificate and the new list."""

    async def run() -> None:
        keeper = Keeper()
        adt = ca.path.parent / "adt.pem"
        async with listening(keeper, tls=server_context(files(ca))) as (server, host, port):
            before = await Sender.connect(host, port, 5, client(ca, adt))
            renewed = files(ca, "other", crl=str(ca.revoke("adt")))
            await server.take_over(server_context(renewed))
            assert b"MSA|AA|7" in (await before.send(MESSAGE % (7, b"P", b""), 5) or b"")
            assert await answered(host, port, client(ca, adt)) != "AA"
            lab = client_context(TlsFiles(str(ca.path.parent / "lab.pem"), ca=str(ca.path)))
            assert await answered(host, port, Tls(lab, "server")) == "SSLCertVerificationError"  # it is `other` now
            assert await answered(host, port, Tls(lab, "other")) == "AA"
            await before.close()
        assert len(keeper.bodies) == 2

    asyncio.run(run())


def test_a_handshake_that_never_ends_holds_up_nobody(ca: Authority) -> None:
    async def run() -> None:
        async with listening(Keeper(), tls=server_context(files(ca))) as (_, host, port):
            silent = [await asyncio.open_connection(host, port) for _ in range(20)]
            assert await answered(host, port, client(ca, ca.path.parent / "lab.pem")) == "AA"
            for _, writer in silent:
                writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("what", ["missing", "no key", "wrong key", "no ca", "no list"])
def test_files_that_can_not_be_used_are_named(ca: Authority, tmp_path: Path, what: str) -> None:
    folder = ca.path.parent
    bad = {
        "missing": TlsFiles(str(tmp_path / "none.pem"), ca=str(ca.path)),
        "no key": TlsFiles(str(ca.path), ca=str(ca.path)),
        "wrong key": TlsFiles(str(ca.path), str(folder / "lab.pem"), str(ca.path)),
        "no ca": TlsFiles(str(folder / "lab.pem")),
        "no list": TlsFiles(str(folder / "lab.pem"), ca=str(ca.path), crl=str(ca.path)),
    }[what]
    with pytest.raises(TlsUnusable):
        server_context(bad)


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_handshakes_that_never_end_keep_nobody_out(ca: Authority, runner: Runner) -> None:
    """A thousand sockets of one address that connect and say nothing, or half of a hello: they have no more places than
    connections of one address have, the oldest give way, and a proper peer of the same address is served meanwhile."""
    limits = Limits(connections_per_peer=50)
    hello = _hello(ca)

    async def run() -> None:
        keeper = Keeper()
        context = server_context(files(ca))
        async with listening(keeper, tls=context, limits=limits) as (server, host, port):
            lab = client(ca, ca.path.parent / "lab.pem")
            steady = await Sender.connect(host, port, 5, lab)
            crowd = []
            most = 0
            for number in range(1000):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(hello[: number % 2 * 60])
                crowd.append((reader, writer))
                if number % 100 == 99:
                    assert await answered(host, port, lab, number) == "AA"
                    assert b"MSA|AA|7" in (await steady.send(MESSAGE % (7, b"P", b""), 5) or b"")
                    most = max(most, *server._shared.hosts.values())
            assert most <= 50
            assert server.connections <= 2  # the steady one, and perhaps the last of the others, not yet closed
            assert server.tally.events["tls-shed"] >= 900
            assert server.tally.events["connections-refused"] == 0
            for reader, _ in crowd[:900]:
                assert await _ended(reader)
            await steady.close()
            for _, writer in crowd:
                writer.close()

    runner(run())


async def _ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionError:
        return True


def _hello(ca: Authority) -> bytes:
    """The first flight of a handshake."""
    out = ssl.MemoryBIO()
    tls = client(ca).context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="server")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_handshake_has_its_time_and_a_place(ca: Authority, runner: Runner) -> None:
    """What is open beside full places is not ended by it; a handshake that takes too long is, and is counted."""

    async def run() -> None:
        reports: list[tuple[str, str, str]] = []
        limits = Limits(connections_per_peer=2, handshake_seconds=0.3)
        async with listening(Keeper(), tls=server_context(files(ca)), limits=limits, reports=reports) as made:
            server, host, port = made
            lab = client(ca, ca.path.parent / "lab.pem")
            senders = [await Sender.connect(host, port, 5, lab) for _ in range(2)]
            for sender in senders:
                await sender.send(MESSAGE % (1, b"P", b""), 5)
            assert await answered(host, port, lab) != "AA"  # no place, and no handshake that could give way
            assert server.tally.events["connections-refused"] == 1
            await senders.pop().close()
            while server.connections > 1:
                await asyncio.sleep(0.005)
            reader, writer = await asyncio.open_connection(host, port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            assert server.tally.events["tls-slow"] == 1
            assert await answered(host, port, client(ca)) != "AA"
            assert [kind for kind, _, _ in reports] == ["connection-refused", "tls-slow", "tls-refused"]
            assert server._shared.handshakes == {}
            assert b"MSA|AA|1" in (await senders[0].send(MESSAGE % (1, b"P", b""), 5) or b"")
            await senders[0].close()
            writer.close()

    runner(run())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_message_in_the_same_flight_as_the_handshakes_end(ca: Authority, runner: Runner) -> None:
    """TLS 1.3 lets a client send at once: what comes with its last handshake record is not lost."""

    def exchange(port: int) -> bytes:
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client(ca, ca.path.parent / "lab.pem").context.wrap_bio(received, sent, server_hostname="server")
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(sent.read())
                    received.write(sock.recv(65536))
            tls.write(frame(MESSAGE % (9, b"P", b"")))
            sock.sendall(sent.read())  # Certificate, Finished and the message in one segment
            while True:
                try:
                    return tls.read(4096)
                except ssl.SSLWantReadError:
                    received.write(sock.recv(65536))

    async def run() -> None:
        async with listening(Keeper(), tls=server_context(files(ca))) as (_, _, port):
            for _ in range(20):
                assert b"MSA|AA|9" in await asyncio.to_thread(exchange, port)

    runner(run())
