"""`answer_after = "map"` over the real service: AA means read, conforming and mapped; breaches are AE with places."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from adapters.hl7v2.mllp import NoAnswer, Sender, Tls, TlsFiles, acknowledged, client_context
from tests.support.certificates import Authority
from tests.support.load import message
from tests.support.service import Service, settled, tabellion

PROFILE = """
profile: lab
fields:
- {path: PID-8, values: [F, M]}
- {path: PID-7, required: true}
- {path: OBX-6.1, when: {OBX-2: NM}, values: [mg/dL]}
- {path: PID-11, required: true, severity: information}
"""
CONFIG = """
[pipeline]
mappers = 1
[channels.lab]
answer_after = "map"
answer_within = {}
profile = "{}"
sending_application = ["LAB"]
[channels.rest]
"""
PLACES = {
    b"2.5.1": [
        b"ERR||PID^1^8^1|103^Table value not found^HL70357|E||||profile lab: PID-8 holds no value of the agreed list",
        b"ERR||PID^1^7^1|101^Required field missing^HL70357|E||||profile lab: PID-7 is required",
        b"ERR||OBX^2^6^1^1|103^Table value not found^HL70357|E||||profile lab: OBX-6.1 holds no value of the agreed"
        b" list",
        b"ERR||PID^1^11^1|101^Required field missing^HL70357|I||||profile lab: PID-11 is required",
    ],
    b"2.3.1": [
        b"ERR|PID^1^8^103&Table value not found&HL70357~PID^1^7^101&Required field missing&HL70357"
        b"~OBX^2^6^103&Table value not found&HL70357~PID^1^11^101&Required field missing&HL70357",
    ],
}


def result(number: int, version: bytes = b"2.5.1", *, good: bool = True, enhanced: bool = False) -> bytes:
    """A result of the laboratory, with three breaches and a remark or without."""
    found = message(number * 3 + 2).replace(b"|LOAD|", b"|LAB|", 1).replace(b"|2.5.1|", b"|" + version + b"|", 1)
    if enhanced:
        found = found.replace(b"|||||UNICODE", b"||AL|AL||UNICODE", 1)
    if good:
        return found
    found = found.replace(b"||19700101|F", b"|||X", 1)
    head, second = found.split(b"OBX|2|", 1)
    return head + b"OBX|2|" + second.replace(b"mg/dL", b"mmol", 1)


def config(folder: Path, seconds: float) -> str:
    (folder / "lab.yaml").write_text(PROFILE)
    return CONFIG.format(seconds, (folder / "lab.yaml").as_posix())


def said(answer: bytes | None) -> tuple[str, list[bytes]]:
    """MSA-1 and the ERR segments."""
    assert answer is not None
    return acknowledged(answer)[0], [line for line in answer.split(b"\r") if line.startswith(b"ERR")]


def post(service: Service, body: bytes, kind: str) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"http://{service.ready['http']}/ingest/hl7v2?channel=lab", body, {"Content-Type": kind}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@contextmanager
def writer_stopped(service: Service) -> Iterator[None]:
    """The process that settles stands still: nothing that is kept is mapped."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if "writer.started" in line]
    os.kill(lines[-1]["pid"], signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # killed meanwhile
            os.kill(lines[-1]["pid"], signal.SIGCONT)


def wait_for_writer(service: Service, starts: int) -> None:
    until = time.monotonic() + 60
    while service.log.read_text().count("writer.started") < starts:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_answer_says_what_became_of_it(tmp_path: Path) -> None:
    """AA and AE with ERR at segment, field and component, in both forms of ERR; the same when it is sent again; what is
    refused is a dead letter and no record, until its profile lets it pass; CA at once in enhanced mode, and the rest by
    the application acknowledgement; and the same over HTTP."""
    data = tmp_path / "data"

    async def run(service: Service) -> None:
        sender = await Sender.connect(service.host, service.port, 60)
        for number, version in ((1, b"2.5.1"), (2, b"2.3.1")):
            assert said(await sender.send(result(number, version), 60)) == ("AA", [])
            bad = result(number + 10, version, good=False)
            assert said(await sender.send(bad, 60)) == ("AE", PLACES[version])
            assert said(await sender.send(bad, 60)) == ("AE", PLACES[version])
            assert said(await sender.send(result(number, version), 60)) == ("AA", [])
        unreadable = result(3).replace(b"|^~\\&|", b"|^~x&|", 1)
        code, errors = said(await sender.send(unreadable, 60))
        assert (code, errors[0].split(b"|")[3]) == ("AE", b"100^Segment sequence error^HL70357")
        enhanced = result(14, good=False, enhanced=True)
        assert said(await sender.send(enhanced, 60)) == ("CA", [])
        about = enhanced.split(b"|", 10)[9]
        assert said(await sender.application(about, 60)) == ("AE", PLACES[b"2.5.1"])
        await sender.close()

    with Service(data, config(tmp_path, 30)) as service:
        asyncio.run(run(service))
        er7, plain = "x-application/hl7-v2+er7", "application/octet-stream"
        assert post(service, result(5), er7)[1].split(b"\r")[1].startswith(b"MSA|AA|")
        code, body = post(service, result(15, good=False), er7)
        assert (code, said(body)) == (400, ("AE", PLACES[b"2.5.1"]))
        assert post(service, result(6), plain)[0] == 202
        code, body = post(service, result(16, good=False), plain)
        issues = json.loads(body)["issue"]
        assert code == 422
        assert [issue["diagnostics"] for issue in issues] == [
            "PID[1]-8[1]",
            "PID[1]-7[1]",
            "OBX[2]-6[1].1",
            "PID[1]-11[1]",
        ]
        assert [issue["severity"] for issue in issues] == ["error"] * 3 + ["information"]
        totals = settled(data)
        assert (totals["settled"], totals["dead_letters"]) == (4, 6)
        assert service.stop() == 0
    letters = tabellion("deadletters", "list", "--json", "--data", str(data)).stdout.splitlines()
    causes = [json.loads(line)["cause"] for line in letters]
    assert causes == ["profile", "profile", "header", "profile", "profile", "profile"]
    # the agreement changes: what was refused can be let in, and its sender hears that when it asks again
    (tmp_path / "lab.yaml").write_text("profile: lab\nfields: []\n")
    where = ("--data", str(data), "--config", str(tmp_path / "data.toml"))
    tabellion("deadletters", "replay", *(str(json.loads(line)["id"]) for line in letters[:1]), *where)

    async def ask_again(service: Service) -> None:
        sender = await Sender.connect(service.host, service.port, 60)
        assert said(await sender.send(result(11, good=False), 60)) == ("AA", [])
        assert said(await sender.send(result(12, b"2.3.1", good=False), 60))[0] == "AE"  # nobody has let it in
        await sender.close()

    with Service(data, (tmp_path / "data.toml").read_text()) as service:
        asyncio.run(ask_again(service))
        assert service.stop() == 0
    tabellion("doctor", "--data", str(data))


def test_nothing_is_lost_and_nobody_waits_for_it(tmp_path: Path) -> None:
    """While nothing is mapped: AR in time, the other channel as fast as ever, over the same listener. Killed before
    the answer: sent again it has one, and has taken effect once. All of it over mutual TLS."""
    data = tmp_path / "data"
    ca = Authority(tmp_path / "pki")
    secure = f'[mllp]\ntls_certificate = "{ca.issue("server")}"\ntls_ca = "{ca.path}"\n'
    tls = Tls(client_context(TlsFiles(str(ca.issue("client")), ca=str(ca.path))), "server")

    async def late(service: Service) -> None:
        lab = await Sender.connect(service.host, service.port, 60, tls)
        rest = await Sender.connect(service.host, service.port, 60, tls)
        assert said(await rest.send(message(1), 60))[0] == "AA"
        with writer_stopped(service):
            waiting = asyncio.create_task(lab.send(result(1), 60))
            crowd = [asyncio.create_task(one(service, number)) for number in range(100, 164)]
            begun = time.monotonic()
            for number in range(3, 33, 3):
                assert said(await rest.send(message(number), 10))[0] == "AA"
            assert time.monotonic() - begun < 1.5  # none of them waited for the laboratory's time to pass
            assert not waiting.done()
            code, errors = said(await waiting)
            assert (code, errors[0].split(b"|")[3]) == ("AR", b"207^Application internal error^HL70357")
            with pytest.raises((NoAnswer, OSError)):  # our failure ends the connection
                await lab.send(result(2), 5)
            assert set(await asyncio.gather(*crowd)) == {"AR"}
        await lab.close()
        await rest.close()
        for number in (1, 2):  # as senders do it: until the answer is another than "our failure"
            while (code := await one(service, number)) == "AR":
                pass
            assert code == "AA"

    async def one(service: Service, number: int) -> str:
        sender = await Sender.connect(service.host, service.port, 60, tls)
        try:
            return said(await sender.send(result(number), 60))[0]
        finally:
            await sender.close()

    async def killed(service: Service) -> None:
        lab = await Sender.connect(service.host, service.port, 60, tls)
        with writer_stopped(service):
            waiting = asyncio.create_task(lab.send(result(50, good=False), 60))
            other = await Sender.connect(service.host, service.port, 60, tls)
            second = asyncio.create_task(other.send(result(51), 60))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            assert not second.done()
            service.kill()
        for task, sender in ((waiting, lab), (second, other)):
            with pytest.raises((NoAnswer, OSError)):
                await task
            await sender.close()

    async def back(service: Service) -> None:
        lab = await Sender.connect(service.host, service.port, 60, tls)
        assert said(await lab.send(result(50, good=False), 60)) == ("AE", PLACES[b"2.5.1"])
        assert said(await lab.send(result(51), 60)) == ("AA", [])
        await lab.close()

    with Service(data, secure + config(tmp_path, 3)) as service:
        wait_for_writer(service, 1)
        asyncio.run(late(service))
        assert service.stop() == 0
    with Service(data, secure + config(tmp_path, 60)) as service:
        wait_for_writer(service, 2)
        asyncio.run(killed(service))
    with Service(data, secure + config(tmp_path, 60)) as service:
        asyncio.run(back(service))
        assert settled(data)["dead_letters"] == 1
        assert service.stop() == 0
    for number in (1, 100, 51):
        found = tabellion("messages", "find", "--control-id", f"L{number * 3 + 2:08d}", "--json", "--data", str(data))
        assert [json.loads(line)["status"] for line in found.stdout.splitlines()] == ["settled"]
    tabellion("doctor", "--data", str(data))
