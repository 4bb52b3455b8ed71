"""Whole documents: HL7's examples and our samples convert, are valid R4, and give the same bytes each time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.cda import CdaError, NotADocument, read
from adapters.fhir import decode, validate_bundle
from mappings import Mapped, bundle, cda
from tests.mappings.cda.cda import SETTINGS, document, mapped, only, resources, section

_REFERENCE = re.compile(rb'"reference":"([^"]*)"')


def check(outcome: Mapped) -> bytes:
    """The Bundle, if it is valid and its references resolve."""
    made = bundle(outcome, SETTINGS.base)
    # all levels of the validator; a display that the sender words otherwise is a warning
    assert [each for each in validate_bundle(decode(made)) if each.severity == "error"] == []
    here = {f"{change.type}/{change.id}".encode() for change in outcome.changes}
    assert set(_REFERENCE.findall(made)) <= here
    assert sum(outcome.leaves) == sum(outcome.leaves[:2]) + len(outcome.excused) + len(outcome.residue)
    return made


def example_documents(folder: Path) -> list[Path]:
    """HL7's examples that are documents, and fragments of documents that were saved as such."""
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() == ".xml"]
    return [path for path in found if b"<ClinicalDocument" in path.read_bytes()]


def test_all_example_documents_convert(shared_data: Path) -> None:
    paths = example_documents(shared_data / "cda" / "c-cda-examples")
    assert len(paths) >= 30
    failed = {}
    for path in paths:
        try:
            outcome = mapped(path.read_bytes())
        except CdaError as error:
            failed[path.name] = type(error)
            continue
        check(outcome)
        # every statement of a section is either made into something or said
        assert outcome.changes[0].type == "Composition"
        assert outcome.changes[-1].type == "Provenance"
    # a fragment whose root is not the document: it names ClinicalDocument in a comment
    assert set(failed.values()) <= {NotADocument}, failed
    assert len(failed) <= 1, failed


def test_all_example_fragments_convert_inside_a_document(shared_data: Path) -> None:
    """353 fragments: sections, entries and statements, each in a document of ours; none breaks, all are valid."""
    count = 0
    for path in sorted((shared_data / "cda" / "c-cda-examples").rglob("*")):
        text = path.read_bytes().decode("utf-8-sig", "replace") if path.suffix.lower() == ".xml" else ""
        wrapped = wrap(text) if text and "<ClinicalDocument" not in text else None
        if wrapped is None:
            continue
        try:
            outcome = mapped(wrapped)
        except CdaError:
            continue  # not well-formed: a fragment with a slip
        check(outcome)
        count += 1
    assert count > 250


_STATEMENTS = ("act", "observation", "organizer", "procedure", "substanceAdministration", "supply", "encounter")


def wrap(text: str) -> bytes | None:
    """A fragment in a document; None for what is no part of a body."""
    text = re.sub(r"<\?xml.*?\?>|<\?xml-\S+.*?\?>", "", text, flags=re.DOTALL)
    match = re.search(r"<(?!!|\?)([A-Za-z]+)", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    name = match[1] if match else ""
    if name == "section":
        return document(text)
    if name == "component":
        return document(section()).replace(
            b"<component><structuredBody>", b"<component><structuredBody>" + text.encode()
        )
    if name == "entry":
        return document(section(loinc="1-8").replace("</section>", f"{text}</section>"))
    return document(section(text, loinc="1-8")) if name in _STATEMENTS else None


def test_sample_documents(samples: Path) -> None:
    for path in sorted((samples / "cda").glob("*.xml")):
        data = path.read_bytes()
        assert b"ZZTEST" in data or "测试".encode() in data or "测试".encode("gb18030") in data
        first, second = check(mapped(data)), check(cda.CdaMap(cda.load().library).map(read(data), SETTINGS))
        assert first == second, path.name


def test_only_a_signed_document_is_final() -> None:
    signed = '<authenticator><time value="2026"/><signatureCode code="S"/><assignedEntity><id root="1.9"/></assignedEntity></authenticator>'
    assert only(document(), "Composition")["status"] == "preliminary"
    assert only(document(head=signed), "Composition")["status"] == "final"


def test_a_pdf_body_stands_inline(samples: Path) -> None:
    outcome = mapped((samples / "cda" / "ccda_pdf_body.xml").read_bytes())
    reference = only(outcome, "DocumentReference")
    attachment = reference["content"][0]["attachment"]
    assert attachment["contentType"] == "application/pdf"
    assert attachment["data"].startswith("JVBERi0xLjQ")
    assert only(outcome, "Composition")["section"][0]["entry"] == [
        {"reference": f"DocumentReference/{reference['id']}"}
    ]


def test_a_refused_vaccine_is_not_done_and_a_planned_colonoscopy_is_no_procedure(samples: Path) -> None:
    outcome = mapped((samples / "cda" / "ccda_refused_vaccine.xml").read_bytes())
    by_code = {each["vaccineCode"]["coding"][0]["code"]: each for each in resources(outcome, "Immunization")}
    assert by_code["150"]["status"] == "completed"
    assert by_code["121"]["status"] == "not-done"
    assert by_code["121"]["statusReason"]["coding"][0]["code"] == "PATOBJ"
    assert [each["code"]["coding"][0]["display"] for each in resources(outcome, "Procedure")] == ["Appendectomy"]
    assert not resources(outcome, "Condition"), "the father's infarction is not the patient's"
    assert "13.20" in bundle(outcome, SETTINGS.base).decode()


def test_no_known_allergies_and_a_denied_problem(samples: Path) -> None:
    outcome = mapped((samples / "cda" / "ccda_no_known_allergies.xml").read_bytes())
    assert only(outcome, "AllergyIntolerance")["code"]["coding"][0]["code"] == "716186003"
    conditions = {each["code"]["coding"][0]["code"]: each for each in resources(outcome, "Condition")}
    assert conditions["73211009"]["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert "verificationStatus" not in conditions["38341003"]
    assert conditions["38341003"]["code"]["text"] == "High blood pressure"
    composition = only(outcome, "Composition")
    assert composition["relatesTo"][0]["code"] == "replaces"
    assert only(outcome, "Patient")["_birthDate"]["extension"][0]["valueDateTime"] == "1955-11-30T14:25:00-05:00"


def test_narrative_only(samples: Path) -> None:
    outcome = mapped((samples / "cda" / "ccda_narrative_only.xml").read_bytes())
    assert outcome.status == "ok"
    sections = only(outcome, "Composition")["section"]
    assert [each["title"] for each in sections] == ["Subjective", "Physical Findings", "Assessment and Plan"]
    assert "three weeks" in sections[0]["text"]["div"]
    assert sections[1]["section"][0]["title"] == "General status"


def test_a_document_about_several_patients_is_refused() -> None:
    other = '<recordTarget><patientRole><id root="1.2.3" extension="P2"/></patientRole></recordTarget>'
    one = '<recordTarget><patientRole><id root="1.2.3" extension="P1"/></patientRole></recordTarget>'
    with pytest.raises(CdaError):
        mapped(document(head=one + other))
    assert len(resources(document(head=one + one), "Patient")) == 1


def test_versions_of_a_document_are_one_composition() -> None:
    ids = set()
    for number in (1, 2):
        data = document(head=f'<setId root="1.9" extension="S"/><versionNumber value="{number}"/>')
        ids.add(only(data.replace(b'"D1"', f'"D{number}"'.encode()), "Composition")["id"])
    assert len(ids) == 1


def test_the_outcome_crosses_processes() -> None:
    outcome = mapped(document(section(text="<paragraph>a</paragraph>")))
    assert Mapped.from_bytes(outcome.to_bytes()) == outcome


def test_explain_names_element_source_and_rule() -> None:
    lines = cda.load().explain(read(document()), SETTINGS)
    assert any(
        "Patient.name" in line and "recordTarget[1]" in line and "documents/Patient.yaml:" in line for line in lines
    ) or any("HumanName.family" in line and "datatypes/PN.yaml:" in line for line in lines)


def test_header(samples: Path) -> None:
    outcome = mapped((samples / "cda" / "ccda_refused_vaccine.xml").read_bytes())
    composition = only(outcome, "Composition")
    for name in ("author", "attester", "custodian", "event", "encounter", "title", "date", "type", "language"):
        assert name in composition, name
    kinds = {each["resourceType"] for each in resources(outcome)}
    assert {
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "RelatedPerson",
        "Encounter",
        "Location",
    } <= kinds
    (encounter,) = resources(outcome, "Encounter")  # header and section speak of the same visit
    assert encounter["status"] == "finished"
    prov = resources(outcome)[-1]
    assert len(prov["target"]) == len(outcome.changes) - 1


def test_a_chinese_admission_record_by_data_element_codes(samples: Path) -> None:
    """WS/T 500 in GB18030: header, sections, entries by DE code; a denied allergy is no allergy."""
    outcome = mapped((samples / "cda" / "wst500_admission_record.xml").read_bytes())
    assert not resources(outcome, "AllergyIntolerance")
    made = {each["code"]["coding"][0]["code"]: each for each in resources(outcome, "Observation")}
    assert made["DE02.10.023.00"]["valueBoolean"] is False
    assert made["DE04.10.118.00"]["valueQuantity"] == {
        "value": 84,
        "unit": "次/min",
        "code": "/min",
        "system": "http://unitsofmeasure.org",
    }
    assert made["DE04.10.174.00"]["valueQuantity"]["value"] == 132
    assert made["DE04.01.119.00"]["valueString"] == "咳嗽三天"
    condition = only(outcome, "Condition")
    assert condition["code"]["coding"][0] == {
        "code": "J20.900",
        "system": "urn:oid:2.16.156.10011.2.3.3.11",
        "display": "急性支气管炎",
    }
    assert condition["code"]["text"] == "急性支气管炎"
    patient = only(outcome, "Patient")
    assert (patient["gender"], patient["name"][0]["text"], patient["address"][0]["city"]) == (
        "male",
        "测试 ZZTEST 明",
        "测试市",
    )
    assert "DE06.00.298.00" not in made, "a plan is no finding"
    assert any("DE06.00.298.00" in issue.text for issue in outcome.issues)
    assert len(only(outcome, "Composition")["section"]) == 8


def test_at_least_sixty_data_elements_have_a_map() -> None:
    table = cda.load().library.table("DataElements")
    assert table is not None
    assert len(table.rows) >= 60


def test_a_section_alone_makes_no_allergy_and_no_problem() -> None:
    flag = '<observation classCode="OBS" moodCode="EVN"><code code="X" codeSystem="1.2.3"/><statusCode code="completed"/><value xsi:type="BL" value="false"/></observation>'
    for loinc in ("48765-2", "11450-4"):
        outcome = mapped(document(section(flag, loinc=loinc)))
        assert not resources(outcome, "AllergyIntolerance")
        assert not resources(outcome, "Condition")
        assert any(issue.code == "not-supported" for issue in outcome.issues)
