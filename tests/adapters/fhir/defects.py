"""Thirty kinds of defect that a FHIR R4 validator should find, each in an otherwise valid resource; six valid ones."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.adapters.fhir.samples import Resource, concept, reference
from tests.adapters.fhir.test_faults import Change, drop, put

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
_DIV = 'xmlns="http://www.w3.org/1999/xhtml"'
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def units(text: str) -> bool:
    """A small stand-in for UCUM."""
    return text in {"mg/dL", "mm[Hg]", "kg", "/min"}


def codes(system: str, code: str) -> frozenset[str] | None:
    """A small stand-in for a LOINC release that is held whole."""
    held = {
        "2345-7": "Glucose [Mass/volume] in Serum or Plasma",
        "85354-9": "Blood pressure panel with all children optional",
        "8480-6": "Systolic blood pressure",
        "8462-4": "Diastolic blood pressure",
    }
    if system != LOINC:
        return None
    return frozenset({held[code]}) if code in held else frozenset()


PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p1",
    "text": {"status": "generated", "div": f"<div {_DIV}><p>Anna</p></div>"},
    "identifier": [{"system": "urn:oid:1.2.3", "value": "1"}],
    "name": [{"family": "ZZTEST", "given": ["Anna"]}],
    "gender": "female",
    "birthDate": "1980-02-29",
    "maritalStatus": concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M"),
    "contact": [{"name": {"text": "Otto"}, "period": {"start": "2020", "end": "2021"}}],
    "photo": [{"contentType": "image/png", "data": "AAAA", "size": 3}],
}
GLUCOSE: Resource = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": concept(LOINC, "2345-7"),
    "subject": reference("Patient/p1"),
    "effectiveDateTime": "2024-02-29T08:00:00+01:00",
    "valueQuantity": {"value": Decimal("13.20"), "unit": "mg/dL", "system": UCUM, "code": "mg/dL"},
}


def _component(code: str, value: int) -> Resource:
    return {
        "code": concept(LOINC, code),
        "valueQuantity": {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
    }


PRESSURE: Resource = {
    "resourceType": "Observation",
    "id": "bp1",
    "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]},
    "status": "final",
    "category": [concept(_CATEGORY, "vital-signs")],
    "code": concept(LOINC, "85354-9"),
    "subject": reference("Patient/p1"),
    "effectiveDateTime": "2024-02-29",
    "component": [_component("8480-6", 120), _component("8462-4", 80)],
}
REQUEST: Resource = {
    "resourceType": "MedicationRequest",
    "status": "active",
    "intent": "order",
    "subject": reference("Patient/p1"),
    "medicationCodeableConcept": {"text": "aspirin"},
}
TRANSACTION: Resource = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "resource": {key: value for key, value in PATIENT.items() if key != "id"},
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239521",
            "resource": {key: value for key, value in GLUCOSE.items() if key != "id"}
            | {"subject": reference("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")},
            "request": {"method": "POST", "url": "Observation"},
        },
    ],
}
PARAMETERS: Resource = {"resourceType": "Parameters", "parameter": [{"name": "n", "valueUnsignedInt": 1}]}

VALID: dict[str, Resource] = {
    "patient": PATIENT,
    "observation": GLUCOSE,
    "blood pressure": PRESSURE,
    "prescription": REQUEST,
    "transaction": TRANSACTION,
    "parameters": PARAMETERS,
}


@dataclass(frozen=True, slots=True)
class Defect:
    """One kind of defect: what is changed, and the finding that must be among those made, at its place."""

    name: str
    base: Resource
    change: Change
    code: str
    expression: str

    @property
    def resource(self) -> Resource:
        changed = deepcopy(self.base)
        self.change(changed)
        return changed


def _move(name: str, other: str) -> Change:
    def change(changed: Resource) -> None:
        changed[other] = changed.pop(name)

    return change


def _script(changed: Resource) -> None:
    changed["text"]["div"] = f"<div {_DIV}><script>x()</script></div>"


def _r5(changed: Resource) -> None:
    changed["medication"] = {"concept": changed.pop("medicationCodeableConcept")}


_ORPHAN: Any = [{"resourceType": "Organization", "id": "o", "name": "x"}]
_OBS = "Bundle.entry[1]"
_Rows = list[tuple[str, Resource, Callable[[Resource], None], str, str]]
_ROWS: _Rows = [
    ("01 gender M (required code)", PATIENT, put("gender", "M"), "code-invalid", "Patient.gender"),
    ("02 a day that does not exist", PATIENT, put("birthDate", "1980-13-45"), "value", "Patient.birthDate"),
    ("03 status missing", GLUCOSE, drop("status"), "required", "Observation.status"),
    ("04 unknown property", PATIENT, put("species", "x"), "structure", "Patient.species"),
    ("05 object where array", PATIENT, put("name", {"text": "x"}), "structure", "Patient.name"),
    ("06 two types of a choice", GLUCOSE, put("valueString", "x"), "structure", "Observation.value"),
    ("07 obs-6", GLUCOSE, put("dataAbsentReason", {"text": "x"}), "invariant", "Observation"),
    ("08 pat-1", PATIENT, drop("contact", 0, "name"), "invariant", "Patient.contact[0]"),
    (
        "09 reference to a wrong type",
        GLUCOSE,
        put("subject", reference("Medication/m")),
        "structure",
        "Observation.subject.reference",
    ),
    (
        "10 a fullUrl twice",
        TRANSACTION,
        put("entry", 1, "fullUrl", TRANSACTION["entry"][0]["fullUrl"]),
        "invariant",
        f"{_OBS}.fullUrl",
    ),
    (
        "11 dangling urn:uuid",
        TRANSACTION,
        put("entry", 1, "resource", "subject", reference("urn:uuid:c757873d-ec9a-4326-a141-556f43239529")),
        "not-found",
        f"{_OBS}.resource.subject.reference",
    ),
    ("12 script in the narrative", PATIENT, _script, "structure", "Patient.text.div"),
    ("13 blood pressure without diastolic", PRESSURE, drop("component", 1), "required", "Observation.component"),
    (
        "14 a code that is not in its system",
        PATIENT,
        put("maritalStatus", "coding", 0, "code", "QQ"),
        "code-invalid",
        "Patient.maritalStatus.coding[0].code",
    ),
    ("15 illegal id", PATIENT, put("id", "a_b c"), "value", "Patient.id"),
    (
        "16 period reversed",
        PATIENT,
        put("contact", 0, "period", "end", "2019"),
        "invariant",
        "Patient.contact[0].period",
    ),
    (
        "17 time without zone",
        GLUCOSE,
        put("effectiveDateTime", "2024-02-29T08:00:00"),
        "value",
        "Observation.effective",
    ),
    ("18 empty string", PATIENT, put("name", 0, "family", ""), "value", "Patient.name[0].family"),
    ("19 decimal as string", GLUCOSE, put("valueQuantity", "value", "13.2"), "value", "Observation.value.value"),
    ("20 contained and unused", PATIENT, put("contained", _ORPHAN), "invariant", "Patient.contained[0]"),
    (
        "21 bad UCUM code",
        GLUCOSE,
        put("valueQuantity", "code", "mg/dLx"),
        "code-invalid",
        "Observation.value.code",
    ),
    ("22 R5-shaped medication", REQUEST, _r5, "required", "MedicationRequest.medication"),
    ("23 code without system", GLUCOSE, drop("valueQuantity", "system"), "invariant", "Observation.value"),
    (
        "24 LOINC code that does not exist",
        GLUCOSE,
        put("code", "coding", 0, "code", "99999-9"),
        "code-invalid",
        "Observation.code.coding[0].code",
    ),
    # 25, a duplicate key, is bytes: see test_defects
    ("26 empty object", PATIENT, put("maritalStatus", {}), "invariant", "Patient.maritalStatus"),
    (
        "27 1.5 for unsignedInt",
        PARAMETERS,
        put("parameter", 0, "valueUnsignedInt", Decimal("1.5")),
        "value",
        "Parameters.parameter[0].value",
    ),
    ("28 bad base64", PATIENT, put("photo", 0, "data", "A*"), "value", "Patient.photo[0].data"),
    (
        "29 transaction entry without request",
        TRANSACTION,
        drop("entry", 1, "request"),
        "invariant",
        f"{_OBS}.request",
    ),
    ("30 valueMoney", GLUCOSE, _move("valueQuantity", "valueMoney"), "structure", "Observation.valueMoney"),
]
DEFECTS = [Defect(*row) for row in _ROWS]
