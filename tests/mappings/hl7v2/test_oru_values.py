"""OBX-5 by OBX-2: each value type in its place, nothing lost, nothing made up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.mappings.hl7v2.oru import OBR, PID, mapped, observation, of_type, residue

LN = "http://loinc.org"
SCT = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
HB = {"coding": [{"code": "718-7", "display": "Hb", "system": LN}]}


LOCAL = "urn:tabellion:v2-coding-system:"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def quantity(text: str, comparator: str = "", unit: str = "", code: str = "", system: str = UCUM) -> dict[str, Any]:
    """A Quantity; a code comes with its system."""
    found: dict[str, Any] = {"value": Decimal(text)}
    if comparator:
        found["comparator"] = comparator
    if unit:
        found["unit"] = unit
    return {**found, "code": code, "system": system} if code else found


def coded(code: str, system: str = "", display: str = "", **rest: str) -> dict[str, Any]:
    """A Coding."""
    return {"code": code, **({"display": display} if display else {}), **({"system": system} if system else {}), **rest}


def value_of(found: dict[str, Any]) -> dict[str, Any]:
    """value[x] as it stands."""
    return {name: found[name] for name in sorted(found) if name.startswith("value") or name == "component"}


@pytest.mark.parametrize(
    ("kind", "text", "units", "expected"),
    [
        ("NM", "13.20", "g/dL^gram^UCUM", {"valueQuantity": quantity("13.20", unit="gram", code="g/dL")}),
        ("NM", "<5", "", {"valueQuantity": quantity("5", comparator="<")}),
        ("NM", ">=10", "mmol/L", {"valueQuantity": quantity("10", comparator=">=", unit="mmol/L", code="mmol/L")}),
        ("NM", "5+", "g/dL^^UCUM", {"valueString": "5+ g/dL"}),
        ("NM", "not done", "", {"valueString": "not done"}),
        ("NM", "5 mg", "mg", {"valueString": "5 mg"}),
        # the power's sign is the component separator, and senders don't escape it: one unit all the same
        ("NM", "5.2", "10^9/L", {"valueQuantity": quantity("5.2", unit="10^9/L")}),
        ("NM", "5.2", "x10^3/uL", {"valueQuantity": quantity("5.2", unit="x10^3/uL")}),
        ("NM", "5.2", "10^ten", {"valueQuantity": quantity("5.2", unit="10 (ten)")}),
        # giga or gram: no code; where the case says that it is gram, a code
        ("NM", "6.5", "G/L", {"valueQuantity": quantity("6.5", unit="G/L")}),
        ("NM", "6.5", "G/l", {"valueQuantity": quantity("6.5", unit="G/l")}),
        ("NM", "65", "g/l", {"valueQuantity": quantity("65", unit="g/l", code="g/L")}),
        ("NM", "13", "G/DL", {"valueQuantity": quantity("13", unit="G/DL", code="g/dL")}),
        ("NM", "37.1", "Cel", {"valueQuantity": quantity("37.1", unit="Cel", code="Cel")}),
        ("ST", "5.4", "mmol/L", {"valueString": "5.4 mmol/L"}),
        ("ST", "5.4 mmol/L", "mmol/L", {"valueString": "5.4 mmol/L"}),
        ("ST", "<0.5", "x10^9/L", {"valueString": "<0.5 x10^9/L"}),
        ("ST", "positive", "", {"valueString": "positive"}),
        ("", "5.4", "mmol/L", {"valueString": "5.4 mmol/L"}),
        ("TX", "one~two", "", {"valueString": "one\ntwo"}),
        ("NM", "5", "UMOLL", {"valueQuantity": quantity("5", unit="UMOLL")}),
        ("NM", "5", "1^ML^METRIC", {"valueQuantity": quantity("5", unit="ML", code="1", system=LOCAL + "METRIC")}),
        (
            "NM",
            "5~6",
            "g^gram^UCUM",
            {
                "component": [
                    {"code": HB, "valueQuantity": quantity("5", unit="gram", code="g")},
                    {"code": HB, "valueQuantity": quantity("6", unit="gram", code="g")},
                ]
            },
        ),
        ("SN", "<^5", "%^percent^UCUM", {"valueQuantity": quantity("5", comparator="<", unit="percent", code="%")}),
        ("SN", "=^5", "", {"valueQuantity": quantity("5")}),
        ("SN", "^28", "a^Year^UCUM", {"valueQuantity": quantity("28", unit="Year", code="a")}),
        ("SN", "^1^:^128", "", {"valueRatio": {"numerator": quantity("1"), "denominator": quantity("128")}}),
        (
            "SN",
            ">^1^/^8",
            "",
            {"valueRatio": {"numerator": quantity("1", comparator=">"), "denominator": quantity("8")}},
        ),
        ("SN", "^2^-^4", "", {"valueRange": {"low": quantity("2"), "high": quantity("4")}}),
        ("SN", ">^2^-^4", "", {"valueString": "> 2 - 4"}),
        ("SN", "^2^+", "", {"valueString": "2 +"}),
        ("SN", "<>^2", "mg^^UCUM", {"valueString": "<> 2 mg"}),
        ("SN", ">^1^.^3", "", {"valueString": "> 1 . 3"}),
        ("SN", "^test", "", {"valueString": "test"}),
        ("SN", "=", "", {"valueString": "="}),
        ("ST", "Some text", "", {"valueString": "Some text"}),
        ("ST", "left^right", "", {"valueString": "left^right"}),
        ("TX", "line 1~line 2", "", {"valueString": "line 1\nline 2"}),
        ("FT", "line 1\\.br\\line 2 \\T\\ 3", "", {"valueString": "line 1\nline 2 & 3"}),
        (
            "CE",
            "260385009^Negative^SCT",
            "",
            {"valueCodeableConcept": {"coding": [coded("260385009", SCT, "Negative")]}},
        ),
        (
            "CWE",
            "A^Alpha^L^1^One^LN^^2.74^Free text",
            "",
            {
                "valueCodeableConcept": {
                    "coding": [
                        coded("A", LOCAL + "L", "Alpha"),
                        coded("1", LN, "One", version="2.74"),
                    ],
                    "text": "Free text",
                }
            },
        ),
        (
            "CWE",
            "^Only text",
            "",
            {"valueCodeableConcept": {"coding": [{"display": "Only text"}], "text": "Only text"}},
        ),
        (
            "CWE",
            "A^^L~B^^L",
            "",
            {
                "component": [
                    {"code": HB, "valueCodeableConcept": {"coding": [coded("A", LOCAL + "L")]}},
                    {"code": HB, "valueCodeableConcept": {"coding": [coded("B", LOCAL + "L")]}},
                ]
            },
        ),
        ("IS", "POS", "", {"valueCodeableConcept": {"coding": [{"code": "POS"}]}}),
        ("ID", "Y", "", {"valueCodeableConcept": {"coding": [{"code": "Y"}]}}),
        ("DT", "202602", "", {"valueDateTime": "2026-02"}),
        ("TS", "20260228101500+0200", "", {"valueDateTime": "2026-02-28T10:15:00+02:00"}),
        ("DTM", "yesterday", "", {"valueString": "yesterday"}),
        ("TM", "0730", "", {"valueTime": "07:30:00"}),
        ("TM", "7h", "", {"valueString": "7h"}),
        ("DR", "20260101^20260102", "", {"valuePeriod": {"start": "2026-01-01", "end": "2026-01-02"}}),
        (
            "NR",
            "1^10",
            "mL^^UCUM",
            {
                "valueRange": {
                    "low": quantity("1", unit="mL", code="mL"),
                    "high": quantity("10", unit="mL", code="mL"),
                }
            },
        ),
        (
            "NA",
            "1^2^3~4^5^6",
            "",
            {
                "valueSampledData": {
                    "origin": quantity("0"),
                    "dimensions": 3,
                    "data": "1 2 3 4 5 6",
                    "_period": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]},
                }
            },
        ),
        ("VR", "1^3", "", {"valueString": "1-3"}),
        ("CX", "123^^^A&B", "", {"valueString": "123^^^A&B"}),
        ("", "plain", "", {"valueString": "plain"}),
        ("QQ", "unknown type", "", {"valueString": "unknown type"}),
    ],
)
def test_each_value_type_finds_its_element(kind: str, text: str, units: str, expected: dict[str, Any]) -> None:
    obx = f"OBX|1|{kind}|718-7^Hb^LN||{text}|{units}|||||F"
    found = observation(obx)
    assert value_of(found) == expected
    assert "dataAbsentReason" not in found
    # a unit that becomes part of a text has no place for the name of its system
    lost = [path for path in residue(PID, OBR, obx) if path.startswith("OBX")]
    assert lost == (["OBX[1]-6[1].3.1"] if "UCUM" in units and "valueString" in found else [])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("A", "amended"),
        ("B", "amended"),
        ("C", "corrected"),
        ("D", "entered-in-error"),
        ("F", "final"),
        ("I", "registered"),
        ("N", "cancelled"),
        ("O", "registered"),
        ("P", "preliminary"),
        ("R", "preliminary"),
        ("S", "preliminary"),
        ("U", "final"),
        ("V", "final"),
        ("W", "entered-in-error"),
        ("X", "cancelled"),
        ("", "unknown"),
        ("?", "unknown"),
        ("f", "final"),
    ],
)
def test_the_status_is_total_and_an_unknown_one_is_never_final(code: str, status: str) -> None:
    assert observation(f"OBX|1|NM|718-7^Hb^LN||5||||||{code}")["status"] == status


@pytest.mark.parametrize(
    ("code", "reason"),
    [("N", "not-asked"), ("X", "unknown"), ("F", "unknown"), ("P", "temp-unknown"), ("", "unknown"), ("D", None)],
)
def test_a_missing_value_has_a_reason(code: str, reason: str | None) -> None:
    found = observation(f"OBX|1|NM|718-7^Hb^LN||||||||{code}")
    assert value_of(found) == {}
    codes = [coding["code"] for coding in found.get("dataAbsentReason", {}).get("coding", [])]
    assert codes == ([] if reason is None else [reason])


def test_a_number_that_falls_is_kept_as_text_and_in_no_issue() -> None:
    obx = "OBX|1|NM|718-7^Hb^LN||secret|g|||||F"
    found = mapped(PID, OBR, obx)
    assert observation(obx)["valueString"] == "secret g"
    assert "OBX[1]-5[1].1.1" not in [path for path, _ in found.residue]
    assert not any("secret" in issue.text for issue in found.issues)


def test_reference_range_and_interpretation() -> None:
    found = observation("OBX|1|NM|718-7^Hb^LN||13.2|g/dL^^UCUM|12.0-16.0|H~ZZ|||F")
    assert found["referenceRange"] == [
        {
            "text": "12.0-16.0",
            "low": quantity("12.0", unit="g/dL"),
            "high": quantity("16.0", unit="g/dL"),
        }
    ]
    first, second = found["interpretation"]
    assert first["coding"][0] == {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        "code": "H",
        "display": "High",
    }
    assert first["coding"][1]["code"] == "H"
    assert [coding["code"] for coding in second["coding"]] == ["ZZ"]


def test_the_unit_of_a_range_with_a_power() -> None:
    (found,) = observation("OBX|1|NM|718-7^Hb^LN||5.2|x10^9/L|4-10||||F")["referenceRange"]
    assert (found["low"], found["high"]) == (quantity("4", unit="x10^9/L"), quantity("10", unit="x10^9/L"))


def test_a_code_of_another_system_is_not_looked_up_as_one_of_hl7() -> None:
    found = observation("OBX|1|NM|718-7^Hb^LN||13.2|||H^High^L|||F")
    assert [coding["system"] for coding in found["interpretation"][0]["coding"]] == ["urn:tabellion:v2-coding-system:L"]


def test_blanks_after_a_value_type_mean_nothing() -> None:
    padded, plain = (observation(f"OBX|1|{kind}|718-7^Hb^LN||13.2|g/dL|||||F") for kind in ("NM ", "NM"))
    assert padded == plain
    document = "OBX|1|ED |18842-5^Summary^LN||APP^Application^PDF^Base64^JVBERg==||||||F"
    assert len(of_type("DocumentReference", PID, OBR, document)) == 1
    assert of_type("Observation", PID, OBR, document) == []


def test_an_embedded_pdf_becomes_a_document_and_no_observation() -> None:
    obx = "OBX|1|ED|18842-5^Discharge summary^LN||APP^Application^PDF^Base64^JVBERg==||||||F|||20260101100000+0100"
    [document] = of_type("DocumentReference", PID, OBR, obx)
    assert document["content"] == [{"attachment": {"contentType": "application/pdf", "data": "JVBERg=="}}]
    assert (document["status"], document["docStatus"]) == ("current", "final")
    assert document["type"]["coding"][0]["code"] == "18842-5"
    assert document["date"] == "2026-01-01T10:00:00+01:00"
    assert of_type("Observation", PID, OBR, obx) == []
    [report] = of_type("DiagnosticReport", PID, OBR, obx)
    assert document["context"]["related"] == [{"reference": f"DiagnosticReport/{report['id']}"}]


def test_a_broken_attachment_falls_but_the_document_stays() -> None:
    obx = "OBX|1|ED|18842-5^Summary^LN||APP^^PDF^Base64^AAAAAAAAA||||||F"
    [document] = of_type("DocumentReference", PID, OBR, obx)
    assert document["content"] == [{"attachment": {"contentType": "application/pdf"}}]
    assert "OBX[1]-5[1].5.1" in residue(PID, OBR, obx)


def test_a_deleted_document_is_never_current() -> None:
    [document] = of_type("DocumentReference", PID, OBR, "OBX|1|ED|1^x^L||A^^PDF^Base64^JVBERg==||||||D")
    assert (document["status"], document["docStatus"]) == ("entered-in-error", "entered-in-error")


def test_a_pointer_is_a_document_by_url() -> None:
    [document] = of_type("DocumentReference", PID, OBR, "OBX|1|RP|1^x^L||https://x.example/a.pdf^APP^AP^PDF||||||F")
    assert document["content"] == [{"attachment": {"contentType": "application/pdf", "url": "https://x.example/a.pdf"}}]


def test_an_observation_without_a_code_is_set_aside_with_an_error() -> None:
    found = mapped(PID, OBR, "OBX|1|NM|||5||||||F")
    assert not any(change.type == "Observation" for change in found.changes)
    assert any(issue.severity == "error" for issue in found.issues)
    assert ("OBX[1]-5[1].1.1", "set-aside") in found.residue
