"""Rows of segment and data type maps: each feature of the grammar on a map of its own (docs/mappings.md, "Rows")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mappings.engine.small import mapped, message, patient_map, resources

SEX = """
    # policy: miss={miss}
    code,target,system,display
    F,female,http://hl7.org/fhir/administrative-gender,Female
    N,,,
"""

# name, rows, PID (from field 1), what the Patient holds
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("a primitive", "- {to: birthDate, from: PID-7, as: date}", "||||||19700312", {"birthDate": "1970-03-12"}),
    ("nothing without a source", "- {to: birthDate, from: PID-7, as: date}", "1||||X", {}),
    (
        "a data type, each repetition",
        "- {to: identifier, from: PID-3, as: CX}",
        "||A1~B2^^^^^^20200101",
        {"identifier": [{"value": "A1"}, {"value": "B2", "period": {"start": "2020-01-01"}}]},
    ),
    (
        "the data type of the dictionary",
        "- {to: identifier, from: PID-3}",
        "||A1",
        {"identifier": [{"value": "A1"}]},
    ),
    (
        "equal values are kept once",
        "- {to: identifier, from: PID-3, as: CX}",
        "||A1~A1",
        {"identifier": [{"value": "A1"}]},
    ),
    (
        "slots follow each other in natural order",
        "- {to: identifier, from: PID-20, as: CX}\n- {to: identifier, from: PID-3, as: CX}",
        "||A1|||||||||||||||||B2",
        {"identifier": [{"value": "A1"}, {"value": "B2"}]},
    ),
    (
        "a subcomponent",
        "- {to: name.family, from: PID-5.1.2}",
        "||||A&von^B",
        {"name": [{"family": "von"}]},
    ),
    (
        "literals into the object, never over what is there",
        "- {to: identifier, from: PID-3, as: CX, set: {use: old, value: X, type.coding.code: MR}}",
        "||A1",
        {"identifier": [{"value": "A1", "use": "old", "type": {"coding": [{"code": "MR"}]}}]},
    ),
    ("a literal", "- {to: birthDate, from: PID-7, as: date}\n- {to: active, set: 'true'}", "||||||1970", {"birthDate": "1970", "active": True}),
    ("a literal alone makes nothing", "- {to: active, set: 'true'}", "1", {}),
    (
        "a default where nothing is said",
        "- {to: birthDate, from: PID-7, as: date}\n- {to: gender, from: PID-8, as: code, default: unknown}",
        "||||||1970",
        {"birthDate": "1970", "gender": "unknown"},
    ),
    (
        "no default where something is said",
        "- {to: gender, from: PID-8, as: code, default: unknown}",
        "|||||||male",
        {"gender": "male"},
    ),
    (
        "the first that yields",
        "- first:\n  - {to: deceasedDateTime, from: PID-29, as: dateTime}\n  - {to: deceasedBoolean, from: PID-30, as: boolean}",
        "|||||||||||||||||||||||||||||Y",
        {"deceasedBoolean": True},
    ),
    (
        "first passes over what is invalid",
        "- first:\n  - {to: deceasedDateTime, from: PID-29, as: dateTime}\n  - {to: deceasedBoolean, from: PID-30, as: boolean}",
        "||||||||||||||||||||||||||||soon|Y",
        {"deceasedBoolean": True},
    ),
    (
        "a nested element in one object per repetition",
        "- {to: communication.language, from: PID-15, as: CWE}",
        "||||||||||||||en^English~de",
        {
            "communication": [
                {"language": {"coding": [{"code": "en", "display": "English"}]}},
                {"language": {"coding": [{"code": "de"}]}},
            ]
        },
    ),
    (
        "rows with one slot build one object",
        "- {to: contact.name.family, from: PID-9.1, slot: C}\n- {to: contact.gender, from: PID-8, as: code, slot: C}",
        "|||||||male|MAIDEN",
        {"contact": [{"name": {"family": "MAIDEN"}, "gender": "male"}]},
    ),
    (
        "literals into the slot of an object that a source began",
        "- {to: contact.name.family, from: PID-9.1, slot: C}\n- {to: contact.gender, set: other, slot: C}",
        "||||||||MAIDEN",
        {"contact": [{"name": {"family": "MAIDEN"}, "gender": "other"}]},
    ),
    (
        "no object of literals alone",
        "- {to: birthDate, from: PID-7, as: date}\n- {to: contact.gender, set: other, slot: C}",
        "||||||1970",
        {"birthDate": "1970"},
    ),
    (
        "an extension",
        "- {extension: 'http://x/religion', value: CodeableConcept, from: PID-17, as: CWE}",
        "||||||||||||||||CHR",
        {"extension": [{"url": "http://x/religion", "valueCodeableConcept": {"coding": [{"code": "CHR"}]}}]},
    ),
    (
        "an extension on a primitive",
        "- {to: birthDate, from: PID-7, as: date}\n- {extension: 'http://x/t', value: string, on: birthDate, from: PID-6.1}",
        "|||||M|1970",
        {"birthDate": "1970", "_birthDate": {"extension": [{"url": "http://x/t", "valueString": "M"}]}},
    ),
    (
        "an extension in an extension",
        "- {extension: ['http://x/o', a], value: string, from: PID-6.1, slot: E}\n"
        "- {extension: ['http://x/o', b], value: string, from: PID-9.1, slot: E}",
        "|||||M|||N",
        {"extension": [{"url": "http://x/o", "extension": [{"url": "a", "valueString": "M"}, {"url": "b", "valueString": "N"}]}]},
    ),
    (
        "a time without zone keeps its text",
        "- {to: deceasedDateTime, from: PID-29, as: dateTime}",
        "||||||||||||||||||||||||||||202001021530",
        {"deceasedDateTime": "2020-01-02T15:30:00+01:00"},  # MSH-7's offset
    ),
    (
        "a date keeps the text of its time of day",
        "- {to: birthDate, from: PID-7, as: date}",
        "||||||197003120815",
        {
            "birthDate": "1970-03-12",
            "_birthDate": {
                "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/originalText", "valueString": "197003120815"}]
            },
        },
    ),
    (
        "the whole text",
        "- {to: name.text, from: PID-5, as: original}",
        "||||A^B^^C",
        {"name": [{"text": "A^B^^C"}]},
    ),
    (
        "several texts",
        "- {to: identifier.system, from: [PID-3.4.1, PID-3.4.2, PID-3.4.3], as: authority}",
        "||A1^^^X&1.2.3&ISO",
        {"identifier": [{"system": "urn:oid:1.2.3"}]},
    ),
    (
        "once per repetition of another field",
        "- {to: communication.language, from: PID-15, as: CWE, each: PID-3}\n- {to: identifier, from: PID-3, as: CX}",
        "||A~B||||||||||||en",
        {
            "identifier": [{"value": "A"}, {"value": "B"}],
            "communication": [{"language": {"coding": [{"code": "en"}]}}, {"language": {"coding": [{"code": "en"}]}}],
        },
    ),
    (
        "cases by a code",
        "- switch: PID-8\n  cases:\n    'M,F': [{to: birthDate, from: PID-7, as: date}]\n  else: [{to: deceasedBoolean, from: PID-30, as: boolean}]",
        "||||||1970|F",
        {"birthDate": "1970"},
    ),
    (
        "no case: else",
        "- switch: PID-8\n  cases:\n    'M,F': [{to: birthDate, from: PID-7, as: date}]\n  else: [{to: deceasedBoolean, from: PID-30, as: boolean}]",
        "||||||1970|X||||||||||||||||||||||N",
        {"deceasedBoolean": False},
    ),
    (
        "what is absent, with its reason",
        "- {to: identifier, from: PID-3, as: CX}\n- {to: birthDate, absent: unknown}",
        "||A",
        {
            "identifier": [{"value": "A"}],
            "_birthDate": {
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
                ]
            },
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "pid", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_row(rows: str, pid: str, expected: dict[str, Any]) -> None:
    found = resources(mapped(patient_map(rows), message(f"PID|{pid}")), "Patient")
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("miss", "code", "expected", "reason"),
    [
        ("error", "F", {"gender": "female"}, None),
        ("error", "f", {"gender": "female"}, None),
        ("error", "X", {}, "invalid"),
        ("none", "X", {}, "no-target"),
        ("unknown", "X", {"gender": "unknown"}, "no-target"),
        ("error", "N", {}, "no-target"),
    ],
)
def test_table_of_a_code(miss: str, code: str, expected: dict[str, Any], reason: str | None) -> None:
    rows = "- {to: gender, from: PID-8, table: Sex}\n- {to: birthDate, from: PID-7, as: date}"
    files = patient_map(rows) | {"tables/Sex.csv": SEX.format(miss=miss)}
    outcome = mapped(files, message(f"PID|||||||1970|{code}"))
    assert resources(outcome, "Patient") == [{"birthDate": "1970", **expected}]
    assert dict(outcome.residue).get("PID[1]-8[1].1.1") == reason


def test_table_of_a_concept_keeps_the_original() -> None:
    rows = "- {to: maritalStatus, from: PID-16, as: CWE, table: Marital}"
    table = """
        # source: http://old
        code,target,system,display
        M,married,http://new,Married
    """
    files = patient_map(rows) | {"tables/Marital.csv": table}
    outcome = mapped(files, message("PID||||||||||||||||M^wed"))
    assert resources(outcome, "Patient") == [
        {
            "maritalStatus": {
                "coding": [
                    {"system": "http://new", "code": "married", "display": "Married"},
                    {"system": "http://old", "code": "M", "display": "wed"},
                ]
            }
        }
    ]
    assert outcome.leaves[1] == 1  # the code is kept beside its translation


@pytest.mark.parametrize(
    ("when", "pid", "runs"),
    [
        ("{PID-8: valued}", "|||||||M", True),
        ("{PID-8: valued}", '|||||||""', False),
        ("{PID-8: valued}", "|||||||^^", False),
        ("{PID-8: empty}", "1", True),
        ("{PID-8: empty}", '|||||||""', False),
        ('{PID-8: "null"}', '|||||||""', True),
        ("{PID-8: M}", "|||||||M^x", True),
        ("{PID-8: {is: [M, F]}}", "|||||||F", True),
        ("{PID-8: {not: [M, F]}}", "|||||||F", False),
        ("{PID-8: {not: [M, F]}}", "1", True),
        ("{PID-3: {count: 1}}", "||A", True),
        ("{PID-3: {count: 1}}", "||A~B", False),
        ("{PID-3: {count: 2+}}", "||A~B~C", True),
        ("{PID-5.2: valued}", "||||A^B", True),
        ("{PID-5.2: valued}", "||||A", False),
        ("{event: [A01, A04]}", "1", True),
        ("{event: {not: [A01]}}", "1", False),
        ("{segment: PV1}", "1", True),
        ("{absent: PV1}", "1", False),
        ("{PV1-2: I}", "1", True),
        ("{PV1-2: I, PID-8: M}", "1", False),
        ("[{PV1-2: I}, {PID-8: {not: M}}]", "1", True),
    ],
)
def test_condition(when: str, pid: str, runs: bool) -> None:
    rows = f"- {{to: birthDate, set: '1970', when: {when}}}\n- {{to: identifier.value, from: PID-18.1}}"
    files = patient_map(rows)
    outcome = mapped(files, message(f"PID|{pid}".ljust(4) + "|" * (18 - pid.count("|") - 1) + "ACC", "PV1||I"))
    (patient,) = resources(outcome, "Patient")
    assert ("birthDate" in patient) is runs


def test_what_falls_together() -> None:
    """A bad part takes the others with it, to the fallback."""
    files = {
        "messages/ADT_A01.yaml": """
            message: ADT_A01
            rows:
            - {id: result, for: OBX, make: Observation, by: [OBX-Observation]}
        """,
        "segments/OBX-Observation.yaml": """
            segment: OBX -> Observation
            together:
              value: {fallback: {to: valueString, from: OBX-5, as: original}}
            rows:
            - {to: status, set: final}
            - {to: code.text, from: OBX-3.1}
            - {to: valueQuantity.value, from: OBX-5, as: decimal, together: value}
            - {to: valueQuantity.unit, from: OBX-6.1, together: value}
        """,
    }
    good, bad = (
        resources(mapped(files, message(f"OBX|1|NM|X||{value}|mg")), "Observation") for value in ("13.20", "13,20")
    )
    assert good == [{"status": "final", "code": {"text": "X"}, "valueQuantity": {"value": 13.20, "unit": "mg"}}]
    assert bad == [{"status": "final", "code": {"text": "X"}, "valueString": "13,20"}]
    outcome = mapped(files, message("OBX|1|NM|X||13,20|mg"))
    assert ("OBX[1]-6[1].1.1", "invalid") in outcome.residue
    assert "OBX[1]-5[1].1.1" not in dict(outcome.residue)


def test_conflict_first_wins_and_the_other_is_residue() -> None:
    rows = "- {to: birthDate, from: PID-7, as: date}\n- {to: birthDate, from: PID-29, as: date}"
    outcome = mapped(patient_map(rows), message("PID|||||||1970||||||||||||||||||||||1971"))
    assert resources(outcome, "Patient") == [{"birthDate": "1970"}]
    assert ("PID[1]-29[1].1.1", "no-target") in outcome.residue
    same = mapped(patient_map(rows), message("PID|||||||1970||||||||||||||||||||||1970"))
    assert "PID[1]-29[1].1.1" not in dict(same.residue)


def test_null_removes() -> None:
    """HL7 null is carried: the register is to be removed, and the Bundle can only say so in an issue."""
    rows = "- {to: identifier, from: PID-3, as: CX}\n- {to: birthDate, from: PID-7, as: date}\n- {to: name.text, from: PID-5.1}"
    outcome = mapped(patient_map(rows), message('PID|||A||""||""'))
    removed = {(e.path, e.slot) for e in outcome.changes[0].elements if e.value is None}
    assert removed == {("birthDate", ""), ("name", "PID-5")}
    assert not dict(outcome.residue).keys() & {"PID[1]-5[1].1.1", "PID[1]-7[1].1.1"}
    assert {issue.severity for issue in outcome.issues if issue.expression == "Patient.birthDate"} == {"information"}


def test_replaces_removes_silently_what_the_map_did_not_write() -> None:
    rows = "- {to: identifier, from: PID-3, as: CX}\n- {to: birthDate, from: PID-7, as: date}"
    outcome = mapped(patient_map(rows, head="replaces: [birthDate]"), message("PID|||A"))
    assert [(e.path, e.value) for e in outcome.changes[0].elements if e.value is None] == [("birthDate", None)]
    assert not outcome.issues or all(issue.expression is None for issue in outcome.issues)


def test_invalid_costs_the_field_and_says_where() -> None:
    rows = "- {to: identifier, from: PID-3, as: CX}\n- {to: birthDate, from: PID-7, as: date}"
    outcome = mapped(patient_map(rows), message("PID|||A||||ZZSECRET"))
    assert resources(outcome, "Patient") == [{"identifier": [{"value": "A"}]}]
    assert ("PID[1]-7[1].1.1", "invalid") in outcome.residue
    (issue,) = [issue for issue in outcome.issues if issue.path == "PID[1]-7[1].1.1"]
    assert (issue.severity, issue.expression) == ("error", "Patient.birthDate")
    assert "ZZSECRET" not in repr(outcome.issues)


def test_excused_names_its_row() -> None:
    rows = "- {to: identifier, from: PID-3, as: CX}"
    outcome = mapped(patient_map(rows, head="excused:\n  PID-1: set id"), message("PID|1||A^7"))
    assert dict(outcome.excused) == {
        "PID[1]-1[1].1.1": "segments/PID-Patient.yaml:3",
        "PID[1]-3[1].2.1": "datatypes/CX-Identifier.yaml:7",
    }


def test_weak_and_event_ranks() -> None:
    rows = "- {to: gender, from: PID-8, as: code, rank: weak}\n- {to: birthDate, from: PID-7, as: date, rank: event}\n- {to: active, default: 'true'}"
    outcome = mapped(patient_map(rows), message("PID|||||||1970|male"))
    assert {e.path: e.rank for e in outcome.changes[0].elements} == {"gender": -1, "birthDate": 1, "active": -1}
