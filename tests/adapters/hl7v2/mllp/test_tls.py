"""TLS over real sockets: who gets in, who does not, and what a verified certificate says of its owner."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from adapters.hl7v2.mllp import NoAnswer, Sender, Tls, TlsFiles, TlsUnusable, client_context, frame, server_context
from tests.support.certificates import Authority
from tests.support.listener import MESSAGE, Keeper, listening


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
