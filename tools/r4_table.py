"""Write the committed R4 table `adapters/fhir/data/r4.json.gz` from HL7's own definitions, or check against them.

    npm pack hl7.fhir.r4.examples@4.0.1
    python -m tools.r4_table hl7.fhir.r4.examples-4.0.1.tgz            # rewrite the table
    python -m tools.r4_table hl7.fhir.r4.examples-4.0.1.tgz --check    # write nothing, compare and validate

The package (CC0) holds the StructureDefinitions, ValueSets and CodeSystems of R4 4.0.1 besides the examples;
the argument is the archive or an unpacked folder. The same package gives the same table. `--check` rebuilds it,
compares it with the committed one, and validates every file of the package at level full: what is rejected beyond
KNOWN, or no longer rejected, is a failure.

What is taken over, and how, stands in `adapters/fhir/tables.py`, which reads the packages of users, too.
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

import adapters.fhir
from adapters.fhir.tables import (
    CORE,
    Json,
    Shelf,
    concepts,
    constraints,
    elements,
    expand,
    is_type,
    primitive_regex,
    profile,
    short,
)

PACKAGE = "hl7.fhir.r4.examples 4.0.1"
TARGET = Path(str(adapters.fhir.__file__)).parent / "data" / "r4.json.gz"
VITAL_SIGNS = CORE + "vitalsigns"
INSTEAD = {
    # `as` on a Period is empty, and empty is false: its words speak of a dateTime only
    "vs-1": "($this is dateTime).not() or ($this as dateTime).toString().length() >= 8",
}

# Files of the package that R4 itself refuses, by what is wrong with them; pinned, so that nothing else is rejected.
KNOWN = {
    "empty narrative (txt-2)": """
        ActivityDefinition-blood-tubes-supply ActivityDefinition-heart-valve-replacement EventDefinition-example
        Questionnaire-zika-virus-exposure-assessment""",
    "fullUrl with another id than the resource": """
        Bundle-10bb101f-a121-4264-a920-67be9cb82c74 Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe
        Bundle-lri-example""",
    "reference to a type that is not among the targets": """
        DeviceMetric-example DeviceUseStatement-example MedicationRequest-medrx0301 Observation-clinical-gender""",
    "a code that is not in its complete code system (v3-orderableDrugForm: Tab, Vial, patch)": """
        Medication-med0304 Medication-med0309 MedicationAdministration-medadmin0312 MedicationDispense-meddisp0301
        MedicationDispense-meddisp0325 MedicationRequest-medrx0313 MedicationRequest-medrx0314
        MedicationRequest-medrx0327 MedicationStatement-example001 MedicationStatement-example002
        MedicationStatement-example003""",
    "items without linkId": "Questionnaire-qs1",
    "json and xml where a media type is required": """
        Bundle-resources CapabilityStatement-base CapabilityStatement-base2 CapabilityStatement-example
        CapabilityStatement-knowledge-repository CapabilityStatement-measure-processor
        CapabilityStatement-messagedefinition CapabilityStatement-phr CapabilityStatement-terminology-server
        TestScript-testscript-example TestScript-testscript-example-history
        TestScript-testscript-example-multisystem TestScript-testscript-example-readtest
        TestScript-testscript-example-search TestScript-testscript-example-update""",
    "a fullUrl twice (bdl-7)": "Bundle-dataelements",
    "codes with double spaces": "Bundle-v2-valuesets CodeSystem-v2-0550",
    "no name, no status, references that are file names": "ImplementationGuide-fhir ig-r4",
    "numbers with 245 decimal places, beyond our bounds (numbers.py)": "Observation-decimal",
    "no base": """
        SearchParameter-codesystem-extensions-CodeSystem-author
        SearchParameter-codesystem-extensions-CodeSystem-effective
        SearchParameter-codesystem-extensions-CodeSystem-end SearchParameter-codesystem-extensions-CodeSystem-keyword
        SearchParameter-codesystem-extensions-CodeSystem-workflow SearchParameter-valueset-extensions-ValueSet-author
        SearchParameter-valueset-extensions-ValueSet-effective SearchParameter-valueset-extensions-ValueSet-end
        SearchParameter-valueset-extensions-ValueSet-keyword SearchParameter-valueset-extensions-ValueSet-workflow""",
    "an id of 67 characters": "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject",
    "not abstract and without baseDefinition (sdf-4)": """
        StructureDefinition-Definition StructureDefinition-Event StructureDefinition-FiveWs
        StructureDefinition-Request""",
}


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


def resources(source: Path, kinds: frozenset[str]) -> Iterator[Json]:
    """The definitional resources of the package, by file name."""
    for name, data in instances(source):
        if name.partition("-")[0] in kinds:
            yield json.loads(data)


def table(shelf: Shelf) -> Json:
    """The whole table as JSON."""
    types: Json = {}
    primitives: Json = {}
    profiles: Json = {}
    bindings: set[str] = set()
    for structure in shelf.structures.values():
        if is_extension(structure) or in_family(shelf, structure):
            profiles[structure["url"]] = profile(structure, bindings, INSTEAD)
        if not is_type(structure):
            continue
        name = structure["id"]
        if structure["kind"] == "primitive-type" or name == "xhtml":
            primitives[name] = primitive_regex(structure)
        types[name] = {
            "kind": structure["kind"],
            "base": structure.get("baseDefinition", "").removeprefix(CORE),
            "abstract": structure["abstract"],
            "elements": {} if name in primitives else elements(structure, bindings),
            "constraints": constraints(structure, INSTEAD),
        }
    return {
        "source": PACKAGE,
        "primitives": dict(sorted(primitives.items())),
        "types": dict(sorted(types.items())),
        "profiles": dict(sorted(profiles.items())),
        "codes": {short(url): expand(shelf, url) for url in sorted(bindings)},
        "systems": dict(sorted(systems(shelf))),
    }


def is_extension(structure: Json) -> bool:
    """The definition of one of R4's own extensions."""
    return structure["type"] == "Extension" and structure.get("derivation") == "constraint"


def in_family(shelf: Shelf, structure: Json) -> bool:
    """Whether it is the vital signs profile or derived from it."""
    while structure["url"] != VITAL_SIGNS:
        base = shelf.structures.get(structure.get("baseDefinition", ""))
        if base is None:
            return False
        structure = base
    return True


def systems(shelf: Shelf) -> Iterator[tuple[str, dict[str, str]]]:
    """HL7's own complete code systems. Those of others (DCM) go on without HL7: theirs are not complete for long."""
    for url, code_system in shelf.code_systems.items():
        if code_system.get("content") == "complete" and url.startswith(
            ("http://hl7.org/", "http://terminology.hl7.org/")
        ):
            found = concepts(code_system)
            if found:
                yield url, found


def build(source: Path) -> bytes:
    """The unpacked table, deterministic: everything by name, elements in the order of the definitions."""
    content = table(Shelf(resources(source, frozenset({"StructureDefinition", "ValueSet", "CodeSystem"}))))
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
    """Compare the committed table with a new one, and validate every file of the package with it."""
    same = gzip.decompress(TARGET.read_bytes()) == build(source)
    print(f"{TARGET.name}: {'as the package says' if same else 'DIFFERS from what the package says'}")
    counts = {"accepted": 0, "rejected": 0}
    surprises = 0
    for stem, faults in examined(source):
        counts["rejected" if faults else "accepted"] += 1
        if bool(faults) != (stem in known()):
            surprises += 1
            print(f"{stem}: {faults[0] if faults else 'accepted, though known as ' + known()[stem]}")
    print(f"files accepted {counts['accepted']}, rejected {counts['rejected']}, not as pinned {surprises}")
    return 0 if same and not surprises else 1


def known() -> dict[str, str]:
    """File stem -> what is wrong with it."""
    return {name: reason for reason, names in KNOWN.items() for name in names.split()}


def examined(source: Path) -> Iterator[tuple[str, list[str]]]:
    """(file stem, errors at level full) of every resource of the package."""
    for name, data in instances(source):
        stem = name.removesuffix(".json")
        if "-" in stem:
            yield stem, examine(data)


def examine(data: bytes) -> list[str]:
    """The errors of one example. References out of a Bundle are its authors' right."""
    from adapters.fhir import DecodeError, decode, validate

    try:
        found = validate(decode(data), "full")
    except DecodeError as error:
        return [str(error)]
    return [f"{finding.expression}: {finding.text}" for finding in found if finding.severity == "error"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write or check the R4 table.")
    parser.add_argument("package", type=Path, help="hl7.fhir.r4.examples 4.0.1: archive or unpacked folder")
    parser.add_argument("--check", action="store_true", help="validate the package's instances with the table")
    options = parser.parse_args(arguments)
    return check(options.package) if options.check else write(options.package)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
