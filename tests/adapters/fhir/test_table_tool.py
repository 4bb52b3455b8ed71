"""The tool that writes the R4 table, on a tiny made-up package: what it takes over, and that it repeats itself."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir.tables import Shelf, expand
from tools.r4_table import build

CORE = "http://hl7.org/fhir/StructureDefinition/"


def element(path: str, types: list[dict[str, Any]], base: str | None = None, **more: Any) -> dict[str, Any]:
    return {"path": path, "base": {"path": base or path}, "min": 0, "max": "1", "type": types, **more}


ANIMALS = "http://hl7.org/fhir/animals"
RULE = {"human": "w", "expression": "kind.exists()"}
SYSTEM: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": "http://hl7.org/fhir/animals",
    "content": "complete",
    "concept": [
        {"code": "mammal", "concept": [{"code": "cat"}, {"code": "dog", "concept": [{"code": "poodle"}]}]},
        {"code": "whale", "property": [{"code": "subsumedBy", "valueCode": "mammal"}]},
        {"code": "bird"},
    ],
}
MAMMALS: dict[str, Any] = {
    "resourceType": "ValueSet",
    "url": "urn:vs:mammals",
    "compose": {
        "include": [{"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]}],
        "exclude": [{"system": ANIMALS, "concept": [{"code": "dog"}]}],
    },
}
ALL: dict[str, Any] = {
    "resourceType": "ValueSet",
    "url": "http://hl7.org/fhir/ValueSet/all",
    "compose": {"include": [{"valueSet": ["urn:vs:mammals|1"]}, {"system": "urn:ietf:bcp:13"}, {"system": "urn:far"}]},
}
ANIMAL: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "id": "Animal",
    "url": CORE + "Animal",
    "kind": "resource",
    "type": "Animal",
    "abstract": False,
    "baseDefinition": CORE + "DomainResource",
    "derivation": "specialization",
    "differential": {
        "element": [
            element("Animal", [], constraint=[{**RULE, "key": "ani-1", "severity": "error"}]),
            element("Animal.part", [], constraint=[{**RULE, "key": "ani-2", "severity": "warning"}]),
        ]
    },
    "snapshot": {
        "element": [
            element("Animal", []),
            element("Animal.text", [{"code": "Narrative"}], base="DomainResource.text"),
            element(
                "Animal.kind",
                [{"code": "code"}],
                min=1,
                binding={"strength": "required", "valueSet": ALL["url"] + "|4.0.1"},
                isModifier=True,
            ),
            element("Animal.value[x]", [{"code": "string"}, {"code": "Quantity"}], isSummary=True),
            element(
                "Animal.owner",
                [{"code": "Reference", "targetProfile": [CORE + "RelatedPerson", CORE + "Patient"]}],
                max="*",
            ),
            element("Animal.any", [{"code": "Reference", "targetProfile": [CORE + "Resource"]}]),
            element("Animal.part", [{"code": "BackboneElement"}], max="*"),
            element("Animal.part.part", [], contentReference="#Animal.part"),
        ]
    },
}
PROFILE = {**ANIMAL, "id": "pet", "url": CORE + "pet", "derivation": "constraint"}
FILES = {
    "CodeSystem-animals.json": SYSTEM,
    "ValueSet-mammals.json": MAMMALS,
    "ValueSet-all.json": ALL,
    "StructureDefinition-Animal.json": ANIMAL,
    "StructureDefinition-pet.json": PROFILE,
    "Patient-example.json": {"resourceType": "Patient"},
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def test_a_resource_is_taken_over_without_what_it_inherits(package: Path) -> None:
    table = json.loads(build(package))
    assert set(table["types"]) == {"Animal"}
    assert table["types"]["Animal"]["base"] == "DomainResource"
    assert table["types"]["Animal"]["elements"] == {
        "kind": [1, 1, {"code": []}, {"modifier": True, "binding": ["required", "all"]}],
        "value[x]": [0, 1, {"string": [], "Quantity": []}, {"summary": True}],
        "owner": [0, 0, {"Reference": ["Patient", "RelatedPerson"]}, {}],
        "any": [0, 1, {"Reference": []}, {}],
        "part": [0, 0, {"BackboneElement": []}, {}],
        "part.part": [0, 1, {}, {"content": "Animal.part"}],
    }


def test_own_constraints_of_severity_error_and_complete_code_systems_are_taken_over(package: Path) -> None:
    table = json.loads(build(package))
    assert table["types"]["Animal"]["constraints"] == {"": [["ani-1", "w", "kind.exists()"]]}
    codes = ["bird", "cat", "dog", "mammal", "poodle", "whale"]
    assert table["systems"] == {"http://hl7.org/fhir/animals": dict.fromkeys(codes, "")}


def test_a_value_set_is_expanded_through_filters_exclusions_and_other_sets() -> None:
    shelf = Shelf(FILES.values())
    assert expand(shelf, ALL["url"]) == {
        "systems": {"http://hl7.org/fhir/animals": ["cat", "mammal", "poodle", "whale"]},
        "rules": ["mime", "urn:far"],
    }
    assert expand(shelf, "urn:not-there") == {"systems": {}, "rules": ["urn:not-there"]}


def test_folder_and_archive_give_the_same_bytes_again_and_again(package: Path, tmp_path: Path) -> None:
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(package, "package")
    assert build(package) == build(package) == build(archive)
