"""Write the committed R4 table `adapters/fhir/data/r4.json.gz` from HL7's own definitions, or check against them.

    npm pack hl7.fhir.r4.examples@4.0.1
    python -m tools.r4_table hl7.fhir.r4.examples-4.0.1.tgz            # rewrite the table
    python -m tools.r4_table hl7.fhir.r4.examples-4.0.1.tgz --check    # write nothing, compare and validate

The package (CC0) holds the StructureDefinitions, ValueSets and CodeSystems of R4 4.0.1 besides the examples;
the argument is the archive or an unpacked folder. The same package gives the same table. `--check` rebuilds it,
compares it with the committed one, and validates every instance of the package: what is rejected beyond KNOWN,
or no longer rejected, is a failure.

Of each resource and data type only its own elements are written; inherited ones come from the base type. Of
value sets only those that a required binding names, expanded to codes by system; what the package cannot
enumerate (media types, languages) becomes a lexical rule named in RULES.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "hl7.fhir.r4.examples 4.0.1"
TARGET = Path(__file__).resolve().parent.parent / "adapters" / "fhir" / "data" / "r4.json.gz"
CORE = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
REGEX = CORE + "regex"
VALUE_SETS = "http://hl7.org/fhir/ValueSet/"

# Code systems that no package can list, and the lexical rule that stands in for their codes.
RULES = {
    "urn:ietf:bcp:13": "mime",
    "urn:ietf:bcp:47": "language",
    "urn:iso:std:iso:4217": "currency",
    "http://unitsofmeasure.org": "ucum",
}

# Examples that R4 itself refuses, by what is wrong with them; pinned, so that nothing else is ever rejected.
KNOWN = {
    "empty narrative (txt-2)": """
        ActivityDefinition-blood-tubes-supply ActivityDefinition-heart-valve-replacement EventDefinition-example
        Questionnaire-zika-virus-exposure-assessment""",
    "fullUrl with another id than the resource": """
        Bundle-10bb101f-a121-4264-a920-67be9cb82c74 Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe
        Bundle-lri-example""",
    "reference to a type that is not among the targets": """
        DeviceMetric-example DeviceUseStatement-example MedicationRequest-medrx0301 Observation-clinical-gender""",
    "items without linkId": "Questionnaire-qs1",
    "json and xml where a media type is required": """
        TestScript-testscript-example TestScript-testscript-example-history
        TestScript-testscript-example-multisystem TestScript-testscript-example-readtest
        TestScript-testscript-example-search TestScript-testscript-example-update""",
    "a fullUrl twice (bdl-7)": "Bundle-dataelements",
    "xml and json where a media type is required": "Bundle-resources",
    "codes with double spaces": "Bundle-v2-valuesets",
    "references that are file names": "ig-r4",
    "numbers with 245 decimal places, beyond our bounds (numbers.py)": "Observation-decimal",
}
DEFINITIONAL = frozenset(
    {
        "CapabilityStatement",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "ImplementationGuide",
        "NamingSystem",
        "OperationDefinition",
        "SearchParameter",
        "StructureDefinition",
        "ValueSet",
    }
)

Json = dict[str, Any]


def instances(source: Path) -> Iterator[tuple[str, bytes]]:
    """Each resource file of the package as (name, bytes), by name."""
    if source.is_dir():
        for file in sorted(source.rglob("*.json")):
            yield file.name, file.read_bytes()
        return
    with tarfile.open(source) as archive:
        for member in sorted(archive.getmembers(), key=lambda found: found.name):
            content = archive.extractfile(member) if member.name.endswith(".json") else None
            if content is not None:
                yield member.name.rpartition("/")[2], content.read()


class Package:
    """The definitional resources of the package by canonical URL."""

    def __init__(self, source: Path) -> None:
        self.structures: dict[str, Json] = {}
        self.value_sets: dict[str, Json] = {}
        self.code_systems: dict[str, Json] = {}
        shelves = {
            "StructureDefinition": self.structures,
            "ValueSet": self.value_sets,
            "CodeSystem": self.code_systems,
        }
        for name, data in instances(source):
            shelf = shelves.get(name.partition("-")[0])
            if shelf is not None:
                resource = json.loads(data)
                shelf[resource["url"]] = resource


def table(package: Package) -> Json:
    """The whole table as JSON."""
    types: Json = {}
    primitives: Json = {}
    bindings: set[str] = set()
    for structure in package.structures.values():
        if not is_type(structure):
            continue
        name = structure["id"]
        if structure["kind"] == "primitive-type" or name == "xhtml":
            primitives[name] = primitive_regex(structure)
        base = structure.get("baseDefinition", "").removeprefix(CORE)
        types[name] = {
            "kind": structure["kind"],
            "base": base,
            "abstract": structure["abstract"],
            "elements": {} if name in primitives else elements(structure, bindings),
        }
    return {
        "source": PACKAGE,
        "primitives": primitives,
        "types": types,
        "codes": {short(url): expand(package, url) for url in sorted(bindings)},
    }


def is_type(structure: Json) -> bool:
    """A data type or resource of R4 itself, not a profile, an extension or a logical model."""
    if structure["kind"] == "logical" or not structure["url"].startswith(CORE):
        return False
    return structure.get("derivation") != "constraint" or structure["id"] in {
        "Age",
        "Count",
        "Distance",
        "Duration",
    }


def primitive_regex(structure: Json) -> str:
    for element in structure["snapshot"]["element"]:
        if element["path"].endswith(".value"):
            for extension in element["type"][0].get("extension", []):
                if extension["url"] == REGEX:
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
            if extension["url"] == FHIR_TYPE:
                code = extension["valueUrl"]
        # the definitions say string for the id of a resource, the specification's text says id
        code = "id" if element["path"] == "Resource.id" else code
        targets = [profile.removeprefix(CORE) for profile in entry.get("targetProfile", [])]
        found[code] = [] if targets == ["Resource"] or code != "Reference" else sorted(targets)
    return found


def extras(element: Json, bindings: set[str]) -> Json:
    found: Json = {}
    if "contentReference" in element:
        found["content"] = element["contentReference"].removeprefix("#")
    if element.get("isSummary"):
        found["summary"] = True
    if element.get("isModifier"):
        found["modifier"] = True
    binding = element.get("binding")
    if binding and "valueSet" in binding:
        url = binding["valueSet"].partition("|")[0]
        found["binding"] = [binding["strength"], short(url)]
        if binding["strength"] == "required":
            bindings.add(url)
    return found


def short(url: str) -> str:
    return url.removeprefix(VALUE_SETS)


def expand(package: Package, url: str) -> Json:
    """A value set's codes by system, and the lexical rules of what cannot be listed."""
    systems: dict[str, set[str]] = {}
    rules: set[str] = set()
    if url not in package.value_sets:
        return {"systems": {}, "rules": [url]}
    compose = package.value_sets[url]["compose"]
    for include in compose["include"]:
        for nested in include.get("valueSet", []):
            merge(expand(package, nested.partition("|")[0]), systems, rules)
        if "system" in include:
            system = include["system"]
            codes = included(package, include)
            if codes is None:
                rules.add(RULES.get(system, system))
            else:
                systems.setdefault(system, set()).update(codes)
    for exclude in compose.get("exclude", []):
        codes = included(package, exclude)
        if codes is None:
            raise SystemExit(f"{url}: an exclusion that cannot be listed")
        systems[exclude["system"]] -= codes
    found: Json = {"systems": {system: sorted(codes) for system, codes in sorted(systems.items())}}
    if rules:
        found["rules"] = sorted(rules)
    return found


def merge(expansion: Json, systems: dict[str, set[str]], rules: set[str]) -> None:
    rules.update(expansion.get("rules", []))
    for system, codes in expansion["systems"].items():
        systems.setdefault(system, set()).update(codes)


def included(package: Package, include: Json) -> set[str] | None:
    """The codes of one include or exclude; None if the package does not hold them."""
    if "concept" in include:
        return {concept["code"] for concept in include["concept"]}
    code_system = package.code_systems.get(include["system"])
    if code_system is None or code_system.get("content") not in {"complete", "fragment"}:
        return None
    parents = dict(walk(code_system.get("concept", []), None))
    codes = set(parents)
    for condition in include.get("filter", []):
        codes &= filtered(code_system, parents, condition)
    return codes


def walk(concepts: list[Json], parent: str | None) -> Iterator[tuple[str, set[str]]]:
    for concept in concepts:
        found = {parent} if parent else set()
        for entry in concept.get("property", []):
            if entry["code"] in {"subsumedBy", "parent"} and "valueCode" in entry:
                found.add(entry["valueCode"])
        yield concept["code"], found
        yield from walk(concept.get("concept", []), concept["code"])


def filtered(code_system: Json, parents: dict[str, set[str]], condition: Json) -> set[str]:
    """Codes that fit a filter. Only is-a occurs in required bindings; another one must be looked at by a person."""
    if condition["op"] not in {"is-a", "descendent-of"}:
        raise SystemExit(f"{code_system['url']}: filter {condition} is not known")
    root = condition["value"]
    found = {root}
    while True:
        more = {code for code, above in parents.items() if above & found} - found
        if not more:
            return found if condition["op"] == "is-a" else found - {root}
        found |= more


def build(source: Path) -> bytes:
    """The unpacked table, deterministic: types and primitives by name, elements in the order of the definitions."""
    content = table(Package(source))
    content["types"] = dict(sorted(content["types"].items()))
    content["primitives"] = dict(sorted(content["primitives"].items()))
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def write(source: Path) -> int:
    text = build(source)
    data = gzip.compress(text, compresslevel=9, mtime=0)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(data)} bytes, {len(text)} unpacked, sha256 of these {hashlib.sha256(text).hexdigest()}")
    content = json.loads(text)
    print(f"{len(content['types'])} types, {len(content['primitives'])} primitives, {len(content['codes'])} value sets")
    for name, codes in content["codes"].items():
        for rule in codes.get("rules", []):
            print(f"not listed: {name}: {rule}")
    return 0


def check(source: Path) -> int:
    """Compare the committed table with a new one, and validate the package's instances with it."""
    same = gzip.decompress(TARGET.read_bytes()) == build(source)
    print(f"{TARGET.name}: {'as the package says' if same else 'DIFFERS from what the package says'}")
    known = {name: reason for reason, names in KNOWN.items() for name in names.split()}
    counts = {"accepted": 0, "rejected": 0}
    surprises = 0
    for name, data in instances(source):
        stem = name.removesuffix(".json")
        kind = stem.partition("-")[0]
        if "-" not in stem or kind in DEFINITIONAL:
            continue
        faults = examine(data)
        counts["rejected" if faults else "accepted"] += 1
        if bool(faults) != (stem in known):
            surprises += 1
            print(f"{stem}: {faults[0] if faults else 'accepted, though known as ' + known[stem]}")
    print(f"instances accepted {counts['accepted']}, rejected {counts['rejected']}, not as pinned {surprises}")
    return 0 if same and not surprises else 1


def examine(data: bytes) -> list[str]:
    """The faults of one example. References out of a Bundle are its authors' right."""
    from adapters.fhir import DecodeError, decode, validate, validate_bundle

    try:
        resource = decode(data)
    except DecodeError as error:
        return [str(error)]
    is_bundle = isinstance(resource, dict) and resource.get("resourceType") == "Bundle"
    findings = validate_bundle(resource, closed=False) if is_bundle else validate(resource)
    return [f"{finding.expression}: {finding.text}" for finding in findings]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write or check the R4 table.")
    parser.add_argument("package", type=Path, help="hl7.fhir.r4.examples 4.0.1: archive or unpacked folder")
    parser.add_argument("--check", action="store_true", help="validate the package's instances with the table")
    options = parser.parse_args(arguments)
    return check(options.package) if options.check else write(options.package)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
