"""FHIRPath N1, the part that constraints use: results by hand, R4's whole set of constraints, hostile expressions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import definitions
from adapters.fhir.constraints import BY_HAND, left_out
from adapters.fhir.fhirpath import NotCompilable, compile_constraint, compile_path, parse

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "_issued": {"extension": [{"url": "urn:why", "valueCode": "unknown"}]},
    "code": {"coding": [{"system": "urn:a", "code": "1"}, {"system": "urn:b", "code": "2"}], "text": "x.y"},
    "effectivePeriod": {"start": "2024-01", "end": "2024-01-15"},
    "valueQuantity": {"value": Decimal("13.20"), "code": "mg"},
    "category": [{"text": "a"}, {"text": "b"}, {"text": "a"}],
    "contained": [{"resourceType": "Patient", "id": "p", "active": True}],
    "referenceRange": [
        {"low": {"value": 1, "code": "mg"}, "high": {"value": 2, "code": "mg"}},
        {"low": {"value": 3, "code": "g"}, "high": {"value": 2, "code": "mg"}},
    ],
}

PATHS: list[tuple[str, list[Any]]] = [
    ("status", ["final"]),
    ("Observation.status", ["final"]),
    ("code.coding.code", ["1", "2"]),
    ("code.coding.where(system = 'urn:b').code", ["2"]),
    ("code.coding[1].code", ["2"]),
    ("value.value", [Decimal("13.20")]),
    ("value.ofType(Quantity).code", ["mg"]),
    ("value as string", []),
    ("(value is Quantity) and (effective is Period)", [True]),
    ("value is string", [False]),
    ("component is BackboneElement", [False]),
    ("contained.first() is Patient", [True]),
    ("contained.ofType(Organization)", []),
    ("issued.exists() and issued.hasValue().not()", [True]),
    ("issued.extension('urn:why').value", ["unknown"]),
    ("category.text.distinct()", ["a", "b"]),
    ("category.text.isDistinct()", [False]),
    ("category.select(text).count()", [3]),
    ("category.tail().text", ["b", "a"]),
    ("category.last().text | 'c'", ["a", "c"]),
    ("category.text.combine('c').count() = 4", [True]),
    ("code.coding.code.intersect('2' | '3')", ["2"]),
    ("'b' in category.text", [True]),
    ("category.text contains 'c'", [False]),
    ("category.all(text.exists())", [True]),
    ("category.exists(text = 'b')", [True]),
    ("component.empty() implies status = 'x'", [False]),
    ("component.code.empty() xor true", [False]),
    ("bodySite.text = 'x'", []),
    ("bodySite.text = 'x' or true", [True]),
    ("bodySite.text = 'x' and true", []),
    ("(bodySite.text = 'x').empty()", [True]),
    ("code.text.contains('.') and code.text.startsWith('x') and code.text.endsWith('y')", [True]),
    ("code.text.matches('^[a-z]\\\\.[a-z]$')", [True]),
    ("code.text.replaceMatches('\\\\..*', '') & '!'", ["x!"]),
    ("code.text.substring(2).upper()", ["Y"]),
    ("code.text.length() + 1", [4]),
    ("code.text.indexOf('y')", [2]),
    ("'12'.toInteger() > 11", [True]),
    ("value.value.toString()", ["13.20"]),
    ("iif(status = 'final', 'yes', 'no')", ["yes"]),
    ("effective.start <= effective.end", [True]),
    ("effective.start > '2024-02'", [False]),
    ("referenceRange[0].low <= referenceRange[0].high", [True]),
    ("referenceRange[0].high <= referenceRange[0].low", [False]),
    ("referenceRange[1].low <= referenceRange[1].high", [True]),  # of two units nobody can say
    ("descendants().where($this = 'urn:b').count()", [1]),
    ("contained.children().count()", [2]),
    ("{}", []),
    ("1 != 2 and -1 < 0 and 1.5 >= 1.50", [True]),
    ("`status` = 'final'", [True]),
    ("%resource.status = %context.status", [True]),
    ("%ucum", ["http://unitsofmeasure.org"]),
]


@pytest.mark.parametrize(("path", "found"), PATHS, ids=[path for path, _ in PATHS])
def test_a_path_gives(path: str, found: list[Any]) -> None:
    assert compile_path(path, ("Observation", ""), definitions())(OBSERVATION) == found


@pytest.mark.parametrize(
    "text",
    ["status.resolve()", "today()", "%`ext-x`", "@2024", "code.memberOf('x')", "nothing", "status =", "(", "a'b",
     "1 div 2", "status is Animal", "status.exists", "category..text", "", "status)"],
)  # fmt: skip
def test_what_is_not_in_the_subset_is_not_compiled(text: str) -> None:
    if text == "status.exists":  # a member of a string, not a function: lawful, and empty
        assert compile_path(text, ("Observation", ""), definitions())(OBSERVATION) == []
        return
    with pytest.raises(NotCompilable):
        compile_path(text, ("Observation", ""), definitions())


def test_every_constraint_of_r4_is_compiled_or_checked_by_hand_but_one() -> None:
    assert left_out(definitions()) == {"ctm-1": "the function resolve()"}
    keys = {
        row.key
        for name in definitions().types
        for place in definitions().constrained(name)
        for row in definitions().constraints((name, place))
    }
    assert keys >= BY_HAND
    assert len(keys) == 204


@given(st.text(max_size=40) | st.text(alphabet="abc.()'|&=<>[]{}$% 01andorin", max_size=60))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    try:
        holds = compile_constraint(text, "Observation", frozenset({("Observation", "")}), definitions())
    except NotCompilable:
        return
    assert holds(OBSERVATION, OBSERVATION) in {True, False}


def test_deep_and_long_expressions_are_refused() -> None:
    for text in ("(" * 5000 + "1" + ")" * 5000, " and ".join(["true"] * 5000)):
        with pytest.raises(NotCompilable):
            parse(text)
