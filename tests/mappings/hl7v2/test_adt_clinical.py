"""AL1, DG1 and IN1: a golden pair per row, and what must never become a positive fact (safety.yaml)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

import mappings
from tests.mappings.hl7v2.adt_message import at, outcome, resources, segment

SD = "http://hl7.org/fhir/StructureDefinition/"
PV1 = "PV1|1|I|||||||||||||||||V1^^^HOSP"
TABLES = Path(mappings.__file__).parent / "tables"


def one(kind: str, *segments: str, **settings: Any) -> dict[str, Any]:
    (found,) = resources(outcome(*segments, **settings))[kind]
    return found


AL1 = "AL1|1|DA^Drug allergy|7980^Penicillin G^RXNORM|SV^Severe|Hives~Rash|20190501"
ALLERGY: list[tuple[str, str, str, Any]] = [
    ("AL1 status", AL1, "clinicalStatus.coding.0.code", "active"),
    ("AL1-2 category", AL1, "category", ["medication"]),
    ("AL1-2 original", AL1, "_category.0.extension.0.valueCodeableConcept.coding.0.code", "DA"),
    ("AL1-2 type", AL1, "type", "allergy"),
    ("AL1-2 MC", "AL1|1|MC|X^Y", "type", None),
    ("AL1-2 MC original", "AL1|1|MC|X^Y", "_type.extension.0.valueCodeableConcept.coding.0.code", "MC"),
    ("AL1-3", AL1, "code.coding.0.display", "Penicillin G"),
    ("AL1-3 text", "AL1|1||^cat dander", "code.text", "cat dander"),
    ("AL1-3 word", "AL1|1||PEANUT", "code.text", "PEANUT"),
    ("AL1-3 word", "AL1|1||PEANUT", "code.coding.0.code", "PEANUT"),
    ("AL1-3 code", "AL1|1||70618^^RXNORM", "code.text", None),
    ("AL1-4", AL1, "criticality", "high"),
    ("AL1-4 original", AL1, "_criticality.extension.0.valueCodeableConcept.coding.0.code", "SV"),
    ("AL1-4 MO", "AL1|1|DA|X^Y|MO", "criticality", None),
    ("AL1-4 MO original", "AL1|1|DA|X^Y|MO", "_criticality.extension.0.url", f"{SD}alternate-codes"),
    ("AL1-5", AL1, "reaction.0.manifestation.0.text", "Hives"),
    ("AL1-5 repeats", AL1, "reaction.0.manifestation.1.text", "Rash"),
    ("AL1-6", AL1, "onsetDateTime", "2019-05-01"),
]


@pytest.mark.parametrize(("text", "path", "expected"), [row[1:] for row in ALLERGY], ids=[row[0] for row in ALLERGY])
def test_al1_row(text: str, path: str, expected: Any) -> None:
    assert at(one("AllergyIntolerance", text), path) == expected


def test_severity_of_the_reaction() -> None:
    """Channel option al1-4 = severity: reaction.severity in place of criticality."""
    found = one("AllergyIntolerance", AL1, options={"al1-4": "severity"})
    assert found["reaction"][0]["severity"] == "severe"
    assert "criticality" not in found


NO_ALLERGY = [
    ("NKDA", "409137002"),
    ("NKDA^No Known Drug Allergies", "409137002"),
    ("716186003^No known allergy^SCT", "716186003"),
    ("409137002^^SCT", "409137002"),
    ("^No Known Allergies", "716186003"),
    ("00^NO KNOWN DRUG ALLERGY^L", "409137002"),
    ("NKA", "716186003"),
    ("None", "716186003"),
    ("^none known.", "716186003"),
    ("^No known food allergies", "429625007"),
    ("^否认药物过敏史", "409137002"),
    ("X^^L^NKA", "716186003"),
]


@pytest.mark.parametrize(("field", "code"), NO_ALLERGY)
def test_no_known_allergy_is_a_coded_statement(field: str, code: str) -> None:
    """AL1-3 that says there is none: SNOMED CT's statement, nothing to be allergic to, no reaction, no criticality."""
    found = one("AllergyIntolerance", f"AL1|1|DA|{field}|SV|none")
    assert found["code"]["coding"][0] == {
        **found["code"]["coding"][0],
        "system": "http://snomed.info/sct",
        "code": code,
    }
    assert not {"criticality", "_criticality", "reaction", "type"} & found.keys()


def test_an_allergen_is_not_taken_for_none() -> None:
    for field in ("7980^Penicillin G", "^NONOXYNOL", "^Nonsteroidal"):
        found = one("AllergyIntolerance", f"AL1|1|DA|{field}|SV")
        assert found["criticality"] == "high"


def test_every_statement_of_the_table_is_recognised() -> None:
    with (TABLES / "NoKnownAllergy.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        found = one("AllergyIntolerance", f"AL1|1||^{row['code'].upper()}")
        assert found["code"]["coding"][0]["code"] == row["target"], row["code"]


def test_an_allergy_to_nothing_is_none() -> None:
    assert "AllergyIntolerance" not in resources(outcome("AL1|1|DA||SV"))


def test_each_al1_is_a_resource() -> None:
    found = resources(outcome("AL1|1|DA|A^B", "AL1|2|DA|A^B", "AL1|3|FA|C^D"))["AllergyIntolerance"]
    assert len({each["id"] for each in found}) == 3


DG1 = segment(
    "DG1",
    f1="1",
    f3="R07.9^Chest pain^I10",
    f4="Pain in the chest",
    f5="20240301",
    f6="A",
    f15="1",
    f16="1001^DOC^DAN^^^^^^HOSP",
    f19="20240302",
    f20="D1^NS",
    f21="A",
    f22="D0^NS",
)
CONDITION: list[tuple[str, str, str, Any]] = [
    ("DG1-3", DG1, "code.coding.0.code", "R07.9"),
    ("DG1-4", DG1, "code.text", "Pain in the chest"),
    ("DG1-5", DG1, "onsetDateTime", "2024-03-01"),
    ("DG1-6 A", DG1, "verificationStatus.coding.0.code", "provisional"),
    ("DG1-6 W", "DG1|1||X|||W", "verificationStatus.coding.0.code", "provisional"),
    ("DG1-6 F", "DG1|1||X|||F", "verificationStatus.coding.0.code", "confirmed"),
    ("DG1-6 other", "DG1|1||X|||Z", "verificationStatus", None),
    ("DG1-19", DG1, "recordedDate", "2024-03-02"),
    ("DG1-19 extension", DG1, "extension.0.url", f"{SD}condition-assertedDate"),
    ("DG1-20", DG1, "identifier.0.value", "D1"),
    ("DG1-22", DG1, "extension.1.valueReference.identifier.value", "D0"),
    ("category", DG1, "category.0.coding.0.code", "encounter-diagnosis"),
    ("clinicalStatus", DG1, "clinicalStatus", None),
]


@pytest.mark.parametrize(
    ("text", "path", "expected"), [row[1:] for row in CONDITION], ids=[row[0] for row in CONDITION]
)
def test_dg1_row(text: str, path: str, expected: Any) -> None:
    assert at(one("Condition", PV1, text), path) == expected


def test_asserter() -> None:
    """DG1-16."""
    found = resources(outcome(PV1, DG1))
    (doctor,) = found["Practitioner"]
    assert found["Condition"][0]["asserter"] == {"reference": f"Practitioner/{doctor['id']}"}


def test_diagnosis_of_the_encounter() -> None:
    """DG1[Encounter]: reference, use and rank in one diagnosis per DG1."""
    found = resources(outcome(PV1, DG1, "DG1|2||I10^Hypertension^I10|||F"))
    first, second = found["Encounter"][0]["diagnosis"]
    assert first["condition"] == {"reference": f"Condition/{found['Condition'][0]['id']}"}
    assert (first["use"]["coding"][0]["code"], first["rank"]) == ("AD", 1)
    assert second["condition"] == {"reference": f"Condition/{found['Condition'][1]['id']}"}
    assert second["use"]["coding"] == [{"system": "http://terminology.hl7.org/CodeSystem/v2-0052", "code": "F"}]


@pytest.mark.parametrize(
    ("action", "status"), [("A", "provisional"), ("U", "provisional"), ("", "provisional"), ("X", "provisional")]
)
def test_only_d_takes_a_diagnosis_back(action: str, status: str) -> None:
    found = one("Condition", PV1, f"DG1|1||X|||A{'|' * 15}{action}")
    assert found["verificationStatus"]["coding"][0]["code"] == status


def test_a_deleted_diagnosis() -> None:
    """DG1-21 D: entered-in-error, no clinical status (con-5), and the Encounter doesn't name it."""
    found = resources(outcome(PV1, segment("DG1", f1="1", f3="X", f6="A", f21="D")))
    (condition,) = found["Condition"]
    assert condition["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in condition
    assert "diagnosis" not in found["Encounter"][0]


COVER = segment(
    "IN1",
    f1="1",
    f2="PPO^Preferred^L^ALT^Other^L",
    f3="I77^^^HOSP",
    f4="TESTCO^L",
    f5="1 ST^^TOWN",
    f6="AGENT^AL",
    f7="555",
    f8="G5",
    f9="Group five",
    f11="ACME^^^^^^^^^E9",
    f12="20240101",
    f13="20241231",
    f15="HMO^Plan type",
    f16="DOE^JOHN",
    f17="SPO^Spouse",
    f18="19700101",
    f19="9 ST^^CITY",
    f22="2",
    f36="POL1",
    f49="S1^^^TESTCO",
)
COVERAGE: list[tuple[str, str, Any]] = [
    ("IN1-2", "identifier.0.value", "PPO"),
    ("IN1-2 alternate", "identifier.1.value", "ALT"),
    ("IN1-2 class", "class.0.name", "Preferred"),
    ("IN1-8", "class.1.value", "G5"),
    ("IN1-9", "class.1.name", "Group five"),
    ("IN1-12", "period.start", "2024-01-01"),
    ("IN1-13", "period.end", "2024-12-31"),
    ("IN1-15", "type.coding.0.code", "HMO"),
    ("IN1-17", "relationship.coding.0.code", "SPS"),
    ("IN1-22", "order", 2),
    ("IN1-36", "identifier.2.value", "POL1"),
    ("IN1-49", "subscriberId", "S1"),
    ("IN1-49 extension", "extension.0.valueIdentifier.value", "S1"),
    ("status", "status", "active"),
]


@pytest.mark.parametrize(("path", "expected"), [row[1:] for row in COVERAGE], ids=[row[0] for row in COVERAGE])
def test_in1_row(path: str, expected: Any) -> None:
    assert at(one("Coverage", COVER), path) == expected


def test_parties_of_a_coverage() -> None:
    """IN1-3 to IN1-7 insurer, IN1-10 and IN1-11 policy holder, IN1-16 to IN1-19 subscriber."""
    found = resources(outcome(COVER))
    by_id = {f"{kind}/{each['id']}": each for kind, all_ in found.items() for each in all_}
    (cover,) = found["Coverage"]
    insurer = by_id[cover["payor"][0]["reference"]]
    assert (insurer["name"], insurer["identifier"][0]["value"]) == ("TESTCO", "I77")
    assert insurer["address"][0]["city"] == "TOWN"
    assert insurer["contact"][0]["name"]["family"] == "AGENT"
    assert insurer["telecom"][0]["value"] == "555"
    holder = by_id[cover["policyHolder"]["reference"]]
    assert (holder["name"], holder["identifier"][0]["value"]) == ("ACME", "E9")
    subscriber = by_id[cover["subscriber"]["reference"]]
    assert subscriber["name"][0]["family"] == "DOE"
    assert subscriber["birthDate"] == "1970-01-01"
    assert subscriber["address"][0]["city"] == "CITY"
    assert cover["beneficiary"] == subscriber["patient"] == {"reference": f"Patient/{found['Patient'][0]['id']}"}


def test_the_patient_is_the_subscriber() -> None:
    """IN1-17 SEL: subscriber is the Patient; the name in IN1-16 stays as the reference's text."""
    found = resources(outcome("IN1|1|PPO||TESTCO||||||||||||DOE^JANE|SEL"))
    assert found["Coverage"][0]["subscriber"] == {
        "reference": f"Patient/{found['Patient'][0]['id']}",
        "display": "JANE DOE",
    }
    assert "RelatedPerson" not in found


def test_an_insurer_that_nobody_names() -> None:
    """IN1-3 and IN1-4 empty: payor is said to be absent; the patient is not made the payer."""
    (payor,) = one("Coverage", "IN1|1|PPO")["payor"]
    assert payor == {"extension": [{"url": f"{SD}data-absent-reason", "valueCode": "unknown"}]}


def test_group_employer_id() -> None:
    """IN1-10: the policy holder's identifier, and with CX.5 = SN the subscriber's."""
    found = resources(outcome("IN1|1|PPO||TESTCO||||||E7^^^ACME^SN"))
    assert found["Coverage"][0]["extension"][0]["valueIdentifier"]["value"] == "E7"
    holder = found["Coverage"][0]["policyHolder"]["reference"].split("/")[1]
    assert [each["identifier"][0]["value"] for each in found["Organization"] if each["id"] == holder] == ["E7"]


def test_each_in1_is_a_coverage() -> None:
    assert len(resources(outcome("IN1|1|PPO", "IN1|2|PPO", "IN1|3|HMO"))["Coverage"]) == 3
