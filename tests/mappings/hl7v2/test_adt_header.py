"""MSH, EVN, SFT and MRG: a golden pair per row; merges; types without a map (v2-to-FHIR guide, MSH[...], EVN[...])."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.hl7v2.adt_message import at, outcome, resources

DAR = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def msh(**fields: str) -> str:
    """An MSH segment of an A01: `msh(f4="HOSP^1.2.3^ISO")`."""
    found = {
        "f3": "APP",
        "f4": "HOSP",
        "f7": "20240301101500+0100",
        "f9": "ADT^A01^ADT_A01",
        "f10": "C1",
        "f11": "P",
        **fields,
    }
    last = max(int(name[1:]) for name in found)
    return "|".join(["MSH", "^~\\&", *[found.get(f"f{number}", "") for number in range(3, last + 1)]])


def header(segment: str, *others: str) -> dict[str, Any]:
    return resources(outcome(*others, header=segment))["MessageHeader"][0]


HEADER: list[tuple[str, str, str, Any]] = [
    ("MSH-3 name", msh(), "source.name", "APP"),
    ("MSH-3 ISO", msh(f3="APP^1.2.3^ISO"), "source.endpoint", "urn:oid:1.2.3"),
    ("MSH-3 URI", msh(f3="APP^http://a.org/x^URI"), "source.endpoint", "http://a.org/x"),
    ("MSH-3 DNS", msh(f3="APP^a.org^DNS"), "source.endpoint", "urn:dns:a.org"),
    ("MSH-3 CLIA", msh(f3="APP^9D^CLIA"), "source.name", "APP - CLIA:9D"),
    ("MSH-3 no endpoint", msh(), "source._endpoint.extension.0", {"url": DAR, "valueCode": "unknown"}),
    ("MSH-5 name", msh(f5="DEST"), "destination.0.name", "DEST"),
    ("MSH-5 endpoint", msh(f5="DEST^1.2.4^ISO"), "destination.0.endpoint", "urn:oid:1.2.4"),
    ("MSH-5 no endpoint", msh(f5="DEST"), "destination.0._endpoint.extension.0.valueCode", "unknown"),
    ("MSH-8", msh(f8="SECRET"), "meta.security.0.code", "SECRET"),
    ("MSH-9 code", msh(), "eventCoding.code", "A01"),
    ("MSH-9 system", msh(), "eventCoding.system", "http://terminology.hl7.org/CodeSystem/v2-0003"),
    ("MSH-9 display", msh(), "eventCoding.display", "ADT^A01^ADT_A01"),
    ("MSH-11", msh(f11="T^A"), "meta.tag.0.code", "T"),
    ("MSH-11 mode", msh(f11="T^A"), "meta.tag.1.system", "http://terminology.hl7.org/CodeSystem/v2-0207"),
    ("MSH-19", msh(f19="en"), "language", "en"),
    ("MSH-24", msh(f24="NET^1.2.5^ISO"), "source.endpoint", "urn:oid:1.2.5"),
    ("MSH-24 name", msh(f3="", f24="NET^1.2.5^ISO"), "source.name", "NET"),
    ("MSH-25", msh(f5="DEST^1.2.4^ISO", f25="NET^1.2.6^ISO"), "destination.0.endpoint", "urn:oid:1.2.6"),
    ("MSH-26", msh(f26="R"), "meta.security.0.code", "R"),
    ("MSH-27", msh(f27="N^No^L"), "meta.security.0.display", "No"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in HEADER], ids=[row[0] for row in HEADER])
def test_msh_row(segment: str, path: str, expected: Any) -> None:
    assert at(header(segment), path) == expected


def referred(found: dict[str, list[dict[str, Any]]], reference: dict[str, str]) -> dict[str, Any]:
    kind, _, id_ = reference["reference"].partition("/")
    return next(each for each in found[kind] if each["id"] == id_)


def test_parties_of_a_message() -> None:
    """MSH-4 sender with MSH-17 as its country, MSH-5 target, MSH-6 or MSH-23 receiver, MSH-22 responsible."""
    found = resources(outcome(header=msh(f4="HOSP^1.2.3^ISO", f5="DEST", f6="REGION", f17="USA", f22="OWNER^L^7")))
    header_ = found["MessageHeader"][0]
    sender = referred(found, header_["sender"])
    assert [each["value"] for each in sender["identifier"]] == ["HOSP", "urn:oid:1.2.3"]
    assert sender["address"] == [{"country": "USA"}]
    assert referred(found, header_["destination"][0]["target"])["identifier"][0]["value"] == "DEST"
    assert referred(found, header_["destination"][0]["receiver"])["identifier"][0]["value"] == "REGION"
    assert referred(found, header_["responsible"])["name"] == "OWNER"


def test_both_receivers_are_named() -> None:
    found = resources(outcome(header=msh(f5="DEST", f6="REGION", f23="NET")))
    destinations = found["MessageHeader"][0]["destination"]
    named = [referred(found, each["receiver"])["identifier"][0]["value"] for each in destinations]
    assert named == ["NET", "REGION"]


def test_a_universal_id_that_nothing_carries_is_said() -> None:
    """MSH-24 is the endpoint, so MSH-3's own universal id has no place; a type without id neither."""
    mapped = outcome(header=msh(f3="APP^1.2.3^ISO", f24="NET^1.2.5^ISO", f5="DEST^^ISO"))
    assert {"MSH[1]-3[1].2.1", "MSH[1]-3[1].3.1", "MSH[1]-5[1].3.1"} <= {path for path, _ in mapped.residue}


def test_the_sender_is_one_organization_wherever_it_is_named() -> None:
    found = resources(outcome(header=msh(f4="HOSP", f17="USA")))
    author = next(each for each in found["Provenance"][0]["agent"] if each["type"]["coding"][0]["code"] == "author")
    assert author["who"] == found["MessageHeader"][0]["sender"]


def provenance(*segments: str, **settings: Any) -> dict[str, Any]:
    (found,) = resources(outcome(*segments, **settings))["Provenance"]
    return found


def test_provenance_of_a_message() -> None:
    """Exactly one: recorded, occurred, what was done, author and assembler, the source by its hash."""
    found = provenance()
    assert found["recorded"] == found["occurredDateTime"] == "2024-03-01T10:15:00+01:00"
    codings = found["activity"]["coding"]
    assert codings[0]["code"] == "v2-fhir-transformation"
    assert codings[1]["display"] == "message - ADT^A01^ADT_A01"
    assert [each["type"]["coding"][0]["code"] for each in found["agent"]] == ["author", "assembler"]


EVENTS: list[tuple[str, str, str, Any]] = [
    ("EVN-1", "EVN|A01|20240302", "activity.coding.2.code", "A01"),
    ("EVN", "EVN|A01|20240302", "activity.coding.2.display", "event - ADT^A01"),
    ("EVN-2", "EVN|A01|20240302081500+0100", "recorded", "2024-03-02T08:15:00+01:00"),
    ("EVN-4", "EVN|A01|||01", "reason.0.coding.0.code", "PATRQT"),
    ("EVN-4 original", "EVN|A01|||01", "reason.0.coding.1.code", "01"),
    ("EVN-4 U", "EVN|A01|||U", "reason.0.extension.0.valueCode", "unknown"),
    ("EVN-6", "EVN|A01||||||20240303", "occurredDateTime", "2024-03-03"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in EVENTS], ids=[row[0] for row in EVENTS])
def test_evn_row(segment: str, path: str, expected: Any) -> None:
    assert at(provenance(segment.replace("||||||20240303", "|||||20240303")), path) == expected


def test_operator_and_facility() -> None:
    """EVN-5 agent, EVN-7 location."""
    found = resources(outcome("EVN|A01||||OP1^CLERK^CARL^^^^^^HOSP||NORTH^1.2.7^ISO"))
    source = found["Provenance"][0]
    operator = [each["who"] for each in source["agent"] if "type" not in each]
    assert referred(found, operator[0])["name"][0]["family"] == "CLERK"
    place = referred(found, source["location"])
    assert (place["name"], place["identifier"][0]["value"]) == ("NORTH", "urn:oid:1.2.7")
    assert place["physicalType"]["coding"][0]["code"] == "si"


def test_a_stamp_without_zone_is_kept_as_text() -> None:
    """No silent UTC: recorded is absent with its reason and the original text."""
    found = provenance("EVN|A01|20240302081500", header=msh(f7="20240302081500"))
    assert "recorded" not in found
    kept = {each["url"]: each for each in found["_recorded"]["extension"]}
    assert kept["http://hl7.org/fhir/StructureDefinition/originalText"]["valueString"] == "20240302081500"
    assert kept[DAR]["valueCode"] == "unknown"


def test_update_of_a_person() -> None:
    """PID-33, PID-34: PID[Provenance-Patient] as part of the one Provenance."""
    segment = "PID|1||P1^^^HOSP^MR" + "|" * 30 + "20240225|NORTH"
    found = resources(outcome(segment, event="A31"))
    source = found["Provenance"][0]
    assert source["occurredDateTime"] == "2024-02-25"
    assert "UPDATE" in [each.get("code") for each in source["activity"]["coding"]]
    performer = next(each for each in source["agent"] if at(each, "type.coding.0.code") == "performer")
    assert referred(found, performer["who"])["identifier"][0]["value"] == "NORTH"


SFT = "SFT|VENDOR|4.2|HISTEST|BIN-42|some notes|20250101"


def test_software() -> None:
    """SFT[Device], SFT[MessageHeader]."""
    found = resources(outcome(SFT))
    device = next(each for each in found["Device"] if "deviceName" in each)
    assert device["manufacturer"] == "VENDOR"
    assert device["version"][0]["value"] == "4.2"
    assert device["version"][0]["extension"][0]["valueDateTime"] == "2025-01-01"
    assert device["deviceName"] == [{"name": "HISTEST", "type": "manufacturer-name"}]
    assert device["modelNumber"] == "BIN-42"
    assert device["note"][0]["text"] == "some notes"
    assert found["MessageHeader"][0]["source"]["software"] == "HISTEST"
    assert found["MessageHeader"][0]["source"]["version"] == "4.2"
    entity = found["Provenance"][0]["entity"][-1]
    assert entity == {"role": "derivation", "what": {"reference": f"Device/{device['id']}"}}
    source = resources(outcome(SFT, options={"software": "source"}))["Provenance"][0]["entity"][-1]
    assert source["role"] == "source"


def test_merge() -> None:
    """A40: the patient of MRG-1 retires into that of PID-3, with what MRG says of it."""
    mapped = outcome("PID|1||P1^^^HOSP^MR||DOE^JANE", "MRG|P9^^^HOSP^MR||A9^^^HOSP||||DOE^ANNE", event="A40")
    found = resources(mapped)
    surviving, retired = found["Patient"]
    assert mapped.merges == ((retired["id"], surviving["id"]),)
    assert retired["active"] is False
    assert retired["link"] == [{"other": {"reference": f"Patient/{surviving['id']}"}, "type": "replaced-by"}]
    assert surviving["link"] == [{"other": {"reference": f"Patient/{retired['id']}"}, "type": "replaces"}]
    assert (retired["identifier"][0]["value"], retired["name"][0]["given"]) == ("P9", ["ANNE"])
    (account,) = found["Account"]
    assert (account["identifier"][0]["value"], account["status"]) == ("A9", "unknown")


def test_a_type_without_map() -> None:
    """MessageHeader, Patient, Provenance; the rest is residue."""
    mapped = outcome("PV1|1|I", header=msh(f9="BAR^P01^BAR_P01"))
    assert {"MessageHeader", "Patient", "Provenance"} <= resources(mapped).keys()
    assert "Encounter" not in resources(mapped)
    assert mapped.status == "partial"


def test_delete_person() -> None:
    """A29: the person is not active any more."""
    assert resources(outcome(header=msh(f9="ADT^A29^ADT_A21")))["Patient"][0]["active"] is False
