"""Instance → facts → study: R4's mapping of ImagingStudy row by row, and a fold that no order can change."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mappings import MapSettings
from mappings.dicom import fold
from tests.mappings.dicom.made import SERIES, SETTINGS, STUDY, code, image, item, mapped, resources


def study(**values: Any) -> Any:
    return resources(image(**values))["ImagingStudy"][0]


def series(**values: Any) -> Any:
    return study(**values)["series"][0]


@pytest.mark.parametrize(
    ("element", "values", "expected"),
    [
        ("status", {}, "available"),
        ("started", {}, "2026-01-02T03:04:05+01:00"),
        ("started", {"TimezoneOffsetFromUTC": "-0500"}, "2026-01-02T03:04:05-05:00"),
        ("started", {"StudyTime": None}, "2026-01-02"),
        ("started", {"StudyDate": None}, None),
        ("modality", {}, [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]),
        ("modality", {"Modality": "SR"}, None),  # no modality that acquires
        ("description", {"StudyDescription": "CT  Schädel"}, "CT Schädel"),
        ("numberOfSeries", {}, 1),
        ("numberOfInstances", {}, 1),
        ("note", {"StudyComments": "a note"}, [{"text": "a note"}]),
        ("location", {"InstitutionalDepartmentName": "Radiology"}, {"display": "Radiology"}),
        ("location", {"InstitutionalDepartmentName": "Radiology", "PerformedLocation": "CT 2"}, {"display": "CT 2"}),
        (
            "encounter",
            {"AdmissionID": "V1", "IssuerOfAdmissionIDSequence": [item(LocalNamespaceEntityID="ADM")]},
            {
                "type": "Encounter",
                "identifier": {
                    "value": "V1",
                    "assigner": {"display": "ADM"},
                    "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "VN"}]},
                },
            },
        ),
        (
            "procedureCode",
            {"ProcedureCodeSequence": [code("RPID16", "RADLEX", "CT Head")]},
            [{"coding": [{"system": "http://radlex.org", "code": "RPID16", "display": "CT Head"}]}],
        ),
        (
            "procedureCode",
            {"ProcedureCodeSequence": [code("X1", "99LOCAL", "CT Head")]},
            [
                {
                    "coding": [
                        {
                            "system": "https://tabellion.invalid/fhir/CodeSystem/dicom-99LOCAL",
                            "code": "X1",
                            "display": "CT Head",
                        }
                    ]
                }
            ],
        ),
        ("procedureCode", {"ProcedureCodeSequence": [code("X1", "NOBODY", "CT Head")]}, [{"coding": [{"display": "CT Head"}]}]),
        ("reasonCode", {"ReasonForTheRequestedProcedure": "fall"}, [{"text": "fall"}]),
        (
            "procedureReference",
            {"ReferencedPerformedProcedureStepSequence": [item(ReferencedSOPInstanceUID="1.2.3")]},
            {"identifier": {"value": "urn:oid:1.2.3"}},
        ),
        (
            "endpoint",
            {"RetrieveAETitle": "PACS1"},
            [{"type": "Endpoint", "identifier": {"value": "PACS1"}}],
        ),
    ],
)  # fmt: skip
def test_study_level(element: str, values: dict[str, Any], expected: Any) -> None:
    assert study(**values).get(element) == expected


def test_identifiers_of_a_study() -> None:
    made = study(AccessionNumber="A1", StudyID="S1", IssuerOfAccessionNumberSequence=[item(UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")])  # fmt: skip
    assert {each["value"]: each.get("system") for each in made["identifier"]} == {
        f"urn:oid:{STUDY}": "urn:dicom:uid",
        "A1": "urn:oid:1.2.3",
        "S1": None,
    }


@pytest.mark.parametrize(
    ("element", "values", "expected"),
    [
        ("uid", {}, SERIES),
        ("number", {"SeriesNumber": 3}, 3),
        ("number", {"SeriesNumber": -3}, None),
        ("modality", {"Modality": None}, {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "OT"}),
        ("modality", {"Modality": "ZZ"}, {"code": "ZZ"}),
        ("description", {"SeriesDescription": "Axial"}, "Axial"),
        ("description", {"ProtocolName": "Head"}, "Head"),
        ("numberOfInstances", {}, 1),
        (
            "bodySite",
            {"BodyPartExamined": "LSPINE"},
            {"system": "http://snomed.info/sct", "code": "122496007", "display": "Lumbar spine"},
        ),
        ("bodySite", {"BodyPartExamined": "WHATEVER"}, {"display": "WHATEVER"}),
        (
            "bodySite",
            {"BodyPartExamined": "CHEST", "AnatomicRegionSequence": [code("T-A0100", "SRT", "Brain")]},
            {"system": "http://snomed.info/sct", "code": "12738006", "display": "Brain"},
        ),
        ("laterality", {"Laterality": "R"}, {"system": "http://snomed.info/sct", "code": "24028007", "display": "Right"}),
        ("laterality", {"Laterality": "U"}, None),
        ("started", {"SeriesDate": "20260103", "SeriesTime": "0102"}, "2026-01-03T01:02:00+01:00"),
        ("started", {"AcquisitionDateTime": "20260103010203.500+0000"}, "2026-01-03T01:02:03.5+00:00"),
        ("specimen", {"ContainerIdentifier": "B1"}, [{"type": "Specimen", "identifier": {"value": "B1"}}]),
    ],
)  # fmt: skip
def test_series_level(element: str, values: dict[str, Any], expected: Any) -> None:
    assert series(**values).get(element) == expected


def test_instance_level() -> None:
    made = series(InstanceNumber=7, ImageType=["ORIGINAL", "PRIMARY"])["instance"]
    assert made == [
        {
            "uid": "1.2.276.0.7230010.3.1.4.1",
            "number": 7,
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"},
            "title": "ORIGINAL\\PRIMARY",
        }
    ]


def test_people_and_equipment() -> None:
    found = resources(
        image(
            ReferringPhysicianName="ZZTEST^REF^^DR",
            ReferringPhysicianIdentificationSequence=[
                item(PersonIdentificationCodeSequence=[code("D7", "99HOSP", "Dr. Ref")])
            ],
            OperatorsName=["ZZTEST^OP", "ZZTEST^TWO"],
            Manufacturer="ZZ Imaging",
            ManufacturerModelName="Model 1",
            DeviceSerialNumber="SN1",
            AccessionNumber="A1",
            RetrieveURL="https://pacs.example/wado/studies/1",
        )
    )
    [made] = found["ImagingStudy"]
    names = {f"Practitioner/{each['id']}": each["name"][0]["family"] for each in found["Practitioner"]}
    assert len(names) == 3
    assert names[made["referrer"]["reference"]] == "ZZTEST"
    actors = [each["actor"]["reference"].partition("/")[0] for each in made["series"][0]["performer"]]
    assert actors == ["Practitioner", "Practitioner", "Device"]
    [device] = found["Device"]
    assert device["serialNumber"] == "SN1"
    assert device["deviceName"] == [{"name": "Model 1", "type": "model-name"}]
    [order] = found["ServiceRequest"]
    assert order["status"] == "unknown"
    assert made["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert made["endpoint"] == [{"reference": f"Endpoint/{found['Endpoint'][0]['id']}"}]


def test_names_in_three_scripts() -> None:
    [patient] = resources(image(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"))["Patient"]
    assert [(name["family"], name["extension"][0]["valueCode"]) for name in patient["name"]] == [
        ("Yamada", "ABC"),
        ("山田", "IDE"),
        ("やまだ", "SYL"),
    ]


def test_a_patient_without_authority_is_of_this_study_only() -> None:
    nobody = MapSettings(SETTINGS.namespace)
    first = resources(image(), image(SOPInstanceUID="1.2.9"), settings=nobody)["Patient"]
    assert len(first) == 1
    [other] = resources(image(StudyInstanceUID="1.2.99"), settings=nobody)["Patient"]
    assert other["id"] != first[0]["id"]


def test_the_fold_is_a_function_of_the_set() -> None:
    images = [
        image(
            SOPInstanceUID=f"1.2.3.{number}",
            SeriesInstanceUID=f"1.2.4.{number % 3}",
            SeriesNumber=number % 3,
            InstanceNumber=number,
            StudyDescription=f"described {number}",
            StudyTime=f"10{number:02}00",
            Modality="CT" if number % 2 else "MR",
            NameOfPhysiciansReadingStudy=f"ZZTEST^{number % 4}",
        )
        for number in range(24)
    ]
    parts = [mapped(each).parts[0] for each in images]
    once = fold(parts[0].id, [part.content for part in parts])
    for seed in range(10):
        random.Random(seed).shuffle(parts)
        assert fold(parts[0].id, [part.content for part in parts]) == once


@pytest.mark.parametrize(
    "missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "PatientID"]
)
def test_what_is_required_and_missing_costs_no_record(missing: str) -> None:
    said = mapped(image(**{missing: None}))
    assert resources(image(**{missing: None}))["ImagingStudy"]
    assert missing == "PatientID" or [issue.text for issue in said.issues if issue.severity == "error"] == [
        f"{missing} is missing"
    ]


def test_options_bound_the_size() -> None:
    counted = MapSettings(SETTINGS.namespace, options={"instances": "count"})
    [made] = resources(image(), settings=counted)["ImagingStudy"]
    assert made["numberOfInstances"] == 1
    assert "instance" not in made["series"][0]
    none = MapSettings(SETTINGS.namespace, options={"instances": "none"})
    [made] = resources(image(), settings=none)["ImagingStudy"]
    assert "numberOfInstances" not in made


def test_a_time_that_nobody_can_place_is_residue() -> None:
    said = mapped(image(), MapSettings(SETTINGS.namespace))
    assert ("00080030", "no-target") in said.residue
    assert (
        sum(said.leaves)
        == len({path for path, _ in said.residue} | {path for path, _ in said.excused}) + said.leaves[0]
    )
