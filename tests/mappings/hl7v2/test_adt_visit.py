"""PV1, PV2 and the trigger events: a golden pair per row (v2-to-FHIR guide, PV1[...], PV2[...], Event[...])."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.hl7v2.adt_message import at, outcome, resources, segment

SD = "http://hl7.org/fhir/StructureDefinition/"


def pv1(**fields: str) -> str:
    """A PV1 segment of an inpatient: `pv1(f3="W^1^A")`."""
    return segment("PV1", **{"f1": "1", "f2": "I", **fields})


def pv2(**fields: str) -> str:
    return segment("PV2", **fields)


def encounter(*segments: str, **settings: Any) -> dict[str, Any]:
    (found,) = resources(outcome(*segments, **settings))["Encounter"]
    return found


DOCTOR = "1001^HEALER^HELEN^Q^JR^DR^MD^^HOSP^L^^^NPI"
ROWS: list[tuple[str, str, str, Any]] = [
    ("PV1-2", pv1(), "class.code", "IMP"),
    ("PV1-2 E", pv1(f2="E"), "class.code", "EMER"),
    ("PV1-2 local", pv1(f2="ZZ"), "class.code", "ZZ"),
    ("PV1-2 empty", pv1(f2="", f19="V"), "class.code", "UNK"),
    ("PV1-4", pv1(f4="U^Urgent"), "type.0.coding.0.display", "Urgent"),
    ("PV1-5", pv1(f5="PRE1"), "hospitalization.preAdmissionIdentifier.value", "PRE1"),
    ("PV1-7", pv1(f7=DOCTOR), "participant.0.type.0.coding.0.code", "ATND"),
    ("PV1-7 repeats", pv1(f7="1^A~2^B"), "participant.1.type.0.coding.0.display", "attender"),
    ("PV1-8", pv1(f8=DOCTOR), "participant.0.type.0.coding.0.code", "REF"),
    ("PV1-8 text", pv1(f8=DOCTOR), "participant.0.type.0.text", "referrer"),
    ("PV1-9", pv1(f9=DOCTOR), "participant.0.type.0.coding.0.code", "CON"),
    ("PV1-10", pv1(f10="MED"), "serviceType.coding.0.code", "382"),
    ("PV1-10 original", pv1(f10="MED"), "serviceType.coding.1.code", "MED"),
    ("PV1-13", pv1(f13="R"), "hospitalization.reAdmission.coding.0.code", "R"),
    ("PV1-14", pv1(f14="1^Referral"), "hospitalization.admitSource.coding.0.display", "Referral"),
    ("PV1-15", pv1(f15="A2~B6"), "hospitalization.specialArrangement.0.coding.0.code", "wheel"),
    ("PV1-15 repeats", pv1(f15="A2~B6"), "hospitalization.specialArrangement.1.coding.0.code", "B6"),
    ("PV1-16", pv1(f16="VIP"), "hospitalization.specialCourtesy.0.coding.0.code", "VIP"),
    ("PV1-17", pv1(f17=DOCTOR), "participant.0.type.0.coding.0.code", "ADM"),
    ("PV1-18", pv1(f18="INP"), "type.0.coding.0.code", "INP"),
    ("PV1-19", pv1(f19="V1^^^HOSP"), "identifier.0.value", "V1"),
    ("PV1-19 type", pv1(f19="V1^^^HOSP"), "identifier.0.type.coding.0.code", "VN"),
    ("PV1-19 text", pv1(f19="V1^^^HOSP"), "identifier.0.type.text", "visit number"),
    ("PV1-19 own type", pv1(f19="V1^^^HOSP^AN"), "identifier.0.type.coding.0.code", "AN"),
    ("PV1-36", pv1(f36="01"), "hospitalization.dischargeDisposition.coding.0.code", "01"),
    ("PV1-38", pv1(f38="VEG^Vegetarian"), "hospitalization.dietPreference.0.coding.0.display", "Vegetarian"),
    ("PV1-44", pv1(f44="202403010800-0500"), "period.start", "2024-03-01T08:00:00-05:00"),
    ("PV1-45", pv1(f44="20240301", f45="20240302"), "period.end", "2024-03-02"),
    ("PV1-45 before PV1-44", pv1(f44="20240301", f45="20240228"), "period", {"start": "2024-03-01"}),
    ("PV1-50", pv1(f50="ALT1^^^HOSP"), "identifier.0.value", "ALT1"),
    ("PV1-52", pv1(f52=DOCTOR), "participant.0.type.0.coding.0.code", "PART"),
    ("PV1-3 P", pv1(f2="P", f3="W"), "location.0.status", "planned"),
    ("PV1-3", pv1(f3="W"), "location.0.status", "active"),
    ("PV1-6", pv1(f6="W"), "location.0.status", "completed"),
    ("PV1-11", pv1(f11="W"), "location.0.extension.0.url", f"{SD}subject-locationClassification"),
    ("PV1-11 status", pv1(f11="W"), "location.0.status", "active"),
    ("PV1-42", pv1(f42="W"), "location.0.status", "reserved"),
    ("PV1-43", pv1(f43="W"), "location.0.status", "completed"),
    ("PV1-43 temporary", pv1(f43="W"), "location.0.extension.0.valueCodeableConcept.coding.0.code", "temporary"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_pv1_row(segment: str, path: str, expected: Any) -> None:
    assert at(encounter(segment), path) == expected


HOSTILE = "A <b> \\T\\ c"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'
PV2: list[tuple[str, str, str, Any]] = [
    ("PV2-1", pv2(f1="W"), "location.0.status", "planned"),
    ("PV2-3", pv2(f3="CP^Chest pain"), "reasonCode.0.coding.0.display", "Chest pain"),
    ("PV2-8", pv2(f8="20240301"), "extension.0.valueDateTime", "2024-03-01"),
    (
        "PV2-8 url",
        pv2(f8="20240301"),
        "extension.0.url",
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedStartDate",
    ),
    (
        "PV2-9",
        pv2(f9="20240309"),
        "extension.0.url",
        "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedEndDate",
    ),
    ("PV2-11", pv2(f11="12"), "length.code", "d"),
    ("PV2-12", pv2(f12=HOSTILE), "extension.0.valueMarkdown", "A <b> & c"),
    ("PV2-12 div", pv2(f12=HOSTILE), "text.div", f"{DIV}A &lt;b&gt; &amp; c</div>"),
    ("PV2-13", pv2(f13=DOCTOR), "participant.0.type.0.coding.0.code", "REF"),
    ("PV2-22 Y", pv2(f22="Y"), "meta.security.0.code", "R"),
    ("PV2-22 N", pv2(f22="N"), "meta.security.0.code", "N"),
    ("PV2-25", pv2(f25="1"), "priority.coding.0.code", "EM"),
    ("PV2-38", pv2(f38="A"), "extension.0.valueCoding.display", "Ambulance"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in PV2], ids=[row[0] for row in PV2])
def test_pv2_row(segment: str, path: str, expected: Any) -> None:
    assert at(encounter(pv1(), segment), path) == expected


STATUS: list[tuple[str, str, str, str | None]] = [
    ("A01", "I", "", "in-progress"),
    ("A01", "N", "", "in-progress"),  # the event beats the class
    ("A02", "I", "", "in-progress"),
    ("A03", "I", "20240302", "finished"),
    ("A03", "I", "", "finished"),
    ("A04", "O", "", "arrived"),
    ("A05", "P", "", "planned"),
    ("A06", "I", "", "in-progress"),
    ("A07", "O", "", "in-progress"),
    ("A08", "I", "", "in-progress"),
    ("A08", "N", "", "unknown"),
    ("A08", "C", "", "unknown"),
    ("A08", "P", "", "planned"),
    ("A08", "U", "", "unknown"),
    ("A08", "", "", "unknown"),
    ("A08", "ZZ", "", "unknown"),
    ("A08", "I", "20240302", "finished"),
    ("A11", "I", "", "cancelled"),
    ("A11", "I", "20240302", "cancelled"),
    ("A13", "I", "20240302", "in-progress"),
    ("A31", "N", "", "unknown"),
]


@pytest.mark.parametrize(("event", "kind", "end", "expected"), STATUS)
def test_status(event: str, kind: str, end: str, expected: str) -> None:
    """Event beats PV1-45 beats PV1-2 (safety.yaml encounter-status-order and others)."""
    assert encounter(pv1(f2=kind, f19="V1", f45=end), event=event)["status"] == expected


def test_the_class_is_weak() -> None:
    """PV1-2 alone never beats what an event has said in another message: its rank is below a field's."""
    ranks = {}
    for event in ("A08", "A01"):
        mapped = outcome(pv1(), event=event)
        (change,) = [change for change in mapped.changes if change.type == "Encounter"]
        ranks[event] = {each.rank for each in change.elements if each.path == "status"}
    assert ranks == {"A08": {-1}, "A01": {1}}


PLACES = pv1(f3="W^1^A", f6="X", f11="T", f42="P", f43="Q")


@pytest.mark.parametrize("event", ["A11", "A12"])
def test_a_cancelled_event_puts_nobody_anywhere(event: str) -> None:
    """No location of a cancelled admission or transfer is active, completed or planned."""
    found = encounter(PLACES, pv2(f1="R"), event=event)
    allowed = {None} if event == "A11" else {None, "reserved", "planned"}
    assert {place.get("status") for place in found["location"]} <= allowed


def test_a_discharged_patient_has_left() -> None:
    assert encounter(pv1(f3="W"), event="A03")["location"][0]["status"] == "completed"
    assert encounter(pv1(f3="W", f45="20240302"), event="A08")["location"][0]["status"] == "completed"
    assert encounter(pv1(f3="W", f45="20240302"), event="A13")["location"][0]["status"] == "active"


def test_a_cancelled_discharge_leaves_no_discharge() -> None:
    """A13: period.end, disposition and destination are removed, and said so."""
    segment = pv1(f36="01", f37="HOME", f44="20240301", f45="20240302")
    mapped = outcome(segment, event="A13")
    (change,) = [change for change in mapped.changes if change.type == "Encounter"]
    removed = {each.path for each in change.elements if each.value is None}
    assert {"period.end", "hospitalization.dischargeDisposition", "hospitalization.destination"} <= removed


def test_keys() -> None:
    """PV1-19, else PV1-50, else the patient and PV1-44, else the message."""
    one = encounter(pv1(f19="V1", f44="20240301"))["id"]
    assert encounter(pv1(f19="V1", f44="20240305", f50="A"))["id"] == one
    assert encounter(pv1(f50="A", f44="20240301"))["id"] == encounter(pv1(f50="A"))["id"] != one
    assert encounter(pv1(f44="20240301"))["id"] == encounter(pv1(f44="20240301", f10="MED"))["id"]
    assert encounter(pv1())["id"] != encounter(pv1(f10="MED"))["id"]


def test_practitioner_by_id_and_authority() -> None:
    """XCN: the same id of one authority is one Practitioner; without id nobody is merged by name."""
    found = resources(outcome(pv1(f7=DOCTOR, f17=DOCTOR, f8="^DOE^ANN", f9="^DOE^ANN")))["Practitioner"]
    assert [each["name"][0]["family"] for each in found] == ["HEALER", "DOE", "DOE"]
    healer = found[0]
    assert healer["identifier"][0]["type"]["coding"][0]["code"] == "NPI"
    assert healer["name"][0]["given"] == ["HELEN", "Q"]
    assert healer["name"][0]["suffix"] == ["JR"]
    assert healer["qualification"][0]["code"]["coding"][0]["code"] == "MD"


def locations(field: str) -> dict[str, Any]:
    found = resources(outcome(pv1(f3=field)))
    by_id = {f"Location/{each['id']}": each for each in found["Location"]}
    chain, place = [], found["Encounter"][0]["location"][0]["location"]["reference"]
    while place:
        chain.append(by_id[place])
        place = by_id[place].get("partOf", {}).get("reference")
    return {"chain": chain, "count": len(by_id)}


CHAINS = [
    ("W^301^A^HOSP^^^MAIN^3", ["A", "301", "W", "3", "MAIN", "HOSP"]),
    ("^301^A^^^^^3", ["A", "301", "3"]),
    ("W^^A^HOSP", ["A", "W", "HOSP"]),
    ("W", ["W"]),
    ("^^^HOSP", ["HOSP"]),
]


@pytest.mark.parametrize(("field", "expected"), CHAINS)
def test_location_chain(field: str, expected: list[str]) -> None:
    """PL: bed, room, point of care, floor, building, facility over missing levels; each level once."""
    found = locations(field)
    assert [each["identifier"][0]["value"] for each in found["chain"]] == expected
    assert found["count"] == len(expected)


def test_location_levels() -> None:
    bed, room, ward, floor, building, site = locations("W^301^A^HOSP^^^MAIN^3")["chain"]
    kinds = [at(each, "physicalType.coding.0.code") for each in (bed, room, ward, floor, building, site)]
    assert kinds == ["bd", "ro", None, "lvl", "bu", "si"]
    assert all(each["mode"] == "instance" for each in (bed, room, ward, floor, building, site))


PL: list[tuple[str, str, str, Any]] = [
    ("PL.3 OID", "W^301^A&1.2.3&ISO^HOSP", "identifier.1.value", "urn:oid:1.2.3"),
    ("PL.3 OID system", "W^301^A&1.2.3&ISO^HOSP", "identifier.1.system", "urn:ietf:rfc:3986"),
    ("PL.5", "W^301^A^HOSP^active", "status", "active"),
    ("PL.6", "W^301^A^HOSP^^N", "type.0.coding.0.code", "N"),
    ("PL.9", "W^301^A^HOSP^^^^^by the window", "description", "by the window"),
    ("PL.10", "W^301^A^HOSP^^^^^^BED-9&NS&1.2.9&ISO", "identifier.1.value", "BED-9"),
    ("PL.11", "W^301^A^HOSP^^^^^^BED-9^ASSIGNER", "identifier.1.assigner.display", "ASSIGNER"),
]


@pytest.mark.parametrize(("field", "path", "expected"), [row[1:] for row in PL], ids=[row[0] for row in PL])
def test_pl_component(field: str, path: str, expected: Any) -> None:
    assert at(locations(field)["chain"][0], path) == expected


def test_the_same_room_is_one_location_by_whichever_field() -> None:
    """The room of PV1-3's bed is the room that PV1-6 names alone."""
    found = resources(outcome(pv1(f3="W^301^A^HOSP", f6="W^301^^HOSP")))
    assert sorted(each["identifier"][0]["value"] for each in found["Location"]) == ["301", "A", "HOSP", "W"]


def test_bed_status() -> None:
    """PV1-40 is the operational status of the bed in PV1-3."""
    found = resources(outcome(pv1(f3="W^301^A^HOSP", f40="K")))["Location"]
    (bed,) = [each for each in found if each["identifier"][0]["value"] == "A"]
    assert bed["operationalStatus"]["code"] == "K"


def test_discharge_location() -> None:
    """PV1-37: DLD[Location-Discharge]."""
    found = resources(outcome(pv1(f37="NH^Nursing home"), event="A03"))
    (place,) = found["Location"]
    assert place["type"][0]["coding"][0]["code"] == "NH"
    assert found["Encounter"][0]["hospitalization"]["destination"]["reference"] == f"Location/{place['id']}"


def test_episode_of_care() -> None:
    """PV1-53, PV1-54: an EpisodeOfCare whose status nobody says, with the diagnoses of the visit."""
    found = resources(outcome(pv1(f53="Knee", f54="E1^^^HOSP"), "DG1|1||M17^Arthrosis^I10|||F"))
    (episode,) = found["EpisodeOfCare"]
    assert episode["identifier"][0]["value"] == "E1"
    assert episode["extension"][0]["valueMarkdown"] == "Knee"
    assert "status" not in episode
    assert episode["diagnosis"][0]["condition"]["reference"] == f"Condition/{found['Condition'][0]['id']}"
    assert found["Encounter"][0]["episodeOfCare"] == [{"reference": f"EpisodeOfCare/{episode['id']}"}]
    assert "EpisodeOfCare" not in resources(outcome(pv1(), "DG1|1||M17^Arthrosis^I10|||F"))


def test_financial_class() -> None:
    """PV1-20: PV1[Coverage]; neither an active cover nor a payer is made up."""
    (cover,) = resources(outcome(pv1(f20="V01^20240101")))["Coverage"]
    assert cover["type"]["coding"][0]["code"] == "V01"
    assert cover["period"]["start"] == "2024-01-01"
    assert "status" not in cover
    assert cover["payor"][0]["extension"][0]["valueCode"] == "unknown"


def test_vip_of_the_person() -> None:
    """Channel option vip = patient: PV1[Patient]."""
    found = resources(outcome(pv1(f16="VIP"), options={"vip": "patient"}))
    assert found["Patient"][0]["extension"][0]["url"] == f"{SD}patient-importance"
    assert "hospitalization" not in found["Encounter"][0]
