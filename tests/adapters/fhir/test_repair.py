"""What can't stand is taken out and listed; the rest stays as it was and is valid; what would lie without it falls."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import Finding, Repaired, repair, validate
from adapters.fhir.meaning import ABOUT, DECISIVE
from tests.adapters.fhir.defects import PRESSURE
from tests.adapters.fhir.mutations import KINDS, sites
from tests.adapters.fhir.samples import RESOURCES, Resource, concept, reference, resource
from tests.adapters.fhir.test_faults import FAULTS, Change, drop, put
from tests.adapters.fhir.test_mutations import JSON, PLACES, mutate

ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
LOST = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "error"}]}
UCUM = "http://unitsofmeasure.org"


def checked(changed: Resource) -> list[Finding]:
    return validate(changed, units=lambda text: text != "mg/dLx")


def repaired(changed: Resource) -> Repaired:
    return repair(changed, checked(changed), checked)


def both(*changes: Change) -> Change:
    def change(changed: Resource) -> None:
        for each in changes:
            each(changed)

    return change


QUANTITY: dict[str, Any] = {"value": Decimal("13.20"), "unit": "mg/dL", "system": UCUM, "code": "mg/dLx"}
DOSAGE = {
    "text": "one in the morning",
    "timing": {"code": {"text": "QAM"}},
    "doseAndRate": [{"doseQuantity": {"value": "1", "unit": "tablet"}}],
}

# type, fault, what the result is instead, where something was taken out, what is left there
CASES: list[tuple[str, Change, Change, str, str]] = [
    ("Patient", put("birthDate", "1980-13-45"), both(drop("birthDate"), drop("_birthDate")), "Patient.birthDate", ""),
    ("Patient", put("animal", {"x": 1}), both(), "Patient.animal", ""),
    ("Patient", put("gender", "M"), drop("gender"), "Patient.gender", ""),
    ("Patient", put("active", "yes"), both(drop("active"), put("_active", ABSENT)), "Patient.active", "absent"),
    (
        "Patient",
        put("deceasedDateTime", "2024-02-30"),
        both(drop("deceasedBoolean"), put("_deceasedDateTime", ABSENT)),
        "Patient.deceased",
        "absent",
    ),
    ("Patient", put("identifier", 0, "system", "urn: x"), drop("identifier"), "Patient.identifier[0]", ""),
    ("Observation", put("status", "banana"), put("status", "unknown"), "Observation.status", "unknown"),
    ("Observation", drop("status"), put("status", "unknown"), "Observation.status", "unknown"),
    (
        "Observation",
        put("valueQuantity", "comparator", "about"),
        both(drop("valueQuantity"), put("dataAbsentReason", LOST)),
        "Observation.value",
        "",
    ),
    (
        "Observation",
        put("valueQuantity", QUANTITY),
        put("valueQuantity", {"value": Decimal("13.20"), "unit": "mg/dL"}),
        "Observation.value.code",
        "text",
    ),
    (
        "Observation",
        put("performer", [{"reference": "Medication/x", "display": "Dr. X"}]),
        put("performer", [{"display": "Dr. X"}]),
        "Observation.performer[0].reference",
        "text",
    ),
    (
        "Observation",
        both(put("meta", {"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]})),
        both(),
        "Observation.meta.profile",
        "",
    ),
    (
        "DocumentReference",
        put("content", 0, "attachment", "data", "A"),
        put("content", 0, "attachment", ABSENT),
        "DocumentReference.content[0].attachment",
        "absent",
    ),
]


@pytest.mark.parametrize(("name", "fault", "wanted", "expression", "left"), CASES, ids=[case[3] for case in CASES])
def test_a_field_falls_and_the_record_stands(
    name: str, fault: Change, wanted: Change, expression: str, left: str
) -> None:
    changed, instead = resource(name), resource(name)
    if expression == "Patient.deceased":
        changed.pop("deceasedBoolean")
    fault(changed)
    wanted(instead)
    result = repaired(changed)
    assert result.resource == instead
    assert (expression, left) in [(each.expression, each.left) for each in result.removed]


FALLEN: list[tuple[str, Change, str]] = [
    ("Observation", put("subject", reference("Medication/m")), "Observation.subject.reference"),
    ("Observation", drop("code"), "Observation.code"),
    ("Observation", put("code", {"coding": [{"system": "urn: x", "code": "1"}]}), "Observation.code.coding[0].system"),
    ("Condition", put("verificationStatus", concept("urn:x", "sure")), "Condition.verificationStatus"),
    ("ServiceRequest", put("doNotPerform", "true"), "ServiceRequest.doNotPerform"),
    ("AllergyIntolerance", drop("clinicalStatus"), "AllergyIntolerance"),
    ("Patient", put("modifierExtension", [{"url": "urn:x"}]), "Patient.modifierExtension[0]"),
    ("Patient", put("implicitRules", 5), "Patient.implicitRules"),
    ("Patient", put("resourceType", "Animal"), "Resource"),
]


@pytest.mark.parametrize(("name", "fault", "expression"), FALLEN, ids=[case[2] for case in FALLEN])
def test_what_would_say_something_else_falls_whole(name: str, fault: Change, expression: str) -> None:
    changed = resource(name)
    fault(changed)
    result = repaired(changed)
    assert result.resource is None
    assert expression in [finding.expression for finding in result.findings]


def test_a_code_becomes_words() -> None:
    changed = resource("Observation")
    changed["code"] = {"coding": [{"system": "urn: x", "code": "1", "display": "Sodium"}]}
    result = repaired(changed)
    assert result.resource is not None
    assert result.resource["code"] == {"text": "Sodium"}
    assert [each.left for each in result.removed] == ["text"]


def test_dose_and_timing_fall_together_to_text() -> None:
    prescription: Resource = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": reference("Patient/p"),
        "medicationCodeableConcept": {"text": "x"},
        "dosageInstruction": [deepcopy(DOSAGE), {"text": "two at night"}],
    }
    result = repaired(prescription)
    assert result.resource is not None
    assert result.resource["dosageInstruction"] == [{"text": "one in the morning"}, {"text": "two at night"}]


def test_site_and_side_fall_together() -> None:
    changed = resource("ServiceRequest")
    changed["bodySite"] = [{"text": "knee"}, {"coding": [{"code": ""}]}]
    result = repaired(changed)
    assert result.resource is not None
    assert "bodySite" not in result.resource


def test_a_valid_resource_is_given_back_as_it_is() -> None:
    valid = resource("Patient")
    result = repair(valid, checked(valid), checked)
    assert result.resource is valid
    assert result.removed == ()


def _mutated(data: st.DataObject) -> Resource:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    return mutate(kind, *data.draw(st.sampled_from(PLACES[kind])))[0]


@given(st.data())
def test_a_mutated_resource_stands_valid_and_listed_or_falls_for_a_reason(data: st.DataObject) -> None:
    changed = _mutated(data)
    before = deepcopy(changed)
    result = repaired(changed)
    assert changed == before
    if result.resource is None:
        assert {_root_member(finding.expression) for finding in result.findings} & (DECISIVE | ABOUT | {""})
        return
    assert [finding for finding in checked(result.resource) if finding.severity == "error"] == []
    assert result.removed
    fallen = {_root_member(each.expression) for each in result.removed}
    for name, value in before.items():
        if name.removeprefix("_") not in fallen and not _is_choice_of(name, fallen):
            assert result.resource.get(name) == value


@given(st.data())
def test_any_value_at_any_place_is_taken_out_or_fells(data: st.DataObject) -> None:
    changed = deepcopy(data.draw(st.sampled_from([*RESOURCES, PRESSURE])))
    site = data.draw(st.sampled_from(sites(changed)))
    site.owner[site.key] = data.draw(JSON)
    before = deepcopy(changed)
    result = repaired(changed)
    assert changed == before
    assert result.resource is None or not [f for f in checked(result.resource) if f.severity == "error"]


def _root_member(expression: str) -> str:
    return expression.partition(".")[2].partition(".")[0].partition("[")[0]


def _is_choice_of(name: str, fallen: set[str]) -> bool:
    return any(name.removeprefix("_").startswith(each) for each in fallen)


@pytest.mark.parametrize(("name", "change"), [(name, change) for name, change, _, _ in FAULTS])
def test_every_seeded_fault_is_taken_out_or_fells(name: str, change: Change) -> None:
    changed = resource(name)
    change(changed)
    result = repaired(changed)
    assert result.resource is None or not [f for f in checked(result.resource) if f.severity == "error"]
