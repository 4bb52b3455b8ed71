"""FHIR at the door: what is hostile or asks for deeds is refused with what and where; the rest is kept line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipelines.settings import Settings
from tests.gateway.serving.test_ingest import CHANNELS, Surface, issue, split
from tests.gateway.web.listener import Listener, post, status

FHIR = "Content-Type: application/fhir+json"
NDJSON = "Content-Type: application/fhir+ndjson"
DEEP = b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 200 + b"[]" + b"}]" * 200 + b"}"


@pytest.fixture(scope="module")
def surface(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Surface, Listener]]:
    made = Surface(tmp_path_factory.mktemp("ingest"), Settings(channels=CHANNELS))
    with closing(made.journal), Listener(routes=made.routes()) as listener:
        yield made, listener


def asked(method: str, url: str) -> bytes:
    entry = {"resource": {"resourceType": "Patient"}, "request": {"method": method, "url": url}}
    return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [entry]}).encode()


def resource(members: bytes) -> bytes:
    return b'{"resourceType":"Patient",' + members + b"}"


# body, code of the issue, its expression, words
HOSTILE = {
    "empty": (b"", "required", None, "the body is empty"),
    "blank": (b" \r\n", "structure", None, "not JSON"),
    "no JSON": (b"{", "structure", None, "not JSON"),
    "text after it": (b'{"resourceType":"Patient"} x', "structure", None, "not JSON"),
    "not UTF-8": (resource(b'"id":"\xff"'), "structure", None, "not UTF-8"),
    "XML": (b"<Patient/>", "structure", None, "not JSON"),
    "a name twice": (resource(b'"id":"a","id":"b"'), "structure", None, "a name occurs twice"),
    "a name twice inside": (resource(b'"name":[{"text":1,"text":2}]'), "structure", "name[0]", "a name occurs twice"),
    "NaN": (resource(b'"x":NaN'), "structure", "x", "a number that is not finite"),
    "a huge exponent": (resource(b'"x":{"value":1e400}'), "structure", "x.value", "a number without plain notation"),
    "a huge number": (resource(b'"x":' + b"9" * 5000), "structure", "x", "a number"),
    "a lone surrogate": (resource(b'"name":[{"text":"\\ud800"}]'), "structure", "name[0].text", "a lone surrogate"),
    "depth": (DEEP, "too-costly", None, "nested deeper"),
    "depth of arrays": (b"[" * 100_000, "too-costly", None, "nested deeper"),
    "no resource": (b'{"a":1}', "structure", None, "an object with resourceType is expected"),
    "a list": (b"[]", "structure", None, "an object with resourceType is expected"),
    "an unknown type": (b'{"resourceType":"ZZCANARY"}', "structure", "resourceType", "not a resource type of R4"),
    "two at once": (resource(b'"id":"a"') + b"\n" + resource(b'"id":"b"'), "structure", None, "more than one"),
    "a deletion": (
        asked("DELETE", "Patient/ZZCANARY"),
        "not-supported",
        "Bundle.entry[0].request.method",
        "only POST and PUT",
    ),
    "a condition": (
        asked("PUT", "Patient?name=ZZCANARY"),
        "not-supported",
        "Bundle.entry[0].request.url",
        "the only condition taken",
    ),
    "a history": (b'{"resourceType":"Bundle","type":"history"}', "not-supported", "Bundle.type", "taken are Bundles"),
    "parameters": (b'{"resourceType":"Parameters"}', "not-supported", "Parameters", "no record of anybody"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_fhir_is_refused_with_what_and_where(surface: tuple[Surface, Listener], name: str) -> None:
    """Each with status, code, FHIRPath and plain words; nothing of it is kept or repeated."""
    made, listener = surface
    body, kind, place, said = HOSTILE[name]
    before = made.journal.last()
    answer = listener.ask(post("/ingest/fhir", body, FHIR))
    code, content = split(answer)
    assert code == 400
    (one,) = content["issue"]
    assert (one["severity"], one["code"]) == ("error", kind)
    assert said in one["details"]["text"]
    assert one.get("expression", [None])[0] == place
    assert one.get("diagnostics", "offset").startswith("offset")
    assert b"ZZCANARY" not in answer
    assert made.journal.last() == before


def test_lines_of_fhir_are_each_an_entry(surface: tuple[Surface, Listener]) -> None:
    made, listener = surface
    lines = b'{"resourceType":"Patient","id":"a"}\n\n{"resourceType":"Patient","id":"b"}\n'
    answer = listener.ask(post("/ingest/fhir", lines, NDJSON))
    assert status(answer) == 202
    rows = [json.loads(line) for line in answer.partition(b"\r\n\r\n")[2].splitlines()]
    assert [row["status"] for row in rows] == ["kept", "kept"]
    entries = [made.journal.get(row["id"]) for row in rows]
    assert [entry.body for entry in entries if entry is not None] == lines.split()
    before = made.journal.last()
    answer = listener.ask(post("/ingest/fhir", lines + b'{"a":1}\n', NDJSON))
    assert status(answer) == 400
    assert issue(split(answer)[1])["diagnostics"].startswith("unit 2")
    assert made.journal.last() == before


def test_a_resources_version_tells_a_repetition_from_a_new_word(surface: tuple[Surface, Listener]) -> None:
    """Said again without a version, it may be meant again: it is kept, and settles to nothing new if it isn't."""
    _, listener = surface
    dated = b'{"resourceType":"Patient","id":"v","meta":{"versionId":"%d"},"active":%s}'
    bodies = [dated % (1, b"true"), dated % (1, b"true"), dated % (2, b"false"), dated % (2, b"true")]
    bodies += [b'{"resourceType":"Patient"}'] * 2
    answers = [split(listener.ask(post("/ingest/fhir", body, FHIR))) for body in bodies]
    assert [content["status"] for _, content in answers] == ["kept", "repeated", "kept", "changed", "kept", "kept"]
