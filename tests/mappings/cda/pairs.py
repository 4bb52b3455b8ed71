"""The guide's CDA → FHIR pairs (C-CDA on FHIR, example files and mapping pages), compared element by element.

Both sides are taken apart into facts: (resource type, element path without indexes) → set of values. Ids, narrative
and meta are left out; a reference counts by the type that it points at; numbers and times compare by value. An element
differs if the two sets differ. Fragments stand in a document of ours, with the narrative of the guide's own document,
so that their references lead somewhere.

    python -m tests.mappings.cda.pairs DATA     # prints the differences that the table does not list
"""

from __future__ import annotations

import csv
import html
import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from adapters.cda import read
from adapters.fhir import decode_trusted
from mappings import bundle
from mappings.cda.narrative import plain_text
from tests.mappings.cda.cda import PATIENT, SETTINGS, document, mapped
from tests.mappings.differences import Difference, Facts, elements, read_differences, text_of

DIFFERENCES = Path(__file__).with_name("pair_differences.csv")
_DOCUMENT = "cda/mappings/examples/CDAtoFHIRExamples/Input/Myra Jones v2.xml"
_SECTIONS = {"problem": "11450-4"}


def pairs(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, CDA fragment, resource)."""
    for path in sorted((folder / "cda/input/resources/binary").glob("*.xml")):
        for other in sorted((folder / "fhir/input/resources").glob(f"*/{path.stem}.json")):
            yield path.stem, _text(path), json.loads(_text(other), parse_float=Decimal)
    for path in sorted((folder / "fhir/extracted-from-pagecontent").glob("*.cda.xml")):
        other = path.with_name(path.name.replace(".cda.xml", ".fhir.json"))
        yield f"page-{path.name[:-8]}", _text(path), _loads(_text(other))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def _loads(text: str) -> dict[str, Any]:
    """JSON as the guide's pages write it, with comments."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    found = json.loads(re.sub(r",(\s*[}\]])", r"\1", text), parse_float=Decimal)
    assert isinstance(found, dict)
    return found


def narrative(folder: Path) -> str:
    """What the guide's document has under its IDs."""
    found = read((folder / _DOCUMENT).read_bytes())
    items = (f'<content ID="{name}">{html.escape(plain_text(node))}</content>' for name, node in found.ids.items())
    return "".join(items)


def wrap(name: str, fragment: str, text: str) -> bytes:
    """A fragment in a document."""
    xml = re.sub(r"<\?xml.*?\?>", "", fragment)
    xml = re.sub(r">\s*\.\.\.\s*<", "><", xml)
    if "<recordTarget" in xml:
        return document(head=xml)
    if "<encompassingEncounter" in xml:
        return document(head=f"{PATIENT}<componentOf>{xml}</componentOf>")
    if "<Organization" in xml:
        inner = re.sub(r"</?Organization>", "", xml)
        wrapped = "assignedCustodian><representedCustodianOrganization"
        head = (
            f"{PATIENT}<custodian><{wrapped}>{inner}</representedCustodianOrganization></assignedCustodian></custodian>"
        )
        return document(head=head)
    code = next((loinc for word, loinc in _SECTIONS.items() if word in name), "")
    loinc = f'<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/>' if code else ""
    entry = xml if xml.strip().startswith("<entry") else f"<entry>{xml}</entry>"
    return document(f"<section>{loinc}<title>t</title><text>{text}</text>{entry}</section>")


def compare(folder: Path) -> tuple[int, list[Difference]]:
    """How many elements agree, and the differences."""
    text = narrative(folder)
    agreed, found = 0, []
    for name, fragment, resource in pairs(folder):
        theirs = facts([resource, *resource.pop("contained", []), *resource.pop("contains", [])])
        made = cast("dict[str, Any]", decode_trusted(bundle(mapped(wrap(name, fragment, text)), SETTINGS.base)))
        kinds = {kind for kind, _ in theirs}
        ours = facts([entry["resource"] for entry in made["entry"] if entry["resource"]["resourceType"] in kinds])
        for element, one, other in elements(theirs, ours):
            if one == other:
                agreed += 1
            else:
                found.append(Difference(name, element, " | ".join(sorted(one)), " | ".join(sorted(other))))
    return agreed, sorted(found)


def facts(resources: list[dict[str, Any]]) -> Facts:
    types = {f"#{each['id']}": each["resourceType"] for each in resources if "id" in each}
    found: Facts = {}
    for each in resources:
        for path, value in _leaves(each, "", types):
            found.setdefault((each["resourceType"], path), set()).add(value)
    return found


def _leaves(value: Any, path: str, types: dict[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not path and name in ("id", "meta", "resourceType", "text", "contained"):
                continue
            if name == "reference":
                yield f"{path}.reference", types.get(inner, str(inner).split("/")[0])
            else:
                yield from _leaves(inner, f"{path}.{name}" if path else name, types)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item, path, types)
    else:
        yield path, text_of(value)


if __name__ == "__main__":
    listed = {each.fact for each in read_differences(DIFFERENCES)} if DIFFERENCES.exists() else set()
    agreed_, differences = compare(Path(sys.argv[1]))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for each in differences:
        if each.fact not in listed:
            writer.writerow((*each.fact, "", ""))
    print(f"{agreed_} elements agree, {len(differences)} differ", file=sys.stderr)
