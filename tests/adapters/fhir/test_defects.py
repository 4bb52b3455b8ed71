"""Each of thirty kinds of defect is found at its place, what is valid is let through, levels do what they say."""

from __future__ import annotations

import pytest

from adapters.fhir import DuplicateKey, decode, encode, is_valid, operation_outcome, validate
from tests.adapters.fhir.defects import DEFECTS, VALID, Defect, codes, units
from tests.adapters.fhir.samples import Resource

FULL_ONLY = {"07", "08", "12", "13", "14", "16", "20", "21", "23", "24"}
"""Constraints, narratives, profiles, known codes and units are what level full adds."""


@pytest.mark.parametrize("resource", VALID.values(), ids=VALID)
def test_what_is_valid_is_let_through(resource: Resource) -> None:
    assert validate(decode(encode(resource)), units=units, codes=codes) == []
    assert validate(resource, "structure") == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_found_at_its_place(defect: Defect) -> None:
    changed = decode(encode(defect.resource))
    found = validate(changed, units=units, codes=codes)
    assert ("error", defect.code, defect.expression) in [(f.severity, f.code, f.expression) for f in found]
    assert is_valid(validate(changed, "structure")) is (defect.name[:2] in FULL_ONLY)


@pytest.mark.parametrize("defect", [each for each in DEFECTS if each.name[:2] in {"21", "24"}])
def test_units_and_foreign_codes_need_a_look_up(defect: Defect) -> None:
    assert validate(defect.resource) == []


def test_a_duplicate_key_is_refused_by_the_reader() -> None:
    with pytest.raises(DuplicateKey):
        decode(b'{"resourceType": "Patient", "gender": "male", "gender": "female"}')


def test_findings_become_an_outcome_that_is_valid_itself() -> None:
    for defect in DEFECTS:
        findings = validate(defect.resource)
        outcome = operation_outcome(findings)
        assert validate(outcome) == []
        assert [issue["expression"] for issue in outcome["issue"] if "expression" in issue] == [
            [finding.expression] for finding in findings
        ]
    assert operation_outcome([])["issue"][0]["severity"] == "information"


def test_a_display_that_is_not_the_codes_is_a_warning() -> None:
    glucose = VALID["observation"]
    coding = {**glucose["code"]["coding"][0], "display": "Sodium"}
    found = validate({**glucose, "code": {"coding": [coding]}}, codes=codes)
    assert [(f.severity, f.expression) for f in found] == [("warning", "Observation.code.coding[0].display")]
    coding["display"] = "glucose [mass/volume]  in serum or plasma"
    assert validate({**glucose, "code": {"coding": [coding]}}, codes=codes) == []


def test_another_edition_of_a_system_and_a_table_of_v2_may_hold_more() -> None:
    patient = VALID["patient"]
    for coding in (
        {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "version": "9", "code": "QQ"},
        {"system": "http://terminology.hl7.org/CodeSystem/v2-0002", "code": "QQ"},
    ):
        found = validate({**patient, "maritalStatus": {"coding": [coding]}})
        assert [f.severity for f in found] == ["warning"]
