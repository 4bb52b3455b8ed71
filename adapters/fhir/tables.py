"""StructureDefinition, ValueSet and CodeSystem (R4 conformance module) -> the rows that `definitions` reads.

One reading for HL7's own package (tools/r4_table.py) and for those that a user adds (packages.py). Of each type only
its own elements and constraints are written, of each profile its differential, of value sets those that a required
binding names, of code systems those that are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

Json: TypeAlias = "dict[str, Any]"

CORE = "http://hl7.org/fhir/StructureDefinition/"
VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
_FHIR_TYPE = CORE + "structuredefinition-fhir-type"
_REGEX = CORE + "regex"
_DATA_TYPES_BY_CONSTRAINT = frozenset({"Age", "Count", "Distance", "Duration"})
_SIMPLE = CORE + "SimpleQuantity"
_SQTY_1 = ["sqty-1", "The comparator is not used on a SimpleQuantity", "comparator.empty()"]

RULES: Mapping[str, str] = {
    "urn:ietf:bcp:13": "mime",
    "urn:ietf:bcp:47": "language",
    "urn:iso:std:iso:4217": "currency",
    "http://unitsofmeasure.org": "ucum",
}
"""Code systems that no package can list, and the lexical rule that stands in for their codes."""


class Shelf:
    """Conformance resources by canonical URL. `systems`: the codes of complete code systems that are known besides."""

    def __init__(
        self, resources: Iterable[Json], systems: Callable[[str], Mapping[str, str] | None] = lambda url: None
    ) -> None:
        self.structures: dict[str, Json] = {}
        self.value_sets: dict[str, Json] = {}
        self.code_systems: dict[str, Json] = {}
        self.systems = systems
        shelves = {
            "StructureDefinition": self.structures,
            "ValueSet": self.value_sets,
            "CodeSystem": self.code_systems,
        }
        for resource in resources:
            shelf = shelves.get(resource.get("resourceType", ""))
            if shelf is not None and isinstance(resource.get("url"), str):
                shelf[resource["url"]] = resource


def is_type(structure: Json) -> bool:
    """A data type or resource of R4 itself, not a profile, an extension or a logical model."""
    if structure["kind"] == "logical" or not structure["url"].startswith(CORE):
        return False
    return structure.get("derivation") != "constraint" or structure["id"] in _DATA_TYPES_BY_CONSTRAINT


def is_profile(structure: Json) -> bool:
    """A constraint on a resource or a data type of R4."""
    return structure.get("derivation") == "constraint" and structure.get("kind") in {"resource", "complex-type"}


def primitive_regex(structure: Json) -> str:
    for element in structure["snapshot"]["element"]:
        if element["path"].endswith(".value"):
            for extension in element["type"][0].get("extension", []):
                if extension["url"] == _REGEX:
                    return str(extension["valueString"])
    return ""


def elements(structure: Json, bindings: set[str]) -> Json:
    """The structure's own elements: path below the type -> [min, max (0 = *), {type: targets}, extras]."""
    rows: Json = {}
    for element in structure["snapshot"]["element"]:
        path, base = element["path"], element["base"]["path"]
        if "." not in path or (base != path and structure["id"] != "Resource"):
            continue
        rows[path.partition(".")[2]] = [
            element["min"],
            0 if element["max"] == "*" else int(element["max"]),
            element_types(element),
            extras(element, bindings),
        ]
    return rows


def element_types(element: Json) -> Json:
    """Types in the order of the definition, each with its reference targets ([] = any or not a reference)."""
    found: Json = {}
    for entry in element.get("type", []):
        code = entry["code"]
        for extension in entry.get("extension", []):
            if extension["url"] == _FHIR_TYPE:
                code = extension["valueUrl"]
        # the definitions say string for the id of a resource, the specification's text says id
        code = "id" if element["path"] == "Resource.id" else code
        targets = [profile.removeprefix(CORE) for profile in entry.get("targetProfile", [])]
        found[code] = [] if targets == ["Resource"] or code != "Reference" else sorted(targets)
    return found


def extras(element: Json, bindings: set[str]) -> Json:
    found: Json = {}
    if "contentReference" in element:
        found["content"] = element["contentReference"].rpartition("#")[2]
    if element.get("isSummary"):
        found["summary"] = True
    if element.get("isModifier"):
        found["modifier"] = True
    binding = binding_of(element, bindings)
    if binding:
        found["binding"] = binding
    return found


def binding_of(element: Json, bindings: set[str]) -> list[str]:
    binding = element.get("binding")
    if not binding or "valueSet" not in binding:
        return []
    url = str(binding["valueSet"]).partition("|")[0]
    if binding["strength"] == "required":
        bindings.add(url)
    return [str(binding["strength"]), short(url)]


def constraints(structure: Json, instead: Mapping[str, str] = {}) -> Json:
    """Own constraints of severity error: path below the type ('' = the type) -> [[key, words, expression], ...].

    `instead`: expressions for keys whose own does not say what its words say.
    """
    found: Json = {}
    for element in structure["differential"]["element"]:
        rows = element_constraints(element, instead)
        if any(_SIMPLE in entry.get("profile", []) for entry in element.get("type", [])):
            rows.append(_SQTY_1)
        if rows:
            found[element["path"].partition(".")[2]] = rows
    return found


def element_constraints(element: Json, instead: Mapping[str, str] = {}) -> list[list[str]]:
    return [
        [rule["key"], rule["human"], instead.get(rule["key"], rule["expression"])]
        for rule in element.get("constraint", [])
        if rule["severity"] == "error" and "expression" in rule
    ]


def profile(structure: Json, bindings: set[str], instead: Mapping[str, str] = {}) -> Json:
    """A profile: what it constrains, and one row for each element of its differential that constrains something."""
    source = structure.get("differential") or structure.get("snapshot") or {"element": []}
    rows = []
    for element in source["element"]:
        row = profile_row(element, bindings, instead)
        place = str(element.get("id") or element["path"]).partition(".")[2]
        if row and (place or "constraints" in row):
            rows.append([place, row])
    return {"type": structure["type"], "base": structure.get("baseDefinition", ""), "rows": rows}


def profile_row(element: Json, bindings: set[str], instead: Mapping[str, str]) -> Json:
    row: Json = {}
    if element.get("min"):
        row["min"] = element["min"]
    if "max" in element and element["max"] != "*":
        row["max"] = int(element["max"])
    if "type" in element:
        row["types"] = {
            entry["code"]: sorted(entry.get("targetProfile", [])) for entry in element["type"] if "code" in entry
        }
        profiles = sorted({url for entry in element["type"] for url in entry.get("profile", [])})
        if profiles:
            row["profiles"] = profiles
    for name, value in element.items():
        for kind in ("fixed", "pattern"):
            if name.startswith(kind) and name[len(kind) : len(kind) + 1].isupper():
                row[kind] = value
    binding = binding_of(element, bindings)
    if binding and binding[0] == "required":
        row["binding"] = binding
    if "slicing" in element:
        slicing = element["slicing"]
        row["slicing"] = {
            "by": [[entry["type"], entry["path"]] for entry in slicing.get("discriminator", [])],
            "rules": slicing.get("rules", "open"),
        }
    if "sliceName" in element:
        row["slice"] = element["sliceName"]
    rules = element_constraints(element, instead)
    if rules:
        row["constraints"] = rules
    return row


def short(url: str) -> str:
    return url.removeprefix(VALUE_SETS)


def expand(shelf: Shelf, url: str, within: tuple[str, ...] = ()) -> Json:
    """A value set's codes by system, and the lexical rules of what cannot be listed."""
    systems: dict[str, set[str]] = {}
    rules: set[str] = set()
    if url not in shelf.value_sets or url in within:
        return {"systems": {}, "rules": [url]}
    compose = shelf.value_sets[url].get("compose", {})
    for include in compose.get("include", []):
        for nested in include.get("valueSet", []):
            _merge(expand(shelf, nested.partition("|")[0], (*within, url)), systems, rules)
        if "system" in include:
            system = include["system"]
            codes = included(shelf, include)
            if codes is None or ("valueSet" in include and codes):
                rules.add(RULES.get(system, system))  # an intersection is not listed, either
            else:
                systems.setdefault(system, set()).update(codes)
    for exclude in compose.get("exclude", []):
        codes = included(shelf, exclude)
        if codes is None:
            rules.add(exclude.get("system", url))
        else:
            systems.get(exclude["system"], set()).difference_update(codes)
    found: Json = {"systems": {system: sorted(codes) for system, codes in sorted(systems.items())}}
    if rules:
        found["rules"] = sorted(rules)
    return found


def _merge(expansion: Json, systems: dict[str, set[str]], rules: set[str]) -> None:
    rules.update(expansion.get("rules", []))
    for system, codes in expansion["systems"].items():
        systems.setdefault(system, set()).update(codes)


def included(shelf: Shelf, include: Json) -> set[str] | None:
    """The codes of one include or exclude; None if they are not at hand or a filter is not known here."""
    if "concept" in include:
        return {concept["code"] for concept in include["concept"]}
    if "system" not in include:
        return None
    code_system = shelf.code_systems.get(include["system"])
    if code_system is None or code_system.get("content") not in {"complete", "fragment"}:
        known = shelf.systems(include["system"])
        return None if known is None or include.get("filter") else set(known)
    parents = dict(_walk(code_system.get("concept", []), None))
    codes = set(parents)
    for condition in include.get("filter", []):
        if condition.get("op") not in {"is-a", "descendent-of"}:
            return None
        codes &= _filtered(parents, condition)
    return codes


def _walk(concepts: list[Json], parent: str | None) -> Iterator[tuple[str, set[str]]]:
    for concept in concepts:
        found = {parent} if parent else set()
        for entry in concept.get("property", []):
            if entry["code"] in {"subsumedBy", "parent"} and "valueCode" in entry:
                found.add(entry["valueCode"])
        yield concept["code"], found
        yield from _walk(concept.get("concept", []), concept["code"])


def _filtered(parents: Mapping[str, set[str]], condition: Json) -> set[str]:
    root = condition["value"]
    found = {root}
    while True:
        more = {code for code, above in parents.items() if above & found} - found
        if not more:
            return found if condition["op"] == "is-a" else found - {root}
        found |= more


def concepts(code_system: Json) -> dict[str, str]:
    """Every code of a code system with its display ('' if it has none)."""
    return dict(_displays(code_system.get("concept", [])))


def _displays(entries: list[Json]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        yield entry["code"], entry.get("display", "")
        yield from _displays(entry.get("concept", []))
