"""CDA documents inside HL7 v2 messages: the attachment stays, its statements stand beside it, nothing else changes."""

from __future__ import annotations

import base64
import re
from typing import Any, cast

import pytest

from adapters.fhir import decode, validate_bundle
from mappings import PUBLISHED_NAMESPACE, Mapped, MapSettings, bundle
from pipelines.formats import maps
from pipelines.formats.embedded import opened
from tests.mappings.cda.cda import PATIENT, document, observation, section
from tests.pipelines.v2 import message

TIME = "20260302101500+0100"
SETTINGS = MapSettings(PUBLISHED_NAMESPACE)
OWN = PATIENT.replace('root="1.2.3" extension="P1"', 'root="1.2.3" extension="4711001"').replace(
    "</patient>", '<maritalStatusCode code="M" codeSystem="2.16.840.1.113883.5.2"/></patient>'
)
PROBLEM = observation(
    "4",
    '<id root="1.5" extension="p"/><statusCode code="completed"/><value xsi:type="CD" code="38341003" codeSystem="2.16.840.1.113883.6.96"/>',
)


def oru(*documents: bytes) -> bytes:
    segments = [
        f"OBX|{number}|ED|18842-5^Summary^LN||LAB^Application^XML^Base64^{base64.b64encode(data).decode()}||||||F"
        for number, data in enumerate(documents, 1)
    ]
    pid = "PID|1||4711001^^^&1.2.3&ISO^MR||ZZTEST^ANNA^^^^^L||19700312|F"
    return message(
        "ORU^R01^ORU_R01", TIME, pid, "OBR|1|O1^HIS|F1^LAB|11488-4^Note^LN|||20260302||||||||||||||||||F", *segments
    )


def converted(body: bytes) -> tuple[Mapped, list[dict[str, Any]]]:
    """The outcome, whose Bundle is valid and resolves, and its resources."""
    outcome = maps("hl7v2").map(body, SETTINGS)
    made = bundle(outcome, SETTINGS.base)
    assert [each for each in validate_bundle(decode(made)) if each.severity == "error"] == []
    here = {f"{change.type}/{change.id}" for change in outcome.changes}
    assert set(re.findall(r'"reference":"([^"]*)"', made.decode())) <= here
    assert outcome.changes[-1].type == "Provenance"
    return outcome, [entry["resource"] for entry in cast("dict[str, Any]", decode(made))["entry"]]


def kinds(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in resources if each["resourceType"] == kind]


def test_a_document_in_a_result_is_opened_and_linked() -> None:
    data = document(section(PROBLEM), head=OWN)
    outcome, resources = converted(oru(data))
    (patient,) = kinds(resources, "Patient")
    assert patient["birthDate"] == "1970-03-12"
    assert patient["maritalStatus"]["coding"][0]["code"] == "M", "the document fills what the message leaves open"
    assert [name["given"] for name in patient["name"]] == [["ANNA"]], "and replaces nothing"
    (composition,) = kinds(resources, "Composition")
    (reference,) = kinds(resources, "DocumentReference")
    assert {"reference": f"Composition/{composition['id']}"} in reference["context"]["related"]
    assert base64.b64decode(reference["content"][0]["attachment"]["data"]) == data
    (condition,) = kinds(resources, "Condition")
    assert condition["subject"]["reference"] == f"Patient/{patient['id']}"
    (provenance,) = kinds(resources, "Provenance")
    assert len(provenance["target"]) == len(resources) - 1
    assert len(provenance["entity"]) == 4
    times = {change.type: change.event_time for change in outcome.changes}
    assert times["Condition"] == "2026-01-02T02:04:05.000000Z", "the document's own time"
    assert times["DocumentReference"] is None
    assert Mapped.from_bytes(outcome.to_bytes()) == outcome
    assert not any("other identifiers" in issue.text for issue in outcome.issues)


def test_a_document_about_somebody_else_is_said_and_stays_theirs() -> None:
    outcome, resources = converted(oru(document(section(PROBLEM))))
    assert len(kinds(resources, "Patient")) == 2
    (condition,) = kinds(resources, "Condition")
    (report,) = kinds(resources, "DiagnosticReport")
    assert condition["subject"] != report["subject"]
    assert any("other identifiers" in issue.text for issue in outcome.issues)


def test_several_documents_of_one_message() -> None:
    data = [
        document(section(PROBLEM), head=OWN),
        document(section(text="<paragraph>b</paragraph>"), head=OWN).replace(b'"D1"', b'"D2"'),
    ]
    _, resources = converted(oru(*data))
    assert len(kinds(resources, "Composition")) == len(kinds(resources, "DocumentReference")) == 2
    assert len(kinds(resources, "Patient")) == len(kinds(resources, "Provenance")) == 1
    _, resources = converted(oru(data[0], data[0]))
    assert len(kinds(resources, "Composition")) == len(kinds(resources, "Condition")) == 1
    assert all(each["context"]["related"] for each in kinds(resources, "DocumentReference"))


@pytest.mark.parametrize(
    "data", [b"<!DOCTYPE x><ClinicalDocument/>", b"<ClinicalDocument>", b"<a>ClinicalDocument</a>"]
)
def test_a_document_that_cannot_be_read_stays_an_attachment(data: bytes) -> None:
    outcome, resources = converted(oru(data))
    assert not kinds(resources, "Composition")
    assert base64.b64decode(kinds(resources, "DocumentReference")[0]["content"][0]["attachment"]["data"]) == data
    assert any(issue.severity == "warning" and "not opened" in issue.text for issue in outcome.issues)


def test_nothing_changes_without_a_document() -> None:
    outcome, _ = converted(oru(b"%PDF-1.4 ClinicalDocument"))
    assert opened(outcome, SETTINGS) is outcome
