"""The real service on its sockets: certificates bound to channels, renewed while it runs; a full disk."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from adapters.hl7v2.mllp import (
    Answer,
    Outgoing,
    Sender,
    Tls,
    TlsFiles,
    acknowledged,
    client_context,
    frame,
    send_all,
    server_context,
)
from tests.support.certificates import Authority
from tests.support.deaf import deafen
from tests.support.load import message
from tests.support.receiver import Receiver
from tests.support.service import Service, tabellion


def send(service: Service, *bodies: bytes, tls: Tls | None = None) -> list[Answer]:
    """Send in order over one connection."""

    async def run() -> list[Answer]:
        outgoing = [Outgoing("test", number, body) for number, body in enumerate(bodies)]
        return [answer async for answer in send_all(service.host, service.port, outgoing, 1, 10, tls)]

    return asyncio.run(run())


def from_(sender: str, number: int) -> bytes:
    """A message whose MSH-3 is this sender's."""
    return message(number).replace(b"|LOAD|TESTFAC|", f"|{sender}|TESTFAC|".encode(), 1)


def test_certificates_are_bound_to_channels_and_renewed_while_it_runs(tmp_path: Path) -> None:
    """A certificate speaks for the senders of its channel and for no other; SIGHUP brings what is revoked since."""
    ca = Authority(tmp_path / "pki")
    for name in ("server", "lab", "adt", "guest"):
        ca.issue(name)
    crl = ca.revoke()
    config = f"""
[mllp]
tls_certificate = "{ca.path.parent / "server.pem"}"
tls_ca = "{ca.path}"
tls_crl = "{crl}"
[channels.lab]
certificates = ["{ca.fingerprint("lab")}"]
sending_application = ["LAB"]
[channels.adt]
certificates = ["dns:adt"]
[channels.rest]
"""

    def of(name: str) -> Tls:
        return Tls(client_context(TlsFiles(str(ca.path.parent / f"{name}.pem"), ca=str(ca.path))), "server")

    data = tmp_path / "data"
    with Service(data, config) as service:
        for name, sender, number, code in (
            ("lab", "LAB", 1, "AA"),
            ("lab", "HIS", 2, "AR"),  # speaks for LAB only, not even for the channel that takes everybody
            ("adt", "LAB", 3, "AA"),  # the channel of this certificate asks for no sender
            ("guest", "HIS", 4, "AA"),
        ):
            assert [answer.code for answer in send(service, from_(sender, number), tls=of(name))] == [code], name
        ca.revoke("guest")
        os.kill(service.pid, signal.SIGHUP)
        until = time.monotonic() + 10
        while "channels.reloaded" not in service.log.read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        try:
            codes = [answer.code for answer in send(service, from_("HIS", 5), tls=of("guest"))]
        except OSError:
            codes = [None]
        assert codes == [None]
        assert [answer.code for answer in send(service, from_("LAB", 6), tls=of("lab"))] == ["AA"]
        # a file that can't be used leaves all as it is
        (ca.path.parent / "server.pem").write_text("nothing")
        os.kill(service.pid, signal.SIGHUP)
        while "channels.reload.failed" not in service.log.read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        assert [answer.code for answer in send(service, from_("LAB", 7), tls=of("lab"))] == ["AA"]
        assert service.stop() == 0
    found = tabellion("messages", "find", "--control-id", "L00000003", "--json", "--data", str(data)).stdout
    assert '"channel": "adt"' in found


def test_send_over_tls_from_the_command_line(tmp_path: Path, samples: Path) -> None:
    ca = Authority(tmp_path / "pki")
    ca.issue("server")
    lab = ca.issue("lab")
    config = f'[mllp]\ntls_certificate = "{ca.path.parent / "server.pem"}"\ntls_ca = "{ca.path}"\n'
    config += "[service]\nproduction = false\n[channels.test]\nprocessing_ids = []\n"
    sample = str(samples / "hl7v2" / "08-oru-numeric.hl7")
    with Service(tmp_path / "data", config) as service:
        address = f"{service.host}:{service.port}"
        words = ("send", address, sample, "--json", "--tls", "--ca", str(ca.path))
        assert '"code": "AA"' in tabellion(*words, "--certificate", str(lab)).stdout
        assert tabellion(*words, check=False).returncode in (1, 3)  # no certificate
        other = ("--certificate", str(lab), "--server-name", "elsewhere")
        refused = tabellion(*words, *other, check=False)
        assert (refused.returncode, "elsewhere" in refused.stderr) == (3, True), refused.stderr
        assert tabellion("send", address, sample, "--ca", "x", check=False).returncode == 2


def test_application_acknowledgements_over_tls(tmp_path: Path) -> None:
    """To an address, with our certificate, which its receiver asks for, and only to one whose certificate is good."""
    ca = Authority(tmp_path / "pki")
    own = ca.issue("server")
    good = server_context(TlsFiles(str(ca.issue("receiver")), ca=str(ca.path)))
    bad = server_context(TlsFiles(str(ca.issue("expired", expired=True)), ca=str(ca.path)))

    async def run(service: Service, receiver: Receiver) -> None:
        context = client_context(TlsFiles(str(own), ca=str(ca.path)))
        sender = await Sender.connect(service.host, service.port, 10, Tls(context, "server"))
        asked = message(3).replace(b"|P|2.5.1||||||", b"|P|2.5.1|||AL|AL||", 1)
        assert acknowledged(await sender.send(asked, 10) or b"")[0] == "CA"
        await receiver.listen(bad)
        while 'attempts_total{channel="load"} 1' not in (await asyncio.to_thread(service.get, "/metrics"))[1]:
            await asyncio.sleep(0.1)
        await receiver.close()
        assert receiver.received == []
        await receiver.listen(good)
        while not receiver.received:
            await asyncio.sleep(0.1)
        await receiver.close()
        await sender.close()

    with Receiver(tmp_path / "received") as receiver:
        config = f"""
[mllp]
tls_certificate = "{own}"
tls_ca = "{ca.path}"
[pipeline]
mappers = 0
[channels.load]
reply_to = "127.0.0.1:{receiver.port}"
reply_tls = true
"""
        with Service(tmp_path / "data", config) as service:
            asyncio.run(asyncio.wait_for(run(service, receiver), 60))
            assert service.stop() == 0


def test_a_full_disk_is_our_failure(tmp_path: Path) -> None:
    """AR with 207 and the connection closed; nothing is kept; not ready."""
    with Service(tmp_path / "data", f"[storage]\nmin_free_bytes = {1 << 60}\n") as service:
        for number in (1, 2):
            assert [answer.code for answer in send(service, message(number))] == ["AR"]
        assert service.get("/readyz")[0] == 503
        assert 'tabellion_intake_kept_total{channel="hl7v2",status="unavailable"} 2' in service.get("/metrics")[1]
        assert service.stop() == 0


def test_a_receiver_that_vanishes_gets_the_acknowledgement_again(tmp_path: Path) -> None:
    """It has read the application acknowledgement and is gone without a word: after its time we connect anew, and send
    the same message under the same control id."""
    received: list[bytes] = []
    connected: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        block = (await reader.readuntil(b"\x1c\r"))[1:-2]
        received.append(block)
        connected.append(writer)
        if len(received) < 3:
            deafen(writer.get_extra_info("socket"))
            return
        writer.write(frame(b"MSH|^~\\&|||||20260101||ACK|R1|P|2.5.1\rMSA|CA|" + block.split(b"|", 10)[9] + b"\r"))

    async def run(service: Service) -> None:
        sender = await Sender.connect(service.host, service.port, 10)
        asked = message(3).replace(b"|P|2.5.1||||||", b"|P|2.5.1|||AL|AL||", 1)
        assert acknowledged(await sender.send(asked, 10) or b"")[0] == "CA"
        while 'ended_total{channel="load",code="CA"} 1' not in (await asyncio.to_thread(service.get, "/metrics"))[1]:
            await asyncio.sleep(0.1)
        await sender.close()

    async def both() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = f'[pipeline]\nmappers = 0\n[channels.load]\nreply_to = "127.0.0.1:{port}"\nreply_seconds = 0.5\n'
        service = await asyncio.to_thread(Service, tmp_path / "data", config)
        with service:
            await asyncio.wait_for(run(service), 60)
            assert await asyncio.to_thread(service.stop) == 0
        for writer in connected:
            writer.transport.abort()
        server.close()
        await server.wait_closed()

    asyncio.run(both())
    assert len(received) == 3
    assert len(set(received)) == 1, "the same bytes, and so the same control id"
    assert acknowledged(received[0]) == ("AA", b"L00000003")
