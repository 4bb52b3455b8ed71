"""Translation plans: read as written, every fault with its line, hashed by what they say."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology import PackMissing, PlanError, Shelf, Translator, parse_plan
from terminology.systems import ICD9CM, ICD10CM, SNOMED

ROW = "rows:\n- {id: dx, element: Condition.code, from: icd-9-cm, to: icd-10-cm}\n"


def test_the_samples_are_plans(folder: Path) -> None:
    plan = parse_plan((folder / "plan-diagnoses.yaml").read_bytes(), "plan-diagnoses.yaml")
    assert [(row.element, row.source, row.target, row.line) for row in plan.rows] == [
        ("Condition.code", ICD9CM, ICD10CM, 4),
        ("Observation.valueCodeableConcept", ICD9CM, ICD10CM, 5),
    ]
    other = parse_plan((folder / "plan-snomed.yaml").read_bytes())
    assert (other.rows[0].source, other.rows[0].ancestors) == (SNOMED, "yes")  # not a boolean: nothing is resolved


def test_the_hash_is_of_what_is_said() -> None:
    plan = parse_plan(ROW.encode())
    again = parse_plan(b"# a remark\nplan: named\n" + ROW.replace("{id: dx, ", "{ ").replace("}", ", id: dx}").encode())
    assert plan.hash == again.hash
    assert plan.hash != parse_plan(ROW.replace("}", ", policy: exact}").encode()).hash


def test_values_are_texts_as_written() -> None:
    (row,) = parse_plan(ROW.replace("}", ", version: 010, edition: 2026-04}").encode()).rows
    assert (row.version, row.edition) == ("010", "2026-04")


FAULTS = [
    ("", "mapping"),
    ("[]", "mapping"),
    ("plan: x", "no rows"),
    ("rows: []", "no rows"),
    ("rows: [x]", "plan:1: a row is a mapping"),
    ("rows: {}", "no rows"),
    ("planned: x\n" + ROW, "no such key 'planned'"),
    (ROW.replace("id: dx", "name: dx"), "plan:2: no such key 'name'"),
    (ROW.replace("from: icd-9-cm", "source: icd-9-cm"), "no such key 'source'"),
    (ROW.replace(", to: icd-10-cm", ""), "plan:2: a row needs to"),
    (ROW.replace("Condition.code", "code"), "element is a resource type"),
    (ROW.replace("}", ", policy: bold}"), "policy is one of safe, exact, strict-rf2"),
    (ROW.replace("}", ", map: [gem]}"), "map is a text"),
    (ROW.replace("}", ", id: dy}"), "'id' twice"),
    (ROW + ROW.split("\n")[1], "two rows have one id"),
    ("a: [", "not YAML"),
    ("\x00", "not YAML"),
]


@pytest.mark.parametrize(("text", "said"), FAULTS)
def test_faults_are_said_with_their_place(text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said.replace("[", r"\[")):
        parse_plan(text.encode(), "plan")


MISSING = [
    (ROW.replace("icd-9-cm", "loinc"), "plan:2: no pack for http://loinc.org to"),
    (ROW.replace("}", ", version: 1999}"), "version 1999"),
    (ROW.replace("}", ", edition: 1999}"), "in version 1999"),
    (ROW.replace("}", ", map: concept-map}"), "no pack"),
]


@pytest.mark.parametrize(("text", "said"), MISSING)
def test_what_no_pack_has_stops_the_start(text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said) as caught:
        Translator(parse_plan(text.encode(), "plan"), Shelf())
    assert isinstance(caught.value.__cause__, PackMissing)


@given(st.binary(max_size=120) | st.text(max_size=80).map(lambda text: text.encode()))
def test_any_bytes_are_a_plan_or_our_error(data: bytes) -> None:
    with contextlib.suppress(PlanError):
        assert parse_plan(data).rows
