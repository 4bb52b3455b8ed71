"""Bundle rules: each broken one is named at its entry, and references resolve as the specification says."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import validate, validate_bundle
from tests.adapters.fhir.samples import BASE, RESOURCES, Resource, reference, transaction
from tests.adapters.fhir.test_faults import drop, put

PATIENT = next(place for place, sample in enumerate(RESOURCES) if sample["id"] == "pat")
OBSERVATION = next(place for place, sample in enumerate(RESOURCES) if sample["id"] == "obs")
ENTRY = f"Bundle.entry[{OBSERVATION}]"

FAULTS: list[tuple[Callable[[Resource], None], str, str]] = [
    (drop("type"), "required", "Bundle.type"),
    (put("type", "parcel"), "code-invalid", "Bundle.type"),
    (put("total", 3), "invariant", "Bundle.total"),
    (put("type", "collection"), "invariant", f"{ENTRY}.request"),
    (put("type", "transaction-response"), "invariant", f"{ENTRY}.response"),
    (put("type", "document"), "invariant", "Bundle"),
    (put("entry", OBSERVATION, "fullUrl", f"{BASE}/Patient/pat"), "invariant", f"{ENTRY}.fullUrl"),
    (put("entry", OBSERVATION, "fullUrl", f"{BASE}/Observation/obs/_history/1"), "invariant", f"{ENTRY}.fullUrl"),
    (put("entry", OBSERVATION, "fullUrl", f"{BASE}/Observation/other"), "invariant", f"{ENTRY}.fullUrl"),
    (put("entry", OBSERVATION, "fullUrl", "Observation/obs"), "value", f"{ENTRY}.fullUrl"),
    (drop("entry", OBSERVATION, "fullUrl"), "required", f"{ENTRY}.fullUrl"),
    (drop("entry", OBSERVATION, "request"), "invariant", f"{ENTRY}.request"),
    (drop("entry", OBSERVATION, "request", "method"), "required", f"{ENTRY}.request.method"),
    (put("entry", OBSERVATION, "request", "method", "SEND"), "code-invalid", f"{ENTRY}.request.method"),
    (put("entry", OBSERVATION, "request", "url", "Observation/other"), "invariant", f"{ENTRY}.request.url"),
    (put("entry", OBSERVATION, "request", {"method": "POST", "url": "Patient"}), "invariant", f"{ENTRY}.request.url"),
    (drop("entry", OBSERVATION, "resource"), "required", f"{ENTRY}.resource"),
    (put("entry", OBSERVATION, "search", {"mode": "match"}), "invariant", f"{ENTRY}.search"),
    (put("entry", OBSERVATION, {"link": [{"relation": "self", "url": "x"}]}), "invariant", ENTRY),
    (put("entry", OBSERVATION, "resource", "status", "banana"), "code-invalid", f"{ENTRY}.resource.status"),
    (
        put("entry", OBSERVATION, "resource", "subject", reference("Patient/no")),
        "not-found",
        f"{ENTRY}.resource.subject.reference",
    ),
    (
        put("entry", OBSERVATION, "resource", "subject", reference("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")),
        "not-found",
        f"{ENTRY}.resource.subject.reference",
    ),
    (
        put("entry", OBSERVATION, "resource", "subject", reference("https://other.example/fhir/Patient/pat")),
        "not-found",
        f"{ENTRY}.resource.subject.reference",
    ),
    (
        put(
            "entry",
            OBSERVATION,
            "resource",
            "extension",
            [{"url": "http://x.example", "valueReference": reference("Group/no")}],
        ),
        "not-found",
        f"{ENTRY}.resource.extension[0].value.reference",
    ),
]


@pytest.mark.parametrize(("change", "code", "expression"), FAULTS, ids=[f"{n}-{f[2]}" for n, f in enumerate(FAULTS)])
def test_a_broken_rule_is_named_at_its_entry(change: Callable[[Resource], None], code: str, expression: str) -> None:
    bundle = transaction()
    change(bundle)
    assert (code, expression) in [(finding.code, finding.expression) for finding in validate_bundle(bundle)]


@pytest.mark.parametrize(
    "target",
    [
        f"{BASE}/Patient/pat",
        "Patient/pat",
        "Patient/pat/_history/1",
        "Patient?identifier=urn:oid:1|4711",
    ],
)
def test_a_reference_resolves(target: str) -> None:
    bundle = transaction()
    bundle["entry"][OBSERVATION]["resource"]["subject"] = reference(target)
    assert validate_bundle(bundle) == []


def test_a_uuid_resolves_by_full_url_and_a_relative_reference_needs_a_base() -> None:
    uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
    bundle: Resource = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": uuid,
                "resource": {"resourceType": "Patient", "name": [{"text": "x"}]},
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239521",
                "resource": {"resourceType": "Account", "status": "active", "subject": [reference(uuid)]},
                "request": {"method": "POST", "url": "Account"},
            },
        ],
    }
    assert validate_bundle(bundle) == []
    bundle["entry"][1]["resource"]["subject"] = [reference("Patient/x")]
    assert [finding.code for finding in validate_bundle(bundle)] == ["not-found"]


def test_an_open_bundle_may_point_outside() -> None:
    bundle = transaction()
    del bundle["entry"][PATIENT]
    assert {finding.code for finding in validate_bundle(bundle)} == {"not-found"}
    assert validate_bundle(bundle, closed=False) == []


def test_nested_references_are_looked_up_from_their_own_entry() -> None:
    bundle = transaction()
    bundle["entry"][OBSERVATION]["fullUrl"] = "https://other.example/fhir/Observation/obs"
    found = [finding.expression for finding in validate_bundle(bundle)]
    assert f"{ENTRY}.resource.subject.reference" in found
    assert all(ENTRY in expression or expression.endswith(".reference") for expression in found)


@given(st.integers(0, len(RESOURCES) - 1))
def test_an_entry_taken_away_leaves_exactly_its_references_open(place: int) -> None:
    bundle = transaction()
    gone = bundle["entry"].pop(place)["resource"]
    target = f"{gone['resourceType']}/{gone['id']}"
    found = validate_bundle(bundle)
    assert {finding.code for finding in found} <= {"not-found"}
    assert len(found) == sum(_says(entry["resource"], target) for entry in bundle["entry"])


def _says(value: Any, target: str) -> int:
    if isinstance(value, dict):
        return (value.get("reference") == target) + sum(_says(inner, target) for inner in value.values())
    return sum(_says(inner, target) for inner in value) if isinstance(value, list) else 0


def test_only_a_bundle_is_a_bundle() -> None:
    values: list[object] = [
        deepcopy(RESOURCES[0]),
        None,
        [],
        "x",
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
    ]
    for value in values:
        assert validate_bundle(value)
    assert validate({"resourceType": "Bundle", "type": "collection"}) == []
