"""On one set (HL7's examples and the seeded defects) ours, @medplum/core and fhir.resources.R4B give the same verdict,
but for the differences that agreement.csv lists: who is right, and why.

A row stands for all resources with one kind of difference: the first error of the side that refuses, without names.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from adapters.fhir import DecodeError, decode, encode, validate
from tests.adapters.fhir.defects import DEFECTS, VALID, codes, units
from tests.support.fhir import EXAMPLES, fetched, medplum
from tools.r4_table import instances

DEFINITIONAL = frozenset(
    {"CapabilityStatement", "CodeSystem", "CompartmentDefinition", "ConceptMap", "ImplementationGuide", "NamingSystem"}
    | {"OperationDefinition", "SearchParameter", "StructureDefinition", "ValueSet"}
)
LARGEST = 300_000
"""Bytes. Definitional resources and the few larger ones are left to test_examples: the others take seconds for them."""

Kind: TypeAlias = tuple[str, str]
"""Who refuses ('ours', 'theirs'), and what for."""


@cache
def resources() -> list[tuple[str, bytes, str]]:
    """(name, bytes, our first error or '')."""
    fetched()
    found = []
    for name, data in instances(EXAMPLES):
        stem = name.removesuffix(".json")
        if "-" not in stem or stem.partition("-")[0] in DEFINITIONAL or len(data) > LARGEST:
            continue
        try:
            found.append((stem, encode(decode(data)), ours(data, seeded=False)))
        except DecodeError:
            continue  # Observation-decimal: numbers that ours does not read
    made = [(f"valid: {name}", each) for name, each in VALID.items()]
    made += [(f"defect: {each.name}", each.resource) for each in DEFECTS]
    return found + [(name, encode(each), ours(encode(each), seeded=True)) for name, each in made]


def ours(data: bytes, seeded: bool) -> str:
    """The seeded resources with the stand-ins for LOINC and UCUM, HL7's without any."""
    found = validate(decode(data), units=units, codes=codes) if seeded else validate(decode(data))
    errors = [finding.text for finding in found if finding.severity == "error"]
    return errors[0].partition(",")[0] if errors else ""


def r4b(data: bytes) -> str:
    resource = decode(data)
    assert isinstance(resource, dict)
    try:
        model = get_fhir_model_class(str(resource["resourceType"]))
    except ValueError:
        return "a type that R4B does not have"
    try:
        model.model_validate_json(data)
    except ValidationError as error:
        return str(error.errors()[0]["type"])
    return ""


def node(found: list[str]) -> str:
    return re.sub(r'"[^"]*"', "…", re.sub(r" *\([^)]*\)$", "", found[0])) if found else ""


def differences(theirs: list[str]) -> Counter[Kind]:
    counted: Counter[Kind] = Counter()
    for (name, _, our), their in zip(resources(), theirs, strict=True):
        if bool(our) is bool(their):
            continue
        seeded = name.startswith(("defect: ", "valid: "))
        counted["ours" if our else "theirs", name if seeded else our or their] += 1
    return counted


def listed(oracle: str) -> dict[Kind, int]:
    path = Path(__file__).with_name("agreement.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["oracle"] == oracle]
    assert all(row["right"] in {"ours", "theirs", "both"} and row["why"] for row in rows)
    return {(row["refuses"], row["kind"]): int(row["count"]) for row in rows}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_medplum_agrees_but_for_what_is_listed() -> None:
    assert differences([node(found) for found in medplum(data for _, data, _ in resources())]) == listed("medplum")


def test_fhir_resources_agrees_but_for_what_is_listed() -> None:
    assert differences([r4b(data) for _, data, _ in resources()]) == listed("fhir.resources")


def test_the_set_is_as_large_as_said() -> None:
    assert len(resources()) == 712 + len(VALID) + len(DEFECTS)
