"""PID, PD1 and NK1: a golden pair per row (v2-to-FHIR guide, PID[Patient], PD1[Patient], NK1[...])."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.hl7v2.adt_message import at, outcome, resources, segment

V2 = "http://terminology.hl7.org/CodeSystem/v2-"
SD = "http://hl7.org/fhir/StructureDefinition/"


def pid(**fields: str) -> str:
    """A PID segment with an identifier and these fields: `pid(f7="1980")`."""
    return segment("PID", **{"f1": "1", "f3": "P1^^^HOSP^MR", **fields})


def patient(*segments: str, **settings: Any) -> dict[str, Any]:
    return resources(outcome(*segments, **settings))["Patient"][0]


def extensions(value: dict[str, Any], url: str) -> list[dict[str, Any]]:
    return [each for each in value.get("extension", []) if each["url"] == url]


GOLDEN: list[tuple[str, str, str, Any]] = [
    ("PID-2", pid(f2="E9^^^EXT"), "identifier.0.value", "E9"),
    ("PID-3 value", pid(), "identifier.0.value", "P1"),
    ("PID-3 namespace", pid(), "identifier.0.assigner.display", "HOSP"),
    ("PID-3 type", pid(), "identifier.0.type.coding.0.code", "MR"),
    ("PID-3 type system", pid(), "identifier.0.type.coding.0.system", f"{V2}0203"),
    ("CX.4 OID", pid(f3="1^^^A&1.2.3&ISO"), "identifier.0.system", "urn:oid:1.2.3"),
    ("CX.4 CLIA", pid(f3="1^^^A&9D&CLIA"), "identifier.0.assigner.identifier.value", "9D"),
    ("CX.4 no URI", pid(f3="1^^^A&9D&CLIA"), "identifier.0.system", None),
    ("CX.2", pid(f3="1^7^M10"), "identifier.0.extension.0.valueString", "7"),
    ("CX.3", pid(f3="1^7^M10"), "identifier.0.extension.1.valueString", "M10"),
    ("CX.7", pid(f3="1^^^A^MR^^20200101"), "identifier.0.period.start", "2020-01-01"),
    ("CX.8", pid(f3="1^^^A^MR^^^20301231"), "identifier.0.period.end", "2030-12-31"),
    ("PID-4", pid(f4="ALT"), "identifier.1.value", "ALT"),
    ("PID-5 family", pid(f5="VAN DOE&VAN&DOE^JANE^Q^JR^DR^PHD^L"), "name.0.family", "VAN DOE"),
    ("PID-5 prefix", pid(f5="VAN DOE&VAN&DOE"), "name.0._family.extension.0.valueString", "VAN"),
    ("PID-5 own name", pid(f5="VAN DOE&VAN&DOE"), "name.0._family.extension.1.url", f"{SD}humanname-own-name"),
    ("PID-5 given", pid(f5="DOE^JANE^Q"), "name.0.given", ["JANE", "Q"]),
    ("PID-5 suffix", pid(f5="DOE^JANE^Q^JR^DR^PHD^^^^^^^^MD"), "name.0.suffix", ["JR", "PHD", "MD"]),
    ("PID-5 prefix XPN.5", pid(f5="DOE^JANE^^^DR"), "name.0.prefix", ["DR"]),
    ("PID-5 use", pid(f5="DOE^^^^^^M"), "name.0.use", "maiden"),
    ("PID-5 unknown use", pid(f5="DOE^^^^^^ZZ"), "name.0.use", None),
    ("PID-5 ideographic", pid(f5="王^小明^^^^^L^I"), "name.0.extension.0.valueCode", "IDE"),
    ("PID-5 order", pid(f5="DOE^^^^^^^^^^F"), "name.0.extension.0.valueCode", "F"),
    ("PID-5 range", pid(f5="DOE^^^^^^^^^2001&2002"), "name.0.period", {"start": "2001", "end": "2002"}),
    ("PID-5 dates beat range", pid(f5="DOE^^^^^^^^^2001&2002^^2003"), "name.0.period", {"start": "2003"}),
    ("PID-5 called", pid(f5="DOE^JANE^^^^^^^^^^^^^JJ"), "name.1", {"given": ["JJ"], "use": "nickname"}),
    ("PID-6", pid(f6="ROE^MARY"), "extension.0.valueString", "MARY ROE"),
    ("PID-7 date", pid(f7="19800203"), "birthDate", "1980-02-03"),
    ("PID-7 month", pid(f7="198002"), "birthDate", "1980-02"),
    ("PID-7 time", pid(f7="198002031415"), "_birthDate.extension.0.valueDateTime", "1980-02-03T14:15:00+01:00"),
    ("PID-7 time url", pid(f7="198002031415"), "_birthDate.extension.0.url", f"{SD}patient-birthTime"),
    ("PID-7 midnight", pid(f7="198002030000"), "_birthDate", None),
    ("PID-8 F", pid(f8="F"), "gender", "female"),
    ("PID-8 M", pid(f8="M"), "gender", "male"),
    ("PID-8 O", pid(f8="O"), "gender", "other"),
    ("PID-8 U", pid(f8="U"), "gender", "unknown"),
    ("PID-8 A", pid(f8="A"), "gender", "other"),
    ("PID-8 N", pid(f8="N"), "gender", "other"),
    ("PID-8 word", pid(f8="female"), "gender", "female"),
    ("PID-8 unknown", pid(f8="7"), "gender", None),
    ("PID-9", pid(f9="OLDIE^JANE"), "name.0", {"family": "OLDIE", "given": ["JANE"], "use": "old"}),
    (
        "PID-11 lines",
        pid(f11="1 ST&ST&1^APT^^^^^^^^^^^^^^^^^CARE OF"),
        "address.0.line",
        ["1 ST", "ST", "1", "APT", "CARE OF"],
    ),
    ("PID-11 city", pid(f11="^^TOWN^OH^44130^USA"), "address.0.city", "TOWN"),
    ("PID-11 state", pid(f11="^^TOWN^OH^44130^USA"), "address.0.state", "OH"),
    ("PID-11 zip", pid(f11="^^TOWN^OH^44130^USA"), "address.0.postalCode", "44130"),
    ("PID-11 country", pid(f11="^^TOWN^OH^44130^USA"), "address.0.country", "USA"),
    ("PID-11 use", pid(f11="^^TOWN^^^^H"), "address.0.use", "home"),
    ("PID-11 old", pid(f11="^^TOWN^^^^BA"), "address.0.use", "old"),
    ("PID-11 type", pid(f11="^^TOWN^^^^M"), "address.0.type", "postal"),
    ("PID-11 vacation", pid(f11="^^TOWN^^^^HV"), "address.0.extension.0.valueCode", "HV"),
    ("PID-11 county", pid(f11="^^TOWN^^^^^^CUYAHOGA"), "address.0.district", "CUYAHOGA"),
    ("PID-11 tract", pid(f11="^^TOWN^^^^^^^1234"), "address.0.extension.0.valueString", "1234"),
    ("PID-11 period", pid(f11="^^TOWN^^^^^^^^^2001&2002"), "address.0.period", {"start": "2001", "end": "2002"}),
    ("PID-12 joins", pid(f11="^^TOWN", f12="CUY"), "address", [{"city": "TOWN", "district": "CUY"}]),
    ("PID-12 alone", pid(f12="CUY"), "address", [{"district": "CUY"}]),
    ("PID-12 two addresses", pid(f11="^^A~^^B", f12="CUY"), "address.2", {"district": "CUY"}),
    ("PID-12 other county", pid(f11="^^A^^^^^^X", f12="CUY"), "address.1", {"district": "CUY"}),
    ("PID-13 use", pid(f13="555"), "telecom.0.use", "home"),
    ("PID-13 system absent", pid(f13="555"), "telecom.0._system.extension.0.valueCode", "unknown"),
    ("PID-13 value", pid(f13="555"), "telecom.0.value", "555"),
    ("XTN.2", pid(f13="555^WPN"), "telecom.0.use", "work"),
    ("XTN.3", pid(f13="555^PRN^FX"), "telecom.0.system", "fax"),
    ("XTN.3 CP system", pid(f13="555^^CP"), "telecom.0.system", "phone"),
    ("XTN.3 CP use", pid(f13="555^^CP"), "telecom.0.use", "mobile"),
    ("XTN.4", pid(f13="^NET^Internet^a@b.org"), "telecom.0.value", "a@b.org"),
    ("XTN.4 system", pid(f13="^NET^Internet^a@b.org"), "telecom.0.system", "email"),
    ("XTN.4 alone", pid(f13="^^^a@b.org"), "telecom.0.system", "email"),
    ("XTN.5-8", pid(f13="^PRN^PH^^1^216^5550101^9"), "telecom.0.value", "+1 216 5550101 X9"),
    ("XTN.7 alone", pid(f13="^PRN^PH^^^^5550101"), "telecom.0.value", "5550101"),
    ("XTN.7 local", pid(f13="^PRN^PH^^^^5550101"), "telecom.0.extension.0.url", f"{SD}contactpoint-local"),
    ("XTN.12", pid(f13="^PRN^PH^^1^216^5550101^^^^^+1 216"), "telecom.0.value", "+1 216"),
    ("XTN.13", pid(f13="555^^^^^^^^^^^^2001^2002"), "telecom.0.period", {"start": "2001", "end": "2002"}),
    ("XTN.18", pid(f13="555^^^^^^^^^^^^^^^^^2"), "telecom.0.rank", 2),
    ("PID-14", pid(f14="556"), "telecom.0.use", "work"),
    ("PID-15", pid(f15="es^Spanish"), "communication.0.language.coding.0.system", "urn:ietf:bcp:47"),
    ("PID-16", pid(f16="A"), "maritalStatus.coding.0.code", "L"),
    ("PID-16 original", pid(f16="A"), "maritalStatus.coding.1", {"system": f"{V2}0002", "code": "A"}),
    ("PID-16 local", pid(f16="ZZ^Other^L"), "maritalStatus.coding.0.code", "ZZ"),
    ("PID-17", pid(f17="BUD"), "extension.0.valueCodeableConcept.coding.0.code", "BUD"),
    ("PID-19", pid(f19="123"), "identifier.1.value", "123"),
    ("PID-19 type", pid(f19="123"), "identifier.1.type.coding.0.code", "SS"),
    ("PID-19 no US system", pid(f19="123"), "identifier.1.system", None),
    ("PID-20", pid(f20="D77^OH^20301231"), "identifier.1.value", "D77"),
    ("PID-20 type", pid(f20="D77^OH^20301231"), "identifier.1.type.coding.0.code", "DL"),
    ("PID-20 issuer", pid(f20="D77^OH^20301231"), "identifier.1.assigner.display", "OH"),
    ("PID-20 end", pid(f20="D77^OH^20301231"), "identifier.1.period.end", "2030-12-31"),
    ("PID-23", pid(f23="Key Largo"), "extension.0.valueAddress.text", "Key Largo"),
    ("PID-24", pid(f24="Y"), "multipleBirthBoolean", True),
    ("PID-24 N", pid(f24="N"), "multipleBirthBoolean", False),
    ("PID-25", pid(f24="Y", f25="2"), "multipleBirthInteger", 2),
    ("PID-25 no boolean", pid(f24="Y", f25="2"), "multipleBirthBoolean", None),
    ("PID-26", pid(f26="CA^Canada"), "extension.0.extension.0.valueCodeableConcept.coding.0.code", "CA"),
    ("PID-26 url", pid(f26="CA^Canada"), "extension.0.extension.0.url", "code"),
    ("PID-28", pid(f28="FR"), "extension.0.url", f"{SD}patient-nationality"),
    ("PID-29", pid(f29="20240101"), "deceasedDateTime", "2024-01-01"),
    ("PID-29 and Y", pid(f29="20240101", f30="Y"), "deceasedDateTime", "2024-01-01"),
    ("PID-30 Y", pid(f30="Y"), "deceasedBoolean", True),
    ("PID-30 N", pid(f30="N"), "deceasedBoolean", False),
    ("PID-35", pid(f35="CAT"), "extension.0.extension.0.url", "species"),
    ("PID-36", pid(f35="CAT", f36="SIA"), "extension.0.extension.1.url", "breed"),
    ("PID-39", pid(f39="CR^Crow"), "extension.0.extension.0.valueCodeableConcept.coding.0.display", "Crow"),
    ("PID-40", pid(f40="999^PRN^PH"), "telecom.0.value", "999"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_pid_row(segment: str, path: str, expected: Any) -> None:
    assert at(patient(segment), path) == expected


def test_a_contradiction_about_death_is_said() -> None:
    """PID-29 with PID-30 N: the guide's date stands, the N is residue and not silently dropped."""
    mapped = outcome(pid(f29="20240101", f30="N"))
    assert ("PID[1]-30[1].1.1", "no-target") in mapped.residue


def test_an_unknown_sex_falls_and_is_said() -> None:
    assert ("PID[1]-8[1].1.1", "invalid") in outcome(pid(f8="7")).residue


def test_citizenships_do_not_melt() -> None:
    found = extensions(patient(pid(f26="CA~FR")), f"{SD}patient-citizenship")
    assert [each["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] for each in found] == ["CA", "FR"]


def test_mother_by_her_identifier() -> None:
    """PID-21: one RelatedPerson with all her identifiers, mother of this patient."""
    found = resources(outcome(pid(f21="M1^^^HOSP^MR~M2^^^HOSP^SS")))
    (mother,) = found["RelatedPerson"]
    assert [each["value"] for each in mother["identifier"]] == ["M1", "M2"]
    assert mother["relationship"][0]["coding"][0]["code"] == "MTH"
    assert mother["patient"] == {"reference": f"Patient/{found['Patient'][0]['id']}"}


def test_account() -> None:
    """PID-18: PID[Account]."""
    found = resources(outcome(pid(f18="A1^^^HOSP^AN")))
    (account,) = found["Account"]
    assert (account["identifier"][0]["value"], account["status"]) == ("A1", "active")
    assert account["subject"] == [{"reference": f"Patient/{found['Patient'][0]['id']}"}]


def test_hl7_null_removes() -> None:
    """`""` in PID-13 and PID-8 removes these registers and no others."""
    mapped = outcome(pid(f8='""', f13='""', f14="556"))
    elements = next(change for change in mapped.changes if change.type == "Patient").elements
    removed = {(each.path, each.slot) for each in elements if each.value is None}
    assert {("gender", ""), ("telecom", "PID-13")} <= removed
    assert ("telecom", "PID-14") not in removed


def test_the_key_is_the_identifier_and_not_its_place() -> None:
    """Order of repetitions doesn't change who the patient is; another authority does."""
    one = patient(pid(f3="1^^^A^MR~2^^^B^SS"))["id"]
    assert patient(pid(f3="1^^^A^MR"))["id"] == one
    assert patient(pid(f3="1^^^B^MR"))["id"] != one


PD1: list[tuple[str, str, str, str, Any]] = [
    ("PD1-3", "PD1|||CLINIC^^77^^^HOSP^XX", "Organization", "name", "CLINIC"),
    ("PD1-3 id", "PD1|||CLINIC^^77^^^HOSP^XX", "Organization", "identifier.0.value", "77"),
    ("PD1-4", "PD1||||44^FAM^FRED^^^DR^^^HOSP", "Practitioner", "name.0.family", "FAM"),
    ("PD1-6", "PD1||||||V^Visual", "Patient", "extension.0.valueCodeableConcept.coding.0.code", "V"),
    ("PD1-7", "PD1|||||||Y", "Observation", "valueCodeableConcept.coding.0.system", f"{V2}0315"),
    ("PD1-7 code", "PD1|||||||Y", "Observation", "code.coding.0.code", "75320-2"),
    ("PD1-14", "PD1||||||||||||||CHURCH", "Patient", "extension.0.valueString", "CHURCH"),
]


@pytest.mark.parametrize(("segment", "kind", "path", "expected"), [row[1:] for row in PD1], ids=[row[0] for row in PD1])
def test_pd1_row(segment: str, kind: str, path: str, expected: Any) -> None:
    assert expected in [at(each, path) for each in resources(outcome(segment))[kind]]


KIN = "NK1|1|DOE^JOHN|SPO^Spouse|1 ST^^TOWN|555^PRN|556|N^Next|20200101|20210101|||K1^^^HOSP"
NK1: list[tuple[str, str, str, Any]] = [
    ("NK1-2", KIN, "name.0.family", "DOE"),
    ("NK1-3", KIN, "relationship.0.coding.0.code", "SPS"),
    ("NK1-4", KIN, "address.0.city", "TOWN"),
    ("NK1-5", KIN, "telecom.0.use", "home"),
    ("NK1-6", KIN, "telecom.1.use", "work"),
    ("NK1-7", KIN, "relationship.1.coding.0.code", "N"),
    ("NK1-8", KIN, "period.start", "2020-01-01"),
    ("NK1-9", KIN, "period.end", "2021-01-01"),
    ("NK1-12", KIN, "identifier.0.value", "K1"),
    ("NK1-15", f"{KIN}|||M", "gender", "male"),
    ("NK1-16", f"{KIN}||||19700101", "birthDate", "1970-01-01"),
    ("NK1-20", f"{KIN}||||||||en", "communication.0.language.coding.0.code", "en"),
    ("NK1-30", "NK1|1" + "|" * 29 + "ROE^RAY", "name.0.family", "ROE"),
    ("NK1-31", "NK1|1" + "|" * 30 + "777", "telecom.0.value", "777"),
    ("NK1-32", "NK1|1" + "|" * 31 + "2 ST", "address.0.line.0", "2 ST"),
    ("NK1-33", "NK1|1" + "|" * 32 + "K9", "identifier.0.value", "K9"),
    ("NK1-37", "NK1|1|DOE" + "|" * 35 + "S1", "identifier.0.type.coding.0.code", "SS"),
    ("NK1-40", "NK1|1|DOE" + "|" * 38 + "888", "telecom.0.value", "888"),
    ("NK1-41", "NK1|1|DOE" + "|" * 39 + "889", "telecom.0.value", "889"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in NK1], ids=[row[0] for row in NK1])
def test_nk1_row(segment: str, path: str, expected: Any) -> None:
    (relative,) = resources(outcome(segment))["RelatedPerson"]
    assert at(relative, path) == expected


CONTACT: list[tuple[str, str, str, Any]] = [
    ("NK1-2", KIN, "name.family", "DOE"),
    ("NK1-3, NK1-7", KIN, "relationship.1.coding.0.code", "N"),
    ("NK1-4", KIN, "address.city", "TOWN"),
    ("NK1-5, NK1-6", KIN, "telecom.1.value", "556"),
    ("NK1-8", KIN, "period.start", "2020-01-01"),
    ("NK1-15", f"{KIN}|||M", "gender", "male"),
]


@pytest.mark.parametrize(("segment", "path", "expected"), [row[1:] for row in CONTACT], ids=[row[0] for row in CONTACT])
def test_nk1_as_contact(segment: str, path: str, expected: Any) -> None:
    """Channel option nk1 = contact: Patient.contact and no RelatedPerson."""
    found = resources(outcome(segment, options={"nk1": "contact"}))
    assert "RelatedPerson" not in found
    assert at(found["Patient"][0]["contact"][0], path) == expected


def test_an_employer_is_a_contact_with_its_organization() -> None:
    """NK1-3 EMR: Patient.contact.organization in any case, with the contact person of NK1-30 to NK1-32."""
    segment = "NK1|1||EMR" + "|" * 10 + "ACME^L^^^^HOSP^XX^^^77" + "|" * 17 + "BOSS^BO|999|3 ST"
    found = resources(outcome(segment))
    organization = next(each for each in found["Organization"] if each.get("name") == "ACME")
    assert found["Patient"][0]["contact"][0]["organization"] == {"reference": f"Organization/{organization['id']}"}
    assert organization["contact"][0]["name"]["family"] == "BOSS"
    assert organization["contact"][0]["telecom"][0]["value"] == "999"
    assert organization["contact"][0]["address"]["line"] == ["3 ST"]


def test_us_overlay() -> None:
    """Realm US: race, ethnicity and the SSN's system; the base excuses race and ethnicity."""
    segment = pid(f10="2106-3^White^HL70005", f19="123-45-6789", f22="2186-5^Not Hispanic^CDCREC")
    assert {path.split("[1]-")[1][:2] for path, _ in outcome(segment).excused} >= {"10", "22"}
    mapped = outcome(segment, overlays=("us",))
    found = resources(mapped)["Patient"][0]
    assert found["identifier"][1]["system"] == "http://hl7.org/fhir/sid/us-ssn"
    inner = {each["url"].rsplit("/", 1)[-1]: each["extension"] for each in found["extension"]}
    assert inner.keys() == {"us-core-race", "us-core-ethnicity"}
    assert inner["us-core-race"][0]["valueCoding"]["code"] == "2106-3"
    assert inner["us-core-race"][1]["valueString"] == "White"


def test_blanks_make_no_other_patient_and_none_at_all() -> None:
    """v2.5.1, 2.A.74: blanks at the end mean nothing. A padded number is the same one; blanks alone are no number."""
    same = {patient(pid(f3=text))["id"] for text in ("77^^^HOSP^MR", "77  ^^^HOSP ^MR ", "  ^^^HOSP~77^^^HOSP^MR")}
    assert len(same) == 1
    blank = [patient(pid(f3="   ^^^HOSP^MR", f5=name))["id"] for name in ("ZZTEST^ONE", "ZZTEST^TWO")]
    assert len({*blank, *same}) == 3
