"""The public ReportStream pairs (message, expected Bundle), compared element by element, never per bundle.

Both Bundles are taken apart into facts: (resource type, element path without indexes) -> set of values. Ids, fullUrls,
narrative and ReportStream's own extensions are left out; a reference counts by the type that it points at; times
compare as instants. An element differs if the two sets differ.

Three things make the two comparable: a PID that says nothing but PID-1 gets an identifier, for ReportStream makes an
empty Patient of it and we make none; NK1 makes both RelatedPerson and Patient.contact here, as theirs does; what their
pipeline says about itself (the organization CDC PRIME, Provenance) is left out.

    python -m tests.mappings.hl7v2.pairs DATA     # writes pair_differences.csv
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from adapters.fhir import JsonValue, decode_trusted
from adapters.hl7v2 import read
from mappings import PUBLISHED_NAMESPACE, MapSettings, bundle
from tests.mappings.differences import Difference, Facts, elements, text_of
from tests.mappings.hl7v2.oru import effective
from tests.mappings.hl7v2.pair_verdicts import verdict

DIFFERENCES = Path(__file__).with_name("pair_differences.csv")
TYPES = (
    "AllergyIntolerance", "Condition", "Coverage", "Device", "DiagnosticReport", "DocumentReference", "Encounter",
    "Location", "MessageHeader", "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole",
    "RelatedPerson", "ServiceRequest", "Specimen",
)  # fmt: skip
COLUMNS = ("pair", "element", "theirs", "ours", "right", "reason")


def facts_of(resources: list[dict[str, JsonValue]], compared: Sequence[str]) -> Facts:
    """Every leaf of the resources of these types, by type and element."""
    types = {f"{each['resourceType']}/{each['id']}": str(each["resourceType"]) for each in resources if "id" in each}
    found: Facts = {}
    for each in resources:
        kind = str(each["resourceType"])
        if kind in compared and "CDC PRIME - Atlanta" not in str(each.get("identifier")):
            for path, value in leaves(each, "", types):
                if value != "PAIR":
                    found.setdefault((kind, path), set()).add(value)
    return found


def leaves(value: JsonValue, path: str, types: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(element path, text) of what is below this value."""
    if isinstance(value, list):
        for each in value:
            yield from leaves(each, path, types)
    elif isinstance(value, dict):
        for name, below in value.items():
            if name in ("id", "resourceType", "div") or (name == "meta" and not path):
                continue
            if name == "reference" and isinstance(below, str):
                yield f"{path}.reference".lstrip("."), types.get(below, below.split("/")[0])
            elif name == "extension" and isinstance(below, list):
                for each in below:
                    if isinstance(each, dict) and "reportstream" not in str(each.get("url")):
                        label = str(each.get("url")).rsplit("/", 1)[-1]
                        inside: JsonValue = {key: item for key, item in each.items() if key != "url"}
                        yield from leaves(inside, f"{path}.extension({label})".lstrip("."), types)
            else:
                yield from leaves(below, f"{path}.{name}".lstrip("."), types)
    elif value is not None:
        yield path, text_of(value)


_EMPTY_PID = re.compile(rb"(?m)(?<=^PID\|1)\|*(?=[\r\n]|\Z)")
_PERSON = b"||PAIR^^^PAIR"


def convert(message: bytes) -> list[dict[str, JsonValue]]:
    """Our resources for a message; the pairs were made in a zone of UTC."""
    settings = MapSettings(PUBLISHED_NAMESPACE, zone="UTC", options={"nk1": "both"})
    mapped = effective().map(read(_EMPTY_PID.sub(_PERSON, message.replace(b"\r", b"\n"))), settings)
    found = decode_trusted(bundle(mapped, "https://tabellion.invalid/fhir"))
    assert isinstance(found, dict)
    return resources_of(found)


def resources_of(found: dict[str, JsonValue]) -> list[dict[str, JsonValue]]:
    """The resources of a Bundle."""
    entries = found.get("entry")
    assert isinstance(entries, list)
    return [each["resource"] for each in entries if isinstance(each, dict) and isinstance(each.get("resource"), dict)]  # type: ignore[misc]


def compare(folder: Path) -> tuple[int, list[Difference]]:
    """(elements that agree, the differences) over all pairs."""
    pairs = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    agreed, found = 0, []
    for pair in pairs:
        name = str(pair["hl7"])
        expected = json.loads((folder / pair["fhir"]).read_text(encoding="utf-8"), parse_float=Decimal)
        message = (folder / name).read_bytes()
        # of a type without a map only the header and the patient are converted
        types = TYPES if re.search(rb"\|(?:ADT|ORU)\^", message) else ("MessageHeader", "Patient")
        theirs, ours = facts_of(resources_of(expected), types), facts_of(convert(message), types)
        for element, left, right in elements(theirs, ours):
            if left == right:
                agreed += 1
                continue
            who, reason = verdict(element, left, right)
            found.append(Difference(name, element, _joined(left), _joined(right), who, reason))
    return agreed, sorted(found)


def _joined(values: set[str]) -> str:
    """The values of one side, long ones cut: they are there to be recognised."""
    return " | ".join(value if len(value) < 100 else value[:97] + "..." for value in sorted(values))


def main() -> None:
    """Write the list anew."""
    agreed, differences = compare(Path(sys.argv[1]) / "hl7v2" / "reportstream")
    with DIFFERENCES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(tuple(getattr(each, name) for name in COLUMNS) for each in differences)
    print(f"{agreed} elements agree, {len(differences)} differ")


if __name__ == "__main__":
    main()
