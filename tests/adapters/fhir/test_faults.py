"""Seeded faults: each is found, at its place, and nothing else is said."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from adapters.fhir import DuplicateKey, decode, encode, validate
from tests.adapters.fhir.samples import Resource, concept, reference, resource

Change = Callable[[Resource], None]


def put(*path: Any) -> Change:
    """The last of `path` is set at the place that the rest names."""
    *way, name, value = path

    def change(changed: Resource) -> None:
        place: Any = changed
        for step in way:
            place = place[step]
        place[name] = value

    return change


def drop(*path: Any) -> Change:
    *way, name = path

    def change(changed: Resource) -> None:
        place: Any = changed
        for step in way:
            place = place[step]
        del place[name]

    return change


XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
EXTENSION = {"url": "http://example.org/x", "valueString": "x"}

# type, change, code, expression
FAULTS: list[tuple[str, Change, str, str]] = [
    # names
    ("Patient", put("animal", {"species": {}}), "structure", "Patient.animal"),
    ("Patient", put("name", 0, "middle", "x"), "structure", "Patient.name[0].middle"),
    ("Patient", put("contact", 0, "resourceType", "x"), "structure", "Patient.contact[0].resourceType"),
    ("Patient", put("Anna Muster", "x"), "structure", "Patient.?"),
    (
        "Observation",
        put("medicationCodeableConcept", {"text": "x"}),
        "structure",
        "Observation.medicationCodeableConcept",
    ),
    ("Patient", put("fhir_comments", ["x"]), "structure", "Patient.fhir_comments"),
    ("Patient", put("resourceType", "Animal"), "structure", "Resource"),
    ("Patient", put("resourceType", "DomainResource"), "structure", "Resource"),
    ("Patient", drop("resourceType"), "structure", "Resource"),
    # shapes
    ("Patient", put("name", {"family": "x"}), "structure", "Patient.name"),
    ("Patient", put("maritalStatus", [{"text": "x"}]), "structure", "Patient.maritalStatus"),
    ("Patient", put("birthDate", ["1980-01-01"]), "structure", "Patient.birthDate"),
    ("Patient", put("name", 0, "given", "Anna"), "structure", "Patient.name[0].given"),
    ("Patient", put("name", []), "structure", "Patient.name"),
    ("Patient", put("name", 0, "given", []), "structure", "Patient.name[0].given"),
    ("Patient", put("name", 0, {}), "invariant", "Patient.name[0]"),
    ("Patient", put("name", 0, {"id": "a"}), "invariant", "Patient.name[0]"),
    ("Patient", put("maritalStatus", {}), "invariant", "Patient.maritalStatus"),
    ("Patient", put("name", 0, "x"), "structure", "Patient.name[0]"),
    ("Patient", put("name", 0, None), "structure", "Patient.name[0]"),
    ("Patient", put("birthDate", None), "structure", "Patient.birthDate"),
    ("Patient", put("name", 0, "given", 1, ["x"]), "structure", "Patient.name[0].given[1]"),
    ("Patient", put("name", 0, "given", 1, None), "structure", "Patient.name[0].given[1]"),
    # cardinality
    ("Observation", drop("status"), "required", "Observation.status"),
    ("Observation", drop("component", 0, "code"), "required", "Observation.component[0].code"),
    ("Provenance", drop("target"), "required", "Provenance.target"),
    ("MessageHeader", drop("eventCoding"), "required", "MessageHeader.event"),
    ("Patient", drop("link", 0, "other"), "required", "Patient.link[0].other"),
    # choices
    ("Observation", put("valueString", "x"), "structure", "Observation.value"),
    ("Observation", put("_valueString", {"extension": [EXTENSION]}), "structure", "Observation.value"),
    ("Patient", put("deceasedDateTime", "2024"), "structure", "Patient.deceased"),
    ("Observation", put("valueMoney", {"value": 1}), "structure", "Observation.valueMoney"),
    ("Observation", put("value", "x"), "structure", "Observation.value"),
    # primitives
    ("Patient", put("birthDate", "1980-13-45"), "value", "Patient.birthDate"),
    ("Patient", put("birthDate", "1980-02-30"), "value", "Patient.birthDate"),
    ("DocumentReference", put("date", "2024-02-29"), "value", "DocumentReference.date"),
    ("DiagnosticReport", put("effectiveDateTime", "2024-02-29T09:00:00"), "value", "DiagnosticReport.effective"),
    ("Patient", put("id", "a_b c"), "value", "Patient.id"),
    ("Patient", put("name", 0, "family", ""), "value", "Patient.name[0].family"),
    ("Patient", put("name", 0, "given", 0, "\x00"), "value", "Patient.name[0].given[0]"),
    ("Patient", put("identifier", 0, "system", "urn: x"), "value", "Patient.identifier[0].system"),
    ("Patient", put("active", "true"), "value", "Patient.active"),
    ("Patient", put("multipleBirthInteger", Decimal("1.5")), "value", "Patient.multipleBirth"),
    ("Patient", put("telecom", 0, "rank", 0), "value", "Patient.telecom[0].rank"),
    ("Observation", put("valueQuantity", "value", "13.20"), "value", "Observation.value.value"),
    (
        "DocumentReference",
        put("content", 0, "attachment", "size", Decimal("1.5")),
        "value",
        "DocumentReference.content[0].attachment.size",
    ),
    (
        "DocumentReference",
        put("content", 0, "attachment", "data", "A"),
        "value",
        "DocumentReference.content[0].attachment.data",
    ),
    ("Patient", put("_birthDate", "extension", 0, "url", "a b"), "value", "Patient.birthDate.extension[0].url"),
    ("Patient", put("_birthDate", {}), "invariant", "Patient.birthDate"),
    ("Patient", put("name", 1, "_given", [None]), "structure", "Patient.name[1].given"),
    # required codes
    ("Patient", put("gender", "M"), "code-invalid", "Patient.gender"),
    ("Observation", put("status", "banana"), "code-invalid", "Observation.status"),
    ("Observation", put("valueQuantity", "comparator", "="), "code-invalid", "Observation.value.comparator"),
    (
        "PractitionerRole",
        put("availableTime", 0, "daysOfWeek", 1, "Tuesday"),
        "code-invalid",
        "PractitionerRole.availableTime[0].daysOfWeek[1]",
    ),
    ("AllergyIntolerance", put("category", 0, "drug"), "code-invalid", "AllergyIntolerance.category[0]"),
    ("Condition", put("verificationStatus", {"text": "sure"}), "code-invalid", "Condition.verificationStatus"),
    (
        "Condition",
        put("verificationStatus", concept("urn:x", "confirmed")),
        "code-invalid",
        "Condition.verificationStatus",
    ),
    (
        "DocumentReference",
        put("content", 0, "attachment", "contentType", "PDF"),
        "code-invalid",
        "DocumentReference.content[0].attachment.contentType",
    ),
    # references
    ("Observation", put("subject", reference("Medication/m")), "structure", "Observation.subject.reference"),
    (
        "Observation",
        put("subject", reference("http://x.example/fhir/Medication/m")),
        "structure",
        "Observation.subject.reference",
    ),
    ("Observation", put("subject", {"type": "Medication", "display": "x"}), "structure", "Observation.subject.type"),
    ("Observation", put("subject", reference("Patient")), "value", "Observation.subject.reference"),
    ("Observation", put("subject", reference("Patients/1")), "value", "Observation.subject.reference"),
    ("Observation", put("subject", reference("Patient/a b")), "value", "Observation.subject.reference"),
    ("Observation", put("subject", reference("#p")), "invariant", "Observation.subject"),
    (
        "Encounter",
        put("participant", 0, "individual", reference("Patient/p")),
        "structure",
        "Encounter.participant[0].individual.reference",
    ),
    # contained
    (
        "Patient",
        put("contained", [{"resourceType": "Organization", "id": "o", "name": "x"}]),
        "invariant",
        "Patient.contained[0]",
    ),
    ("Patient", put("contained", ["x"]), "structure", "Patient.contained[0]"),
    # extensions
    ("Patient", put("extension", 0, {"url": "http://example.org/x"}), "invariant", "Patient.extension[0]"),
    ("Patient", put("extension", 0, {**EXTENSION, "extension": [EXTENSION]}), "invariant", "Patient.extension[0]"),
    ("Patient", put("extension", 0, {"valueString": "x"}), "required", "Patient.extension[0].url"),
    ("Patient", put("extension", 0, {**EXTENSION, "valueCode": "x"}), "structure", "Patient.extension[0].value"),
    # narrative
    (
        "Patient",
        put("text", {"status": "generated", "div": f"<div {XHTML}><script>1</script></div>"}),
        "structure",
        "Patient.text.div",
    ),
    (
        "Patient",
        put("text", {"status": "generated", "div": f'<div {XHTML}><a href="javascript:x">a</a></div>'}),
        "structure",
        "Patient.text.div",
    ),
    (
        "Patient",
        put("text", {"status": "generated", "div": f'<div {XHTML}><p onclick="x">a</p></div>'}),
        "structure",
        "Patient.text.div",
    ),
    ("Patient", put("text", {"status": "generated", "div": f"<div {XHTML}> </div>"}), "structure", "Patient.text.div"),
    (
        "Patient",
        put("text", {"status": "generated", "div": f"<div {XHTML}><p>a</div>"}),
        "structure",
        "Patient.text.div",
    ),
    ("Patient", put("text", {"status": "generated", "div": "<div>a</div>"}), "structure", "Patient.text.div"),
    (
        "Patient",
        put("text", {"status": "generated", "div": f'<!DOCTYPE d [<!ENTITY e "x">]><div {XHTML}>&e;</div>'}),
        "structure",
        "Patient.text.div",
    ),
    (
        "Patient",
        put("text", {"status": "generated", "div": f"<div {XHTML}><!DOCTYPE d>a</div>"}),
        "structure",
        "Patient.text.div",
    ),
    # invariants of data types
    ("Encounter", put("period", "end", "2024-02-28T08:29:00+01:00"), "invariant", "Encounter.period"),
    ("Coverage", put("period", "end", "2023-12"), "invariant", "Coverage.period"),
    ("Observation", drop("valueQuantity", "system"), "invariant", "Observation.value"),
    ("Patient", drop("telecom", 0, "system"), "invariant", "Patient.telecom[0]"),
    ("DiagnosticReport", drop("presentedForm", 0, "contentType"), "invariant", "DiagnosticReport.presentedForm[0]"),
    # invariants of resources
    ("Patient", drop("contact", 0, "name"), "invariant", "Patient.contact[0]"),
    ("Observation", put("dataAbsentReason", {"text": "x"}), "invariant", "Observation"),
    (
        "Observation",
        put("component", 0, "code", concept("http://loinc.org", "718-7")),
        "invariant",
        "Observation",
    ),
    (
        "Observation",
        put("referenceRange", 0, {"age": {"low": {"value": 1}}}),
        "invariant",
        "Observation.referenceRange[0]",
    ),
    ("AllergyIntolerance", drop("clinicalStatus"), "invariant", "AllergyIntolerance"),
    (
        "AllergyIntolerance",
        put("verificationStatus", "coding", 0, "code", "entered-in-error"),
        "invariant",
        "AllergyIntolerance",
    ),
    ("Condition", put("clinicalStatus", "coding", 0, "code", "active"), "invariant", "Condition"),
    ("Condition", put("verificationStatus", "coding", 0, "code", "entered-in-error"), "invariant", "Condition"),
    ("ServiceRequest", drop("code"), "invariant", "ServiceRequest"),
    ("Organization", put("address", 0, "use", "home"), "invariant", "Organization.address[0]"),
]


@pytest.mark.parametrize(
    ("name", "change", "code", "expression"),
    FAULTS,
    ids=[f"{number}-{expression}" for number, (_, _, _, expression) in enumerate(FAULTS)],
)
def test_a_fault_is_found_at_its_place_and_nothing_else(name: str, change: Change, code: str, expression: str) -> None:
    changed = resource(name)
    change(changed)
    findings = validate(changed)
    assert [(finding.severity, finding.code, finding.expression) for finding in findings] == [
        ("error", code, expression)
    ]


def test_a_duplicate_key_is_the_readers_matter() -> None:
    with pytest.raises(DuplicateKey):
        decode(b'{"resourceType":"Patient","gender":"male","gender":"female"}')


def test_no_finding_repeats_a_value() -> None:
    changed = resource("Patient")
    changed |= {"gender": "CANARY", "birthDate": "CANARY", "CANARY value": 1, "name": [{"family": ["CANARY"]}]}
    changed["generalPractitioner"] = [reference("CANARY canary")]
    findings = validate(changed)
    assert len(findings) == 5
    assert not [finding for finding in findings if "CANARY" in finding.text + finding.expression]


# What is lawful though it looks odd.
LAWFUL: list[tuple[str, Change]] = [
    ("Patient", put("_gender", {"extension": [EXTENSION]})),
    ("Patient", put("contained", [{"resourceType": "Patient", "id": "p", "generalPractitioner": [reference("#")]}])),
    ("Patient", put("text", {"status": "additional", "div": f'<div {XHTML}><p style="color:red">a</p></div>'})),
    ("Patient", put("birthDate", "1980")),
    ("Patient", put("modifierExtension", [EXTENSION])),
    ("Observation", put("valueQuantity", {"value": Decimal("1E-9"), "unit": "x"})),
    ("Observation", put("subject", reference("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"))),
    ("Observation", put("subject", reference("https://x.example/fhir/Patient/1/_history/2"))),
    ("Observation", put("subject", reference("Patient?identifier=x|1"))),
    ("Observation", put("subject", reference("https://x.example/anything"))),
    ("Observation", put("subject", {"type": "Patient", "identifier": {"value": "1"}})),
    ("Encounter", put("period", {"start": "2024-02-29T23:30:00-05:00", "end": "2024-03-01T05:00:00Z"})),
    ("Encounter", put("period", {"start": "2024-02-29T23:30:00-05:00", "end": "2024-02"})),
    ("Condition", put("verificationStatus", "coding", 0, "display", "Confirmed")),
]


@pytest.mark.parametrize(("name", "change"), LAWFUL)
def test_what_is_lawful_is_let_through(name: str, change: Change) -> None:
    changed = resource(name)
    change(changed)
    assert validate(decode(encode(changed))) == []


def test_an_extension_may_stand_for_a_required_primitive() -> None:
    changed = resource("Observation")
    del changed["status"]
    changed["_status"] = {"extension": [EXTENSION]}
    assert validate(changed) == []


def test_a_contained_resource_that_is_used() -> None:
    changed = resource("Patient")
    changed["contained"] = [{"resourceType": "Organization", "id": "o", "name": "x"}]
    changed["managingOrganization"] = reference("#o")
    assert validate(changed) == []
    changed["contained"][0] |= {"meta": {"versionId": "1", "security": [{"code": "R"}]}}
    changed["contained"][0]["contained"] = [{"resourceType": "Organization", "id": "p", "name": "x"}]
    keys = {finding.text.partition(":")[0] for finding in validate(changed)}
    assert keys == {"dom-2", "dom-4", "dom-5"}
