"""Data types of V3: identifiers, codes, names, addresses, telecoms, quantities, intervals, times, absence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mappings import PUBLISHED_NAMESPACE, MapSettings
from tests.mappings.cda.cda import PATIENT, C, document, mapped, observation, only, section

CODE = '<code code="c" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'


def value(text: str) -> dict[str, Any]:
    made = only(document(section(observation("2", CODE + text), loinc="30954-2")), "Observation")
    return {name: item for name, item in made.items() if name.startswith(("value", "_value", "dataAbsent"))}


def patient(inside: str = "", role: str = "") -> dict[str, Any]:
    return only(
        document(head=PATIENT.replace("</patient>", f"{inside}</patient>").replace("<patient>", f"{role}<patient>")),
        "Patient",
    )


VALUE = '<value xsi:type="INT" value="1"/>'
UCUM = {"system": "http://unitsofmeasure.org"}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('<value xsi:type="PQ" value="13.20" unit="g/dL"/>', {"valueQuantity": {"value": Decimal("13.20"), "unit": "g/dL", "code": "g/dL", **UCUM}}),
        ('<value xsi:type="PQ" value="5" unit="mcg"/>', {"valueQuantity": {"value": 5, "unit": "mcg", "code": "ug", **UCUM}}),
        ('<value xsi:type="PQ" value="5" unit="NA"/>', {"valueQuantity": {"value": 5, "unit": "NA"}}),
        ('<value xsi:type="PQ" value="1E3"/>', {"valueQuantity": {"value": 1000}}),
        ('<value xsi:type="INT" value="7"/>', {"valueInteger": 7}),
        ('<value xsi:type="REAL" value="0.50"/>', {"valueQuantity": {"value": Decimal("0.50")}}),
        ('<value xsi:type="BL" value="true"/>', {"valueBoolean": True}),
        ('<value xsi:type="ST">some  words</value>', {"valueString": "some words"}),
        ('<value xsi:type="ED">words</value>', {"valueString": "words"}),
        ('<value xsi:type="TS" value="2026"/>', {"valueDateTime": "2026"}),
        ('<value xsi:type="IVL_TS"><low value="2026"/><high value="2027"/></value>', {"valuePeriod": {"start": "2026", "end": "2027"}}),
        ('<value xsi:type="IVL_PQ"><low value="1" unit="s"/><high value="2" unit="s"/></value>',
         {"valueRange": {"low": {"value": 1, "unit": "s", "code": "s", **UCUM}, "high": {"value": 2, "unit": "s", "code": "s", **UCUM}}}),
        ('<value xsi:type="IVL_PQ"><high value="2" unit="s" inclusive="false"/></value>',
         {"valueQuantity": {"comparator": "<", "value": 2, "unit": "s", "code": "s", **UCUM}}),
        ('<value xsi:type="IVL_PQ"><low value="2"/></value>', {"valueQuantity": {"comparator": ">=", "value": 2}}),
        ('<value xsi:type="RTO_PQ_PQ"><numerator value="1"/><denominator value="8"/></value>',
         {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 8}}}),
        ('<value xsi:type="CO" code="a" codeSystem="1.2.3"/>', {"valueCodeableConcept": {"coding": [{"code": "a", "system": "urn:oid:1.2.3"}]}}),
        ('<value xsi:type="CD" nullFlavor="OTH"><originalText>o</originalText><translation code="b" codeSystem="2.16.840.1.113883.6.96"/></value>',
         {"valueCodeableConcept": {"coding": [{"code": "b", "system": "http://snomed.info/sct"}], "text": "o"}}),
        ('<value xsi:type="CD" code="x" codeSystem="http://example.org/cs"/>', {"valueCodeableConcept": {"coding": [{"code": "x", "system": "http://example.org/cs"}]}}),
        ('<value xsi:type="SC" code="x" codeSystem="1.2">t</value>', {"valueCodeableConcept": {"coding": [{"code": "x", "system": "urn:oid:1.2"}], "text": "t"}}),
        ('<value xsi:type="MO" value="9" currency="EUR"/>', {"valueQuantity": {"value": 9, "unit": "EUR", "code": "EUR", "system": "urn:iso:std:iso:4217"}}),
        ('<value xsi:type="PQ" nullFlavor="ASKU"/>',
         {"dataAbsentReason": {"coding": [{"code": "asked-unknown", "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "display": "Asked But Unknown"}]}}),
        ('<value xsi:type="NEW" value="1"/>', {}),
    ],
)  # fmt: skip
def test_values(source: str, made: dict[str, Any]) -> None:
    assert value(source) == made


def test_an_unknown_type_and_a_bad_number_are_residue() -> None:
    for text, reason in (
        ('<value xsi:type="NEW" value="1"/>', "no-rule"),
        ('<value xsi:type="PQ" value="x"/>', "invalid"),
    ):
        outcome = mapped(document(section(observation("2", CODE + text), loinc="30954-2")))
        assert [why for path, why in outcome.residue if path.endswith("value[1]/@value")] == [reason]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('<id root="1.2" extension="a"/>', {"system": "urn:oid:1.2", "value": "a"}),
        ('<id root="2.16.840.1.113883.4.6" extension="1"/>', {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}),
        ('<id root="1.2.9"/>', {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.9"}),
        ('<id root="068F3166-5721-4D69-94ED-8278FF035B8A"/>', {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:068f3166-5721-4d69-94ed-8278ff035b8a"}),
        ('<id root="068F3166-5721-4D69-94ED-8278FF035B8A" extension="x"/>', {"system": "urn:uuid:068f3166-5721-4d69-94ed-8278ff035b8a", "value": "x"}),
        ('<id root="2.16.840.1.113883.4.873" extension="https://example.org/1"/>', {"system": "urn:ietf:rfc:3986", "value": "https://example.org/1"}),
        ('<id root="1.2" extension="a" assigningAuthorityName="N"/>', {"system": "urn:oid:1.2", "value": "a", "assigner": {"display": "N"}}),
    ],
)  # fmt: skip
def test_identifiers(source: str, made: dict[str, Any]) -> None:
    assert patient(role=source)["identifier"][-1] == made


def test_names() -> None:
    found = patient(
        '<name use="L"><prefix>Dr.</prefix><given>A</given><given>B</given><family>ZZTEST</family></name><name>free ZZTEST</name><name nullFlavor="UNK"/>'
    )["name"]
    assert found[1:] == [
        {"use": "usual", "prefix": ["Dr."], "given": ["A", "B"], "family": "ZZTEST"},
        {"text": "free ZZTEST"},
    ]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ('<telecom use="HP" value="tel:+1-5"/>', {"system": "phone", "value": "+1-5", "use": "home"}),
        ('<telecom use="PG" value="tel:7"/>', {"system": "pager", "value": "7"}),
        ('<telecom value="mailto:a@example.org"/>', {"system": "email", "value": "a@example.org"}),
        ('<telecom value="x-text-fax:5"/>', {"system": "fax", "value": "5"}),
        ('<telecom value="https://example.org"/>', {"system": "url", "value": "https://example.org"}),
        ('<telecom value="+41 44 1"/>', {"system": "phone", "value": "+41 44 1"}),
        ('<telecom value="skype:a"/>', {"system": "other", "value": "skype:a"}),
    ],
)
def test_telecoms(source: str, made: dict[str, Any]) -> None:
    assert patient(role=source)["telecom"] == [made]


def test_addresses() -> None:
    source = '<addr use="HP"><streetAddressLine>1 A</streetAddressLine><city>C</city><county>K</county><state>S</state><postalCode>P</postalCode><country>US</country></addr><addr use="PST">all in one</addr>'
    assert patient(role=source)["address"] == [
        {
            "use": "home",
            "line": ["1 A"],
            "city": "C",
            "district": "K",
            "state": "S",
            "postalCode": "P",
            "country": "US",
        },
        {"type": "postal", "text": "all in one"},
    ]


@pytest.mark.parametrize(
    ("time", "zone", "header", "made"),
    [
        ("2026", None, "20260101", {"effectiveDateTime": "2026"}),
        ("20260102", None, "20260101", {"effectiveDateTime": "2026-01-02"}),
        ("202601020304+0100", None, "20260101", {"effectiveDateTime": "2026-01-02T03:04:00+01:00"}),
        ("20260102030405.678-0500", None, "20260101", {"effectiveDateTime": "2026-01-02T03:04:05.678-05:00"}),
        ("20260102030405", None, "20260101000000+0200", {"effectiveDateTime": "2026-01-02T03:04:05+02:00"}),  # the document's own
        ("20260702030405", "Europe/Zurich", "20260101000000+0500", {"effectiveDateTime": "2026-07-02T03:04:05+02:00"}),  # the channel's
        ("20260102030405", None, "20260101", {"effectiveDateTime": "2026-01-02", "_effectiveDateTime": {"extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/originalText", "valueString": "20260102030405"}]}}),
        ("20260132", None, "20260101", {}),
        ("00000000", None, "20260101", {}),
        ("20260102030405+9900", None, "20260101", {}),
        ("199911", None, "20260101", {"effectiveDateTime": "1999-11"}),
    ],
)  # fmt: skip
def test_times(time: str, zone: str | None, header: str, made: dict[str, Any]) -> None:
    settings = MapSettings(PUBLISHED_NAMESPACE, zone=zone)
    data = document(section(observation("2", f'{CODE}<effectiveTime value="{time}"/>'), loinc="30954-2"), time=header)
    found = only(data, "Observation", settings)
    assert {name: item for name, item in found.items() if "effective" in name} == made


def test_required_codes_that_are_absent_say_why() -> None:
    made = only(
        document(section(observation("2", '<code nullFlavor="NASK"/><statusCode code="completed"/>'), loinc="30954-2")),
        "Observation",
    )
    assert made["code"]["extension"][0]["valueCode"] == "not-asked"
    made = only(
        document(section(observation("2", f'<statusCode code="completed"/>{VALUE}'), loinc="30954-2")), "Observation"
    )
    assert made["code"]["extension"][0]["valueCode"] == "unknown"


def test_the_nearest_author_counts() -> None:
    def author(name: str) -> str:
        return f'<author><time value="2026"/><assignedAuthor><id root="1.5" extension="{name}"/><assignedPerson><name><family>ZZTEST-{name}</family></name></assignedPerson></assignedAuthor></author>'

    problem = observation("4", '<statusCode code="completed"/><value xsi:type="CD" code="1" codeSystem="1.2"/>{}')
    for own, around, expected in ((author("OWN"), author("SEC"), "OWN"), ("", author("SEC"), "SEC"), ("", "", "DOC")):
        data = document(
            section(problem.format(own)).replace("<title>", f"{around}<title>"), head=PATIENT + author("DOC")
        )
        outcome = mapped(data)
        (recorder,) = [
            each.id
            for each in outcome.changes
            if f"PractitionerRole/{each.id}" == only(outcome, "Condition")["recorder"]["reference"]
        ]
        assert f"ZZTEST-{expected}" in _practitioner_of(outcome, recorder)


def _practitioner_of(outcome: Any, role: str) -> str:
    made = {f"{each.type}/{each.id}": each for each in outcome.changes}
    (target,) = [e.value["reference"] for e in made[f"PractitionerRole/{role}"].elements if e.path == "practitioner"]
    return str(made[target].elements)


@pytest.mark.parametrize(
    ("low", "high", "period"),
    [
        ("2022", "2021", {"start": "2022"}),
        ("20220102", "2022", {"start": "2022-01-02", "end": "2022"}),
        (
            "20220102030405+0100",
            "20220102020406+0000",
            {"start": "2022-01-02T03:04:05+01:00", "end": "2022-01-02T02:04:06+00:00"},
        ),
        ("20220102030405+0100", "20220102020404+0000", {"start": "2022-01-02T03:04:05+01:00"}),
    ],
)
def test_a_period_that_ends_before_it_begins_keeps_its_beginning(low: str, high: str, period: dict[str, Any]) -> None:
    text = f'{CODE}<effectiveTime><low value="{low}"/><high value="{high}"/></effectiveTime><value xsi:type="INT" value="1"/>'
    outcome = mapped(document(section(observation("2", text), loinc="30954-2")))
    assert only(outcome, "Observation")["effectivePeriod"] == period
    said = [reason for path, reason in outcome.residue if path.endswith("high[1]/@value")]
    assert said == ([] if "end" in period else ["invalid"])


STATUS = f'<entryRelationship typeCode="REFR"><observation classCode="OBS" moodCode="EVN"><templateId root="{C}6"/><statusCode code="completed"/><value xsi:type="CD" code="{{}}" codeSystem="2.16.840.1.113883.6.96"/></observation></entryRelationship>'


@pytest.mark.parametrize(
    ("attributes", "status", "inner", "clinical", "abated"),
    [
        ("", "completed", "", "resolved", True),
        ("", "completed", STATUS.format("55561003"), "active", False),  # the sender says that it is not over
        ("", "completed", STATUS.format("413322009"), "resolved", True),
        (' negationInd="true"', "completed", "", None, False),
        ("", "nullified", "", None, False),
    ],
)
def test_what_is_over_is_not_active(
    attributes: str, status: str, inner: str, clinical: str | None, abated: bool
) -> None:
    value = '<value xsi:type="CD" code="1" codeSystem="1.2"/>'
    text = f'<statusCode code="{status}"/><effectiveTime><low value="2020"/><high value="2021"/></effectiveTime>{value}{inner}'
    made = only(document(section(observation("4", text, f'classCode="OBS" moodCode="EVN"{attributes}'))), "Condition")
    assert made.get("clinicalStatus", {"coding": [{"code": None}]})["coding"][0]["code"] == clinical
    assert ("abatementDateTime" in made) is abated
