"""`POST /ingest/{format}`: kept before it is answered, refused in plain words, and the sender's fault is never ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.serving.ingest import Ingest
from gateway.web import Route
from pipelines.channels import Channel
from pipelines.journal import JournalSettings, SqliteJournal
from pipelines.metrics import Registry
from pipelines.settings import Settings
from tests.gateway.web.listener import Listener, post, status
from tests.pipelines.v2 import adt, message, pid

TIME = "20260301080000+0100"
ER7 = "Content-Type: x-application/hl7-v2+er7"
CHANNELS = {
    "docs": Channel("docs", format="cda"),
    "ehr": Channel("ehr", format="fhir"),
    "lab": Channel("lab", sending_application=("LAB",)),
    "away": Channel("away", peers=("10.0.0.0/8",)),
    "his": Channel("his", sending_application=("HIS",), message_types=("ADT",)),
}


class Surface:
    """The ingest routes on a real listener over a real journal."""

    def __init__(self, folder: Path, settings: Settings, least: int = 0) -> None:
        (folder / "journal").mkdir()
        self.journal = SqliteJournal(folder / "journal", JournalSettings(min_free=least))
        self.registry = Registry()
        self.ingest: Ingest | None = None
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """Made once the loop runs."""
        self.ingest = Ingest(self.journal, self._settings, self.registry)
        return self.ingest.routes


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Surface, Listener]]:
    made = Surface(tmp_path_factory.mktemp("ingest"), Settings(channels=CHANNELS))
    with closing(made.journal), Listener(routes=made.routes()) as listener:
        yield made, listener


def split(answer: bytes) -> tuple[int, Any]:
    body = answer.partition(b"\r\n\r\n")[2]
    return status(answer), json.loads(body) if body.startswith(b"{") else body


def issue(content: Any) -> dict[str, Any]:
    assert content["resourceType"] == "OperationOutcome"
    return dict(content["issue"][0])


def test_a_message_is_kept_and_said_to_be(surface: tuple[Surface, Listener]) -> None:
    made, listener = surface
    body = adt("A01", TIME, pid(), control_id="K1")
    code, content = split(listener.ask(post("/ingest/hl7v2", b"\x0b" + body + b"\r\x1c\r")))
    assert (code, content["status"], content["sha256"]) == (202, "kept", sha256(body).hexdigest())
    entry = made.journal.get(content["id"])
    assert entry is not None
    assert (entry.channel, entry.format, entry.body, entry.control_id) == ("his", "hl7v2", body, b"K1")
    assert entry.facts == {"transport": "http"}
    assert entry.peer.startswith("127.0.0.1:")
    again = split(listener.ask(post("/ingest/hl7v2", body)))
    assert again == (202, content | {"status": "repeated"})
    other = split(listener.ask(post("/ingest/hl7v2", adt("A01", TIME, pid("2"), control_id="K1"))))
    assert other[1]["status"] == "changed"
    assert other[1]["id"] != content["id"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "code", "said"),
    [
        ("/ingest/hl7v2", b"", (), 400, "the body is empty"),
        ("/ingest/hl7v2", b"PID|1", (), 400, "no segment begins with MSH"),
        ("/ingest/hl7v2", adt("A01", TIME) + b"\r" + adt("A01", TIME), (), 400, "more than one HL7 v2 message"),
        ("/ingest/hl7v2", adt("A01", TIME, control_id=""), (), 400, "a required field is empty"),
        ("/ingest/hl7v2", message("ORU^R01", TIME), (), 422, "does not accept this message type"),
        ("/ingest/hl7v2", adt("A01", TIME).replace(b"|P|", b"|T|"), (), 422, "does not accept this processing id"),
        ("/ingest/hl7v2", message("ADT^A01", TIME, app="X"), (), 403, "no channel here takes"),
        ("/ingest/hl7v2?channel=away", adt("A01", TIME), (), 403, "does not take requests of this address"),
        ("/ingest/hl7v2?channel=nowhere", adt("A01", TIME), (), 404, "there is no channel of this name"),
        ("/ingest/hl7v2", adt("A01", TIME), ("X-Tabellion-Channel: nowhere",), 404, "there is no channel of this name"),
        ("/ingest/hl7v2", adt("A01", TIME), ("Content-Type: application/xml",), 415, "is sent as"),
        ("/ingest/hl9", b"x", (), 404, "no such format"),
    ],
)
def test_refusals(
    surface: tuple[Surface, Listener], path: str, body: bytes, headers: tuple[str, ...], code: int, said: str
) -> None:
    made, listener = surface
    before = made.journal.last()
    found, content = split(listener.ask(post(path, body, *headers)))
    assert found == code
    assert said in issue(content)["details"]["text"]
    assert made.journal.last() == before


def test_what_curl_sends_by_itself_is_taken(surface: tuple[Surface, Listener]) -> None:
    _, listener = surface
    body = adt("A01", TIME, pid(), control_id="CURL")
    answer = listener.ask(post("/ingest/hl7v2", body, "Content-Type: application/x-www-form-urlencoded"))
    assert status(answer) == 202


def test_places_are_named(surface: tuple[Surface, Listener]) -> None:
    _, listener = surface
    _, content = split(listener.ask(post("/ingest/hl7v2", adt("A01", TIME).replace(b"|P|", b"|T|"))))
    assert issue(content)["diagnostics"] == "MSH-11"


def test_the_channel_is_the_senders_choice(surface: tuple[Surface, Listener]) -> None:
    made, listener = surface
    for path, headers in (("/ingest/hl7v2?channel=lab", ()), ("/ingest/hl7v2", ("X-Tabellion-Channel: lab",))):
        _, content = split(listener.ask(post(path, adt("A01", TIME, pid(), control_id=path), *headers)))
        entry = made.journal.get(content["id"])
        assert entry is not None
        assert entry.channel == "lab"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (adt("A01", TIME, pid(), control_id="E1"), 200, b"\rMSA|AA|E1\r"),
        (adt("A01", TIME, pid(), control_id="E1").replace(b"|P|", b"|T|"), 400, b"\rMSA|AR|E1"),
        (b"rubbish", 400, b"\rMSA|AE|"),
        (b"", 400, b"\rMSA|AE|"),
        (adt("A01", TIME, control_id=""), 400, b"\rMSA|AE|"),
        (adt("A01", TIME, pid(), control_id="E2").replace(b"|2.5.1", b"|2.5.1|||AL|NE"), 200, b"\rMSA|CA|E2\r"),
        (adt("A01", TIME, pid(), control_id="E3").replace(b"|2.5.1", b"|2.5.1|||NE|NE"), 202, b""),
    ],
)
def test_hl7_over_http_gets_the_acknowledgement(
    surface: tuple[Surface, Listener], body: bytes, code: int, said: bytes
) -> None:
    _, listener = surface
    answer = listener.ask(post("/ingest/hl7v2", body, ER7))
    assert status(listener.ask(post("/ingest/hl7v2", body, ER7))) == code  # sent again, answered again
    assert status(answer) == code
    assert b"Content-Type: x-application/hl7-v2+er7\r\n" in answer
    assert said in answer.partition(b"\r\n\r\n")[2]


def test_a_large_message_doesnt_pass_through_the_loop(surface: tuple[Surface, Listener]) -> None:
    """Over 64 KiB the work is a thread's, over 1 MiB the body is a blob."""
    made, listener = surface
    body = adt("A01", TIME, pid(), "ZZZ|" + "x" * (2 << 20), control_id="L1")
    code, content = split(listener.ask(post("/ingest/hl7v2", body)))
    assert (code, content["sha256"]) == (202, sha256(body).hexdigest())
    entry = made.journal.get(content["id"])
    assert entry is not None
    assert entry.blob


def test_a_full_disk_is_our_failure(tmp_path: Path) -> None:
    made = Surface(tmp_path, Settings(), least=1 << 60)
    with closing(made.journal), Listener(routes=made.routes()) as listener:
        answer = listener.ask(post("/ingest/hl7v2", adt("A01", TIME, pid())))
        assert status(answer) == 503
        assert b"Retry-After:" in answer
        assert issue(split(answer)[1])["code"] == "transient"
        answer = listener.ask(post("/ingest/hl7v2", adt("A01", TIME, pid()), ER7))
        assert status(answer) == 503
        assert b"\rMSA|AR|C1" in answer
    assert made.ingest is not None
    made.ingest.observe()
    assert 'tabellion_ingest_total{channel="hl7v2",status="unavailable"} 2' in made.registry.text()


def test_metrics_count_by_channel_and_status(surface: tuple[Surface, Listener]) -> None:
    made, _ = surface
    assert made.ingest is not None
    made.ingest.observe()
    text = made.registry.text()
    assert 'tabellion_ingest_total{channel="his",status="kept"}' in text
    assert 'tabellion_ingest_total{channel="his",status="refused"}' in text


def test_a_cda_document_is_kept_and_what_is_none_is_refused_at_once(
    surface: tuple[Surface, Listener], samples: Path
) -> None:
    made, listener = surface
    body = (samples / "cda" / "wst500_admission_record.xml").read_bytes()
    code, content = split(listener.ask(post("/ingest/cda", body, "Content-Type: application/xml")))
    assert (code, content["status"], content["sha256"]) == (202, "kept", sha256(body).hexdigest())
    entry = made.journal.get(content["id"])
    assert entry is not None
    assert (entry.channel, entry.format, entry.body) == ("docs", "cda", body)
    assert entry.control_id == b"2.16.156.10011.1.1^ZZ-CN-0001"
    for bad in (b"<!DOCTYPE x><ClinicalDocument/>", b"<section/>", b"<ClinicalDocument>"):
        code, content = split(listener.ask(post("/ingest/cda", bad)))
        assert (code, issue(content)["code"]) == (400, "structure")
