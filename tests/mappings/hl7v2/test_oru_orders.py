"""ORC, OBR, SPM, NTE in ORU_R01: orders, reports, specimens and notes, their status and their ids."""

from __future__ import annotations

import pytest

from tests.mappings.hl7v2.oru import OBR, PID, mapped, of_type, resources

OBX = "OBX|1|NM|718-7^Hb^LN||13.2|g/dL^^UCUM||N|||F"


@pytest.mark.parametrize(
    ("control", "status", "expected"),
    [
        ("NW", "", "active"),
        ("CA", "", "revoked"),
        ("DC", "", "revoked"),
        ("OC", "", "revoked"),
        ("HD", "", "on-hold"),
        ("RE", "", "unknown"),
        ("RE", "CM", "completed"),
        ("NW", "CA", "revoked"),
        ("SC", "IP", "active"),
        ("", "", "unknown"),
        ("ZZ", "", "unknown"),
        ("NW", "ZZ", "unknown"),
    ],
)
def test_order_status_never_leaves_a_cancelled_order_active(control: str, status: str, expected: str) -> None:
    [order] = of_type("ServiceRequest", PID, f"ORC|{control}|P1^HIS|F1^LAB||{status}", OBR, OBX)
    assert (order["status"], order["intent"]) == (expected, "order")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("F", "final"),
        ("C", "corrected"),
        ("P", "preliminary"),
        ("X", "cancelled"),
        ("A", "partial"),
        ("R", "preliminary"),
        ("I", "registered"),
        ("M", "preliminary"),
        ("Z", "unknown"),
        ("", "unknown"),
        ("unknown", "unknown"),
    ],
)
def test_report_status_is_total(code: str, expected: str) -> None:
    [report] = of_type("DiagnosticReport", PID, OBR.removesuffix("F") + code, OBX)
    assert report["status"] == expected


def test_report_order_and_results_point_at_each_other() -> None:
    made = resources(mapped(PID, "ORC|RE|P1^HIS|F1^LAB", OBR, OBX, OBX.replace("718-7", "4544-3")))
    by_type = {each["resourceType"]: each for each in made}
    report, order = by_type["DiagnosticReport"], by_type["ServiceRequest"]
    patient = {"reference": f"Patient/{by_type['Patient']['id']}"}
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{order['id']}"}]
    assert report["subject"] == order["subject"] == by_type["Observation"]["subject"] == patient
    results = [{"reference": f"Observation/{each['id']}"} for each in made if each["resourceType"] == "Observation"]
    assert report["result"] == results
    assert len(results) == 2


def test_placer_and_filler_numbers_are_told_apart() -> None:
    [report] = of_type("DiagnosticReport", PID, "ORC|RE|P1^HIS|F1^LAB", OBR, OBX)
    found = {each["type"]["coding"][0]["code"]: each["value"] for each in report["identifier"]}
    assert found == {"PLAC": "P1", "FILL": "F1"}


def test_notes_stay_with_what_they_follow() -> None:
    made = resources(
        mapped(PID, "NTE|1|L|for the patient", OBR, "NTE|1|L|for the order", OBX, "NTE|1|L|one~two", "NTE|2|L|three")
    )
    by_type = {each["resourceType"]: each for each in made}
    assert by_type["Patient"]["extension"] == [
        {"url": "http://hl7.org/fhir/StructureDefinition/note", "valueAnnotation": {"text": "for the patient"}}
    ]
    assert by_type["ServiceRequest"]["note"] == [{"text": "for the order"}]
    assert by_type["Observation"]["note"] == [{"text": "one\ntwo"}, {"text": "three"}]


def test_a_corrected_result_keeps_the_ids_of_the_first() -> None:
    def ids(obr: str, obx: str) -> set[str]:
        return {f"{change.type}/{change.id}" for change in mapped(PID, "ORC|RE|P1^HIS|F1^LAB", obr, obx).changes}

    first = ids(OBR, OBX)
    again = ids(OBR.removesuffix("F") + "C", OBX.replace("13.2", "14.0").replace("|||F", "|||C"))
    kinds = {"Patient", "ServiceRequest", "DiagnosticReport", "Observation"}
    kept = {each for each in first if each.split("/")[0] in kinds}
    assert kept == {each for each in again if each.split("/")[0] in kinds}
    assert {each.split("/")[0] for each in kept} == kinds


def test_equal_codes_in_one_report_are_told_apart_by_their_place() -> None:
    assert len(of_type("Observation", PID, OBR, OBX, OBX.replace("13.2", "13.5"))) == 2


def test_two_orders_of_one_filler_number_are_two_reports() -> None:
    other = OBR.replace("58410-2^CBC", "24323-8^CMP")
    assert len(of_type("DiagnosticReport", PID, OBR, OBX, other, OBX)) == 2
    assert len(of_type("DiagnosticReport", PID, OBR, OBX, OBR, OBX)) == 2


def test_an_obx_without_obr_is_still_an_observation() -> None:
    made = resources(mapped(PID, OBX))
    assert [each["resourceType"] for each in made].count("Observation") == 1
    assert not any(each["resourceType"] == "DiagnosticReport" for each in made)


def test_without_a_patient_the_order_says_that_its_subject_is_not_known() -> None:
    [order] = of_type("ServiceRequest", "ORC|NW|P1^HIS", OBR, OBX)
    assert order["subject"]["extension"][0]["valueCode"] == "unknown"


def test_a_report_without_a_code_is_not_dropped() -> None:
    [report] = of_type("DiagnosticReport", PID, "OBR|1|P1^HIS|F1^LAB|||||||||||||||||||||F", OBX)
    assert report["code"]["extension"][0]["valueCode"] == "unknown"


def test_specimen_of_spm_with_what_the_obr_adds() -> None:
    obr = "OBR|1|P1^HIS|F1^LAB|1^x^L|||20260101080000+0100||||||||||||||||||F"
    spm = "SPM|1|S1&HIS^S2&LAB||BLD^Blood^HL70487||||||||||note||||20260101090000+0100||Y"
    [specimen] = of_type("Specimen", PID, obr, OBX, spm)
    assert {each["value"] for each in specimen["identifier"]} == {"S1", "S2"}
    assert specimen["type"]["coding"][0]["code"] == "BLD"
    assert specimen["status"] == "available"
    assert specimen["collection"]["collectedDateTime"] == "2026-01-01T08:00:00+01:00"
    assert specimen["receivedTime"] == "2026-01-01T09:00:00+01:00"
    assert specimen["note"] == [{"text": "note"}]
    [report] = of_type("DiagnosticReport", PID, obr, OBX, spm)
    assert report["specimen"] == [{"reference": f"Specimen/{specimen['id']}"}]


def test_results_refer_to_the_specimen_of_their_own_order() -> None:
    """Guide, ORU_R01 OBR: all results of an OBR reference its Specimen; of several SPM none is picked for them."""
    orders = [f"OBR|{n}|P{n}|F{n}|1^x^L" + "|" * 11 + kind for n, kind in ((1, "BLD&Blood"), (2, "UR&Urine"))]
    made = resources(mapped(PID, orders[0], OBX, orders[1], OBX, OBX))
    kinds = {each["id"]: each["type"]["coding"][0]["code"] for each in made if each["resourceType"] == "Specimen"}
    results = [each["specimen"]["reference"] for each in made if each["resourceType"] == "Observation"]
    assert [kinds[reference.partition("/")[2]] for reference in results] == ["BLD", "UR", "UR"]
    several = of_type("Observation", PID, orders[0], OBX, "SPM|1|S1||BLD", "SPM|2|S2||UR")
    other = of_type("Observation", PID, orders[0], OBX, "OBR|2|P3|F3|1^X-ray^L", OBX)
    assert ["specimen" in each for each in (*several, *other)] == [False, True, False]


def test_what_belongs_to_one_patient_is_not_the_next_ones() -> None:
    """Two PIDs in a message: the results of the second, who has no visit, are not of the first one's visit."""
    visit = "PV1|1|I" + "|" * 17 + "V1^^^HOSP^VN"
    made = resources(mapped(PID, visit, OBR, OBX, PID.replace("77", "88"), OBR.replace("F1", "F2"), OBX))
    seen = [(each["subject"], "encounter" in each) for each in made if each["resourceType"] == "Observation"]
    first, second = [{"reference": f"Patient/{each['id']}"} for each in made if each["resourceType"] == "Patient"]
    assert seen == [(first, True), (second, False)]


def test_no_specimen_where_the_obr_speaks_of_none() -> None:
    assert of_type("Specimen", PID, OBR, OBX) == []
    [specimen] = of_type("Specimen", PID, OBR + "|" * 14 + "drawn at home", OBX)
    assert specimen["note"] == [{"text": "drawn at home"}]


def test_who_orders_and_who_performs() -> None:
    orc = "ORC|RE|P1^HIS|F1^LAB|||||||||1^Who^Orders^^^^^^HIS"
    orc += "|||||||||Ward^^^^^HIS^^^^W1|1 Street^^Town|^WPN^PH^^^^555|2 Road^^Town"
    obx = OBX + "||||C1^Coded lab^L|9^Who^Performs^^^^^^HIS"
    obx += "|||||||Lab^^^^^HIS^^^^L1|3 Way^^Town|8^The^Director^^^^^^HIS"
    made = resources(mapped(PID, orc, OBR, obx))
    by_id = {f"{each['resourceType']}/{each['id']}": each for each in made}
    order = next(each for each in made if each["resourceType"] == "ServiceRequest")
    role = by_id[order["requester"]["reference"]]
    assert by_id[role["practitioner"]["reference"]]["name"][0]["family"] == "Who"
    assert by_id[role["practitioner"]["reference"]]["address"][0]["line"] == ["2 Road"]
    facility = by_id[role["organization"]["reference"]]
    assert (facility["name"], facility["address"][0]["line"]) == ("Ward", ["1 Street"])
    result = next(each for each in made if each["resourceType"] == "Observation")
    performers = sorted(each["reference"].split("/")[0] for each in result["performer"])
    assert performers == ["Organization", "PractitionerRole", "PractitionerRole"]


def test_the_option_for_relevant_clinical_information() -> None:
    obr = "OBR|1|P1^HIS|F1^LAB|1^x^L|||20260101080000+0100||||||fasting^Fasting^L|20260101090000+0100|||||||||||F"
    [order] = of_type("ServiceRequest", PID, obr, OBX)
    assert order["note"] == [{"text": "fasting^Fasting^L"}]
    made = resources(mapped(PID, obr, OBX, options={"obr-13": "fasting"}))
    [specimen] = [each for each in made if each["resourceType"] == "Specimen"]
    assert specimen["collection"]["fastingStatusCodeableConcept"]["coding"][0]["code"] == "fasting"
