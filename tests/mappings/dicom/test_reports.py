"""Structured reports and encapsulated documents: what is said becomes a resource, and nothing more is claimed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydicom import Dataset

from tests.mappings.dicom.made import code, image, item, mapped, resources

FINDING, IMPRESSION = code("121071", "DCM", "Finding"), code("121073", "DCM", "Impression")
LENGTH = code("410668003", "SCT", "Length")
MM = code("mm", "UCUM", "millimeter")


def node(kind: str, concept: Dataset | None, relation: str = "CONTAINS", **values: Any) -> Dataset:
    named = {} if concept is None else {"ConceptNameCodeSequence": [concept]}
    return item(RelationshipType=relation, ValueType=kind, **named, **values)


def number(value: str, unit: Dataset = MM, **values: Any) -> Dataset:
    measured = item(NumericValue=value, MeasurementUnitsCodeSequence=[unit])
    return node("NUM", LENGTH, MeasuredValueSequence=[measured], **values)


def report(*content: Dataset, **values: Any) -> Dataset:
    usual: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33",
        "Modality": "SR",
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": [code("18748-4", "LN", "Diagnostic imaging study")],
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "VERIFIED",
        "ContentDate": "20260102",
        "ContentTime": "030405",
        "ContentSequence": list(content),
    }
    return image(**(usual | values))


@pytest.mark.parametrize(
    ("completion", "verification", "status", "observations"),
    [
        ("COMPLETE", "VERIFIED", "final", "final"),
        ("COMPLETE", "UNVERIFIED", "preliminary", "preliminary"),
        ("PARTIAL", "UNVERIFIED", "partial", "preliminary"),
        ("PARTIAL", "VERIFIED", "partial", "preliminary"),
        (None, "VERIFIED", "unknown", "unknown"),  # never final without both
        ("COMPLETE", None, "unknown", "unknown"),
    ],
)
def test_status(completion: str | None, verification: str | None, status: str, observations: str) -> None:
    found = resources(report(number("3.10"), CompletionFlag=completion, VerificationFlag=verification))
    assert found["DiagnosticReport"][0]["status"] == status
    assert found["Observation"][0]["status"] == observations


def test_text_under_a_heading_and_a_conclusion() -> None:
    content = node(
        "CONTAINER", code("121070", "DCM", "Findings"), ContentSequence=[node("TEXT", FINDING, TextValue="a nodule")]
    )
    found = resources(report(content, node("TEXT", IMPRESSION, TextValue="benign"), AccessionNumber="A1"))
    [made], [observation] = found["DiagnosticReport"], found["Observation"]
    assert made["conclusion"] == "benign"
    assert made["result"] == [{"reference": f"Observation/{observation['id']}"}]
    assert made["imagingStudy"] == [{"reference": f"ImagingStudy/{found['ImagingStudy'][0]['id']}"}]
    assert made["basedOn"] == [{"reference": f"ServiceRequest/{found['ServiceRequest'][0]['id']}"}]
    assert made["effectiveDateTime"] == "2026-01-02T03:04:05+01:00"
    assert observation["valueString"] == "a nodule"
    assert observation["category"][0]["coding"][0]["code"] == "121070"
    text = base64.b64decode(made["presentedForm"][0]["data"]).decode()
    assert text == "Findings\n  Finding: a nodule\nImpression: benign"


def test_numbers_keep_their_digits_and_units_their_meaning() -> None:
    [made] = resources(report(number("13.20")))["Observation"]
    assert str(made["valueQuantity"]["value"]) == "13.20"
    assert made["valueQuantity"] | {"value": 0} == {
        "value": 0,
        "unit": "millimeter",
        "system": "http://unitsofmeasure.org",
        "code": "mm",
    }
    [made] = resources(report(number("5", code("mGycm", "UCUM", "mGycm"))))["Observation"]
    assert made["valueQuantity"]["code"] == "mGy.cm"
    [made] = resources(report(number("5", code("furlong", "99ZZ", "furlong"))))["Observation"]
    assert "code" not in made["valueQuantity"]


def test_no_number_is_a_reason_and_never_a_number() -> None:
    qualifier = [code("114000", "DCM", "Not a number")]
    [made] = resources(report(node("NUM", LENGTH, NumericValueQualifierCodeSequence=qualifier)))["Observation"]
    assert "valueQuantity" not in made
    assert made["dataAbsentReason"]["coding"][0]["code"] == "not-a-number"


def test_modifiers_are_components_and_images_are_sources() -> None:
    site = node(
        "CODE",
        code("363698007", "SCT", "Finding Site"),
        "HAS CONCEPT MOD",
        ConceptCodeSequence=[code("39607008", "SCT", "Lung")],
    )
    source = node(
        "IMAGE",
        None,
        "INFERRED FROM",
        ReferencedSOPSequence=[item(ReferencedSOPClassUID="1.2.3", ReferencedSOPInstanceUID="1.2.4")],
    )
    [made] = resources(report(number("3", ContentSequence=[site, source])))["Observation"]
    [component] = made["component"]
    assert component["code"]["coding"][0]["code"] == "363698007"
    assert component["valueCodeableConcept"]["coding"][0]["code"] == "39607008"
    assert made["derivedFrom"][0]["identifier"]["value"] == "urn:oid:1.2.4"


def test_a_measurement_group_has_members() -> None:
    group = node("CONTAINER", code("125007", "DCM", "Measurement Group"), ContentSequence=[number("1"), number("2")])
    found = resources(report(group))
    [made] = found["DiagnosticReport"]
    assert len(made["result"]) == 1
    whole = next(each for each in found["Observation"] if "hasMember" in each)
    assert len(whole["hasMember"]) == 2
    assert len(found["Observation"]) == 3


def test_a_key_object_note_is_no_report() -> None:
    assert "DiagnosticReport" not in resources(report(node("TEXT", FINDING, TextValue="x"), Modality="KO"))


def test_every_leaf_of_a_report_is_accounted_for() -> None:
    said = mapped(
        report(number("1"), node("TEXT", FINDING, TextValue="x"), node("SCOORD", FINDING, GraphicType="POINT"))
    )
    assert ("0040A730[3].00700023", "no-rule") in said.residue
    assert not [path for path, _ in said.residue if path.startswith(("0040A730[1]", "0040A730[2]"))]


def document(data: bytes, **values: Any) -> Dataset:
    usual: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1",
        "Modality": "DOC",
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "DocumentTitle": "Report",
        "ContentDate": "20260102",
        "ContentTime": "030405",
        "VerificationFlag": "VERIFIED",
        "EncapsulatedDocument": data,
    }
    return image(**(usual | values))


@pytest.mark.parametrize(
    ("data", "values", "expected"),
    [
        (b"%PDF-1.4 xy", {}, b"%PDF-1.4 xy"),
        (b"%PDF-1.4 xy", {"EncapsulatedDocumentLength": 11}, b"%PDF-1.4 xy"),
        (b"%PDF-1.4 \0\0\0", {"EncapsulatedDocumentLength": 10}, b"%PDF-1.4 \0"),
    ],
)
def test_a_document_is_cut_to_its_length(data: bytes, values: dict[str, Any], expected: bytes) -> None:
    found = resources(document(data, **values))
    [made] = found["DocumentReference"]
    attachment = made["content"][0]["attachment"]
    assert base64.b64decode(attachment["data"]) == expected
    assert (attachment["contentType"], attachment["size"]) == ("application/pdf", len(expected))
    assert made["docStatus"] == "final"
    assert made["date"] == "2026-01-02T03:04:05+01:00"
    assert made["context"]["related"] == [{"reference": f"ImagingStudy/{found['ImagingStudy'][0]['id']}"}]
    assert ("00420011", "no-rule") not in mapped(document(data, **values)).residue
