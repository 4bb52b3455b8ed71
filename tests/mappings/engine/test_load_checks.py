"""Load checks: what a map says wrong is found without a message, with file and line (mappings.md, "Compile once")."""

from __future__ import annotations

import pytest

from mappings import MapError, MapErrors, load
from mappings.engine.effective import EffectiveMap
from tests.mappings.engine.small import library, patient_map

FILE = "segments/PID-Patient.yaml"

# rows of PID -> Patient (the first stands in line 3), line of the finding, a part of its text
ROWS: list[tuple[str, int, str]] = [
    ("- {to: nome, from: PID-5, as: CX}", 3, "no such element in R4"),
    ("- {to: birthDate, from: PID-7}\n- {to: name.famly, from: PID-5.1}", 4, "no such element in R4"),
    ("- {to: deceased, from: PID-30}", 3, "no such element in R4"),
    ("- {to: 'deceased[x]', from: PID-30}", 3, "name one of the types"),
    ("- {to: birthDate, from: PID-999}", 3, "no version of HL7 v2 has this field"),
    ("- {to: birthDate, from: PID.7}", 3, "no source path"),
    ("- {to: birthDate, from: PID-7, as: dat}", 3, "no leaf function dat"),
    ("- {to: birthDate, from: PID-30, as: boolean}", 3, "makes boolean"),
    ("- {to: identifier, from: PID-3, as: ZZ}", 3, "no data type map ZZ-Identifier"),
    ("- {to: gender, from: PID-8, table: Sexx}", 3, "no table Sexx"),
    ("- {to: gender, from: PID-8, tabel: Sex}", 3, "has no key tabel"),
    ("- {to: gender, set: femal}", 3, "not in the required value set"),
    ("- {to: active, set: maybe}", 3, "no boolean"),
    ("- {to: identifier, from: PID-3, as: CX, set: {usage: old}}", 3, "no such element in R4"),
    ("- {to: birthDate, from: PID-7, when: {PID-8: sometimes, PID-9: {any: x}}}", 3, "a condition is"),
    ("- {to: birthDate, from: PID-7, when: {predicate: full-moon}}", 3, "no predicate full-moon"),
    ("- {to: birthDate, from: PID-7, when: {option: {nk1: [x]}}}", 3, "no option nk1"),
    ("- {to: birthDate, from: PID-7, rank: high}", 3, "rank is"),
    ("- {to: generalPractitioner, emit: Practitionr, from: PID-5, as: XCN}", 3, "no resource type"),
    ("- {to: managingOrganization, emit: Practitioner, from: PID-5, as: XCN}", 3, "can't refer to a Practitioner"),
    ("- {to: contact.gender, set: male}", 3, "need the slot"),
    ("- {to: birthDate, from: [PID-7, PID-8], as: date}", 3, "does not take 2 texts"),
    ("- {extension: 'http://x', from: PID-7}", 3, "has `value`"),
    ("- {to: birthDate}", 3, "nothing to set"),
    ("- just text", 3, "must be a mapping"),
]


@pytest.mark.parametrize(("rows", "line", "text"), ROWS)
def test_row_finding(rows: str, line: int, text: str) -> None:
    with pytest.raises(MapErrors) as caught:
        EffectiveMap(library(patient_map(rows))).check()
    finding = caught.value.errors[0]
    assert (finding.file, finding.line) == (FILE, line)
    assert text in finding.text


FILES: list[tuple[str, str, int, str]] = [
    ("messages/ADT_A01.yaml", "message: ADT_A01\nrows:\n- {for: PID, into: nobody, by: [PID-Patient]}", 3, "no row makes"),
    ("messages/ADT_A01.yaml", "message: ADT_A01\nrows:\n- {id: p, for: PID, make: Patient, by: [PID-Nobody]}", 3, "no map"),
    (
        "messages/ADT_A01.yaml",
        "message: ADT_A01\nrows:\n- {id: p, for: PID, make: Patient, by: [PID-Patient],\n   link: {photo: p}}",
        3,
        "no reference",
    ),
    ("messages/ADT_A02.yaml", "message: ADT_A01\nrows: []", 1, "has a map already"),
    ("datatypes/CX-Identifier.yaml", "datatype: CX -> Identifier\nrows:\n- {to: value, from: XX.1}", 3, "no component of CX"),
    ("datatypes/CX-Identifier.yaml", "datatype: CX -> Identifier\nrows:\n- {to: valu, from: CX.1}", 3, "no such element"),
    ("datatypes/CX-Identifier.yaml", "segment: PID -> Patient\nrows: []", 1, "begins with `datatype:`"),
    ("tables/Sex.csv", "# policy: keep\ncode,target,system,display\nF,female,,", 1, "policy is"),
    ("tables/Sex.csv", "code;target\nF;female", 1, "has the columns"),
    ("events.yaml", "rows:\n- {event: A11, on: Encountr, set: {status: cancelled}}", 2, "neither a label nor"),
    ("events.yaml", "rows:\n- {event: A11, on: Patient, set: {gender: none}}", 2, "not in the required value set"),
    ("events.yaml", "rows:\n- {event: A40, merge: {retired: old, surviving: patient}}", 2, "old is none"),
    ("safety.yaml", "deviations:\n- {id: x, guide: y, rows: ['segments/PID-Patient.yaml#nothing'], reason: z}", 2, "no row nothing"),
    ("safety.yaml", "deviations:\n- {id: x, guide: y, rows: []}", 2, "has id, guide, rows and reason"),
    ("options.yaml", "options:\n  nk1: {default: a, values: [b]}", 2, "not among its values"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "content", "line", "text"), FILES)
def test_file_finding(file: str, content: str, line: int, text: str) -> None:
    files = patient_map("- {to: birthDate, from: PID-7}") | {file: content}
    with pytest.raises(MapErrors) as caught:
        EffectiveMap(library(files)).check()
    found = {(error.file, error.line) for error in caught.value.errors if text in error.text}
    assert found == {(file, line)}


def test_a_required_code_only_gets_its_codes() -> None:
    rows = "- {to: gender, from: PID-8, table: Sex}"
    bad = {"tables/Sex.csv": "# policy: miss=error\ncode,target,system,display\nF,female,,\nX,femal,,"}
    keep = {"tables/Sex.csv": "# policy: miss=keep\ncode,target,system,display\nF,female,,"}
    for table, line in ((bad, 4), (keep, 1)):
        with pytest.raises(MapErrors) as caught:
            EffectiveMap(library(patient_map(rows) | table)).check()
        assert [(error.file, error.line) for error in caught.value.errors] == [("tables/Sex.csv", line)]


def test_all_findings_at_once() -> None:
    with pytest.raises(MapErrors) as caught:
        EffectiveMap(library(patient_map("- {to: nome, from: PID-5}") | {"tables/X.csv": "a,b"})).check()
    assert [error.file for error in caught.value.errors] == [FILE, "tables/X.csv"]


def test_a_map_that_does_not_compile_never_runs() -> None:
    effective = EffectiveMap(library(patient_map("- {to: birthDate, from: PID-7}\n- {to: nome, from: PID-5}")))
    for _ in range(2):
        with pytest.raises(MapError, match="nome"):
            effective.plan("ADT_A01")


def test_the_built_in_maps_are_sound() -> None:
    load().check()
