"""One valid, well-filled resource of each type that the maps emit, made up by hand; and a transaction of them."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]

BASE = "https://tabellion.example/fhir"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


def concept(system: str, code: str, text: str | None = None) -> Resource:
    found: Resource = {"coding": [{"system": system, "code": code}]}
    return found if text is None else {**found, "text": text}


def reference(target: str) -> Resource:
    return {"reference": target}


def identifier(value: str) -> Resource:
    return {"system": "urn:oid:2.16.840.1.113883.19.5", "value": value}


RESOURCES: list[Resource] = [
    {
        "resourceType": "MessageHeader",
        "id": "header",
        "eventCoding": {"system": f"{TERMINOLOGY}/v2-0003", "code": "A01"},
        "destination": [{"name": "REC", "endpoint": "urn:x-mllp:rec", "receiver": reference("Organization/org")}],
        "source": {"name": "HIS", "software": "Sender", "version": "1.0", "endpoint": "urn:x-mllp:his"},
        "focus": [reference("Patient/pat"), reference("Encounter/enc")],
    },
    {
        "resourceType": "Provenance",
        "id": "prov",
        "target": [reference("Patient/pat"), reference("Encounter/enc")],
        "occurredDateTime": "2024-02-29T08:30:00+01:00",
        "recorded": "2024-02-29T08:30:00.123Z",
        "activity": concept(f"{TERMINOLOGY}/v3-DataOperation", "CREATE"),
        "agent": [
            {
                "type": concept(f"{TERMINOLOGY}/provenance-participant-type", "assembler"),
                "who": {"reference": "Device/dev", "type": "Device"},
            }
        ],
        "entity": [{"role": "source", "what": {"identifier": identifier("MSG-1")}}],
    },
    {
        "resourceType": "Patient",
        "id": "pat",
        "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/Patient"], "tag": [{"code": "made-up"}]},
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-religion",
                "valueCodeableConcept": concept(f"{TERMINOLOGY}/v3-ReligiousAffiliation", "1041"),
            },
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-citizenship",
                "extension": [{"url": "code", "valueCodeableConcept": concept("urn:iso:std:iso:3166", "DE")}],
            },
        ],
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Anna Muster</p></div>'},
        "identifier": [
            {
                **identifier("4711"),
                "use": "official",
                "type": concept(f"{TERMINOLOGY}/v2-0203", "MR"),
                "period": {"start": "2020", "end": "2024-06"},
                "assigner": {"display": "Example clinic"},
            }
        ],
        "active": True,
        "name": [
            {"use": "official", "family": "Muster", "given": ["Anna", "Maria"], "prefix": ["Dr."]},
            {
                "use": "old",
                "family": "Beispiel",
                "given": [None, "Maria"],
                "_given": [{"extension": [{"url": "http://example.org/reason", "valueCode": "unknown"}]}, None],
            },
        ],
        "telecom": [{"system": "phone", "value": "+49 30 123", "use": "home", "rank": 1}],
        "gender": "female",
        "birthDate": "1980-02-29",
        "_birthDate": {
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                    "valueDateTime": "1980-02-29T04:05:06+01:00",
                }
            ]
        },
        "deceasedBoolean": False,
        "address": [{"use": "home", "line": ["Musterweg 1"], "city": "Berlin", "postalCode": "10115", "country": "DE"}],
        "maritalStatus": concept(f"{TERMINOLOGY}/v3-MaritalStatus", "M"),
        "multipleBirthInteger": 1,
        "contact": [{"relationship": [{"text": "Brother"}], "name": {"text": "Max Muster"}}],
        "communication": [{"language": concept("urn:ietf:bcp:47", "de"), "preferred": True}],
        "generalPractitioner": [reference("Practitioner/doc")],
        "managingOrganization": reference("Organization/org"),
        "link": [{"other": reference("RelatedPerson/rel"), "type": "seealso"}],
    },
    {
        "resourceType": "RelatedPerson",
        "id": "rel",
        "active": True,
        "patient": reference("Patient/pat"),
        "relationship": [concept(f"{TERMINOLOGY}/v3-RoleCode", "BRO")],
        "name": [{"family": "Muster", "given": ["Max"]}],
        "gender": "male",
    },
    {
        "resourceType": "Encounter",
        "id": "enc",
        "identifier": [identifier("V1")],
        "status": "in-progress",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "IMP"},
        "type": [{"text": "Inpatient"}],
        "subject": reference("Patient/pat"),
        "episodeOfCare": [reference("EpisodeOfCare/epi")],
        "participant": [
            {
                "type": [concept(f"{TERMINOLOGY}/v3-ParticipationType", "ATND")],
                "individual": reference("Practitioner/doc"),
            }
        ],
        "period": {"start": "2024-02-28T08:30:00+01:00"},
        "length": {"value": Decimal("2.5"), "unit": "day", "system": "http://unitsofmeasure.org", "code": "d"},
        "diagnosis": [{"condition": reference("Condition/con"), "rank": 1}],
        "account": [reference("Account/acc")],
        "hospitalization": {"admitSource": concept(f"{TERMINOLOGY}/admit-source", "emd"), "reAdmission": {"text": "R"}},
        "location": [{"location": reference("Location/loc"), "status": "active"}],
        "serviceProvider": reference("Organization/org"),
    },
    {
        "resourceType": "AllergyIntolerance",
        "id": "all",
        "clinicalStatus": concept(f"{TERMINOLOGY}/allergyintolerance-clinical", "active"),
        "verificationStatus": concept(f"{TERMINOLOGY}/allergyintolerance-verification", "confirmed"),
        "type": "allergy",
        "category": ["medication"],
        "criticality": "high",
        "code": concept("http://snomed.info/sct", "91936005", "Penicillin"),
        "patient": reference("Patient/pat"),
        "onsetDateTime": "2010-05",
        "reaction": [{"manifestation": [{"text": "Rash"}], "severity": "mild"}],
    },
    {
        "resourceType": "Condition",
        "id": "con",
        "clinicalStatus": concept(f"{TERMINOLOGY}/condition-clinical", "resolved"),
        "verificationStatus": concept(f"{TERMINOLOGY}/condition-ver-status", "confirmed"),
        "category": [concept(f"{TERMINOLOGY}/condition-category", "encounter-diagnosis")],
        "code": concept("http://hl7.org/fhir/sid/icd-10", "J18.9"),
        "subject": reference("Patient/pat"),
        "encounter": reference("Encounter/enc"),
        "onsetAge": {"value": 43, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
        "abatementDateTime": "2024",
        "recordedDate": "2024-02-29",
        "evidence": [{"code": [{"text": "X-ray"}]}],
        "note": [{"text": "first line\nsecond line"}],
    },
    {
        "resourceType": "Coverage",
        "id": "cov",
        "status": "active",
        "type": {"text": "public"},
        "subscriberId": "S-1",
        "beneficiary": reference("Patient/pat"),
        "relationship": concept(f"{TERMINOLOGY}/subscriber-relationship", "self"),
        "period": {"start": "2024-01-01", "end": "2024-12-31"},
        "payor": [reference("Organization/org")],
        "class": [{"type": {"text": "plan"}, "value": "P1"}],
        "order": 1,
    },
    {
        "resourceType": "ServiceRequest",
        "id": "req",
        "identifier": [identifier("PO-1")],
        "status": "active",
        "intent": "order",
        "priority": "stat",
        "code": concept("http://loinc.org", "58410-2"),
        "orderDetail": [{"text": "fasting"}],
        "subject": reference("Patient/pat"),
        "encounter": reference("Encounter/enc"),
        "occurrenceTiming": {"repeat": {"frequency": 1, "period": Decimal("1.0"), "periodUnit": "d"}},
        "requester": reference("PractitionerRole/role"),
        "specimen": [reference("Specimen/spm")],
    },
    {
        "resourceType": "Specimen",
        "id": "spm",
        "status": "available",
        "type": concept("http://snomed.info/sct", "119297000"),
        "subject": reference("Patient/pat"),
        "receivedTime": "2024-02-29T10:00:00Z",
        "collection": {
            "collectedPeriod": {"start": "2024-02-29T09:00:00Z", "end": "2024-02-29T09:05:00Z"},
            "quantity": {"value": Decimal("13.20"), "unit": "mL"},
        },
    },
    {
        "resourceType": "DiagnosticReport",
        "id": "rep",
        "basedOn": [reference("ServiceRequest/req")],
        "status": "final",
        "category": [concept(f"{TERMINOLOGY}/v2-0074", "LAB")],
        "code": concept("http://loinc.org", "58410-2"),
        "subject": reference("Patient/pat"),
        "effectiveDateTime": "2024-02-29T09:00:00Z",
        "issued": "2024-02-29T11:00:00.000+01:00",
        "resultsInterpreter": [reference("Practitioner/doc")],
        "specimen": [reference("Specimen/spm")],
        "result": [reference("Observation/obs"), reference("Observation/coded")],
        "presentedForm": [{"contentType": "application/pdf", "data": "JVBERi0=", "title": "Report"}],
    },
    {
        "resourceType": "Observation",
        "id": "obs",
        "identifier": [identifier("R-1")],
        "status": "final",
        "category": [concept(f"{TERMINOLOGY}/observation-category", "laboratory")],
        "code": concept("http://loinc.org", "718-7", "Haemoglobin"),
        "subject": reference("Patient/pat"),
        "effectivePeriod": {"start": "2024-02-29T09:00:00Z"},
        "performer": [reference("Organization/org")],
        "valueQuantity": {
            "value": Decimal("13.20"),
            "comparator": "<",
            "unit": "g/dL",
            "system": "http://unitsofmeasure.org",
            "code": "g/dL",
        },
        "interpretation": [concept(f"{TERMINOLOGY}/v3-ObservationInterpretation", "N")],
        "note": [{"authorString": "lab", "time": "2024-02-29T09:30:00Z", "text": "haemolytic"}],
        "device": reference("Device/dev"),
        "referenceRange": [{"low": {"value": 12, "unit": "g/dL"}, "high": {"value": Decimal("16.0"), "unit": "g/dL"}}],
        "component": [{"code": concept("http://loinc.org", "4544-3"), "valueString": "see text"}],
    },
    {
        "resourceType": "Observation",
        "id": "coded",
        "status": "corrected",
        "code": {"text": "Culture"},
        "subject": reference("Patient/pat"),
        "dataAbsentReason": concept(f"{TERMINOLOGY}/data-absent-reason", "unknown"),
        "hasMember": [reference("Observation/obs")],
    },
    {
        "resourceType": "DocumentReference",
        "id": "docref",
        "masterIdentifier": identifier("D-1"),
        "status": "current",
        "docStatus": "final",
        "type": concept("http://loinc.org", "11502-2"),
        "subject": reference("Patient/pat"),
        "date": "2024-02-29T11:00:00Z",
        "author": [reference("Practitioner/doc")],
        "relatesTo": [{"code": "replaces", "target": reference("DocumentReference/docref")}],
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": "YWJj", "size": 3}}],
        "context": {"encounter": [reference("Encounter/enc")]},
    },
    {
        "resourceType": "Practitioner",
        "id": "doc",
        "identifier": [identifier("12345")],
        "active": True,
        "name": [{"family": "Arzt", "given": ["Eva"], "suffix": ["MD"]}],
        "qualification": [{"code": {"text": "MD"}, "issuer": reference("Organization/org")}],
    },
    {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": reference("Practitioner/doc"),
        "organization": reference("Organization/org"),
        "code": [{"text": "attending"}],
        "location": [reference("Location/loc")],
        "availableTime": [{"daysOfWeek": ["mon", "tue"], "availableStartTime": "08:00:00"}],
    },
    {
        "resourceType": "Organization",
        "id": "org",
        "identifier": [identifier("ORG")],
        "name": "Example clinic",
        "telecom": [{"system": "url", "value": "https://clinic.example"}],
        "address": [{"use": "work", "city": "Berlin"}],
    },
    {
        "resourceType": "Location",
        "id": "loc",
        "status": "active",
        "name": "Ward 3",
        "mode": "instance",
        "physicalType": concept(f"{TERMINOLOGY}/location-physical-type", "wa"),
        "position": {"longitude": Decimal("13.40"), "latitude": Decimal("52.50")},
        "managingOrganization": reference("Organization/org"),
    },
    {
        "resourceType": "Device",
        "id": "dev",
        "status": "active",
        "deviceName": [{"name": "Analyzer", "type": "user-friendly-name"}],
        "version": [{"value": "1.0"}],
    },
    {
        "resourceType": "Account",
        "id": "acc",
        "identifier": [identifier("A-1")],
        "status": "active",
        "subject": [reference("Patient/pat")],
        "coverage": [{"coverage": reference("Coverage/cov"), "priority": 1}],
    },
    {
        "resourceType": "EpisodeOfCare",
        "id": "epi",
        "status": "active",
        "patient": reference("Patient/pat"),
        "managingOrganization": reference("Organization/org"),
        "period": {"start": "2024-02"},
    },
]


def resource(name: str) -> Resource:
    """A copy of the first sample of a type, to be changed at will."""
    return deepcopy(next(sample for sample in RESOURCES if sample["resourceType"] == name))


def transaction() -> Resource:
    """All samples as one transaction Bundle."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"{BASE}/{sample['resourceType']}/{sample['id']}",
                "resource": deepcopy(sample),
                "request": {"method": "PUT", "url": f"{sample['resourceType']}/{sample['id']}"},
            }
            for sample in RESOURCES
        ],
    }
