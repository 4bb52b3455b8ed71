"""The step `check`: what can't stand falls with what depends on it, is said, and nothing else moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappings import Change, Element, Mapped
from mappings import resource as resource_of
from pipelines.checking import checked
from pipelines.errors import CheckFailed
from pipelines.validation import validator
from tests.pipelines.handmade import EMPTY

PROVENANCE = Change(
    "Provenance",
    "pr",
    None,
    (
        Element("target", "", [{"reference": "Patient/p"}, {"reference": "Observation/o"}]),
        Element("recorded", "", "2026-03-01T08:00:00Z"),
        Element("agent", "", [{"who": {"display": "x"}}]),
    ),
)


def resource(change: Change) -> Any:
    """What a change makes."""
    return resource_of(change)


def patient(*elements: Element) -> Change:
    return Change("Patient", "p", "p", elements)


def observation(*elements: Element) -> Change:
    code = Element("code", "", {"text": "glucose"})
    subject = Element("subject", "", {"reference": "Patient/p"})
    return Change("Observation", "o", "p", (Element("status", "", "final"), code, subject, *elements))


def check(*changes: Change, level: Any = "structure") -> Mapped:
    return checked(replace(EMPTY, changes=changes), level, validator(None))


def test_what_stands_is_not_touched() -> None:
    mapped = replace(EMPTY, changes=(patient(Element("gender", "", "female")), PROVENANCE))
    assert checked(mapped, "structure", validator(None)) is mapped


def test_a_bad_element_falls_and_its_neighbours_keep_their_registers() -> None:
    names = (
        Element("name", "PID-5", [{"family": "ZZTEST", "prefix": [7]}]),
        Element("name", "PID-9", [{"family": "ZZTEST-TWO"}]),
    )
    found = check(
        patient(Element("gender", "", "banana", 1), Element("birthDate", "", "1970-03-12"), *names), PROVENANCE
    )
    elements = found.changes[0].elements
    assert Element("birthDate", "", "1970-03-12") in elements
    assert all(each.path != "gender" for each in elements)
    assert resource(found.changes[0])["name"] == [{"family": "ZZTEST"}, {"family": "ZZTEST-TWO"}]
    assert {issue.expression for issue in found.issues} == {"Patient.gender", "Patient.name[0].prefix[0]"}
    assert found.status == "partial"
    assert not any("banana" in issue.text for issue in found.issues)


def test_a_choice_that_falls_takes_its_register_with_it() -> None:
    found = check(observation(Element("value[x]", "", {"valueQuantity": {"value": "13.2"}})), PROVENANCE)
    made = resource(found.changes[0])
    assert not [name for name in made if name.startswith("value")]
    assert made["dataAbsentReason"]["coding"][0]["code"] == "error"  # an absence with its reason


def test_a_removal_stays() -> None:
    found = check(patient(Element("birthDate", "", None), Element("gender", "", "banana")), PROVENANCE)
    assert Element("birthDate", "", None) in found.changes[0].elements


def test_a_resource_that_cant_stand_is_set_aside_and_named_where_it_was_meant() -> None:
    fallen = observation().anew((*observation().elements[:2], Element("subject", "", {"reference": "?"})))
    identifier = Element("identifier", "OBX-21", [{"value": "7"}])
    named = Change(fallen.type, "n", fallen.patient, (*fallen.elements, identifier))
    report = Change(
        "DiagnosticReport",
        "d",
        "p",
        (
            Element("status", "", "final"),
            Element("code", "", {"text": "panel"}),
            Element(
                "result",
                "",
                [
                    {"reference": "Observation/o", "display": "glucose"},
                    {"reference": "Observation/n"},
                    {"reference": "Observation/o"},
                ],
            ),
        ),
    )
    found = check(patient(Element("gender", "", "female")), fallen, named, report, PROVENANCE)
    assert [change.type for change in found.changes] == ["Patient", "DiagnosticReport", "Provenance"]
    plain, by_identifier, nameless = resource(found.changes[1])["result"]
    assert plain == {"display": "glucose"}
    assert by_identifier == {"identifier": {"value": "7"}}
    assert nameless["extension"][0]["valueCode"] == "error"
    assert resource(found.changes[2])["target"] == [{"reference": "Patient/p"}]
    assert [issue.severity for issue in found.issues] == ["error", "error"]


def test_nothing_left_is_a_failure() -> None:
    fallen = observation().anew((*observation().elements[:2], Element("subject", "", {"reference": "?"})))
    with pytest.raises(CheckFailed) as error:
        check(fallen, PROVENANCE)
    assert error.value.place == "Observation.subject.reference"


def test_full_looks_further_than_structure() -> None:
    reversed_ = Element("effective[x]", "", {"effectivePeriod": {"start": "2026-03-02", "end": "2026-03-01"}})
    assert not check(observation(reversed_), PROVENANCE).issues
    found = check(observation(reversed_), PROVENANCE, level="full")
    assert "effectivePeriod" not in resource(found.changes[0])
    assert found.issues


def test_the_account_follows_the_lineage() -> None:
    """What only a fallen element was made of is residue; what another element carries, too, is not."""
    lines = (
        "Patient/p gender <- PID[1]-8[1].1.1 <- rule",
        "Patient/p name[PID-5].family <- PID[1]-5[1].1.1 <- rule",
        "Patient/p birthDate <- PID[1]-7[1].1.1 <- rule",
        "Observation/o code <- OBX[1]-3[1].1.1 <- rule",
        "Observation/o subject.display <- PID[1]-5[1].1.1 <- rule",
        "MessageHeader/m x <- PID[1]-7[1].1.1 <- rule",
    )
    elements = (*observation().elements[:2], Element("subject", "", {"reference": "?"}))
    fallen = Change("Observation", "o", "p", elements)
    bad = patient(Element("gender", "", "banana"), Element("birthDate", "", "1970-13-13"), Element("active", "", True))
    mapped = replace(EMPTY, changes=(bad, fallen, PROVENANCE), leaves=(5, 0, 0, 0))
    found = checked(mapped, "structure", validator(None), lambda: lines)
    assert set(found.residue) == {("PID[1]-8[1].1.1", "invalid"), ("OBX[1]-3[1].1.1", "set-aside")}
    assert found.leaves == (3, 0, 0, 2)
