"""The vital signs profiles of R4 where a resource claims them: what conforms, and each demand that is not met."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from adapters.fhir import Finding, definitions, validate
from adapters.fhir.definitions import Definitions
from tests.adapters.fhir.defects import PRESSURE, UCUM
from tests.adapters.fhir.samples import Resource, concept, reference
from tests.adapters.fhir.test_faults import Change, drop, put

HL7 = "http://hl7.org/fhir/StructureDefinition/"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
FAMILY = ["bmi", "bodyheight", "bodytemp", "bodyweight", "bp", "headcircum", "heartrate", "oxygensat", "resprate"]
FAMILY += ["vitalsigns", "vitalspanel"]

WEIGHT: Resource = {
    "resourceType": "Observation",
    "meta": {"profile": [HL7 + "bodyweight"]},
    "status": "final",
    "category": [concept("urn:own", "nursing"), concept(CATEGORY, "vital-signs")],
    "code": {"coding": [{"system": "urn:own", "code": "wt"}, {"system": "http://loinc.org", "code": "29463-7"}]},
    "subject": reference("Patient/p"),
    "effectivePeriod": {"start": "2024-02-29"},
    "valueQuantity": {"value": 70, "unit": "kg", "system": UCUM, "code": "kg"},
}


def test_the_family_and_r4s_own_extensions_are_there() -> None:
    table = definitions()
    profiles = [found for url in table.profiles if (found := table.profile(url)) is not None]
    assert {profile.url for profile in profiles if profile.type != "Extension"} == {HL7 + name for name in FAMILY}
    assert len([profile for profile in profiles if profile.type == "Extension"]) == 393


def test_an_extension_of_r4_is_held_against_its_definition_wherever_it_stands() -> None:
    place = {"url": HL7 + "patient-birthPlace", "valueAddress": {"city": "x"}}
    patient: Resource = {"resourceType": "Patient", "extension": [place]}
    assert validate(patient) == []
    del place["valueAddress"]
    place["valueString"] = "x"
    assert [(f.code, f.expression) for f in validate(patient)] == [("structure", "Patient.extension[0].value")]
    assert validate(patient, "structure") == []
    nested: Resource = {"url": HL7 + "patient-citizenship", "extension": [{"url": "period", "valueString": "x"}]}
    found = validate({"resourceType": "Patient", "extension": [nested]})
    assert [f.expression for f in found] == ["Patient.extension[0].extension[0].value"]


@pytest.mark.parametrize("resource", [WEIGHT, PRESSURE], ids=["weight", "pressure"])
def test_what_conforms_is_clean(resource: Resource) -> None:
    assert validate(resource) == []


FAULTS: list[tuple[Resource, Change, str, str]] = [
    (WEIGHT, drop("category", 1), "required", "Observation.category"),
    (WEIGHT, drop("category"), "required", "Observation.category"),
    (WEIGHT, put("code", "coding", 1, "code", "29463-8"), "required", "Observation.code.coding"),
    (WEIGHT, drop("subject"), "required", "Observation.subject"),
    (WEIGHT, put("subject", reference("Group/g")), "structure", "Observation.subject.reference"),
    (WEIGHT, drop("effectivePeriod"), "required", "Observation.effective"),
    (WEIGHT, drop("valueQuantity", "value"), "required", "Observation.value.value"),
    (WEIGHT, drop("valueQuantity", "unit"), "required", "Observation.value.unit"),
    (WEIGHT, put("valueQuantity", "system", "urn:x"), "value", "Observation.value.system"),
    (WEIGHT, put("valueQuantity", "code", "t"), "code-invalid", "Observation.value.code"),
    (WEIGHT, drop("valueQuantity"), "invariant", "Observation"),
    (WEIGHT, put("component", [{"code": {"text": "x"}}]), "invariant", "Observation.component[0]"),
    (PRESSURE, drop("component", 0), "required", "Observation.component"),
    (PRESSURE, put("component", 0, "valueQuantity", "code", "kPa"), "value", "Observation.component[0].value.code"),
    (PRESSURE, put("valueQuantity", {"value": 1}), "structure", "Observation.value"),
    (PRESSURE, put("effectiveDateTime", "2024"), "invariant", "Observation.effective"),
]


@pytest.mark.parametrize(("resource", "change", "code", "expression"), FAULTS, ids=[row[3] for row in FAULTS])
def test_a_demand_that_is_not_met_is_named_at_its_place(
    resource: Resource, change: Change, code: str, expression: str
) -> None:
    changed = deepcopy(resource)
    change(changed)
    found = validate(changed)
    assert (code, expression) in [(f.code, f.expression) for f in found]
    assert all(f.profile for f in found)


def test_without_the_claim_nothing_is_demanded() -> None:
    changed = deepcopy(PRESSURE)
    del changed["meta"], changed["component"][1]
    assert validate(changed) == []


def test_a_claim_counts_wherever_the_resource_stands() -> None:
    changed = deepcopy(PRESSURE)
    del changed["component"][1], changed["id"]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": changed}]}
    assert "Bundle.entry[0].resource.component" in [f.expression for f in validate(bundle)]


def test_an_unknown_profile_is_said_not_to_be_checked() -> None:
    changed = deepcopy(WEIGHT) | {"meta": {"profile": ["urn:x", HL7 + "Observation"]}}
    assert validate(changed) == [
        Finding(
            "information",
            "not-supported",
            "Observation.meta.profile[0]",
            "this profile is not known here and was not checked",
        )
    ]


# slicing by other discriminators than those of the vital signs, as guides use them


def table_of(*rows: tuple[str, dict[str, Any]], kind: str = "Bundle") -> Definitions:
    from adapters.fhir import encode
    from adapters.fhir.definitions import table_bytes

    content = {
        "source": "x",
        "profiles": {"urn:p": {"type": kind, "base": HL7 + kind, "rows": [list(row) for row in rows]}},
    }
    return Definitions(table_bytes(), [encode(content)])


def sliced(by: list[list[str]], rules: str = "closed") -> dict[str, Any]:
    return {"slicing": {"by": by, "rules": rules}}


PATIENT_ENTRY = {"resource": {"resourceType": "Patient", "name": [{"text": "x"}]}}
BASIC_ENTRY = {"resource": {"resourceType": "Basic", "code": {"text": "x"}}}


def bundle(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "meta": {"profile": ["urn:p"]}, "entry": list(entries)}


def test_slices_by_type() -> None:
    table = table_of(
        ("entry", sliced([["type", "resource"]])),
        ("entry:patient", {"slice": "patient", "min": 1, "max": 1}),
        ("entry:patient.resource", {"types": {"Patient": []}}),
    )
    assert validate(bundle(PATIENT_ENTRY), table=table) == []
    assert [f.code for f in validate(bundle(PATIENT_ENTRY, BASIC_ENTRY), table=table)] == ["structure"]
    assert [f.code for f in validate(bundle(PATIENT_ENTRY, PATIENT_ENTRY), table=table)] == ["structure"]


def test_slices_by_the_type_that_a_reference_names() -> None:
    table = table_of(
        ("generalPractitioner", sliced([["type", "resolve()"]])),
        ("generalPractitioner:one", {"slice": "one", "max": 1, "types": {"Reference": [HL7 + "Practitioner"]}}),
        kind="Patient",
    )
    patient = {"resourceType": "Patient", "meta": {"profile": ["urn:p"]}}
    doctors = [reference("Practitioner/1"), reference("Practitioner/2"), reference("Organization/1")]
    assert validate(patient | {"generalPractitioner": doctors[:1]}, table=table) == []
    assert len(validate(patient | {"generalPractitioner": doctors[:2]}, table=table)) == 1
    assert [f.expression for f in validate(patient | {"generalPractitioner": doctors[1:]}, table=table)] == [
        "Patient.generalPractitioner[1]"
    ]


def test_slices_by_existence_and_by_a_pattern_above() -> None:
    table = table_of(
        ("telecom", sliced([["exists", "period"]])),
        ("telecom:past", {"slice": "past", "max": 1}),
        ("telecom:past.period", {"min": 1}),
        ("identifier", sliced([["value", "type.coding.code"]], "open")),
        ("identifier:mr", {"slice": "mr", "min": 1}),
        ("identifier:mr.type", {"pattern": {"coding": [{"code": "MR"}]}}),
        kind="Patient",
    )
    number = {"type": {"coding": [{"code": "MR"}]}, "value": "1"}
    old = {"system": "phone", "value": "1", "period": {"end": "2020"}}
    patient = {"resourceType": "Patient", "meta": {"profile": ["urn:p"]}, "identifier": [number], "telecom": [old]}
    assert validate(patient, table=table) == []
    assert [f.code for f in validate(patient | {"telecom": [old, old]}, table=table)] == ["structure"]
    assert [f.code for f in validate(patient | {"identifier": [{"value": "1"}]}, table=table)] == ["required"]


def test_a_slicing_that_cannot_be_told_is_left_alone() -> None:
    table = table_of(
        ("entry", sliced([["profile", "resource"]])),
        ("entry:a", {"slice": "a", "min": 1}),
        ("entry:a.resource", {"profiles": ["urn:not-here"]}),
    )
    assert validate(bundle(PATIENT_ENTRY), table=table) == []
